//! A touch: one thing to do with one contact, and what became of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::id::TouchId;
use crate::id::{
    ConnectorName, ContactId, EnrollmentId, OwnerName, Shard, StepId, TouchKey, VariantName, Workspace,
};

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$vdoc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ::serde::Serialize, ::serde::Deserialize,
        )]
        pub enum $type {
            $($(#[$vdoc])* #[serde(rename = $name)] $variant,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// Its name in files, payloads and tables.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Reads a name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// How a contact is touched.
    Channel {
        /// An e-mail.
        Email = "email",
        /// A phone call.
        Call = "call",
        /// A message on an answering machine.
        Voicemail = "voicemail",
        /// A look at a profile.
        LinkedinView = "linkedin_view",
        /// A connection request.
        LinkedinConnect = "linkedin_connect",
        /// A message on LinkedIn.
        LinkedinMessage = "linkedin_message",
        /// A reaction or comment on a network.
        Social = "social",
        /// A text message.
        Sms = "sms",
        /// A recorded video.
        Video = "video",
        /// A letter or parcel.
        DirectMail = "direct_mail",
        /// Anything else that a person does.
        Task = "task",
    }
}

words! {
    /// Where a touch stands.
    TouchState {
        /// Due in the future, or now.
        Scheduled = "scheduled",
        /// Cannot go now; its timer says why.
        Held = "held",
        /// Marked: the request is on its way.
        Sending = "sending",
        /// The task is out and waits for a person.
        Open = "open",
        /// Completed.
        Done = "done",
        /// Left out: a false guard, a person, or an overdue rule.
        Skipped = "skipped",
        /// Taken back after an exit, pause or removal.
        Withdrawn = "withdrawn",
        /// Could not be sent, for good; can be re-driven.
        Failed = "failed",
        /// The request may or may not have been carried out.
        Unknown = "unknown",
    }
}

impl TouchState {
    /// Whether nothing more happens to it by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Skipped | Self::Withdrawn)
    }
}

/// A touch's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Touch {
    /// The row.
    pub id: TouchId,
    /// The idempotency key, made once.
    pub key: TouchKey,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// Whose step it is.
    pub enrollment: EnrollmentId,
    /// Whom it is for.
    pub contact: ContactId,
    /// Who works it.
    pub owner: Option<OwnerName>,
    /// Which step.
    pub step: StepId,
    /// Which visit of the step, from 1.
    pub visit: u32,
    /// Which part of a composite step.
    pub part: Option<StepId>,
    /// The arm of the step's variant.
    pub variant: Option<VariantName>,
    /// How.
    pub channel: Channel,
    /// Where the task goes, and how urgent it is.
    pub lane: Lane,
    /// Where it stands.
    pub state: TouchState,
    /// Raised by stop, pause, re-timing and changed content: a mark with an older fence is refused.
    pub fence: i32,
    /// When it is due, in business time.
    pub due_at: Timestamp,
    /// By when it should be worked, in business time.
    pub due_by: Option<Timestamp>,
    /// The current attempt, from 1; 0 before the first.
    pub attempt: i32,
    /// The budgets that its first mark reserved.
    pub reserved: Vec<String>,
    /// The CRM's id of the task, once known.
    pub remote_id: Option<String>,
    /// When the task went out, in business time.
    pub sent_at: Option<Timestamp>,
    /// When it was completed, in business time.
    pub completed_at: Option<Timestamp>,
    /// How it was completed (`done`, `connected`, `no_answer`, …).
    pub outcome: Option<String>,
    /// Why it failed, is held, was skipped or withdrawn: machine-readable, then words.
    pub note: Option<Note>,
    /// The W3C `traceparent` of the decision that scheduled it.
    pub trace: Option<String>,
}

/// A machine-readable reason with words for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Stable, `snake_case`.
    pub code: String,
    /// For people; never a secret or an address.
    pub text: String,
}

impl Note {
    /// Makes a note.
    #[must_use]
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into() }
    }
}

/// A queue of due touches: connector × priority.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lane {
    /// Where the tasks go.
    pub connector: ConnectorName,
    /// The cadence's priority, 0–100; higher goes first.
    pub priority: u8,
}

impl Lane {
    /// Its stored form, `crm:080`.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}:{:03}", self.connector, self.priority)
    }

    /// Reads the stored form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (connector, priority) = text.rsplit_once(':')?;
        Some(Self { connector: ConnectorName::new(connector).ok()?, priority: priority.parse().ok()? })
    }
}

words! {
    /// What a timer does when it fires.
    TimerKind {
        /// A touch is due: the dispatcher takes it.
        Touch = "touch",
        /// A `wait_for` ran out.
        Wait = "wait",
        /// An open task was not worked in time.
        Overdue = "overdue",
        /// A pause ends.
        Resume = "resume",
        /// `end.wait` is over.
        End = "end",
    }
}

/// A timer's row. An enrollment has at most one: its earliest deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// The row that owns it: an enrollment's id.
    pub owner: i64,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// What it does.
    pub kind: TimerKind,
    /// The touch, for [`TimerKind::Touch`] and [`TimerKind::Overdue`].
    pub touch: Option<TouchId>,
    /// The queue, for [`TimerKind::Touch`]; the other kinds have lane `None`.
    pub lane: Option<Lane>,
    /// The shard of the enrollment.
    pub shard: Shard,
    /// When it fires, in business time.
    pub due_at: Timestamp,
    /// Why it does not fire though due.
    pub held: Option<HeldReason>,
}

words! {
    /// What keeps a due touch from going.
    HeldReason {
        /// The cadence is paused.
        Cadence = "cadence",
        /// The owner is paused.
        Owner = "owner",
        /// The account is paused.
        Account = "account",
        /// The connector is off or dead.
        Connector = "connector",
        /// No connector of this name is configured.
        NoConnector = "no_connector",
        /// The workspace is paused.
        Workspace = "workspace",
        /// All sending is held.
        All = "all",
        /// The touch failed for good; a person or new data re-drives it.
        Failed = "failed",
        /// The request's outcome is unknown; a person decides.
        Unknown = "unknown",
        /// The window never opens.
        NoOpening = "no_opening",
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptResult {
    /// The CRM has the task.
    Sent {
        /// Its id there, when the answer named one.
        remote_id: Option<String>,
        /// Whether the connector itself carried it out.
        delivery: Delivery,
    },
    /// The CRM refused it for good.
    Rejected(Note),
    /// It certainly did not happen and may be tried again at the time given (wall clock).
    Retry {
        /// When.
        at: Timestamp,
        /// Why.
        note: Note,
    },
    /// Transient errors lasted too long.
    Exhausted(Note),
    /// Nobody knows whether it happened.
    Unknown {
        /// When to repeat it with the same key (wall clock); `None`: a person decides.
        again_at: Option<Timestamp>,
        /// Why.
        note: Note,
    },
    /// The request did not start in time after its mark, so the mark is void.
    Void,
}

/// Whether going out already is the doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// A person works the task.
    Task,
    /// The connector delivers this channel itself.
    Delivered,
}
