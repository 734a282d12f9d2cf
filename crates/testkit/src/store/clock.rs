//! A clock that a test moves.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use ports::clock::Clock;

/// Stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// A clock at a moment.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now: Mutex::new((now, Duration::ZERO)) }
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.now.lock().expect("no test panics while it moves the clock");
        now.0 = now.0.saturating_add(by).expect("tests stay within the calendar");
        now.1 += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.now.lock().expect("no test panics while it moves the clock").0
    }

    fn monotonic(&self) -> Duration {
        self.now.lock().expect("no test panics while it moves the clock").1
    }
}
