//! One partition's batch: decided and stored, or why not.

use engine::{Batch, ProcessError, Processed, Processor};
use ports::StoreError;
use ports::bus::{Record, Topic};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{PATIENCE, partition_of};
use crate::Deps;
use crate::decode::{RecordLetters, item};
use crate::traces::Traces;

/// What a batch is worked on with.
pub(super) struct Batching<'a> {
    pub(super) deps: &'a Deps,
    pub(super) processor: &'a Processor,
    pub(super) cluster: &'a str,
    /// What is stored, where that is known.
    pub(super) known: Option<Stored>,
}

/// The stored next offset of a partition; `None`: there is no row yet.
#[derive(Clone, Copy)]
pub(super) struct Stored(pub(super) Option<i64>);

/// How a batch ended.
pub(super) enum Ended {
    /// All of it is stored; the next one starts at `from`.
    Stored {
        /// The stored next offset.
        from: Option<i64>,
    },
    /// Another process moved the partition on, or part of the batch was committed: go on from what is stored.
    Moved(String),
    /// A stop was asked for while the store was away.
    Stopped,
}

impl Batching<'_> {
    /// Applies records of one partition; waits while the store is away, so that nothing is skipped or dead-lettered by an
    /// outage.
    pub(super) async fn run(mut self, records: &[Record], stop: &CancellationToken) -> Ended {
        let Some(partition) = partition_of(records) else { return Ended::Stopped };
        let started = self.deps.clock.monotonic();
        let traces = Traces::of(records);
        loop {
            match self.process(partition, records, &traces).instrument(traces.batch.clone()).await {
                Ok((done, from)) => {
                    let took = self.deps.clock.monotonic().saturating_sub(started);
                    self.deps.observer.batch(done.report.fresh, done.report.duplicates, took);
                    if done.dead > 0 {
                        self.deps.observer.dead(done.dead);
                    }
                    self.deps.observer.troubled(None);
                    return Ended::Stored { from };
                }
                Err(StoreError::Conflict(why) | StoreError::Contended(why)) => return Ended::Moved(why),
                Err(error) => {
                    self.deps.observer.troubled(Some(&error.to_string()));
                    tracing::warn!(error = %error, partition, "events wait for the store");
                    self.known = None;
                    if stop.run_until_cancelled(tokio::time::sleep(PATIENCE)).await.is_none() {
                        return Ended::Stopped;
                    }
                }
            }
        }
    }

    async fn process(
        &self,
        partition: i32,
        records: &[Record],
        traces: &Traces,
    ) -> Result<(Processed, Option<i64>), StoreError> {
        let from = match self.known {
            Some(Stored(next)) => next,
            None => {
                let stored = self.deps.offsets.stored(self.cluster, Topic::Events, partition).await?;
                stored.map(|stored| stored.next)
            }
        };
        let skip = records
            .iter()
            .take_while(|record| from.is_some_and(|from| record.position.offset < from))
            .count();
        let (records, causes) = (&records[skip..], &traces.causes[skip..]);
        if records.is_empty() {
            return Ok((Processed::default(), from));
        }
        let clock = self.deps.units.business();
        let batch = Batch {
            cluster: self.cluster.to_owned(),
            topic: Topic::Events,
            partition,
            from,
            items: records
                .iter()
                .zip(causes)
                .map(|(record, cause)| item(record, &clock, cause.clone()))
                .collect(),
        };
        let letters = RecordLetters { records, now: self.deps.clock.now() };
        let done =
            self.processor.process(&batch, &letters).await.map_err(|ProcessError::Store(error)| error)?;
        Ok((done, batch.items.last().map(|last| last.next.next)))
    }
}
