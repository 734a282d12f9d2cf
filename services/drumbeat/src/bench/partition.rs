//! Events through `engine::Processor`, as enrollment processes a partition: batch by batch, the offset with them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::event::Event;
use domain::time::BusinessClock;
use engine::{Batch, Catalogs, Item, Letters, ProcessError, Processor};
use ports::bus::{Message, StoredOffset, Topic};
use ports::clock::Clock;
use ports::unit::{Offsets as _, UnitReport, Units as _};
use store::Store;

use super::mix::input;
use crate::exit::{Failure, Outcome};

/// Events of a transaction, as the enrollment service takes them.
pub(super) const BATCH: usize = 500;

/// The name of the log.
const CLUSTER: &str = "bench";

/// A partition of a log that is made up as it is processed.
pub(super) struct Partition {
    processor: Processor,
    clock: Arc<dyn Clock>,
    business: BusinessClock,
    number: i32,
    next: Option<i64>,
    /// What the units did.
    pub(super) report: UnitReport,
    /// Time spent in processing.
    pub(super) busy: Duration,
    pub(super) batches: u64,
}

impl Partition {
    pub(super) fn new(
        store: &Arc<Store>,
        catalogs: &Arc<Catalogs>,
        clock: &Arc<dyn Clock>,
        number: usize,
    ) -> Self {
        Self {
            processor: Processor::new(Arc::<Store>::clone(store), Arc::clone(catalogs)),
            clock: Arc::clone(clock),
            business: store.business(),
            number: i32::try_from(number).unwrap_or(i32::MAX),
            next: None,
            report: UnitReport::default(),
            busy: Duration::ZERO,
            batches: 0,
        }
    }

    /// Goes on where an earlier run on the same store has stopped.
    pub(super) async fn go_on(&mut self, store: &Store) -> Outcome {
        let stored = store.stored(CLUSTER, Topic::Events, self.number).await?;
        self.next = stored.map(|offset| offset.next);
        Ok(())
    }

    /// Processes a batch; making its events is not counted.
    pub(super) async fn process(&mut self, events: Vec<Arc<Event>>) -> Outcome {
        let first = self.next.unwrap_or_default();
        let items = (first + 1..)
            .zip(events)
            .map(|(next, event)| {
                let last_id = Some(event.id.as_str().to_owned());
                Item {
                    partition: self.number,
                    event: Ok(input(event, &self.business)),
                    next: StoredOffset { next, last_id },
                }
            })
            .collect::<Vec<_>>();
        let next = items.last().map(|item| item.next.next);
        let batch = Batch {
            cluster: CLUSTER.to_owned(),
            topic: Topic::Events,
            from: self.next.map(|next| (self.number, next)).into_iter().collect(),
            items,
        };
        let began = self.clock.monotonic();
        let done = self
            .processor
            .process(&batch, &NoLetters)
            .await
            .map_err(|ProcessError::Store(error)| Failure::from(error))?;
        self.busy += self.clock.monotonic().saturating_sub(began);
        self.batches += 1;
        self.next = next;
        if done.dead > 0 {
            return Err(Failure::Refused(format!(
                "{} events of the bench could not be processed",
                done.dead
            )));
        }
        self.report.fresh += done.report.fresh;
        self.report.duplicates += done.report.duplicates;
        self.report.enrolled += done.report.enrolled;
        self.report.ended += done.report.ended;
        Ok(())
    }

    /// Forgets what was counted so far.
    pub(super) fn count_from_here(&mut self) {
        (self.report, self.busy, self.batches) = (UnitReport::default(), Duration::ZERO, 0);
    }
}

/// A batch of the bench holds no bad event; one that turns out bad ends the bench.
struct NoLetters;

impl Letters for NoLetters {
    fn letter(&self, index: usize, error: &str) -> Message {
        Message {
            topic: Topic::DeadLetter,
            key: index.to_string().into_bytes(),
            headers: [("error".to_owned(), error.to_owned())].into(),
            payload: Bytes::new(),
        }
    }
}
