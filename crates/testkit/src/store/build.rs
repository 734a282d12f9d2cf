//! Builders of inputs.

use std::sync::Arc;

use domain::event::{Event, EventKind};
use domain::id::{Digest, EventId, SourceName, Workspace};
use domain::identity::{AccountKeys, Email, SubjectKeys};
use domain::input::{EventInput, Input, Origin};
use jiff::Timestamp;
use ports::unit::Unit;

/// A filled form, to be changed before it is made an input.
#[derive(Debug, Clone)]
pub struct Form {
    /// The event.
    pub event: Event,
    /// How it came.
    pub origin: Origin,
}

impl Form {
    /// In another workspace.
    #[must_use]
    pub fn in_workspace(mut self, workspace: &str) -> Self {
        self.event.workspace = Workspace::new(workspace).expect("a test's name");
        self
    }

    /// Received then.
    #[must_use]
    pub fn received(mut self, at: Timestamp) -> Self {
        (self.event.received_at, self.event.occurred_at) = (at, at);
        self
    }

    /// Of another kind.
    #[must_use]
    pub fn kind(mut self, kind: EventKind) -> Self {
        self.event.kind = kind;
        self
    }

    /// As an input.
    #[must_use]
    pub fn input(self) -> Input {
        let (occurred_at, received_at) = (self.event.occurred_at, self.event.received_at);
        Input::Event(EventInput {
            event: Arc::new(self.event),
            occurred_at,
            received_at,
            origin: self.origin,
            trace: None,
        })
    }
}

/// An event of a kind by someone: `id` makes it this event, `who` is an address.
#[must_use]
pub fn event(kind: EventKind, id: &str, who: &str, at: Timestamp) -> Form {
    let event = Event {
        id: EventId::new(id).expect("a test's id"),
        digest: Digest::of(&[id.as_bytes()]),
        workspace: Workspace::main(),
        source: SourceName::new("website").expect("a test's name"),
        kind,
        occurred_at: at,
        received_at: at,
        subject: SubjectKeys {
            email: Some(Email::parse(who).expect("a test's address")),
            ..SubjectKeys::default()
        },
        account: AccountKeys::default(),
        detail: domain::event::Detail::default(),
        actor: None,
    };
    Form { event, origin: Origin::Live }
}

/// A filled form: [`Mini`](super::Mini) enrolls its contact.
#[must_use]
pub fn form(id: &str, who: &str, at: Timestamp) -> Form {
    event(EventKind::FormSubmitted, id, who, at)
}

/// An opt-out: [`Mini`](super::Mini) ends all live enrollments of its contact.
#[must_use]
pub fn stop(id: &str, who: &str, at: Timestamp) -> Form {
    event(EventKind::Unsubscribed, id, who, at)
}

/// A unit of inputs without an offset.
#[must_use]
pub fn events(inputs: impl IntoIterator<Item = Input>) -> Unit {
    Unit { inputs: inputs.into_iter().collect(), ..Unit::default() }
}
