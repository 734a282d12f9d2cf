//! Reading as the one member of a group.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ports::bus::{
    BusError, CE_ID, Consumer, Delivery, PartitionState, Position, Record, StartAt, Starts, StoredOffset,
    Topic, start_at,
};
use rusqlite::Connection;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Shared;
use super::file::on_a_thread;
use super::read::{records_from, state_of, states_of, version_of};
use crate::JUDGE_EVERY;

/// How often the appends of other processes are looked for while there is nothing to read.
const LOOK: Duration = Duration::from_millis(20);

pub(super) struct EmbeddedConsumer {
    shared: Arc<Shared>,
    reader: Arc<Mutex<Connection>>,
    group: String,
    member: u64,
    starts: Arc<dyn Starts>,
    /// Topics that another member still has.
    wanted: Vec<Topic>,
    /// Topics that are ours and whose positions are not known yet.
    taken: Vec<Topic>,
    partitions: VecDeque<Partition>,
    appended: watch::Receiver<u64>,
    left: watch::Receiver<u64>,
    /// The file's version when nothing was left to read; `None`: read whatever it is.
    exhausted_at: Option<i64>,
    /// When the stopped partitions were last looked at.
    judged: Instant,
}

#[derive(Debug, Clone)]
struct Partition {
    topic: Topic,
    number: i32,
    next: i64,
    reading: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Running,
    Paused,
    Stopped,
}

/// What a look at the file found.
enum Found {
    /// Nothing, at this version of the file.
    Nothing(i64),
    Records(Vec<Record>),
    /// The partition's position has expired under us.
    Lost(PartitionState),
}

impl EmbeddedConsumer {
    pub(super) async fn join(
        shared: Arc<Shared>,
        group: &str,
        topics: &[Topic],
        starts: Arc<dyn Starts>,
    ) -> Result<Self, BusError> {
        let file = shared.file.clone();
        let reader = on_a_thread(move || file.reader()).await?;
        let member = shared.membership.enrol();
        let mut wanted = topics.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        Ok(Self {
            reader: Arc::new(Mutex::new(reader)),
            group: group.to_owned(),
            member,
            starts,
            wanted,
            taken: Vec::new(),
            partitions: VecDeque::new(),
            appended: shared.appended.clone(),
            left: shared.membership.watch(),
            exhausted_at: None,
            judged: Instant::now(),
            shared,
        })
    }

    /// Runs a query on the reading connection, on a thread for that.
    async fn query<T, F>(&self, query: F) -> Result<T, BusError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reader, file) = (Arc::clone(&self.reader), self.shared.file.clone());
        on_a_thread(move || {
            // A query cannot leave the connection in a state that the next one would mind.
            let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            query(&reader).map_err(|problem| file.error(&problem))
        })
        .await
    }

    /// Takes the topics that are free, and finds where to start in those taken.
    async fn assign(&mut self) -> Result<Option<Delivery>, BusError> {
        let (shared, group, member) = (&self.shared, &self.group, self.member);
        let free = self.wanted.extract_if(.., |topic| shared.membership.take(group, *topic, member));
        self.taken.extend(free);
        if self.taken.is_empty() {
            return Ok(None);
        }
        // Nothing is kept before all are known: asked again, it starts afresh.
        let mut assigned = Vec::new();
        for topic in self.taken.clone() {
            let file = self.shared.file.clone();
            let states = self.query(move |reader| Ok(states_of(reader, &file, topic))).await??;
            for state in states {
                let start = self.start_of(&state).await?;
                assigned.push((state, start));
            }
        }
        self.taken.clear();
        self.partitions.extend(assigned.iter().map(|(state, start)| Partition {
            topic: state.topic,
            number: state.partition,
            next: match start {
                StartAt::Offset(offset) => *offset,
                StartAt::Stopped(_) => state.ends_at,
            },
            reading: match start {
                StartAt::Offset(_) => Reading::Running,
                StartAt::Stopped(_) => Reading::Stopped,
            },
        }));
        self.exhausted_at = None;
        Ok(Some(Delivery::Assigned(assigned)))
    }

    async fn start_of(&self, state: &PartitionState) -> Result<StartAt, BusError> {
        let PartitionState { topic, partition, begins_at, ends_at } = *state;
        let stored = self.starts.stored(&self.shared.file.cluster, topic, partition).await?;
        let before = stored
            .as_ref()
            .map(|stored| stored.next - 1)
            .filter(|offset| (begins_at..ends_at).contains(offset));
        let found = match before {
            None => None,
            Some(offset) => {
                let position = Position { topic, partition, offset };
                let mut records = self.query(move |reader| records_from(reader, position, 1)).await?;
                records.pop().and_then(|mut record| record.headers.remove(CE_ID))
            }
        };
        Ok(start_at(state, stored.as_ref(), found.as_deref()))
    }

    /// Looks now and then whether a person has decided on what is stopped.
    async fn look_for_decisions(&mut self) -> Result<Option<Delivery>, BusError> {
        if self.judged.elapsed() < JUDGE_EVERY {
            return Ok(None);
        }
        let stopped = self.partitions.iter().filter(|partition| partition.reading == Reading::Stopped);
        for Partition { topic, number, .. } in stopped.cloned().collect::<Vec<_>>() {
            let state = self.query(move |reader| state_of(reader, topic, number)).await?;
            let start = self.start_of(&state).await?;
            if let StartAt::Offset(offset) = start
                && let Some(partition) = self.find(topic, number)
            {
                partition.next = offset;
                partition.reading = Reading::Running;
                self.exhausted_at = None;
                return Ok(Some(Delivery::Assigned(vec![(state, start)])));
            }
        }
        self.judged = Instant::now();
        Ok(None)
    }

    /// Looks for records of the partitions that run, in turn.
    async fn look(&mut self, max: usize) -> Result<Option<Delivery>, BusError> {
        let running: Vec<Partition> = self
            .partitions
            .iter()
            .filter(|partition| partition.reading == Reading::Running)
            .cloned()
            .collect();
        if running.is_empty() {
            return Ok(None);
        }
        let exhausted_at = self.exhausted_at;
        let found = self
            .query(move |reader| {
                let version = version_of(reader)?;
                if exhausted_at == Some(version) {
                    return Ok(Found::Nothing(version));
                }
                for Partition { topic, number, next, .. } in running {
                    let position = Position { topic, partition: number, offset: next };
                    let records = records_from(reader, position, max)?;
                    if records.first().is_some_and(|first| first.position.offset == next) {
                        return Ok(Found::Records(records));
                    }
                    let state = state_of(reader, topic, number)?;
                    if next < state.begins_at {
                        return Ok(Found::Lost(state));
                    }
                }
                Ok(Found::Nothing(version))
            })
            .await?;
        match found {
            Found::Nothing(version) => {
                self.exhausted_at = Some(version);
                Ok(None)
            }
            Found::Records(records) => {
                if let Some(last) = records.last().map(|record| record.position) {
                    self.move_to(last.topic, last.partition, last.offset + 1);
                }
                Ok(Some(Delivery::Records(records)))
            }
            Found::Lost(state) => Ok(self.stop(state)),
        }
    }

    /// Sets a partition's position and puts it behind the others.
    fn move_to(&mut self, topic: Topic, number: i32, next: i64) {
        let place = self.partitions.iter().position(|one| one.topic == topic && one.number == number);
        if let Some(mut partition) = place.and_then(|place| self.partitions.remove(place)) {
            partition.next = next;
            self.partitions.push_back(partition);
        }
    }

    /// Stops a partition whose position has expired.
    fn stop(&mut self, state: PartitionState) -> Option<Delivery> {
        let partition = self.find(state.topic, state.partition)?;
        let stored = StoredOffset { next: partition.next, last_id: None };
        partition.reading = Reading::Stopped;
        let start = start_at(&state, Some(&stored), None);
        Some(Delivery::Assigned(vec![(state, start)]))
    }

    fn find(&mut self, topic: Topic, number: i32) -> Option<&mut Partition> {
        self.partitions.iter_mut().find(|one| one.topic == topic && one.number == number)
    }

    fn ours(&mut self, topic: Topic, number: i32) -> Result<&mut Partition, BusError> {
        self.find(topic, number)
            .ok_or_else(|| BusError::Rejected(format!("{topic} partition {number} is not assigned")))
    }
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    fn cluster(&self) -> &str {
        &self.shared.file.cluster
    }

    async fn next(&mut self, max: usize, wait: Duration) -> Result<Option<Delivery>, BusError> {
        let until = Instant::now() + wait;
        loop {
            // Marked as seen before looking, so that what comes meanwhile wakes us.
            self.appended.borrow_and_update();
            self.left.borrow_and_update();
            if let Some(assigned) = self.assign().await? {
                return Ok(Some(assigned));
            }
            if let Some(decided) = self.look_for_decisions().await? {
                return Ok(Some(decided));
            }
            if let Some(records) = self.look(max.max(1)).await? {
                return Ok(Some(records));
            }
            let now = Instant::now();
            if now >= until {
                return Ok(None);
            }
            let (appended, left) = (&mut self.appended, &mut self.left);
            let woken = async {
                tokio::select! {
                    Ok(()) = appended.changed() => {}
                    Ok(()) = left.changed() => {}
                    else => std::future::pending().await,
                }
            };
            // Running out means that it is time to look for other processes' appends.
            let _ = timeout_at(until.min(now + LOOK), woken).await;
        }
    }

    async fn pause(&mut self, topic: Topic, partition: i32) -> Result<(), BusError> {
        let partition = self.ours(topic, partition)?;
        if partition.reading == Reading::Running {
            partition.reading = Reading::Paused;
        }
        Ok(())
    }

    async fn resume(&mut self, topic: Topic, partition: i32) -> Result<(), BusError> {
        let partition = self.ours(topic, partition)?;
        if partition.reading == Reading::Paused {
            partition.reading = Reading::Running;
            self.exhausted_at = None;
        }
        Ok(())
    }

    async fn seek(&mut self, topic: Topic, partition: i32, offset: i64) -> Result<(), BusError> {
        self.ours(topic, partition)?.next = offset;
        self.exhausted_at = None;
        Ok(())
    }

    async fn note_progress(&mut self, topic: Topic, partition: i32, next: i64) -> Result<(), BusError> {
        if self.find(topic, partition).is_some() {
            self.shared.writer.note((self.group.clone(), topic, partition), next);
        }
        Ok(())
    }

    async fn close(self: Box<Self>) {}
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        self.shared.membership.leave(self.member);
    }
}
