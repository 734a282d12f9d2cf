//! Reading as the one member of a group.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
use super::read::{MOST_BYTES, Room, records_from, state_of, states_of, version_of};
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

#[derive(Debug)]
struct Partition {
    topic: Topic,
    number: i32,
    next: i64,
    reading: Reading,
    /// Records that were read with those of others: what comes from `next` on, without a hole.
    ahead: VecDeque<Record>,
}

impl Partition {
    fn is_running(&self) -> bool {
        self.reading == Reading::Running
    }

    /// Goes on from another place.
    fn go_to(&mut self, next: i64) {
        self.next = next;
        self.ahead.clear();
    }

    fn take(&mut self, max: usize) -> Vec<Record> {
        let records: Vec<Record> = self.ahead.drain(..max.min(self.ahead.len())).collect();
        if let Some(last) = records.last() {
            self.next = last.position.offset + 1;
        }
        records
    }
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
    /// Of each partition that has some.
    Records(Vec<Vec<Record>>),
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
            let states = self.query(move |reader| states_of(reader, topic)).await?;
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
            ahead: VecDeque::new(),
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
                let mut room = Room { records: 1, bytes: MOST_BYTES };
                let mut records = self.query(move |reader| records_from(reader, position, &mut room)).await?;
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
        let stopped: Vec<_> = stopped.map(|partition| (partition.topic, partition.number)).collect();
        for (topic, number) in stopped {
            let state = self.query(move |reader| state_of(reader, topic, number)).await?;
            let start = self.start_of(&state).await?;
            if let StartAt::Offset(offset) = start
                && let Some(partition) = self.find(topic, number)
            {
                partition.go_to(offset);
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
        if let Some(records) = self.take(max) {
            return Ok(Some(Delivery::Records(records)));
        }
        let running = self.partitions.iter().filter(|partition| partition.is_running());
        let from = |partition: &Partition| {
            let Partition { topic, number, next, .. } = *partition;
            Position { topic, partition: number, offset: next }
        };
        let running: Vec<Position> = running.map(from).collect();
        if running.is_empty() {
            return Ok(None);
        }
        let exhausted_at = self.exhausted_at;
        match self.query(move |reader| find(reader, &running, exhausted_at, max)).await? {
            Found::Nothing(version) => {
                self.exhausted_at = Some(version);
                Ok(None)
            }
            Found::Records(found) => {
                for records in found {
                    let place = records.first().map(|first| first.position);
                    if let Some(partition) = place.and_then(|place| self.find(place.topic, place.partition)) {
                        partition.ahead = records.into();
                    }
                }
                Ok(self.take(max).map(Delivery::Records))
            }
            Found::Lost(state) => Ok(self.stop(state)),
        }
    }

    /// Up to `max` records of one partition that were read already; the partition goes behind the others.
    fn take(&mut self, max: usize) -> Option<Vec<Record>> {
        let has = |partition: &Partition| partition.is_running() && !partition.ahead.is_empty();
        let mut partition = self.partitions.iter().position(has).and_then(|at| self.partitions.remove(at))?;
        let records = partition.take(max);
        self.partitions.push_back(partition);
        Some(records)
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

/// Reads what is there from these positions on, up to `max` records of all together.
fn find(
    reader: &Connection,
    running: &[Position],
    exhausted_at: Option<i64>,
    max: usize,
) -> rusqlite::Result<Found> {
    let version = version_of(reader)?;
    if exhausted_at == Some(version) {
        return Ok(Found::Nothing(version));
    }
    let mut states: BTreeMap<(Topic, i32), PartitionState> = BTreeMap::new();
    for topic in running.iter().map(|place| place.topic).collect::<BTreeSet<_>>() {
        states.extend(states_of(reader, topic)?.into_iter().map(|state| ((topic, state.partition), state)));
    }
    let (mut found, mut room) = (Vec::new(), Room { records: max, bytes: MOST_BYTES });
    for place in running {
        let Some(state) = states.get(&(place.topic, place.partition)) else { continue };
        if place.offset < state.begins_at && found.is_empty() {
            return Ok(Found::Lost(state.clone()));
        }
        if room.is_none() {
            break;
        }
        if place.offset >= state.ends_at {
            continue;
        }
        let records = records_from(reader, *place, &mut room)?;
        // What has expired meanwhile is found next time.
        if records.first().is_some_and(|first| first.position.offset == place.offset) {
            found.push(records);
        }
    }
    Ok(if found.is_empty() { Found::Nothing(version) } else { Found::Records(found) })
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
        if partition.is_running() {
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
        self.ours(topic, partition)?.go_to(offset);
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
