//! The stored texts of cadences, templates, segments and calendars.

use async_trait::async_trait;
use domain::id::{VersionId, Workspace};
use jiff::Timestamp;

use crate::error::StoreResult;

/// What a document is. Stored by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    /// A cadence.
    Cadence,
    /// A template.
    Template,
    /// A segment.
    Segment,
    /// A calendar.
    Calendar,
}

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Cadence, Self::Template, Self::Segment, Self::Calendar];

    /// Its name in files and tables.
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
}

/// A text to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// To whom it belongs.
    pub workspace: Workspace,
    /// What it is.
    pub kind: DocumentKind,
    /// Its name.
    pub name: String,
    /// As the author wrote it.
    pub text: String,
}

/// A stored version of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The row.
    pub version: VersionId,
    /// Its number among the versions of its name, from 1.
    pub number: u32,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// What it is.
    pub kind: DocumentKind,
    /// Its name.
    pub name: String,
    /// As the author wrote it.
    pub text: String,
    /// Whether it is the current version.
    pub current: bool,
    /// Who applied it.
    pub actor: String,
    /// When (wall clock).
    pub created_at: Timestamp,
}

/// What an apply did with one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The text is the current one already: no version was made.
    Unchanged,
    /// A new version is current.
    Version {
        /// The row.
        version: VersionId,
        /// Its number.
        number: u32,
    },
    /// A new version is stored and not current.
    Draft {
        /// The row.
        version: VersionId,
        /// Its number.
        number: u32,
    },
}

/// Whether applied documents become current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// They do.
    Activate,
    /// They do not.
    Draft,
}

/// The stored texts.
#[async_trait]
pub trait Content: Send + Sync {
    /// The count of changes: when it moved, read again.
    async fn epoch(&self) -> StoreResult<i64>;

    /// Every document that is current, or is a cadence version with live enrollments; with the epoch of the reading.
    async fn in_force(&self) -> StoreResult<(i64, Vec<Document>)>;

    /// Stores documents in one transaction and raises the epoch if anything changed.
    async fn apply(
        &self,
        documents: Vec<NewDocument>,
        activation: Activation,
        actor: &str,
    ) -> StoreResult<Vec<Applied>>;

    /// The current documents of a workspace, for export.
    async fn current(&self, workspace: &Workspace) -> StoreResult<Vec<Document>>;
}
