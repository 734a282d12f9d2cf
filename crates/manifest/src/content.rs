//! From stored texts to the content that decisions are made by.

use std::collections::HashMap;
use std::sync::Arc;

use domain::catalog::{Standing, WorkspaceContent};
use domain::id::{CalendarName, Workspace};

use crate::compile::{Content, Names, Version, one};
use crate::diagnostic::{Code, Diagnostic, Finding, Log};
use crate::document::{Document, Kind, parse};
use crate::source::{Extent, Source, Text};

/// A text from the store.
#[derive(Debug, Clone)]
pub struct Stored {
    /// To whom it belongs.
    pub workspace: Workspace,
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// As the author wrote it.
    pub text: String,
    /// Which version it is.
    pub version: Version,
    /// Whether it takes entries; means nothing but for cadences.
    pub standing: Standing,
}

/// What the texts of the store came to.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// By workspace.
    pub workspaces: HashMap<Workspace, WorkspaceContent>,
    /// Texts that could not be used and are left out, with why. They passed lint once, so this release reads them otherwise
    /// than the one that stored them, or they were changed behind its back.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads stored texts. Names are not looked up again and warnings not repeated: a text that went wrong since then must not
/// take others down with it.
#[must_use]
pub fn content(stored: &[Stored]) -> Contents {
    let mut contents = Contents::default();
    for text in stored {
        let content = contents.workspaces.entry(text.workspace.clone()).or_default();
        match read(text) {
            Ok(compiled) => add(content, compiled, text.standing),
            Err(errors) => contents.diagnostics.extend(errors),
        }
    }
    contents
}

fn read(stored: &Stored) -> Result<Content, Vec<Diagnostic>> {
    let name = format!("{}/{}/{}@{}", stored.workspace, stored.kind, stored.name, stored.version.number);
    let source = Source::new(name, stored.text.as_str());
    let parsed = parse(&source);
    let mut errors: Vec<_> = parsed.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
    let of_that_name = |document: &&Document| document.kind == stored.kind && document.name == stored.name;
    let mut log = Log::default();
    let compiled = match parsed.documents.iter().find(of_that_name) {
        Some(document) => one(document, stored.version, Names::Trusted, &mut log),
        None => {
            let say = format!("the text holds no {} `{}`", stored.kind.noun(), stored.name);
            log.push(Finding::new(Code::UnknownName, Extent::default(), say));
            None
        }
    };
    let text = Text::new(&source);
    errors.extend(log.placed(&text).into_iter().filter(Diagnostic::is_error));
    compiled.map(|compiled| compiled.content).ok_or(errors)
}

fn add(content: &mut WorkspaceContent, compiled: Content, standing: Standing) {
    match compiled {
        Content::Cadence(cadence) => content.add_cadence(*cadence, standing),
        Content::Template(template) => {
            content.templates.insert(template.name.clone(), Arc::new(*template));
        }
        Content::Segment(name, when) => {
            content.segments.insert(name, when);
        }
        Content::Calendar(calendar) => {
            if let Ok(name) = CalendarName::new(calendar.name()) {
                content.calendars.insert(name, Arc::new(calendar));
            }
        }
    }
}
