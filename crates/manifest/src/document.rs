//! Documents: what a file holds, before names are looked up.

use std::fmt;
use std::sync::Arc;

use domain::id::{CadenceName, CalendarName, SegmentName, TemplateName, Workspace};
use serde::Serialize;

use crate::diagnostic::{Code, Diagnostic, Finding, Log, suggest};
use crate::model::read::{Field, Keys, not_supported};
use crate::model::{At, CadenceSpec, CalendarSpec, Metadata, SegmentSpec, TemplateFile, given};
use crate::source::{Extent, Source, Text};
use crate::yaml::{self, Entry, Node};

/// The version of the language that files name.
pub const API_VERSION: &str = "drumbeat/v1";

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Kind {
    /// A cadence.
    Cadence,
    /// A template.
    Template,
    /// A segment.
    Segment,
    /// A calendar.
    Calendar,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cadence, Self::Template, Self::Segment, Self::Calendar];

    /// Its name in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cadence => "Cadence",
            Self::Template => "Template",
            Self::Segment => "Segment",
            Self::Calendar => "Calendar",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Its name in the middle of a sentence.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Cadence => "cadence",
            Self::Template => "template",
            Self::Segment => "segment",
            Self::Calendar => "calendar",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One document of a file. Whether it is sound, its diagnostics say: parse refuses nothing by itself, so that a linter can
/// go on and name all that is wrong at once.
#[derive(Debug, Clone)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// Its name.
    pub name: String,
    /// Exactly as the author wrote it, comments and markers too: the texts of a file's documents, joined, are the file.
    pub text: String,
    /// The line of the file on which it begins, from 1.
    pub line: usize,
    pub(crate) name_at: Extent,
    pub(crate) source: Text,
    pub(crate) body: Arc<Body>,
    pub(crate) standing: Standing,
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.workspace, &self.name, &self.text)
            == (other.kind, &other.workspace, &other.name, &other.text)
    }
}

impl Eq for Document {}

/// Whether a document was read without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Sound,
    Broken,
}

/// What a document says.
#[derive(Debug)]
pub(crate) enum Body {
    Cadence {
        labels: Vec<(String, String)>,
        spec: Box<CadenceSpec>,
    },
    Template(TemplateFile),
    Segment(SegmentSpec),
    Calendar(CalendarSpec),
    /// There is no telling.
    Unread,
}

/// What was read from a file.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// The documents that have a kind and a name, in the order of the file, the broken ones too.
    pub documents: Vec<Document>,
    /// What is wrong with the file by itself; names that must exist elsewhere are [`crate::lint()`]'s.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether there is no error; warnings may be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads the documents of a file. All findings are collected; only a syntax error of YAML ends the reading, with the
/// documents before it kept.
#[must_use]
pub fn parse(source: &Source) -> Parsed {
    let text = Text::new(source);
    let (raw, error) = yaml::read(source);
    let mut parsed = Parsed::default();
    for mut document in raw {
        let read = read_document(&document.root, &mut document.log);
        if let Some(header) = read {
            let standing = if document.log.has_errors() { Standing::Broken } else { Standing::Sound };
            document.log.silence(&header.body.allowed());
            parsed.documents.push(Document {
                kind: header.kind,
                workspace: header.workspace,
                name: header.name,
                text: text.slice(document.extent).to_owned(),
                line: text.place(document.extent.start).line,
                name_at: header.name_at,
                source: text.clone(),
                body: Arc::new(header.body),
                standing,
            });
        }
        parsed.diagnostics.extend(document.log.placed(&text));
    }
    parsed.diagnostics.extend(error.map(|error| error.placed(&text)));
    parsed
}

struct Header {
    kind: Kind,
    workspace: Workspace,
    name: String,
    name_at: Extent,
    body: Body,
}

/// The keys of every document; `kind` says what `spec` is.
const HEADER: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
/// Kinds of later releases.
const LATER: [&str; 3] = ["Owner", "Fields", "Test"];

fn read_document(root: &Node, log: &mut Log) -> Option<Header> {
    if root.get("kind").and_then(|entry| entry.value.text()).is_some_and(|kind| LATER.contains(&kind)) {
        // Its keys are none that could be judged.
        let entry = root.get("kind")?;
        return not_supported(entry.value.at, &format!("the kind `{}`", entry.value.text()?), log);
    }
    let keys = Keys::open(root, &HEADER, &[], log)?;
    check_version(&keys.field::<At<String>>("apiVersion", log), log);
    let kind: At<String> = keys.field("kind", log);
    let metadata: At<Metadata> = keys.field("metadata", log);
    let kind = read_kind(&kind, log)?;
    let spec = root.get("spec");
    if spec.is_none() {
        log.report(Code::MissingKey, root.at, "`spec` is missing");
    }
    let body = spec.map_or(Body::Unread, |entry| read_body(kind, entry, metadata.get(), log));
    let metadata = metadata.get()?;
    let name = metadata.name.get()?;
    if let Err(error) = check_name(kind, name) {
        log.report(Code::BadValue, metadata.name.at, error);
        return None;
    }
    Some(Header {
        kind,
        workspace: given(&metadata.workspace).cloned().unwrap_or_else(Workspace::main),
        name: name.clone(),
        name_at: metadata.name.at,
        body,
    })
}

fn check_version(version: &At<String>, log: &mut Log) {
    if let Some(given) = version.get().filter(|given| *given != API_VERSION) {
        let say = format!("`{given}` is not a version of the language that this release reads");
        log.push(Finding::new(Code::BadValue, version.at, say).hint(format!("write {API_VERSION}")));
    }
}

fn read_kind(kind: &At<String>, log: &mut Log) -> Option<Kind> {
    let given = kind.get()?;
    let known = Kind::parse(given);
    if known.is_none() {
        let hint = suggest(given, Kind::ALL.map(Kind::as_str));
        let say = format!("`{given}` is not a kind of document");
        log.push(Finding::new(Code::BadValue, kind.at, say).maybe_hint(hint));
    }
    known
}

fn check_name(kind: Kind, name: &str) -> Result<(), String> {
    match kind {
        Kind::Cadence => CadenceName::new(name).map(drop),
        Kind::Template => TemplateName::new(name).map(drop),
        Kind::Segment => SegmentName::new(name).map(drop),
        Kind::Calendar => CalendarName::new(name).map(drop),
    }
    .map_err(|error| error.to_string())
}

fn read_body(kind: Kind, spec: &Entry, metadata: Option<&Metadata>, log: &mut Log) -> Body {
    let body = match kind {
        Kind::Cadence => At::<CadenceSpec>::present(spec, log)
            .value
            .map(|spec| Body::Cadence { labels: labels(metadata), spec: Box::new(spec) }),
        Kind::Template => At::<TemplateFile>::present(spec, log).value.map(Body::Template),
        Kind::Segment => At::<SegmentSpec>::present(spec, log).value.map(Body::Segment),
        Kind::Calendar => At::<CalendarSpec>::present(spec, log).value.map(Body::Calendar),
    };
    body.unwrap_or(Body::Unread)
}

fn labels(metadata: Option<&Metadata>) -> Vec<(String, String)> {
    let named = metadata.and_then(|metadata| given(&metadata.labels));
    let pairs = named.into_iter().flat_map(|labels| &labels.0);
    pairs.filter_map(|label| Some((label.name.clone(), label.value.get()?.clone()))).collect()
}

impl Body {
    /// The warnings that its author does not want to hear.
    pub(crate) fn allowed(&self) -> Vec<Code> {
        let Self::Cadence { spec, .. } = self else { return Vec::new() };
        let allow = given(&spec.lint).into_iter().flat_map(|lint| &lint.allow.0);
        allow.filter_map(|code| code.get().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_may_be_shared_among_threads() {
        fn shared<T: Send + Sync>() {}

        shared::<Document>();
        shared::<Parsed>();
    }
}
