//! The log between ingest and the rest: Kafka, or the embedded durable log.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

/// A topic of ours. The full name is `{prefix}.{name}.v1`, with the prefix of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Canonical events.
    Events,
    /// Verified deliveries that could not be translated.
    Quarantine,
    /// Events whose processing failed for good.
    DeadLetter,
    /// Sampled, redacted verdicts of deliveries.
    Deliveries,
    /// Quarantined deliveries to translate again.
    Redeliver,
    /// What the engine decided and did.
    Outcomes,
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 6] =
        [Self::Events, Self::Quarantine, Self::DeadLetter, Self::Deliveries, Self::Redeliver, Self::Outcomes];

    /// The middle of its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Quarantine => "quarantine",
            Self::DeadLetter => "deadletter",
            Self::Deliveries => "deliveries",
            Self::Redeliver => "redeliver",
            Self::Outcomes => "outcomes",
        }
    }

    /// Its full name under a prefix.
    #[must_use]
    pub fn full_name(self, prefix: &str) -> String {
        format!("{prefix}.{}.v1", self.as_str())
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub topic: Topic,
    /// Chooses the partition.
    pub key: Vec<u8>,
    /// CloudEvents attributes (`ce_id`, …) and `traceparent`.
    pub headers: BTreeMap<String, String>,
    /// Protobuf.
    pub payload: Bytes,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The topic.
    pub topic: Topic,
    /// The partition, from 0.
    pub partition: i32,
    /// The offset, from 0.
    pub offset: i64,
}

/// A message as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it was.
    pub position: Position,
    /// When the log took it.
    pub appended_at: Timestamp,
    /// The key.
    pub key: Vec<u8>,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The payload.
    pub payload: Bytes,
}

/// The header that names an event in the log; kept with the stored offset and compared on assignment.
pub const CE_ID: &str = "ce_id";

/// The header that orders the messages of one key, as text that compares as its number does (the CloudEvents extension
/// `sequence`): a later outcome of an enrollment has a greater one.
pub const CE_SEQUENCE: &str = "ce_sequence";

/// A bus's failure, by what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BusError {
    /// The log cannot take or give anything now: wait, or answer the overload code.
    #[error("the bus is unavailable: {0}")]
    Unavailable(String),
    /// This message can never be taken (too big, unknown topic).
    #[error("the bus refused the message: {0}")]
    Rejected(String),
    /// The configuration or the log is wrong: a person must look.
    #[error("the bus cannot be used: {0}")]
    Broken(String),
}

/// Appends messages durably.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes messages and waits until each is durable: acknowledged by all in-sync replicas, or fsynced.
    ///
    /// The answers are in the order of the messages. Messages of one key keep their order when all succeed.
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Position, BusError>>;

    /// Whether messages can be published now; cheap, for readiness.
    async fn ready(&self) -> Result<(), BusError>;

    /// Waits until what is in flight is done, at most `limit`.
    async fn flush(&self, limit: Duration) -> Result<(), BusError>;
}

/// Where to start reading a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartAt {
    /// At this offset.
    Offset(i64),
    /// Nowhere: the partition is stopped until a person decides, for the reason given.
    Stopped(String),
}

/// What a partition of the log looks like on assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// The first offset still held.
    pub begins_at: i64,
    /// The next offset to be written.
    pub ends_at: i64,
}

/// Knows from where each partition is to be read: the store.
#[async_trait]
pub trait Starts: Send + Sync {
    /// The stored next offset of a partition, with the `ce_id` of the record before it.
    async fn stored(
        &self,
        cluster: &str,
        topic: Topic,
        partition: i32,
    ) -> Result<Option<StoredOffset>, BusError>;
}

/// A partition's offset as kept in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOffset {
    /// The next offset to read.
    pub next: i64,
    /// The `ce_id` of the record at `next - 1`.
    pub last_id: Option<String>,
}

/// Decides where to start, from what the store and the log say. Never an automatic reset.
///
/// `found_id` is the `ce_id` of the log's record at `stored.next - 1`, when that record is still held.
#[must_use]
pub fn start_at(state: &PartitionState, stored: Option<&StoredOffset>, found_id: Option<&str>) -> StartAt {
    let name = format!("{} partition {}", state.topic, state.partition);
    let Some(stored) = stored else {
        if state.begins_at == 0 {
            return StartAt::Offset(0);
        }
        return StartAt::Stopped(format!(
            "{name}: no stored offset, and the log no longer begins at 0 but at {}; choose one with `drumbeat offsets set`",
            state.begins_at
        ));
    };
    if stored.next < state.begins_at || stored.next > state.ends_at {
        return StartAt::Stopped(format!(
            "{name}: the stored offset {} is outside of the log ({} to {}); choose one with `drumbeat offsets set`",
            stored.next, state.begins_at, state.ends_at
        ));
    }
    if let (Some(expected), Some(found)) = (stored.last_id.as_deref(), found_id)
        && expected != found
    {
        return StartAt::Stopped(format!(
            "{name}: the record before the stored offset {} is another one than was processed: is this another log? \
             choose an offset with `drumbeat offsets set`",
            stored.next
        ));
    }
    StartAt::Offset(stored.next)
}

/// What a consumer has to say.
#[derive(Debug)]
pub enum Delivery {
    /// Records of one partition, in offset order, never empty.
    Records(Vec<Record>),
    /// Partitions are ours from now on; those stopped say why.
    Assigned(Vec<(PartitionState, StartAt)>),
    /// Partitions are no longer ours: what is in flight of them may still commit, its compare-and-set decides.
    Revoked(Vec<(Topic, i32)>),
}

/// Reads topics as a member of a group.
#[async_trait]
pub trait Consumer: Send {
    /// The identity of the log: offsets are kept under it.
    fn cluster(&self) -> &str;

    /// The next thing, waiting for it at most `wait`; `None` when there was none. Records come up to `max` at a time.
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Option<Delivery>, BusError>;

    /// Stops fetching a partition (back-pressure); delivered records stay valid.
    async fn pause(&mut self, topic: Topic, partition: i32) -> Result<(), BusError>;

    /// Fetches a paused partition again.
    async fn resume(&mut self, topic: Topic, partition: i32) -> Result<(), BusError>;

    /// Goes back (or on) to an offset, after a failed compare-and-set.
    async fn seek(&mut self, topic: Topic, partition: i32, offset: i64) -> Result<(), BusError>;

    /// Tells the group how far we are; correctness rests on the store's offset. It is written soon, and when the consumer
    /// closes: after a crash the group may know of an earlier place, never of a later one.
    async fn note_progress(&mut self, topic: Topic, partition: i32, next: i64) -> Result<(), BusError>;

    /// Leaves the group, in bounded time.
    async fn close(self: Box<Self>);
}

/// Opens consumers.
#[async_trait]
pub trait Consumers: Send + Sync {
    /// A new member of `{group prefix}.{group}` reading `topics`, starting each partition where `starts` says.
    async fn join(
        &self,
        group: &str,
        topics: &[Topic],
        starts: std::sync::Arc<dyn Starts>,
    ) -> Result<Box<dyn Consumer>, BusError>;

    /// How far members of `{group prefix}.{group}` have said they are, by partition of a topic: the next offset. Partitions
    /// of which nothing was ever said are left out. What another member said within the last second may still be missing.
    async fn noted(&self, group: &str, topic: Topic) -> Result<BTreeMap<i32, i64>, BusError>;
}

/// Looks after topics, for the command line.
#[async_trait]
pub trait TopicAdmin: Send + Sync {
    /// Creates what is missing with the configured partitions, replication and retention; says what was done for each.
    async fn ensure(&self) -> Result<Vec<(Topic, String)>, BusError>;

    /// What each partition of a topic holds.
    async fn partitions(&self, topic: Topic) -> Result<Vec<PartitionState>, BusError>;

    /// Reads records of a partition from an offset, without any group.
    async fn read(&self, from: Position, max: usize) -> Result<Vec<Record>, BusError>;

    /// The identity of the log.
    async fn cluster(&self) -> Result<String, BusError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(begins_at: i64, ends_at: i64) -> PartitionState {
        PartitionState { topic: Topic::Events, partition: 3, begins_at, ends_at }
    }

    fn stored(next: i64, last_id: &str) -> StoredOffset {
        StoredOffset { next, last_id: Some(last_id.to_owned()) }
    }

    #[test]
    fn a_fresh_log_is_read_from_its_beginning() {
        assert_eq!(start_at(&log(0, 9), None, None), StartAt::Offset(0));
    }

    #[test]
    fn a_truncated_log_without_a_stored_offset_stops() {
        assert!(matches!(start_at(&log(4, 9), None, None), StartAt::Stopped(_)));
    }

    #[test]
    fn the_stored_offset_counts_when_the_record_before_it_is_the_one_processed() {
        assert_eq!(start_at(&log(0, 9), Some(&stored(5, "a")), Some("a")), StartAt::Offset(5));
        assert!(matches!(start_at(&log(0, 9), Some(&stored(5, "a")), Some("b")), StartAt::Stopped(_)));
    }

    #[test]
    fn a_record_that_expired_since_cannot_be_compared_and_does_not_stop() {
        assert_eq!(start_at(&log(5, 9), Some(&stored(5, "a")), None), StartAt::Offset(5));
    }

    #[test]
    fn an_offset_outside_of_the_log_stops_and_is_never_reset() {
        assert!(matches!(start_at(&log(0, 4), Some(&stored(5, "a")), None), StartAt::Stopped(_)));
        assert!(matches!(start_at(&log(6, 9), Some(&stored(5, "a")), None), StartAt::Stopped(_)));
    }
}
