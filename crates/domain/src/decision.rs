//! What was decided, as values: for the record, for the world, for the dispatcher.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cadence::Outcome as CadenceOutcome;
use crate::event::{Event, EventKind};
use crate::id::{
    CadenceName, ContactId, Digest, EnrollmentId, EnrollmentUid, EventId, SourceName, StepId, TouchId,
    TouchKey, Workspace,
};
use crate::touch::{Channel, Lane, Note, words};

/// Everything decided on one input: one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// To whom it belongs.
    pub workspace: Workspace,
    /// What it was about.
    pub cause: Cause,
    /// The contact, where one was found or made.
    pub contact: Option<ContactId>,
    /// When, in business time.
    pub at: Timestamp,
    /// What, in the order of language §5.
    pub items: Vec<Decision>,
}

impl DecisionRecord {
    /// The same with the digest in place of the event's id, which is the provider's and may be somebody's address: for
    /// records that no erasure finds by their contact.
    #[must_use]
    pub fn without_id(mut self) -> Self {
        if let Cause::Event { digest, id, .. } = &mut self.cause
            && let Ok(hidden) = EventId::try_from(digest.to_hex())
        {
            *id = hidden;
        }
        self
    }
}

/// What set a decision off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An event.
    Event {
        /// Its digest, unique with its source.
        digest: Digest,
        /// Its id.
        id: EventId,
        /// Its source.
        source: SourceName,
        /// Its kind.
        kind: EventKind,
        /// When it happened (wall clock).
        occurred_at: Timestamp,
    },
    /// A timer.
    Timer {
        /// Of which enrollment.
        enrollment: EnrollmentId,
    },
    /// What the dispatcher said of a touch.
    Touch {
        /// Which touch.
        touch: TouchId,
    },
}

impl Cause {
    /// An event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self::Event {
            digest: event.digest,
            id: event.id.clone(),
            source: event.source.clone(),
            kind: event.kind,
            occurred_at: event.occurred_at,
        }
    }
}

/// One thing decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "did")]
pub enum Decision {
    /// The event changes nothing: why.
    Ignored {
        /// `duplicate`, `late`, `unknown`, `erased`, `overtaken`, …
        why: Note,
    },
    /// A fact was recorded: `suppressed`, `resubscribed`, `erased`, `merged`, `identity_conflict`, `engaged`, …
    Noted {
        /// Which.
        what: Note,
    },
    /// The contact entered a cadence.
    Enrolled {
        /// Which.
        cadence: CadenceName,
        /// The version's number.
        version: u32,
        /// The new enrollment.
        enrollment: EnrollmentUid,
    },
    /// A candidate did not accept.
    Refused {
        /// Which.
        cadence: CadenceName,
        /// Which rule, what it expected, what was seen.
        refusal: Refusal,
    },
    /// An enrollment ended.
    Ended {
        /// Which.
        enrollment: EnrollmentUid,
        /// Of which cadence.
        cadence: CadenceName,
        /// `exited`, `finished`, `removed`, `preempted`.
        state: crate::enrollment::EnrollmentState,
        /// By which rule.
        rule: String,
        /// With what outcome.
        outcome: CadenceOutcome,
    },
    /// An enrollment was paused.
    Paused {
        /// Which.
        enrollment: EnrollmentUid,
        /// By what.
        by: String,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// An enrollment goes on.
    Resumed {
        /// Which.
        enrollment: EnrollmentUid,
        /// By what.
        by: String,
    },
    /// An enrollment moved to a step.
    Advanced {
        /// Which.
        enrollment: EnrollmentUid,
        /// From.
        from: Option<StepId>,
        /// To; `None`: past the last step.
        to: Option<StepId>,
        /// `next`, `outcome`, `branch`, `on`, `wait`, `timeout`, `skipped`, `overdue`, …
        why: Note,
    },
    /// A touch was scheduled.
    Scheduled {
        /// Its key.
        key: TouchKey,
        /// Its step.
        step: StepId,
        /// When it is due.
        due_at: Timestamp,
        /// Why not earlier: each shift in order.
        shifts: Vec<Note>,
    },
    /// What became of a touch: `sent`, `done`, `skipped`, `withdrawn`, `failed`, `unknown`, `deferred`, `crossed`, `retry`.
    Touched {
        /// Its key.
        key: TouchKey,
        /// Its step.
        step: StepId,
        /// What and why.
        what: Note,
    },
}

/// Why a candidate did not accept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which rule.
    pub rule: RefusalRule,
    /// What it expected: an expression's source, a limit, a state. Shared, since many candidates refuse one event.
    pub expected: Arc<str>,
    /// What was seen.
    pub seen: Arc<Value>,
}

words! {
    /// The rules by which a candidate can refuse, in the order in which they are judged.
    RefusalRule {
        /// No trigger's condition was true.
        Trigger = "trigger",
        /// The contact is stopped.
        Suppressed = "suppressed",
        /// The audience's condition was false.
        Audience = "audience",
        /// Already live in this cadence.
        AlreadyLive = "already_live",
        /// The re-entry rule.
        Reentry = "reentry",
        /// No e-mail address.
        Email = "email",
        /// No phone number.
        Phone = "phone",
        /// No owner.
        Owner = "owner",
        /// A customer already.
        Customer = "customer",
        /// A deal is open.
        OpenDeal = "open_deal",
        /// Another candidate of the class had a higher priority.
        Outranked = "outranked",
        /// The class is taken.
        Exclusive = "exclusive",
        /// The cadence takes no entries now.
        Closed = "closed",
        /// No step can ever come due: the window never opens.
        NeverOpens = "never_opens",
    }
}

/// Something to tell the world, on the topic of outcomes: in order per enrollment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// To whom it belongs.
    pub workspace: Workspace,
    /// The enrollment, else the contact, else the event.
    pub key: String,
    /// When, in business time.
    pub at: Timestamp,
    /// What.
    pub what: Decision,
    /// The contact.
    pub contact: Option<ContactId>,
    /// The enrollment.
    pub enrollment: Option<EnrollmentUid>,
    /// The event behind it.
    pub event: Option<EventId>,
    /// The W3C `traceparent`.
    pub trace: Option<String>,
}

/// Something that the dispatcher is to do at the CRM, queued in the deciding transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewCommand {
    /// To whom it belongs.
    pub workspace: Workspace,
    /// Where.
    pub lane: Lane,
    /// About which touch.
    pub touch: TouchId,
    /// On which channel it was.
    pub channel: Channel,
    /// What.
    pub action: CommandAction,
}

/// See [`NewCommand`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum CommandAction {
    /// Take the open task back.
    Withdraw {
        /// Why, for the CRM.
        reason: String,
    },
}
