//! What the unit folds into the world: events, fired timers, and what became of attempts.

use std::sync::Arc;

use jiff::Timestamp;

use crate::event::Event;
use crate::id::{EnrollmentId, TouchId};
use crate::touch::{AttemptResult, Note, TimerKind};

/// One thing that happened, to be folded exactly once.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// An event, from the bus or from a person.
    Event(EventInput),
    /// A timer that was found due. The unit re-checks it under lock and deletes it by key.
    Timer(TimerInput),
    /// What the dispatcher has to say of a touch.
    Touch(TouchInput),
}

/// An event with its times in business time.
#[derive(Debug, Clone, PartialEq)]
pub struct EventInput {
    /// The event as received.
    pub event: Arc<Event>,
    /// `occurred_at` in business time.
    pub occurred_at: Timestamp,
    /// `received_at` in business time: the `now` of its decisions, so that a replay is exact.
    pub received_at: Timestamp,
    /// Whether a person re-drove it: then age does not make it late, and a dead letter may be tried again.
    pub origin: Origin,
    /// The W3C `traceparent` under which it is processed.
    pub trace: Option<String>,
}

impl EventInput {
    /// No time of it lies ahead of the store's: `now` in business time, `wall` on the wall. A machine whose clock is ahead
    /// would begin a cadence late, and win every later word about consent.
    #[must_use]
    pub fn capped(mut self, now: Timestamp, wall: Timestamp) -> Self {
        if self.event.received_at > wall || self.event.occurred_at > wall {
            let event = Arc::make_mut(&mut self.event);
            event.received_at = event.received_at.min(wall);
            event.occurred_at = event.occurred_at.min(wall);
        }
        self.received_at = self.received_at.min(now);
        self.occurred_at = self.occurred_at.min(now);
        self
    }
}

/// How an event came to the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From the bus, or straight from the API or command line.
    Live,
    /// Re-driven by a person.
    Redriven,
}

/// A due timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerInput {
    /// Its key.
    pub enrollment: EnrollmentId,
    /// The kind that was seen; another one now means that it was overtaken, and the input is ignored.
    pub kind: TimerKind,
    /// The due time that was seen; likewise.
    pub due_at: Timestamp,
}

/// What the dispatcher has to say of a touch. Ignored unless fence or attempt is still the current one.
#[derive(Debug, Clone, PartialEq)]
pub struct TouchInput {
    /// Which touch.
    pub touch: TouchId,
    /// When it was seen, in business time.
    pub at: Timestamp,
    /// What.
    pub report: TouchReport,
}

/// See [`TouchInput`].
#[derive(Debug, Clone, PartialEq)]
pub enum TouchReport {
    /// An attempt ended.
    Attempt {
        /// Which one.
        attempt: i32,
        /// How.
        result: AttemptResult,
    },
    /// Just before the mark its guard was false, its channel suppressed, or its exit rule true: the domain judges again.
    Judge {
        /// The picked fence.
        fence: i32,
    },
    /// A gap or cap moves it on.
    Defer {
        /// The picked fence.
        fence: i32,
        /// Not before (business time); the next opening counts.
        until: Timestamp,
        /// Which limit.
        note: Note,
    },
    /// It cannot be rendered: a missing field, a template error.
    Unrenderable {
        /// The picked fence.
        fence: i32,
        /// What is missing.
        note: Note,
    },
}
