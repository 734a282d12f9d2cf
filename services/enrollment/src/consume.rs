//! Events: from the log into the store. What is there of all partitions is one transaction; of a backlog, several beside each
//! other, each of other partitions.

mod batching;
mod gathering;

use std::collections::BTreeMap;
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

use self::batching::{Batching, Ended};
use self::gathering::Gathering;
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

/// What came since the group was joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Something,
}

struct Loop<'a> {
    deps: &'a Deps,
    processor: Processor,
    consumer: Box<dyn Consumer>,
    settings: &'a Settings,
    /// Records that came before those ahead of them were applied.
    ahead: Option<Vec<Record>>,
    /// The stored next offsets of partitions that are ours, where they are known.
    stored: BTreeMap<i32, i64>,
    stopped: BTreeMap<i32, String>,
    /// Partitions at which the store was found to be behind what the group knows; sending is held.
    held: BTreeMap<i32, Behind>,
}

impl<'a> Loop<'a> {
    async fn join(deps: &'a Deps, settings: &'a Settings) -> Result<Self, BusError> {
        let starts = Arc::new(StoreStarts(Arc::clone(&deps.offsets)));
        let consumer = deps.consumers.join(GROUP, &[Topic::Events], starts).await?;
        let processor = Processor::new(Arc::clone(&deps.units), Arc::clone(&deps.catalogs));
        Ok(Self {
            deps,
            processor,
            consumer,
            settings,
            ahead: None,
            stored: BTreeMap::new(),
            stopped: BTreeMap::new(),
            held: BTreeMap::new(),
        })
    }

    async fn consume(&mut self, stop: &CancellationToken) -> Result<(), BusError> {
        let mut heard = Heard::Nothing;
        while let Some(gathered) = stop.run_until_cancelled(self.gather()).await {
            let (units, after) = gathered?;
            // To have joined says little: that a topic is missing comes as the first answer, again and again.
            if heard == Heard::Nothing {
                self.deps.observer.troubled(None);
                heard = Heard::Something;
            }
            let idle = units.is_empty();
            self.apply(units, stop).await?;
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

    /// What is there, as units, and what came after it.
    async fn gather(&mut self) -> Result<(Vec<Vec<Record>>, Option<Delivery>), BusError> {
        let mut gathering = Gathering::new(self.settings.batch, self.settings.beside);
        let mut wait = LOOK;
        while gathering.room() > 0 {
            let next = match self.ahead.take() {
                Some(records) => Some(Delivery::Records(records)),
                None => self.consumer.next(gathering.room(), wait).await?,
            };
            wait = Duration::ZERO;
            match next {
                Some(Delivery::Records(records)) => {
                    if let Err(records) = gathering.take(records) {
                        self.ahead = Some(records);
                        break;
                    }
                }
                Some(Delivery::Revoked(partitions)) => {
                    gathering.give_up(&partitions);
                    return Ok((gathering.into_units(), Some(Delivery::Revoked(partitions))));
                }
                other => return Ok((gathering.into_units(), other)),
            }
        }
        Ok((gathering.into_units(), None))
    }

    /// Applies units beside each other.
    async fn apply(&mut self, units: Vec<Vec<Record>>, stop: &CancellationToken) -> Result<(), BusError> {
        let cluster = self.consumer.cluster().to_owned();
        let firsts: Vec<BTreeMap<i32, i64>> = units.iter().map(|records| firsts(records)).collect();
        let running = units.iter().zip(&firsts).map(|(records, firsts)| {
            // Until a unit has ended nobody knows how far it came.
            let partitions = firsts.keys();
            let known = partitions.filter_map(|partition| self.stored.remove_entry(partition)).collect();
            let batching = Batching { deps: self.deps, processor: &self.processor, cluster: &cluster, known };
            batching.run(records, stop)
        });
        let running: Vec<_> = running.collect();
        for (ended, firsts) in join_all(running).await.into_iter().zip(firsts) {
            match ended {
                Ended::Stored(stored) => {
                    for (partition, next) in &stored {
                        self.consumer.note_progress(Topic::Events, *partition, *next).await?;
                    }
                    self.stored.extend(stored);
                }
                Ended::Moved(why) => self.go_back(firsts, &why).await?,
                Ended::Stopped => {}
            }
        }
        Ok(())
    }

    /// Another process moved a partition on, or part of the unit was committed: go on from what is stored, at each partition
    /// of the unit; where nothing is, from what was read first.
    async fn go_back(&mut self, firsts: BTreeMap<i32, i64>, why: &str) -> Result<(), BusError> {
        tracing::info!(why, "going on from the stored offsets");
        // What came after it comes again.
        let ours =
            |records: &Vec<Record>| records.iter().any(|one| firsts.contains_key(&one.position.partition));
        self.ahead = self.ahead.take().filter(|records| !ours(records));
        tokio::time::sleep(BREATH).await;
        let cluster = self.consumer.cluster().to_owned();
        for (partition, first) in firsts {
            let stored = self.deps.offsets.stored(&cluster, Topic::Events, partition).await;
            let stored = stored.map_err(|error| BusError::Unavailable(error.to_string()))?;
            self.consumer.seek(Topic::Events, partition, stored.map_or(first, |stored| stored.next)).await?;
        }
        Ok(())
    }
}

/// The first offset of each partition.
fn firsts(records: &[Record]) -> BTreeMap<i32, i64> {
    let mut firsts = BTreeMap::new();
    for record in records {
        firsts.entry(record.position.partition).or_insert(record.position.offset);
    }
    firsts
}

#[cfg(test)]
mod tests;
