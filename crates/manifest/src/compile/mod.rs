//! From what authors wrote to what the domain decides by: names are looked up, expressions and templates compiled, and
//! keys that exclude one another refused.

mod cadence;
mod content;
mod expression;
mod step;

use domain::cadence::Cadence;
use domain::catalog::TemplateSpec;
use domain::expr::Expression;
use domain::id::{SegmentName, VersionId, Workspace};
use domain::time::Calendar;

use crate::diagnostic::{Code, Diagnostic, Finding, Log, suggest};
use crate::document::{Body, Document, Kind, Standing};
use crate::known::Known;
use crate::source::{Extent, Text};

/// The version of a stored text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The row of the stored text.
    pub id: VersionId,
    /// Its number among the versions of its name, from 1.
    pub number: u32,
}

/// A document as the domain takes it.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// To whom it belongs.
    pub workspace: Workspace,
    /// What it is.
    pub content: Content,
}

/// See [`Compiled`].
#[derive(Debug, Clone)]
pub enum Content {
    /// A cadence.
    Cadence(Box<Cadence>),
    /// A template.
    Template(Box<TemplateSpec>),
    /// A segment and its condition.
    Segment(SegmentName, Expression),
    /// A calendar.
    Calendar(Calendar),
}

/// Compiles documents under the versions that they are, or will be, stored as. Names may be of one another, and of what is
/// known. What does not compile is left out, with its errors; warnings are [`crate::lint()`]'s.
#[must_use]
pub fn compile(documents: &[(Document, Version)], known: &Known) -> (Vec<Compiled>, Vec<Diagnostic>) {
    let mut known = known.clone();
    for (document, _) in documents {
        known.add(document);
    }
    let (mut compiled, mut diagnostics) = (Vec::new(), Vec::new());
    for (document, version) in documents {
        let mut log = Log::default();
        compiled.extend(one(document, *version, Names::Of(&known), &mut log));
        diagnostics.extend(log.placed(&document.source).into_iter().filter(Diagnostic::is_error));
    }
    (compiled, diagnostics)
}

/// Whether names of other documents are looked up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Names<'a> {
    /// Against these.
    Of(&'a Known),
    /// They were when the text was stored.
    Trusted,
}

/// Compiles one document; nothing when it has an error.
pub(crate) fn one(
    document: &Document,
    version: Version,
    names: Names<'_>,
    log: &mut Log,
) -> Option<Compiled> {
    let mut compiler = Compiler { document, text: &document.source, names, log };
    let content = match &*document.body {
        Body::Cadence { labels, spec } => {
            compiler.cadence(spec, labels, version).map(|cadence| Content::Cadence(Box::new(cadence)))
        }
        Body::Template(file) => {
            compiler.template(file, version.id).map(|template| Content::Template(Box::new(template)))
        }
        Body::Segment(spec) => compiler.segment(spec),
        Body::Calendar(spec) => compiler.calendar(spec).map(Content::Calendar),
        Body::Unread => None,
    };
    // A part that was refused is left out of what was built, so that none of it may be used.
    let sound = document.standing == Standing::Sound && !log.has_errors();
    content.filter(|_| sound).map(|content| Compiled { workspace: document.workspace.clone(), content })
}

/// What compiling one document needs.
pub(crate) struct Compiler<'a> {
    document: &'a Document,
    text: &'a Text,
    names: Names<'a>,
    log: &'a mut Log,
}

impl Compiler<'_> {
    fn report(&mut self, code: Code, at: Extent, message: impl Into<String>) {
        self.log.report(code, at, message);
    }

    /// Reports a name of another document that does not exist.
    fn exists(&mut self, kind: Kind, name: &str, at: Extent) {
        let Names::Of(known) = self.names else { return };
        let names = known.names(&self.document.workspace, kind);
        if names.contains(&name) {
            return;
        }
        let noun = kind.noun();
        let hint = suggest(name, names.iter().copied())
            .unwrap_or_else(|| format!("add a document of kind {kind} with that name"));
        let say = format!("there is no {noun} `{name}` in the workspace `{}`", self.document.workspace);
        self.log.push(Finding::new(Code::UnknownName, at, say).hint(hint));
    }
}
