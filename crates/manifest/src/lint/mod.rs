//! What is wrong with documents in the company of others, and what experience would do otherwise.

mod advice;
mod flow;

use std::collections::BTreeMap;

use domain::expr::{Expression, Position, Scope, segment_cycles};
use domain::id::{VersionId, Workspace};

use crate::compile::{Content, Names, Version, one};
use crate::diagnostic::{Code, Diagnostic, Finding, Log};
use crate::document::{Body, Document, Kind, parse};
use crate::known::Known;
use crate::source::Source;

/// Everything about documents that [`parse`] could not know: names of one another and of what is known, expressions,
/// templates, flow, and advice that `lint.allow` silences.
#[must_use]
pub fn lint(documents: &[Document], known: &Known) -> Vec<Diagnostic> {
    let all = known.with(documents);
    let cycles = cycles(documents, &all);
    let mut seen: BTreeMap<(&Workspace, Kind, &str), &Document> = BTreeMap::new();
    let mut diagnostics = Vec::new();
    for document in documents {
        let mut log = Log::default();
        let key = (&document.workspace, document.kind, document.name.as_str());
        if let Some(first) = seen.get(&key) {
            let place = first.source.place(first.name_at.start);
            let say = format!(
                "the {} `{}` is given twice: first in {}, line {}",
                document.kind.noun(),
                document.name,
                first.source.name(),
                place.line
            );
            log.report(Code::DuplicateName, document.name_at, say);
        }
        seen.entry(key).or_insert(document);
        if cycles.contains(&(document.workspace.clone(), document.name.clone())) {
            segment_cycle(document, &mut log);
        }
        let version = Version { id: VersionId(0), number: 1 };
        let compiled = one(document, version, Names::Of(&all), &mut log);
        if let (Some(Content::Cadence(cadence)), Body::Cadence { spec, .. }) =
            (compiled.map(|compiled| compiled.content), &*document.body)
        {
            flow::check(spec, &cadence, &mut log);
            advice::check(spec, document.name_at, &mut log);
        }
        log.silence(&document.body.allowed());
        diagnostics.extend(log.placed(&document.source));
    }
    diagnostics
}

/// What a set of files holds, and all that is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The documents, in the order of the files.
    pub documents: Vec<Document>,
    /// The findings, by file and line.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether there is no error; warnings may be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads files and lints them together.
#[must_use]
pub fn load(sources: &[Source], known: &Known) -> Loaded {
    let mut loaded = Loaded::default();
    for source in sources {
        let parsed = parse(source);
        loaded.documents.extend(parsed.documents);
        loaded.diagnostics.extend(parsed.diagnostics);
    }
    loaded.diagnostics.extend(lint(&loaded.documents, known));
    let order: BTreeMap<&str, usize> =
        sources.iter().enumerate().map(|(index, source)| (source.name.as_str(), index)).collect();
    loaded
        .diagnostics
        .sort_by_key(|found| (order.get(found.file.as_str()).copied(), found.line, found.column));
    loaded
}

fn segment_cycle(document: &Document, log: &mut Log) {
    let Body::Segment(spec) = &*document.body else { return };
    let say = format!("the segment `{}` is defined by itself, directly or through others", document.name);
    log.push(Finding::new(Code::SegmentCycle, spec.when.at, say));
}

/// The segments of the documents that are defined by themselves.
fn cycles(documents: &[Document], known: &Known) -> Vec<(Workspace, String)> {
    let mut workspaces: Vec<_> =
        documents.iter().filter(|one| one.kind == Kind::Segment).map(|one| &one.workspace).collect();
    workspaces.sort_unstable();
    workspaces.dedup();
    let mut found = Vec::new();
    for workspace in workspaces {
        let scope = Scope::new(Position::Segment);
        let segments: Vec<_> = known
            .segments(workspace)
            .filter_map(|(name, when)| Some((name, Expression::compile(when, &scope).ok()?)))
            .collect();
        let cyclic = segment_cycles(segments.iter().map(|(name, when)| (*name, when)));
        found.extend(cyclic.into_iter().map(|name| (workspace.clone(), name.to_owned())));
    }
    found
}
