//! The seams to the machine: its clock, its randomness, its environment.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use ports::clock::Clock;
use uuid::Uuid;

/// The clock of the machine.
#[derive(Debug)]
pub(crate) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Monotonic time counts from now.
    #[expect(clippy::disallowed_methods, reason = "the one place where the process reads its clock")]
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the process reads its clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// An id that nobody else has: of a process start, of a person's act.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where ids are drawn; everything else derives them"
)]
pub(crate) fn fresh_id() -> Uuid {
    Uuid::new_v4()
}

/// A new secret for `drumbeat.key`.
#[expect(clippy::disallowed_methods, reason = "the one place where secrets are drawn")]
pub(crate) fn random_key() -> [u8; 32] {
    rand::random()
}

/// A variable of the environment that is no configuration: who is at the keyboard.
#[expect(
    clippy::disallowed_methods,
    reason = "the configuration reads its own variables; this asks who the user is"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
