//! Where an expression stands decides what it may name.

use super::schema::{Declared, Variable};

/// The place of an expression in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// `when` and `once_per` of a trigger: there is no enrollment yet.
    Trigger,
    /// `audience`: judged at entry, of the enrolling event.
    Audience,
    /// `when` of `goal`, `exit`, `on` and `wait_for`, and `until`: an event reaches an enrollment.
    OnEvent,
    /// `when` of a step or branch, exits without `on`, dates: an enrollment without an event.
    Guard,
    /// `when` of a segment, which is used in any of the others.
    Segment,
}

impl Position {
    /// What may be named there.
    #[must_use]
    pub fn variables(self) -> &'static [Variable] {
        match self {
            Self::Trigger => {
                &[Variable::Contact, Variable::Account, Variable::Event, Variable::Deal, Variable::Now]
            }
            Self::Audience => {
                &[Variable::Contact, Variable::Account, Variable::Entry, Variable::Deal, Variable::Now]
            }
            Self::OnEvent => &Variable::ALL,
            Self::Guard => &[
                Variable::Contact,
                Variable::Account,
                Variable::Entry,
                Variable::Enrollment,
                Variable::Steps,
                Variable::Deal,
                Variable::Now,
            ],
            Self::Segment => &[Variable::Contact, Variable::Account, Variable::Now],
        }
    }

    /// What the place is called in messages.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Trigger => "a trigger",
            Self::Audience => "an audience",
            Self::OnEvent => "a rule on an event",
            Self::Guard => "a guard or branch",
            Self::Segment => "a segment",
        }
    }
}

/// What an expression is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub(super) position: Position,
    pub(super) declared: Option<&'a Declared>,
    pub(super) event_kind: Option<&'a str>,
    pub(super) steps: Option<&'a [&'a str]>,
    pub(super) segments: Option<&'a [&'a str]>,
}

impl<'a> Scope<'a> {
    /// The scope of a place, without declared fields.
    #[must_use]
    pub fn new(position: Position) -> Self {
        Self { position, declared: None, event_kind: None, steps: None, segments: None }
    }

    /// With custom attributes.
    #[must_use]
    pub fn declared(mut self, declared: &'a Declared) -> Self {
        self.declared = Some(declared);
        self
    }

    /// Where `event` is of one kind only: its declared fields then have their types.
    #[must_use]
    pub fn event_kind(mut self, kind: &'a str) -> Self {
        self.event_kind = Some(kind);
        self
    }

    /// With the ids of the cadence's steps: another id is then an error.
    #[must_use]
    pub fn steps(mut self, ids: &'a [&'a str]) -> Self {
        self.steps = Some(ids);
        self
    }

    /// With the names of the segments: another name is then an error.
    #[must_use]
    pub fn segments(mut self, names: &'a [&'a str]) -> Self {
        self.segments = Some(names);
        self
    }

    /// The declared attributes.
    #[must_use]
    pub fn declared_fields(&self) -> Option<&'a Declared> {
        self.declared
    }

    /// The ids of the cadence's steps.
    #[must_use]
    pub fn known_steps(&self) -> Option<&'a [&'a str]> {
        self.steps
    }
}
