//! Content: from files to stored versions, and from those to what decisions are made by.

use domain::catalog::{Catalog, Defaults, Standing};
use domain::id::Workspace;
use manifest::{Known, Loaded, Source, Stored, Version};
use ports::StoreError;
use ports::content::{Activation, Applied, Content, Document, DocumentKind, NewDocument};

/// Compiles stored documents. One that no longer reads is left out and logged, so that it takes no other down.
pub(crate) fn compile(epoch: i64, documents: &[Document], defaults: &Defaults) -> Catalog {
    let stored: Vec<Stored> = documents
        .iter()
        .map(|document| Stored {
            workspace: document.workspace.clone(),
            kind: kind(document.kind),
            name: document.name.clone(),
            text: document.text.clone(),
            version: Version { id: document.version, number: document.number },
            standing: if document.current { Standing::Active } else { Standing::Draining },
        })
        .collect();
    let contents = manifest::content(&stored);
    for finding in &contents.diagnostics {
        tracing::error!(
            file = finding.file,
            line = finding.line,
            "stored content is left out: {}",
            finding.message
        );
    }
    Catalog { epoch, defaults: defaults.clone(), workspaces: contents.workspaces }
}

/// Reads files and judges them in the company of what `workspace` has stored.
///
/// # Errors
/// When the store cannot be read. Findings are no error: they are in the answer.
pub async fn lint(
    content: &dyn Content,
    workspace: &Workspace,
    sources: &[Source],
    connectors: &[String],
) -> Result<Loaded, StoreError> {
    let known = known(content.current(workspace).await?).connectors(connectors.iter().cloned());
    Ok(manifest::load(sources, &known))
}

fn known(documents: Vec<Document>) -> Known {
    let mut known = Known::new();
    for document in documents {
        let parsed = manifest::parse(&Source::new(document.name, document.text));
        for stored in &parsed.documents {
            known.add(stored);
        }
    }
    known
}

/// What an apply did.
#[derive(Debug)]
pub struct ApplyReport {
    /// Warnings that do not stop it.
    pub loaded: Loaded,
    /// What became of each document, in the order of the files.
    pub documents: Vec<AppliedDocument>,
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedDocument {
    /// What it is.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// What became of it.
    pub applied: Applied,
}

/// Why nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files have errors; nothing was stored.
    #[error("the files have errors; nothing was applied")]
    Findings(Box<Loaded>),
}

/// How files are applied.
#[derive(Debug, Clone)]
pub struct Apply<'a> {
    /// The workspace of documents that name none, and whose stored content counts as known.
    pub workspace: &'a Workspace,
    /// The connectors of the deployment.
    pub connectors: &'a [String],
    /// Whether the new versions become current.
    pub activation: Activation,
    /// Who does it.
    pub actor: &'a str,
}

/// Lints files and stores what changed as new versions, all or nothing.
///
/// # Errors
/// When the files have errors, or the store cannot be reached.
pub async fn apply(
    content: &dyn Content,
    sources: &[Source],
    how: Apply<'_>,
) -> Result<ApplyReport, ApplyError> {
    let loaded = lint(content, how.workspace, sources, how.connectors).await?;
    if !loaded.is_sound() {
        return Err(ApplyError::Findings(Box::new(loaded)));
    }
    let main = Workspace::main();
    let documents: Vec<NewDocument> = loaded
        .documents
        .iter()
        .map(|document| NewDocument {
            // A file that names no workspace goes where the command says.
            workspace: if document.workspace == main {
                how.workspace.clone()
            } else {
                document.workspace.clone()
            },
            kind: document_kind(document.kind),
            name: document.name.clone(),
            text: document.text.clone(),
        })
        .collect();
    let applied = content.apply(documents.clone(), how.activation, how.actor).await?;
    let documents = documents
        .into_iter()
        .zip(applied)
        .map(|(document, applied)| AppliedDocument {
            kind: document.kind.as_str(),
            name: document.name,
            workspace: document.workspace,
            applied,
        })
        .collect();
    Ok(ApplyReport { loaded, documents })
}

fn kind(kind: DocumentKind) -> manifest::Kind {
    match kind {
        DocumentKind::Cadence => manifest::Kind::Cadence,
        DocumentKind::Template => manifest::Kind::Template,
        DocumentKind::Segment => manifest::Kind::Segment,
        DocumentKind::Calendar => manifest::Kind::Calendar,
    }
}

fn document_kind(kind: manifest::Kind) -> DocumentKind {
    match kind {
        manifest::Kind::Cadence => DocumentKind::Cadence,
        manifest::Kind::Template => DocumentKind::Template,
        manifest::Kind::Segment => DocumentKind::Segment,
        manifest::Kind::Calendar => DocumentKind::Calendar,
    }
}
