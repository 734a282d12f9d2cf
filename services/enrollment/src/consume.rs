//! Events: from the log into the store, a partition's batch a transaction, several partitions beside each other.

mod batching;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::Processor;
use futures::future::join_all;
use ports::bus::{
    BusError, Consumer, Delivery, PartitionState, Record, StartAt, Starts, StoredOffset, Topic,
};
use ports::dispatch::Flag;
use ports::unit::Offsets;
use tokio_util::sync::CancellationToken;

use self::batching::{Batching, Ended, Stored};
use crate::restored::{Behind, Guard, reason};
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
        let mut loop_ = match Loop::join(&deps, &settings).await {
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

fn partition_of(records: &[Record]) -> Option<i32> {
    records.first().map(|first| first.position.partition)
}

struct Loop<'a> {
    deps: &'a Deps,
    processor: Processor,
    consumer: Box<dyn Consumer>,
    batch: usize,
    /// How many partitions are worked on at once.
    partitions: usize,
    /// Records that came before those ahead of them were applied.
    ahead: Option<Vec<Record>>,
    /// The stored next offset of each partition that is ours; `None`: no row yet.
    stored: HashMap<i32, Option<i64>>,
    stopped: HashMap<i32, String>,
    /// Partitions at which the store was found to be behind what the group knows; sending is held.
    held: BTreeMap<i32, Behind>,
}

impl<'a> Loop<'a> {
    async fn join(deps: &'a Deps, settings: &Settings) -> Result<Self, BusError> {
        let starts = Arc::new(StoreStarts(Arc::clone(&deps.offsets)));
        let consumer = deps.consumers.join(GROUP, &[Topic::Events], starts).await?;
        let processor = Processor::new(Arc::clone(&deps.units), Arc::clone(&deps.catalogs));
        Ok(Self {
            deps,
            processor,
            consumer,
            batch: settings.batch,
            partitions: settings.partitions.max(1),
            ahead: None,
            stored: HashMap::new(),
            stopped: HashMap::new(),
            held: BTreeMap::new(),
        })
    }

    async fn consume(&mut self, stop: &CancellationToken) -> Result<(), BusError> {
        self.deps.observer.troubled(None);
        while let Some(gathered) = stop.run_until_cancelled(self.gather()).await {
            let (batches, after) = gathered?;
            let idle = batches.is_empty();
            self.apply(batches, stop).await?;
            match after {
                Some(Delivery::Records(records)) => self.ahead = Some(records),
                Some(Delivery::Assigned(partitions)) => self.assigned(partitions).await?,
                Some(Delivery::Revoked(partitions)) => self.revoked(&partitions),
                None if idle => self.look_for_release().await,
                None => {}
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

    /// What is there of several partitions, each once, so that one's work in the store goes on beside another's.
    async fn gather(&mut self) -> Result<(Vec<Vec<Record>>, Option<Delivery>), BusError> {
        let mut batches: Vec<Vec<Record>> = Vec::new();
        let mut wait = LOOK;
        while batches.len() < self.partitions {
            let next = match self.ahead.take() {
                Some(records) => Some(Delivery::Records(records)),
                None => self.consumer.next(self.batch, wait).await?,
            };
            wait = Duration::ZERO;
            match next {
                Some(Delivery::Records(records)) => {
                    if batches.iter().any(|batch| partition_of(batch) == partition_of(&records)) {
                        self.ahead = Some(records);
                        break;
                    }
                    batches.push(records);
                }
                other => return Ok((batches, other)),
            }
        }
        Ok((batches, None))
    }

    /// Applies batches of several partitions beside each other.
    async fn apply(&mut self, batches: Vec<Vec<Record>>, stop: &CancellationToken) -> Result<(), BusError> {
        let cluster = self.consumer.cluster().to_owned();
        // Until a batch has ended nobody knows how far it came.
        let known: Vec<_> =
            batches.iter().map(|records| self.stored.remove(&partition_of(records)?).map(Stored)).collect();
        let running = batches.iter().zip(known).map(|(records, known)| {
            let batching = Batching { deps: self.deps, processor: &self.processor, cluster: &cluster, known };
            batching.run(records, stop)
        });
        for (ended, records) in join_all(running).await.into_iter().zip(&batches) {
            let Some(first) = records.first().map(|first| first.position) else { continue };
            match ended {
                Ended::Stored { from } => {
                    self.stored.insert(first.partition, from);
                    let next = first.offset + i64::try_from(records.len()).unwrap_or(i64::MAX);
                    self.consumer.note_progress(Topic::Events, first.partition, next).await?;
                }
                Ended::Moved(why) => self.go_back(first.partition, first.offset, &why).await?,
                Ended::Stopped => {}
            }
        }
        Ok(())
    }

    /// Another process moved the partition on, or part of the batch was committed: go on from what is stored.
    async fn go_back(&mut self, partition: i32, at: i64, why: &str) -> Result<(), BusError> {
        tracing::info!(why, partition, "going on from the stored offset");
        // What came after it comes again.
        self.ahead = self.ahead.take().filter(|records| partition_of(records) != Some(partition));
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
