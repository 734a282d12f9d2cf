//! Waking up within one process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ports::wake::{Generation, Wake, Wakes};
use tokio::sync::watch;

/// Counts what was signalled.
#[derive(Debug)]
pub(crate) struct Signals {
    counts: [watch::Sender<u64>; 4],
}

impl Default for Signals {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| watch::Sender::new(0)) }
    }
}

fn place(what: Wake) -> usize {
    match what {
        Wake::Touches => 0,
        Wake::Timers => 1,
        Wake::Commands => 2,
        Wake::Outbox => 3,
    }
}

impl Signals {
    pub(crate) fn raise(&self, what: Wake) {
        self.counts[place(what)].send_modify(|count| *count += 1);
    }

    pub(crate) fn all(&self) {
        for what in [Wake::Touches, Wake::Timers, Wake::Commands, Wake::Outbox] {
            self.raise(what);
        }
    }

    fn count(&self, what: Wake) -> u64 {
        *self.counts[place(what)].borrow()
    }
}

/// The store's signals, for services of the same process.
#[derive(Debug, Clone)]
pub struct Wakeups {
    pub(crate) signals: Arc<Signals>,
    /// Where other processes write too and cannot signal: how long to wait at most.
    pub(crate) poll: Option<Duration>,
}

#[async_trait]
impl Wakes for Wakeups {
    fn generation(&self, what: Wake) -> Generation {
        Generation(self.signals.count(what))
    }

    async fn changed(&self, what: Wake, seen: Generation, at_most: Duration) {
        let mut count = self.signals.counts[place(what)].subscribe();
        let limit = self.poll.map_or(at_most, |poll| poll.min(at_most));
        // Neither ends with an error: the sender lives as long as `self`, and time running out is an answer.
        let _ = tokio::time::timeout(limit, count.wait_for(|now| *now != seen.0)).await;
    }
}
