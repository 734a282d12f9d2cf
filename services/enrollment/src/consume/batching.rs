//! One unit's records: decided and stored, or why not.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Batch, ProcessError, Processed, Processor};
use ports::StoreError;
use ports::bus::{Record, Topic};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::PATIENCE;
use crate::Deps;
use crate::decode::{RecordLetters, item};
use crate::traces::Traces;

/// What a batch is worked on with.
pub(super) struct Batching<'a> {
    pub(super) deps: &'a Deps,
    pub(super) processor: &'a Processor,
    pub(super) cluster: &'a str,
    /// The stored next offsets, where they are known.
    pub(super) known: BTreeMap<i32, i64>,
}

/// How a batch ended.
pub(super) enum Ended {
    /// All of it is stored, and these are the stored next offsets.
    Stored(BTreeMap<i32, i64>),
    /// Another process moved a partition on, or part of the batch was committed: go on from what is stored.
    Moved(String),
    /// A stop was asked for while the store was away.
    Stopped,
}

impl Batching<'_> {
    /// Applies records of one or several partitions; waits while the store is away, so that nothing is skipped or
    /// dead-lettered by an outage.
    pub(super) async fn run(mut self, records: &[Record], stop: &CancellationToken) -> Ended {
        let started = self.deps.clock.monotonic();
        let traces = Traces::of(records);
        loop {
            match self.process(records, &traces).instrument(traces.batch.clone()).await {
                Ok((done, stored)) => {
                    let took = self.deps.clock.monotonic().saturating_sub(started);
                    self.deps.observer.batch(done.report.fresh, done.report.duplicates, took);
                    if done.dead > 0 {
                        self.deps.observer.dead(done.dead);
                    }
                    self.deps.observer.troubled(None);
                    return Ended::Stored(stored);
                }
                Err(StoreError::Conflict(why) | StoreError::Contended(why)) => return Ended::Moved(why),
                Err(error) => {
                    self.deps.observer.troubled(Some(&error.to_string()));
                    tracing::warn!(error = %error, events = records.len(), "events wait for the store");
                    self.known.clear();
                    if stop.run_until_cancelled(tokio::time::sleep(PATIENCE)).await.is_none() {
                        return Ended::Stopped;
                    }
                }
            }
        }
    }

    /// Gives the stored next offsets afterwards, too.
    async fn process(
        &self,
        records: &[Record],
        traces: &Traces,
    ) -> Result<(Processed, BTreeMap<i32, i64>), StoreError> {
        let mut stored = self.known.clone();
        let partitions: BTreeSet<i32> = records.iter().map(|record| record.position.partition).collect();
        for partition in partitions.into_iter().filter(|partition| !self.known.contains_key(partition)) {
            let found = self.deps.offsets.stored(self.cluster, Topic::Events, partition).await?;
            stored.extend(found.map(|found| (partition, found.next)));
        }
        let fresh = |record: &Record| {
            stored.get(&record.position.partition).is_none_or(|next| record.position.offset >= *next)
        };
        let (records, causes): (Vec<&Record>, Vec<&Option<String>>) =
            records.iter().zip(&traces.causes).filter(|(record, _)| fresh(record)).unzip();
        if records.is_empty() {
            return Ok((Processed::default(), stored));
        }
        let clock = self.deps.units.business();
        let items =
            records.iter().zip(causes).map(|(record, cause)| item(record, &clock, cause.clone())).collect();
        let cluster = self.cluster.to_owned();
        let batch = Batch { cluster, topic: Topic::Events, from: stored.clone(), items };
        let letters = RecordLetters { records, now: self.deps.clock.now() };
        let done =
            self.processor.process(&batch, &letters).await.map_err(|ProcessError::Store(error)| error)?;
        // The last one of a partition counts.
        stored.extend(batch.items.iter().map(|item| (item.partition, item.next.next)));
        Ok((done, stored))
    }
}
