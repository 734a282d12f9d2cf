//! The steps of a cadence.

use domain::cadence::{Completion, Target};
use domain::event::EventKind;
use domain::id::{StepId, TemplateName};
use domain::time::{Span, WindowPatch};
use domain::touch::Channel;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::cadence::JumpFile;
use super::leaf::{Approval, Cel, Whole};
use super::read::{At, Later, List, Maybe, Named, Read, mapping, word};
use super::time::Clock;
use crate::diagnostic::Log;
use crate::yaml::Node;

mapping! {
    /// A step: a touch (`channel`), a wait (`wait_for`) or a branch (`branch`).
    StepFile {
        /// Its name within the cadence; `next` and `end` are taken.
        "id" id: At<StepId>,
        /// How the contact is touched.
        "channel" channel: Maybe<Channel>,
        /// Why; the task's subject when there is no template.
        "purpose" purpose: Maybe<String>,
        /// What the contact is asked to do.
        "cta" cta: Maybe<String>,
        /// The template of what is sent.
        "template" template: Maybe<TemplateName>,
        /// The template of what is said.
        "script" script: Maybe<TemplateName>,
        /// Weighted arms, each with its template.
        "variants" variants: Maybe<Named<ArmFile>>,
        /// The earlier step whose thread it continues.
        "reply_to" reply_to: Maybe<StepId>,
        /// Judged when the step comes due; false: it is skipped.
        "when" when: Maybe<Cel>,
        /// The day number; day 1 is the first open day after entry.
        "day" day: Maybe<Whole<1, 3660>>,
        /// Not before this local time.
        "at" at: Maybe<Clock<false>>,
        /// So long after the step before was completed; on the first step, after entry.
        "after" after: Maybe<Span>,
        /// Other open hours for this step: `any`, other keys of the cadence's window, or a list.
        "window" window: Maybe<WindowPatch>,
        /// By when it should be worked, counted from due.
        "due_within" due_within: Maybe<Span>,
        /// When the cadence goes on: once a person completed the task, or once it is out.
        "completion" completion: Maybe<Completion>,
        /// Where an outcome of the task leads.
        "outcomes" outcomes: Maybe<Named<Target>>,
        /// What happens when nobody works it.
        "overdue" overdue: Maybe<OverdueFile>,
        /// Waits for an event instead of touching.
        "wait_for" wait_for: Maybe<WaitFile>,
        /// Goes one of several ways instead of touching; the first that is true, else next.
        "branch" branch: Maybe<List<BranchFile>>,
        /// Jumps on events while the step is current.
        "on" on: List<JumpFile>,
        /// Where to go after it; by default the following step.
        "next" next: Maybe<Target>,
        /// How often it may be visited; 3 by default.
        "max_visits" max_visits: Maybe<Whole<1, 1000>>,
        /// Several channels in one touch.
        "all_of" all_of: Later,
        /// Several channels, of which one is enough.
        "one_of" one_of: Later,
    }
    checked {
        /// Whether a person approves the rendered message first.
        "approval": Approval,
    }
    later { "before", "after_date" }
}

mapping! {
    /// An arm of a variant.
    ArmFile {
        /// The template of what is sent.
        "template" template: Maybe<TemplateName>,
        /// The template of what is said.
        "script" script: Maybe<TemplateName>,
        /// Its share; 1 by default.
        "weight" weight: Maybe<Whole<1, 10_000>>,
    }
}

mapping! {
    /// Waits for an event.
    WaitFile {
        /// The event kind.
        "event" event: At<EventKind>,
        /// What else must be true.
        "when" when: Maybe<Cel>,
        /// The step whose touch the event must be about; by default the last one.
        "of" of: Maybe<StepId>,
        /// How long, from arrival at the step.
        "up_to" up_to: At<Span>,
        /// Where to go when it came; by default next.
        "then" then: Maybe<Target>,
        /// Where to go when it did not; by default next.
        "else" otherwise: Maybe<Target>,
    }
}

mapping! {
    /// One way of a branch.
    BranchFile {
        /// The condition.
        "when" when: At<Cel>,
        /// Where it leads.
        "goto" goto: At<Target>,
    }
    later { "switch" }
}

mapping! {
    /// What happens to an open task that nobody works.
    OverdueFile {
        /// How long after due-by, else due.
        "after" after: At<Span>,
        /// What then: `wait`, `skip`, `exit` or `goto`.
        "then" then: At<OverdueWord>,
        /// Where `goto` leads.
        "to" to: Maybe<Target>,
    }
}

/// `then` of an overdue rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverdueWord {
    Wait,
    Skip,
    Exit,
    Goto,
}

impl Read for OverdueWord {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let known = [("wait", Self::Wait), ("skip", Self::Skip), ("exit", Self::Exit), ("goto", Self::Goto)];
        word(node, ("an action", &known, &["reassign", "notify"]), log)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["wait", "skip", "exit", "goto"] })
    }
}
