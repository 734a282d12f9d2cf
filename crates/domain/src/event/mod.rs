//! The canonical event: what every webhook becomes before anything is decided.

mod kind;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use kind::{EventKind, StopClass};

use crate::attributes::Attributes;
use crate::id::{Digest, EventId, OwnerName, SourceName, TouchKey, Workspace};
use crate::identity::{AccountKeys, SubjectKeys};
use crate::touch::Channel;

/// One canonical event. Times are wall-clock; the engine maps them to business time before a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The provider's id, else one made of the digest.
    pub id: EventId,
    /// What makes it the same event however often it is delivered.
    pub digest: Digest,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// Which configured source (or `cli`, `console`, `engine`) it came from.
    pub source: SourceName,
    /// What happened.
    pub kind: EventKind,
    /// When it happened, as the provider says; never after `received_at`.
    pub occurred_at: Timestamp,
    /// When we accepted it.
    pub received_at: Timestamp,
    /// Who it is about.
    #[serde(default)]
    pub subject: SubjectKeys,
    /// Which account it is about.
    #[serde(default)]
    pub account: AccountKeys,
    /// Everything else that was said.
    #[serde(default)]
    pub detail: Detail,
    /// The person who did it through the API or command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// What kinds of events say beyond who and when; each field is a mapping target of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// Who works the contact now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerName>,
    /// The task that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskRef>,
    /// The CRM record that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRef>,
    /// The name of a custom event, signal, list or cadence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The channel that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// What a reply means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// When an absence or a pause ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The outcome of a task or call (`connected`, `no_answer`, …).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// How an address bounced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounce: Option<Bounce>,
    /// A new score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// An open or click of a machine (privacy proxy, link scanner).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub machine: bool,
    /// Why, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Attributes of the contact.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub contact: Attributes,
    /// Attributes of the account.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub account: Attributes,
    /// Attributes of the deal.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub deal: Attributes,
    /// Data of this event: `event.x` in expressions.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub data: Attributes,
}

/// How an event names a task of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskRef {
    /// Our idempotency key.
    Key(TouchKey),
    /// The CRM's id of the task.
    Remote(String),
}

impl TaskRef {
    /// A key of ours when it reads as one, else the CRM's id.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        uuid::Uuid::try_parse(text)
            .map_or_else(|_| Self::Remote(text.to_owned()), |key| Self::Key(TouchKey(key)))
    }
}

/// A record of the CRM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRef {
    /// `contact`, `deal`, `lead`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The CRM's id.
    pub id: String,
}

/// What a reply means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Classification {
    /// Interested.
    Positive,
    /// Not interested.
    Negative,
    /// Interested later.
    NotNow,
    /// An absence notice, `until` its date where known.
    OutOfOffice,
    /// Someone else answers for this address.
    WrongPerson,
    /// Asks to be left alone.
    Unsubscribe,
    /// Nobody could tell.
    Unknown,
}

impl Classification {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Positive,
        Self::Negative,
        Self::NotNow,
        Self::OutOfOffice,
        Self::WrongPerson,
        Self::Unsubscribe,
        Self::Unknown,
    ];

    /// Its name in files and payloads.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::NotNow => "not_now",
            Self::OutOfOffice => "out_of_office",
            Self::WrongPerson => "wrong_person",
            Self::Unsubscribe => "unsubscribe",
            Self::Unknown => "unknown",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// How an address bounced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bounce {
    /// The address does not exist: it is suppressed.
    Hard,
    /// For now only.
    Soft,
}

impl Bounce {
    /// Its name in files and payloads.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Hard, Self::Soft].into_iter().find(|one| one.as_str() == name)
    }
}
