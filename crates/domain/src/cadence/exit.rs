//! Exit rules and goals.

use jiff::Timestamp;

use super::Outcome;
use crate::event::EventKind;
use crate::expr::Expression;
use crate::time::Span;
use crate::touch::words;

/// What counts as success.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// The event kind.
    pub on: EventKind,
    /// What else must be true.
    pub when: Option<Expression>,
}

/// When an enrollment stops or pauses.
#[derive(Debug, Clone, PartialEq)]
pub struct ExitRule {
    /// The event kind; `None`: judged at every event of the contact and before each touch.
    pub on: Option<EventKind>,
    /// What else must be true.
    pub when: Option<Expression>,
    /// Whose event counts.
    pub scope: ExitScope,
    /// What it does to the enrollment that owns the rule.
    pub effect: ExitEffect,
}

words! {
    /// Whose event an exit rule listens to.
    ExitScope {
        /// The enrolled contact's (the default).
        Contact = "contact",
        /// Anyone else's at the account, enrolled or not.
        Others = "others",
        /// Either.
        Account = "account",
    }
}

/// The same, by its name in the files.
pub type Scope = ExitScope;

/// What an exit rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum ExitEffect {
    /// Ends the enrollment.
    Exit {
        /// With this outcome.
        outcome: Outcome,
    },
    /// Pauses it.
    Pause(PauseLength),
    /// Switches a built-in rule for the same event off.
    Ignore,
}

/// How long a rule pauses.
#[derive(Debug, Clone, PartialEq)]
pub enum PauseLength {
    /// For this long.
    For(Span),
    /// Until the date that the event names.
    UntilEvent,
    /// Until a moment.
    Until(Timestamp),
}
