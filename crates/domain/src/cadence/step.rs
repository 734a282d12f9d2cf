//! Steps: touches, waits and branches.

use std::collections::BTreeMap;

use crate::event::EventKind;
use crate::expr::Expression;
use crate::id::{StepId, TemplateName, VariantName};
use crate::time::{Span, Timing, WindowPatch};
use crate::touch::{Channel, words};

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its id, unique in the cadence; never `next` or `end`.
    pub id: StepId,
    /// Judged when it comes due, just before the sending mark; false: skipped.
    pub when: Option<Expression>,
    /// Where to go after it; default: the following step.
    pub next: Target,
    /// How often it may be visited; a further jump is ignored and recorded.
    pub max_visits: u32,
    /// Jumps that hold from when it becomes current until it is sent, and, if manual, until it is completed; judged
    /// before those of the cadence.
    pub on: Vec<Jump>,
    /// What it is.
    pub body: StepBody,
}

impl Step {
    /// The touch, if it is one.
    #[must_use]
    pub fn touch(&self) -> Option<&TouchSpec> {
        match &self.body {
            StepBody::Touch(touch) => Some(touch),
            StepBody::Wait(_) | StepBody::Branch(_) => None,
        }
    }
}

/// How often a step may be visited when it says nothing.
pub const DEFAULT_MAX_VISITS: u32 = 3;

/// What a step is. Composite touches (`all_of`, `one_of`) will be one more arm.
#[derive(Debug, Clone, PartialEq)]
pub enum StepBody {
    /// Something to do.
    Touch(Box<TouchSpec>),
    /// Waits for an event.
    Wait(WaitSpec),
    /// Goes one of several ways.
    Branch(Vec<Branch>),
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub struct TouchSpec {
    /// How.
    pub channel: Channel,
    /// When: `day`, `at`, `after`.
    pub timing: Timing,
    /// What the step changes of the cadence's window.
    pub window: Option<WindowPatch>,
    /// Why.
    pub purpose: Option<String>,
    /// The call to action.
    pub cta: Option<String>,
    /// What is sent or said; with variants, the arms say.
    pub template: Option<TemplateName>,
    /// Weighted arms; empty: none.
    pub variants: BTreeMap<VariantName, Variant>,
    /// The earlier step whose thread it continues.
    pub reply_to: Option<StepId>,
    /// By when it should be worked, counted from due.
    pub due_within: Option<Span>,
    /// When the cadence goes on; `None`: manual, automatic where the connector delivers the channel.
    pub completion: Option<Completion>,
    /// Where an outcome leads.
    pub outcomes: BTreeMap<String, Target>,
    /// What happens when nobody works it; `None`: the cadence's rule, else that of language §7.2.
    pub overdue: Option<Overdue>,
}

/// An arm of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// What is sent or said.
    pub template: Option<TemplateName>,
    /// Its share, from 1.
    pub weight: u32,
}

words! {
    /// When the cadence goes on after a touch.
    Completion {
        /// Once a person completed the task.
        Manual = "manual",
        /// Once the task is out.
        Automatic = "automatic",
    }
}

/// Where to go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The following step.
    Next,
    /// After the last step.
    End,
    /// A step.
    Step(StepId),
}

/// What happens to an open task that nobody works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// How long after due-by, else due.
    pub after: Span,
    /// What then.
    pub then: OverdueAction,
}

/// See [`Overdue`]. Reassigning and notifying come with owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverdueAction {
    /// Nothing but the `touch_overdue` event.
    Wait,
    /// The touch is skipped and the cadence goes on.
    Skip,
    /// The enrollment exits, stopped.
    Exit,
    /// The touch is skipped and the cadence goes on there.
    Goto(Target),
}

/// Waits for an event.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitSpec {
    /// The event kind.
    pub event: EventKind,
    /// What else must be true.
    pub when: Option<Expression>,
    /// The touch that the event must be about; default: the last one.
    pub of: Option<StepId>,
    /// How long, from arrival.
    pub up_to: Span,
    /// Where to go when it came.
    pub then: Target,
    /// Where to go when it did not.
    pub otherwise: Target,
}

/// One way of a branch; none true: next.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// The condition.
    pub when: Expression,
    /// Where it leads.
    pub goto: Target,
}

/// A jump on an event: of the cadence, at any step, or of one step, while that is current.
#[derive(Debug, Clone, PartialEq)]
pub struct Jump {
    /// The event kind.
    pub event: EventKind,
    /// What else must be true.
    pub when: Option<Expression>,
    /// Where it leads.
    pub goto: Target,
}

words! {
    /// What an enrollment came to.
    Outcome {
        /// Reached its goal.
        Success = "success",
        /// Comes back later.
        Recycle = "recycle",
        /// Goes on being nurtured elsewhere.
        Nurture = "nurture",
        /// Is no prospect.
        Disqualify = "disqualify",
        /// Ended otherwise.
        Stopped = "stopped",
    }
}
