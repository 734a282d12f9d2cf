//! What the console may show of the last deliveries: verdicts, sampled and rate-capped, never bodies.
//!
//! An answer never waits for this: a verdict that finds the queue full is counted and dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::{Delivery, Published, Verdict};
use domain::id::SourceName;
use ports::bus::{Publisher, Topic};
use tokio::sync::mpsc;

use crate::messages::message;

/// Verdicts that wait to be published.
const QUEUE: usize = 1024;
/// Verdicts that are published together.
const BATCH: usize = 128;
/// Verdicts of one kind and source that are passed on per second; the next one after them says how many it stands for.
const PER_SECOND: u32 = 5;
const SECOND: Duration = Duration::from_secs(1);

/// Where verdicts are noted.
#[derive(Debug)]
pub(crate) struct Deliveries {
    queue: mpsc::Sender<Delivery>,
    caps: Mutex<HashMap<(SourceName, Verdict), Cap>>,
}

/// Publishes them.
#[derive(Debug)]
pub(crate) struct Reporter {
    queue: mpsc::Receiver<Delivery>,
}

#[derive(Debug, Default)]
struct Cap {
    /// When the current second began, monotonic.
    since: Duration,
    passed: u32,
    /// How many were held back since the last one that was passed on.
    held_back: u32,
}

impl Cap {
    /// For how many verdicts this one stands, or none when it is held back.
    fn admit(&mut self, now: Duration) -> Option<u32> {
        if now.saturating_sub(self.since) >= SECOND {
            *self = Self { since: now, passed: 0, held_back: self.held_back };
        }
        if self.passed >= PER_SECOND {
            self.held_back = self.held_back.saturating_add(1);
            return None;
        }
        self.passed += 1;
        Some(std::mem::take(&mut self.held_back).saturating_add(1))
    }
}

pub(crate) fn channel() -> (Deliveries, Reporter) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Deliveries { queue: sender, caps: Mutex::default() }, Reporter { queue: receiver })
}

impl Deliveries {
    /// Notes a verdict, whose `sampled_of` is filled in here; `now` is monotonic. Says whether it was passed on, so
    /// that the log is as calm as the topic.
    pub(crate) fn note(&self, mut delivery: Delivery, now: Duration) -> bool {
        // Nothing panics while it is held.
        let mut caps = self.caps.lock().unwrap_or_else(PoisonError::into_inner);
        let cap = caps.entry((delivery.source.clone(), delivery.verdict)).or_default();
        let Some(stands_for) = cap.admit(now) else { return false };
        delivery.sampled_of = stands_for;
        if self.queue.try_send(delivery).is_err() {
            cap.held_back = cap.held_back.saturating_add(stands_for);
            return false;
        }
        true
    }
}

impl Reporter {
    /// Publishes until every [`Deliveries`] is gone.
    pub(crate) async fn run(mut self, publisher: Arc<dyn Publisher>) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            let messages =
                batch.drain(..).map(|verdict| message(Topic::Deliveries, verdict.message(None))).collect();
            let lost = publisher.publish(messages).await.iter().filter(|result| result.is_err()).count();
            if lost > 0 {
                tracing::debug!(lost, "verdicts of deliveries could not be published");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::id::Workspace;
    use jiff::Timestamp;

    use super::*;

    fn verdict() -> Delivery {
        Delivery {
            workspace: Workspace::main(),
            source: SourceName::new("forms").unwrap(),
            at: Timestamp::UNIX_EPOCH,
            verdict: Verdict::Accepted,
            status: 202,
            reason: None,
            accepted: 1,
            quarantined: 0,
            size: 2,
            took: Duration::ZERO,
            sampled_of: 0,
        }
    }

    #[test]
    fn what_is_held_back_is_counted_in_the_next_one() {
        let (deliveries, mut reporter) = channel();
        let at = |millis| Duration::from_millis(millis);

        let passed = (0..100).filter(|_| deliveries.note(verdict(), at(5_000))).count();
        assert_eq!(passed, 5);
        assert!(deliveries.note(verdict(), at(6_000)));

        let mut counts = Vec::new();
        while let Ok(one) = reporter.queue.try_recv() {
            counts.push(one.sampled_of);
        }
        assert_eq!(counts, [1, 1, 1, 1, 1, 96]);
    }

    #[test]
    fn kinds_of_verdict_do_not_crowd_each_other_out() {
        let (deliveries, _reporter) = channel();
        for _ in 0..100 {
            deliveries.note(verdict(), SECOND);
        }

        assert!(deliveries.note(Delivery { verdict: Verdict::Unverified, ..verdict() }, SECOND));
    }

    #[test]
    fn a_full_queue_never_waits_and_loses_no_count() {
        let (deliveries, mut reporter) = channel();
        let mut second = 0;
        while deliveries.note(verdict(), SECOND * second) {
            second += 1;
        }
        while reporter.queue.try_recv().is_ok() {}

        deliveries.note(verdict(), SECOND * (second + 1));

        assert_eq!(reporter.queue.try_recv().unwrap().sampled_of, 2);
    }
}
