//! One contact's way through one cadence.

mod progress;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use progress::{Frozen, Hold, HoldReason, Place, Progress, Seen, StepRecord, StepResult};

use crate::attributes::Attributes;
use crate::cadence::Outcome;
use crate::event::{Classification, EventKind};
pub use crate::id::EnrollmentId;
use crate::id::{
    AccountId, CadenceName, Class, ContactId, Digest, EnrollmentUid, Shard, SourceName, VersionId, Workspace,
};
use crate::touch::{Channel, words};

words! {
    /// Where an enrollment stands.
    EnrollmentState {
        /// Under way, `end.wait` included.
        Live = "live",
        /// Held by one or more pauses.
        Paused = "paused",
        /// Ran to its end.
        Finished = "finished",
        /// Left by a rule.
        Exited = "exited",
        /// Taken out by a person.
        Removed = "removed",
        /// Replaced by one of higher priority.
        Preempted = "preempted",
    }
}

impl EnrollmentState {
    /// "Live" in every rule: live or paused.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Live | Self::Paused)
    }
}

/// An enrollment's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrollment {
    /// The row.
    pub id: EnrollmentId,
    /// Its name outside, derived.
    pub uid: EnrollmentUid,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// Who.
    pub contact: ContactId,
    /// Their account when they entered.
    pub account: Option<AccountId>,
    /// Which cadence.
    pub cadence: CadenceName,
    /// Which version of it; kept.
    pub version: VersionId,
    /// The class it occupies.
    pub class: Option<Class>,
    /// The cadence's priority when it entered.
    pub priority: u8,
    /// Where it stands.
    pub state: EnrollmentState,
    /// When it entered, in business time.
    pub entered_at: Timestamp,
    /// When it ended, in business time.
    pub ended_at: Option<Timestamp>,
    /// What it came to.
    pub outcome: Option<Outcome>,
    /// Why it ended: the rule's or event's name, or the person.
    pub ended_by: Option<String>,
    /// The enrolling event, for `entry` in expressions and templates.
    pub entry: EntryEvent,
    /// Where it is and what happened so far.
    pub progress: Progress,
    /// The W3C `traceparent` of the decision that made it.
    pub trace: Option<String>,
}

impl Enrollment {
    /// The shard whose dispatcher works its touches.
    #[must_use]
    pub fn shard(&self) -> Shard {
        self.uid.shard()
    }
}

/// What is kept of the event that enrolled a contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryEvent {
    /// Its digest.
    pub digest: Digest,
    /// Its kind.
    pub kind: EventKind,
    /// Its source.
    pub source: SourceName,
    /// When it happened (wall clock): exits before it are late.
    pub occurred_at: Timestamp,
    /// Its channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Its classification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// Its data: `entry.x` is `data.x`.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub data: Attributes,
    /// Who did it, when by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}
