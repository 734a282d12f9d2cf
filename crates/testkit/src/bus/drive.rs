//! Publishing and reading in cases, with a deadline on everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ports::bus::{
    BusError, CE_ID, Consumer, Delivery, Message, Position, Publisher, Record, StartAt, Starts, StoredOffset,
    Topic,
};
use tokio::time::{Instant, timeout};

use super::Bus;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long nothing must come for it to count as nothing.
const QUIET: Duration = Duration::from_millis(300);

/// A message whose payload and `ce_id` are `id`.
#[must_use]
pub fn message(topic: Topic, key: &str, id: &str) -> Message {
    message_of(topic, key, id, Bytes::copy_from_slice(id.as_bytes()))
}

/// A message with any payload.
#[must_use]
pub fn message_of(topic: Topic, key: &str, id: &str, payload: Bytes) -> Message {
    let headers = BTreeMap::from([(CE_ID.to_owned(), id.to_owned())]);
    Message { topic, key: key.as_bytes().to_vec(), headers, payload }
}

/// A record's payload as text.
#[must_use]
pub fn payload_of(record: &Record) -> String {
    String::from_utf8_lossy(&record.payload).into_owned()
}

/// A store that knows only positions, and can be away.
#[derive(Debug, Clone, Default)]
pub struct Positions(Arc<Mutex<Store>>);

#[derive(Debug, Default)]
struct Store {
    offsets: BTreeMap<(Topic, i32), StoredOffset>,
    clusters: BTreeSet<String>,
    away: bool,
}

impl Positions {
    /// Stores a partition's next offset, and the id of the record before it.
    pub fn set(&self, topic: Topic, partition: i32, next: i64, last_id: Option<&str>) {
        let offset = StoredOffset { next, last_id: last_id.map(str::to_owned) };
        self.lock().offsets.insert((topic, partition), offset);
    }

    /// Stores that a record was processed.
    pub fn processed(&self, record: &Record) {
        let Position { topic, partition, offset } = record.position;
        self.set(topic, partition, offset + 1, record.headers.get(CE_ID).map(String::as_str));
    }

    /// Goes away.
    pub fn leave(&self) {
        self.lock().away = true;
    }

    /// Comes back.
    pub fn come_back(&self) {
        self.lock().away = false;
    }

    /// The names under which positions were asked for.
    #[must_use]
    pub fn clusters(&self) -> BTreeSet<String> {
        self.lock().clusters.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Starts for Positions {
    async fn stored(
        &self,
        cluster: &str,
        topic: Topic,
        partition: i32,
    ) -> Result<Option<StoredOffset>, BusError> {
        let mut store = self.lock();
        if store.away {
            return Err(BusError::Unavailable("the store is away".to_owned()));
        }
        store.clusters.insert(cluster.to_owned());
        Ok(store.offsets.get(&(topic, partition)).cloned())
    }
}

/// Publishes one message and expects it to be taken.
pub(super) async fn publish(bus: &Bus, message: Message) -> Position {
    let positions = publish_all(&*bus.publisher, vec![message]).await;
    *positions.first().expect("one message has one answer")
}

/// Publishes messages and expects all to be taken.
pub(super) async fn publish_all(publisher: &dyn Publisher, messages: Vec<Message>) -> Vec<Position> {
    let count = messages.len();
    let answers = timeout(PATIENCE, publisher.publish(messages)).await.expect("publishing ends");
    assert_eq!(answers.len(), count, "one answer for each message");
    answers.into_iter().map(|answer| answer.expect("the message is taken")).collect()
}

/// A consumer with what it has said so far.
pub struct Reader {
    consumer: Box<dyn Consumer>,
    /// Where each partition started, or why it is stopped.
    pub assigned: BTreeMap<(Topic, i32), StartAt>,
    revoked: BTreeSet<(Topic, i32)>,
    records: Vec<Record>,
}

impl Reader {
    /// Joins a group.
    pub async fn join(bus: &Bus, group: &str, topics: &[Topic], positions: &Positions) -> Self {
        let joined = timeout(PATIENCE, bus.consumers.join(group, topics, Arc::new(positions.clone()))).await;
        let consumer = joined.expect("joining ends").expect("joining works");
        Self { consumer, assigned: BTreeMap::new(), revoked: BTreeSet::new(), records: Vec::new() }
    }

    /// Joins, and waits until all partitions of all topics are assigned.
    pub async fn join_fully(bus: &Bus, group: &str, topics: &[Topic], positions: &Positions) -> Self {
        let mut reader = Self::join(bus, group, topics, positions).await;
        reader.until_all_assigned(bus, topics).await;
        reader
    }

    /// Reads on until all partitions of all topics are assigned.
    pub async fn until_all_assigned(&mut self, bus: &Bus, topics: &[Topic]) {
        let mut all = 0;
        for topic in topics {
            all += bus.admin.partitions(*topic).await.expect("the topic is there").len();
        }
        self.until(|reader| reader.assigned.len() == all).await;
    }

    /// The port itself.
    pub fn consumer(&mut self) -> &mut dyn Consumer {
        &mut *self.consumer
    }

    /// The next thing, kept.
    ///
    /// # Errors
    /// As the consumer.
    pub async fn step(&mut self, max: usize, wait: Duration) -> Result<Option<usize>, BusError> {
        let Some(delivery) = self.consumer.next(max, wait).await? else { return Ok(None) };
        let mut count = 0;
        match delivery {
            Delivery::Records(records) => {
                assert!(!records.is_empty(), "records are never empty");
                assert!(records.len() <= max, "no more records than asked for");
                let place = (records[0].position.topic, records[0].position.partition);
                for pair in records.windows(2) {
                    assert_eq!(pair[1].position.topic, place.0, "records of one partition");
                    assert_eq!(pair[1].position.partition, place.1, "records of one partition");
                    assert!(pair[1].position.offset > pair[0].position.offset, "in offset order");
                }
                assert!(
                    matches!(self.assigned.get(&place), Some(StartAt::Offset(_))),
                    "records only of assigned partitions that are not stopped: {place:?}"
                );
                count = records.len();
                self.records.extend(records);
            }
            Delivery::Assigned(partitions) => {
                for (state, start) in partitions {
                    self.assigned.insert((state.topic, state.partition), start);
                }
            }
            Delivery::Revoked(partitions) => {
                for place in partitions {
                    self.assigned.remove(&place);
                    self.revoked.insert(place);
                }
            }
        }
        Ok(Some(count))
    }

    /// Reads on until something holds.
    pub async fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "nothing more came; assigned: {:?}, {} records wait",
                self.assigned,
                self.records.len()
            );
            self.step(100, left.min(Duration::from_secs(1))).await.expect("reading works");
        }
    }

    /// The next records, exactly so many.
    pub async fn read(&mut self, count: usize) -> Vec<Record> {
        self.until(|reader| reader.records.len() >= count).await;
        assert_eq!(self.records.len(), count, "no more records than expected");
        std::mem::take(&mut self.records)
    }

    /// Records that came while something else was waited for.
    pub fn taken(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// Expects that nothing comes.
    pub async fn expect_nothing(&mut self) {
        let until = Instant::now() + QUIET;
        while Instant::now() < until {
            self.step(100, QUIET).await.expect("reading works");
            assert!(self.records.is_empty(), "nothing was to come, but: {:?}", self.records);
        }
    }

    /// Waits for the store to be missed.
    pub async fn expect_unavailable(&mut self) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.step(100, Duration::from_secs(1)).await {
                Err(BusError::Unavailable(_)) => return,
                Ok(_) => assert!(self.records.is_empty(), "nothing is delivered while the store is away"),
                Err(other) => panic!("unavailable, not {other}"),
            }
        }
        panic!("the store was never asked");
    }

    /// Leaves the group, in the time that the port allows: two seconds for its last words, five to leave, and some for a busy
    /// machine.
    pub async fn close(self) {
        timeout(Duration::from_secs(12), self.consumer.close()).await.expect("closing is bounded");
    }
}

/// Keys enough to reach every partition.
pub(super) fn keys() -> Vec<String> {
    (0..40).map(|number| format!("main:{number}")).collect()
}

/// One message for each key.
pub(super) fn one_for_each_key(topic: Topic) -> Vec<Message> {
    keys().iter().map(|key| message(topic, key, &format!("{topic} of {key}"))).collect()
}
