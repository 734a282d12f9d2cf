use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ports::clock::Clock;

/// Stands still until it is moved.
pub(crate) struct ManualClock(Mutex<(Timestamp, Duration)>);

impl Default for ManualClock {
    fn default() -> Self {
        Self(Mutex::new(("2026-03-06T14:00:00Z".parse().unwrap(), Duration::from_secs(1000))))
    }
}

impl ManualClock {
    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        now.0 += SignedDuration::try_from(by).unwrap();
        now.1 += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}
