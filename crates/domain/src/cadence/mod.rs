//! A cadence as its authors wrote it, checked and ready to be decided by.

mod exit;
mod step;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use exit::{ExitEffect, ExitRule, ExitScope, Goal, PauseLength, Scope};
pub use step::{
    Branch, Completion, DEFAULT_MAX_VISITS, Jump, Outcome, Overdue, OverdueAction, Step, StepBody, Target,
    TouchSpec, Variant, WaitSpec,
};

use crate::event::EventKind;
use crate::expr::Expression;
use crate::id::{CadenceName, CalendarName, Class, ConnectorName, StepId, VersionId};
use crate::time::{DayCounting, Limit, Span, Window};
use crate::touch::{Channel, words};

/// One version of a cadence.
#[derive(Debug, Clone, PartialEq)]
pub struct Cadence {
    /// The row of its stored text; a running enrollment keeps its version.
    pub version: VersionId,
    /// Its number among the versions of the cadence, from 1.
    pub number: u32,
    /// Its name.
    pub name: CadenceName,
    /// Labels, for reports.
    pub labels: BTreeMap<String, String>,
    /// Why we reach out.
    pub reason: Option<String>,
    /// What counts as success.
    pub goal: Option<Goal>,
    /// 0–100; the highest that accepts enters.
    pub priority: u8,
    /// The class in which a contact has at most one live enrollment; `None`: runs beside any.
    pub class: Option<Class>,
    /// Where the tasks go.
    pub connector: ConnectorName,
    /// In whose zone times are meant.
    pub zone: ZoneRule,
    /// When touches may go out; `None`: the deployment's default.
    pub window: Option<Window>,
    /// The calendars whose closed days are kept.
    pub holidays: Vec<CalendarName>,
    /// What `day: N` counts.
    pub days: DayCounting,
    /// Who enters, when; `None`: by hand only.
    pub entry: Option<Entry>,
    /// Which guards are on.
    pub guards: Guards,
    /// Exit rules in the author's order; the built-in ones follow them.
    pub exit: Vec<ExitRule>,
    /// Jumps that hold at any step.
    pub on: Vec<Jump>,
    /// The steps, in order; ids are unique.
    pub steps: Vec<Step>,
    /// What happens after the last step.
    pub end: End,
    /// What happens to open tasks that nobody works; `None`: the rule of language §7.2.
    pub overdue: Option<Overdue>,
    /// Gaps and caps.
    pub limits: Limits,
    /// How pauses count.
    pub pause: PausePolicy,
}

impl Cadence {
    /// A step and its place.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<(usize, &Step)> {
        self.steps.iter().enumerate().find(|(_, step)| step.id == *id)
    }

    /// The event kinds that may start it.
    pub fn entry_kinds(&self) -> impl Iterator<Item = EventKind> + '_ {
        self.entry.iter().flat_map(|entry| entry.triggers.iter().map(|trigger| trigger.on))
    }

    /// Whether a rule of it looks at other contacts of the account.
    #[must_use]
    pub fn watches_account(&self) -> bool {
        self.exit.iter().any(|rule| rule.scope != ExitScope::Contact)
    }
}

/// In whose zone times are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ZoneRule {
    /// The contact's, else the owner's, else the deployment's.
    Contact,
    /// The contact's, else the owner's, else this one (IANA).
    Preferring(String),
    /// Only this one (IANA).
    Fixed(String),
}

/// Who enters, when.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Any of them starts an entry.
    pub triggers: Vec<Trigger>,
    /// Who may enter; judged at entry only.
    pub audience: Option<Expression>,
    /// When the same contact may enter again.
    pub reentry: Reentry,
    /// What a newcomer does when its class is taken.
    pub on_conflict: OnConflict,
}

/// What starts an entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// The event kind.
    pub on: EventKind,
    /// What else must be true.
    pub when: Option<Expression>,
}

/// When the same contact may enter again. Counts from the end of the last enrollment in the cadence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reentry {
    /// Never (the default).
    Never,
    /// At once.
    Always,
    /// After this long.
    After(Span),
}

words! {
    /// What a newcomer does when its class is taken.
    OnConflict {
        /// Replaces an enrollment of strictly lower priority, else is refused (the default).
        Preempt = "preempt",
        /// Is refused.
        Refuse = "refuse",
    }
}

words! {
    /// A check before entry, beside suppression, which cannot be switched off.
    Guard {
        /// At most one live enrollment in the class.
        Exclusive = "exclusive",
        /// The re-entry rule.
        Reentry = "reentry",
        /// An address, when an e-mail step exists.
        Email = "email",
        /// A phone number.
        Phone = "phone",
        /// An owner.
        Owner = "owner",
        /// Not a customer.
        Customer = "customer",
        /// No open deal.
        OpenDeal = "open_deal",
    }
}

/// Which guards are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guards(BTreeMap<Guard, Switch>);

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// Is judged.
    On,
    /// Is not.
    Off,
}

impl Guards {
    /// The defaults, with the author's changes.
    #[must_use]
    pub fn new(changes: impl IntoIterator<Item = (Guard, Switch)>) -> Self {
        let mut guards: BTreeMap<Guard, Switch> = Guard::ALL
            .into_iter()
            .map(|guard| match guard {
                Guard::Exclusive | Guard::Reentry | Guard::Email => (guard, Switch::On),
                Guard::Phone | Guard::Owner | Guard::Customer | Guard::OpenDeal => (guard, Switch::Off),
            })
            .collect();
        guards.extend(changes);
        Self(guards)
    }

    /// Whether a guard is judged.
    #[must_use]
    pub fn has(&self, guard: Guard) -> bool {
        self.0.get(&guard) == Some(&Switch::On)
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self::new([])
    }
}

/// What happens after the last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How long late answers still count as this cadence's.
    pub wait: Span,
    /// The outcome then.
    pub outcome: Outcome,
}

/// Gaps and caps of a cadence's touches; they count those of all cadences.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// The least time since the contact's last touch of any cadence, the later of sent and completed.
    pub gap: Option<Span>,
    /// Touches of one contact.
    pub per_contact: Vec<Limit<Channel>>,
    /// Touches of one owner.
    pub per_owner: Vec<Limit<Channel>>,
}

/// How pauses count. The remaining delay is kept (`arithmetic: keep`, the only one yet).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PausePolicy {
    /// How long an out-of-office reply without a date pauses.
    pub out_of_office: Span,
}

impl Default for PausePolicy {
    fn default() -> Self {
        Self { out_of_office: Span::days(7) }
    }
}

/// A shared, immutable cadence.
pub type SharedCadence = Arc<Cadence>;
