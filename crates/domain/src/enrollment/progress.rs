//! Where an enrollment is and what happened so far: one value, stored as one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::id::{StepId, TouchId, TouchKey, VariantName};
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
    #[serde(default)]
    pub visits: BTreeMap<StepId, u32>,
    /// What became of steps, in the order in which they were left. Touches that are open behind an automatic step too.
    #[serde(default)]
    pub history: Vec<StepRecord>,
    /// The chosen arm of each step with variants.
    #[serde(default)]
    pub variants: BTreeMap<StepId, VariantName>,
    /// Who holds it; empty unless paused.
    #[serde(default)]
    pub holds: Vec<Hold>,
    /// What the first hold froze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// Any touch was opened, clicked, answered, or connected on a call (machines never count).
    #[serde(default)]
    pub opened: bool,
    /// See `opened`.
    #[serde(default)]
    pub clicked: bool,
    /// See `opened`.
    #[serde(default)]
    pub replied: bool,
    /// See `opened`.
    #[serde(default)]
    pub connected: bool,
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
    /// The local date that it took, with its day number: no step of another day falls on it (rule 6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<(Date, u32)>,
    /// Its e-mail was opened.
    #[serde(default)]
    pub opened: bool,
    /// A link in it was clicked.
    #[serde(default)]
    pub clicked: bool,
    /// It was answered.
    #[serde(default)]
    pub replied: bool,
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
    /// The due time of the timer that it took away.
    pub due_at: Option<Timestamp>,
    /// The awaited event came meanwhile: the wait is over on resume.
    #[serde(default)]
    pub came: bool,
}
