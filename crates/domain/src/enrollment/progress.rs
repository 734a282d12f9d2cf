//! Where an enrollment is and what happened so far: one value, stored as one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::id::{StepId, TouchId, TouchKey, VariantName};
use crate::time::Taken;
use crate::touch::{Channel, words};

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The local date of day 1, set once; moved by a thaw.
    pub day_one: Date,
    /// Where it is.
    pub place: Place,
    /// When the step before the current one completed; entry for the first.
    pub previous_completed: Timestamp,
    /// How often each step was visited.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub visits: BTreeMap<StepId, u32>,
    /// What became of steps, in the order in which they were left. Touches that are open behind an automatic step too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<StepRecord>,
    /// The chosen arm of each step with variants.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<StepId, VariantName>,
    /// Who holds it; empty unless paused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// What the first hold froze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// Events that a wait of the cadence listens to, since the touches they are about went out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Seen>,
    /// Any touch was opened, clicked, answered, or connected on a call (machines never count).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opened: bool,
    /// See `opened`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clicked: bool,
    /// See `opened`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replied: bool,
    /// See `opened`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connected: bool,
}

impl Progress {
    /// At the start: entered at that moment, with that date as day 1.
    #[must_use]
    pub fn new(day_one: Date, entered: Timestamp) -> Self {
        Self {
            day_one,
            place: Place::Over,
            previous_completed: entered,
            visits: BTreeMap::new(),
            history: Vec::new(),
            variants: BTreeMap::new(),
            holds: Vec::new(),
            frozen: None,
            seen: Vec::new(),
            opened: false,
            clicked: false,
            replied: false,
            connected: false,
        }
    }

    /// The touch at which it is, if it is at one.
    #[must_use]
    pub fn touch(&self) -> Option<TouchId> {
        match self.place {
            Place::Touch { touch, .. } => Some(touch),
            _ => None,
        }
    }

    /// The step at which it is, if at one.
    #[must_use]
    pub fn step(&self) -> Option<&StepId> {
        match &self.place {
            Place::Touch { step, .. } | Place::Wait { step, .. } => Some(step),
            Place::Ending { .. } | Place::Over => None,
        }
    }

    /// Dates taken by earlier touches.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.history.iter().flat_map(|record| record.took.iter().copied()).collect()
    }

    /// The record of a touch that went out.
    #[must_use]
    pub fn record_of(&self, touch: TouchId) -> Option<&StepRecord> {
        self.history.iter().rev().find(|record| record.touch == Some(touch))
    }

    /// The same, to change.
    pub fn record_mut(&mut self, touch: TouchId) -> Option<&mut StepRecord> {
        self.history.iter_mut().rev().find(|record| record.touch == Some(touch))
    }

    /// The last visit of a step that went out.
    #[must_use]
    pub fn last_sent(&self, step: &StepId) -> Option<&StepRecord> {
        self.history.iter().rev().find(|record| record.step == *step && record.sent_at.is_some())
    }
}

impl StepRecord {
    /// What became of a visit, without a touch.
    #[must_use]
    pub fn new(step: StepId, visit: u32, result: StepResult, at: Timestamp) -> Self {
        Self {
            step,
            visit,
            result,
            at,
            key: None,
            touch: None,
            channel: None,
            sent_at: None,
            outcome: None,
            message_id: None,
            took: Vec::new(),
            opened: false,
            clicked: false,
            replied: false,
        }
    }
}

/// Where an enrollment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "at")]
pub enum Place {
    /// At a touch, from scheduled to completed.
    Touch {
        /// The step.
        step: StepId,
        /// Its touch.
        touch: TouchId,
        /// The day number on which it falls due (rule 6.1).
        day: u32,
    },
    /// At a wait.
    Wait {
        /// The step.
        step: StepId,
        /// When it arrived.
        since: Timestamp,
        /// When it runs out.
        until: Timestamp,
    },
    /// After the last step, for late answers.
    Ending {
        /// When it is over.
        until: Timestamp,
    },
    /// Nowhere any more.
    Over,
}

/// What became of one visit of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step.
    pub step: StepId,
    /// Which visit.
    pub visit: u32,
    /// How it went.
    pub result: StepResult,
    /// When it was left, in business time.
    pub at: Timestamp,
    /// The touch's key, if it was one that went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<TouchKey>,
    /// The touch's row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touch: Option<TouchId>,
    /// How, if it was a touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// When the task went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// The task's outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The id of the message, where an `email_sent` event named it: later steps thread on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The local dates on which it went out and was completed: no step of another day falls on them (rule 6.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took: Vec<Taken>,
    /// Its e-mail was opened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opened: bool,
    /// A link in it was clicked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clicked: bool,
    /// It was answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replied: bool,
}

/// An event that a wait listens to, noted before the wait was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The waiting step.
    pub wait: StepId,
    /// When it came, in business time.
    pub at: Timestamp,
    /// The touch that it named, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<TouchId>,
}

words! {
    /// How a visit of a step went.
    StepResult {
        /// The task went out and is still open (automatic steps).
        Out = "out",
        /// The task was completed.
        Done = "done",
        /// A guard was false, the channel was suppressed, a person or an overdue rule skipped it.
        Skipped = "skipped",
        /// Taken back by a jump or exit.
        Withdrawn = "withdrawn",
        /// The awaited event came.
        Came = "came",
        /// It did not.
        TimedOut = "timed_out",
        /// The branch was taken.
        Branched = "branched",
    }
}

/// One holder of a pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who or what.
    pub reason: HoldReason,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: until lifted.
    pub until: Option<Timestamp>,
}

words! {
    /// Who or what holds an enrollment.
    HoldReason {
        /// A person.
        Manual = "manual",
        /// An out-of-office reply.
        OutOfOffice = "out_of_office",
        /// An exit rule with `effect: pause`.
        Rule = "rule",
    }
}

/// What the first hold froze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// When.
    pub since: Timestamp,
    /// How many business seconds were left of the delay that it took away.
    pub remaining: Option<i64>,
    /// The awaited event came meanwhile: the wait is over on resume.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub came: bool,
}
