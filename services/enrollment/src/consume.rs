//! Events: from the log into the store, a partition's batch a transaction.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::{Batch, ProcessError, Processor};
use ports::StoreError;
use ports::bus::{
    BusError, Consumer, Delivery, PartitionState, Record, StartAt, Starts, StoredOffset, Topic,
};
use ports::dispatch::Flag;
use ports::unit::Offsets;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::decode::{RecordLetters, item};
use crate::restored::{Behind, Guard, reason};
use crate::traces::Traces;
use crate::{Deps, Settings};

/// The consumer group of the events.
pub(crate) const GROUP: &str = "enrollment";
/// How long one look for records takes when there are none.
const LOOK: Duration = Duration::from_millis(500);
/// Before another try after a conflict: two processes must not race each other at full speed.
const BREATH: Duration = Duration::from_millis(25);
/// How long to wait while something cannot be reached.
const PATIENCE: Duration = Duration::from_millis(500);

/// Consumes until `stop`, joining the group again whenever the bus gives way.
pub(crate) async fn run(deps: Arc<Deps>, settings: Settings, stop: CancellationToken) {
    let mut held = BTreeMap::new();
    while !stop.is_cancelled() {
        let mut loop_ = match Loop::join(&deps, settings.batch).await {
            Ok(joined) => joined,
            Err(error) => {
                deps.observer.troubled(Some(&error.to_string()));
                tracing::warn!(error = %error, "the bus cannot be joined");
                stop.run_until_cancelled(tokio::time::sleep(PATIENCE)).await;
                continue;
            }
        };
        loop_.held = held;
        if let Err(error) = loop_.consume(&stop).await {
            deps.observer.troubled(Some(&error.to_string()));
            tracing::warn!(error = %error, "the bus gave way; joining again");
            stop.run_until_cancelled(tokio::time::sleep(PATIENCE)).await;
        }
        loop_.consumer.close().await;
        held = loop_.held;
    }
}

/// Tells the bus where to start: where the store says.
pub(crate) struct StoreStarts(pub(crate) Arc<dyn Offsets>);

#[async_trait]
impl Starts for StoreStarts {
    async fn stored(
        &self,
        cluster: &str,
        topic: Topic,
        partition: i32,
    ) -> Result<Option<StoredOffset>, BusError> {
        self.0
            .stored(cluster, topic, partition)
            .await
            .map_err(|error| BusError::Unavailable(error.to_string()))
    }
}

struct Loop<'a> {
    deps: &'a Deps,
    processor: Processor,
    consumer: Box<dyn Consumer>,
    batch: usize,
    /// The stored next offset of each partition that is ours; `None`: no row yet.
    stored: HashMap<i32, Option<i64>>,
    stopped: HashMap<i32, String>,
    /// Partitions at which the store was found to be behind what the group knows; sending is held.
    held: BTreeMap<i32, Behind>,
}

impl<'a> Loop<'a> {
    async fn join(deps: &'a Deps, batch: usize) -> Result<Self, BusError> {
        let starts = Arc::new(StoreStarts(Arc::clone(&deps.offsets)));
        let consumer = deps.consumers.join(GROUP, &[Topic::Events], starts).await?;
        let processor = Processor::new(Arc::clone(&deps.units), Arc::clone(&deps.catalogs));
        Ok(Self {
            deps,
            processor,
            consumer,
            batch,
            stored: HashMap::new(),
            stopped: HashMap::new(),
            held: BTreeMap::new(),
        })
    }

    async fn consume(&mut self, stop: &CancellationToken) -> Result<(), BusError> {
        self.deps.observer.troubled(None);
        while !stop.is_cancelled() {
            let next = stop.run_until_cancelled(self.consumer.next(self.batch, LOOK)).await;
            match next.transpose()?.flatten() {
                Some(Delivery::Records(records)) => self.apply(&records, stop).await?,
                Some(Delivery::Assigned(partitions)) => self.assigned(partitions).await?,
                Some(Delivery::Revoked(partitions)) => self.revoked(&partitions),
                None => self.look_for_release().await,
            }
        }
        Ok(())
    }

    async fn assigned(&mut self, partitions: Vec<(PartitionState, StartAt)>) -> Result<(), BusError> {
        let guard = Guard {
            consumers: self.deps.consumers.as_ref(),
            offsets: self.deps.offsets.as_ref(),
            flags: self.deps.flags.as_ref(),
            cluster: self.consumer.cluster(),
        };
        let numbers: Vec<i32> = partitions.iter().map(|(state, _)| state.partition).collect();
        for behind in guard.hold_if_behind(&numbers).await? {
            let Behind { partition, stored, .. } = behind;
            self.held.insert(partition, behind);
            // The flag stands. Told so, the group is where the store is, and what a person releases is not held again.
            self.consumer.note_progress(Topic::Events, partition, stored).await?;
        }
        for (state, start) in partitions {
            match start {
                StartAt::Offset(_) => {
                    self.stopped.remove(&state.partition);
                    self.stored.remove(&state.partition);
                }
                StartAt::Stopped(why) => {
                    tracing::error!(why, "a partition is stopped");
                    self.stopped.insert(state.partition, why);
                }
            }
        }
        self.report_stopped();
        Ok(())
    }

    /// Once a person has let sending go on, there is nothing left to say of it.
    async fn look_for_release(&mut self) {
        if self.held.is_empty() {
            return;
        }
        match self.deps.flags.stopped().await {
            Ok(flags) if !flags.contains(&Flag::All) => {
                self.held.clear();
                self.report_stopped();
            }
            // The next look tells.
            Ok(_) | Err(_) => {}
        }
    }

    fn revoked(&mut self, partitions: &[(Topic, i32)]) {
        for (_, partition) in partitions {
            self.stored.remove(partition);
            self.stopped.remove(partition);
        }
        self.report_stopped();
    }

    fn report_stopped(&self) {
        let reasons: Vec<String> = self.stopped.values().cloned().chain(reason(self.held.values())).collect();
        self.deps.observer.stopped(&reasons);
    }

    /// Applies records of one partition; waits while the store is away, so that nothing is skipped or dead-lettered by an
    /// outage.
    async fn apply(&mut self, records: &[Record], stop: &CancellationToken) -> Result<(), BusError> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        let partition = first.position.partition;
        let started = self.deps.clock.monotonic();
        let traces = Traces::of(records);
        loop {
            match self.process(records, &traces).instrument(traces.batch.clone()).await {
                Ok(done) => {
                    let took = self.deps.clock.monotonic().saturating_sub(started);
                    self.deps.observer.batch(done.report.fresh, done.report.duplicates, took);
                    if done.dead > 0 {
                        self.deps.observer.dead(done.dead);
                    }
                    self.deps.observer.troubled(None);
                    let next = first.position.offset + i64::try_from(records.len()).unwrap_or(i64::MAX);
                    return self.consumer.note_progress(Topic::Events, partition, next).await;
                }
                Err(StoreError::Conflict(why) | StoreError::Contended(why)) => {
                    return self.go_back(partition, first.position.offset, &why).await;
                }
                Err(error) => {
                    self.deps.observer.troubled(Some(&error.to_string()));
                    tracing::warn!(error = %error, partition, "events wait for the store");
                    self.stored.remove(&partition);
                    if stop.run_until_cancelled(tokio::time::sleep(PATIENCE)).await.is_none() {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn process(
        &mut self,
        records: &[Record],
        traces: &Traces,
    ) -> Result<engine::Processed, StoreError> {
        let Some(partition) = records.first().map(|first| first.position.partition) else {
            return Ok(engine::Processed::default());
        };
        let cluster = self.consumer.cluster().to_owned();
        let from = match self.stored.get(&partition) {
            Some(known) => *known,
            None => {
                self.deps.offsets.stored(&cluster, Topic::Events, partition).await?.map(|stored| stored.next)
            }
        };
        let skip = records
            .iter()
            .take_while(|record| from.is_some_and(|from| record.position.offset < from))
            .count();
        let (records, causes) = (&records[skip..], &traces.causes[skip..]);
        if records.is_empty() {
            self.stored.insert(partition, from);
            return Ok(engine::Processed::default());
        }
        let clock = self.deps.units.business();
        let batch = Batch {
            cluster,
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
        // Until the batch has ended nobody knows how far it came.
        self.stored.remove(&partition);
        let done =
            self.processor.process(&batch, &letters).await.map_err(|ProcessError::Store(error)| error)?;
        self.stored.insert(partition, batch.items.last().map(|last| last.next.next));
        Ok(done)
    }

    /// Another process moved the partition on, or part of the batch was committed: go on from what is stored.
    async fn go_back(&mut self, partition: i32, at: i64, why: &str) -> Result<(), BusError> {
        tracing::info!(why, partition, "going on from the stored offset");
        tokio::time::sleep(BREATH).await;
        let cluster = self.consumer.cluster().to_owned();
        let stored = self.deps.offsets.stored(&cluster, Topic::Events, partition).await;
        let stored = stored.map_err(|error| BusError::Unavailable(error.to_string()))?;
        let next = stored.map_or(at, |stored| stored.next);
        self.stored.remove(&partition);
        self.consumer.seek(Topic::Events, partition, next).await
    }
}

#[cfg(test)]
mod tests;
