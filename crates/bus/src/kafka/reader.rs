//! Reading without a group: what partitions hold, and records at a position. Blocks: only for threads that may.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use ports::bus::{BusError, CE_ID, PartitionState, Position, Record, Topic};
use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::groups::GroupInfo;
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;

use super::ANSWER;
use super::asking::asked;
use super::config::KafkaConfig;
use super::context::Context;
use super::errors::{error_of, made};

/// How long a record that is surely there may take to come.
const RECORD_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Reader {
    config: KafkaConfig,
    consumer: BaseConsumer<ReaderContext>,
}

type ReaderContext = Context;

impl rdkafka::consumer::ConsumerContext for Context {}

impl Reader {
    pub(super) fn open(config: &KafkaConfig) -> Result<Self, BusError> {
        let consumer = made(config.reader().create_with_context(Context))?;
        Ok(Self { config: config.clone(), consumer })
    }

    /// One that can ask what a group has committed; it never joins it.
    pub(super) fn about(config: &KafkaConfig, group: &str) -> Result<Self, BusError> {
        let mut client = config.reader();
        client.set("group.id", group);
        Ok(Self { config: config.clone(), consumer: made(client.create_with_context(Context))? })
    }

    /// What the group has committed, by partition of a topic.
    pub(super) fn noted(&self, topic: Topic) -> Result<BTreeMap<i32, i64>, BusError> {
        let name = self.config.topic(topic);
        let mut list = TopicPartitionList::new();
        for partition in 0..count(self.consumer.client(), &self.config, topic)? {
            list.add_partition(&name, partition);
        }
        let doing = "asking what the group has committed";
        let answer = asked(ANSWER, |slice| match self.consumer.committed_offsets(list.clone(), slice) {
            Err(problem) if problem.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut) => None,
            answer => Some(answer),
        });
        let committed = answer
            .ok_or_else(|| BusError::Unavailable(format!("{doing}: no answer in {ANSWER:?}")))?
            .map_err(|problem| error_of(doing, &problem))?;
        let mut noted = BTreeMap::new();
        for element in committed.elements() {
            element.error().map_err(|problem| error_of(doing, &problem))?;
            if let Offset::Offset(next) = element.offset() {
                noted.insert(element.partition(), next);
            }
        }
        // It reads nothing: what comes is troubles, which are not to pile up.
        while self.consumer.poll(Duration::ZERO).is_some() {}
        Ok(noted)
    }

    /// Whether a member of this name sits in a group. The group gives named members ids that begin so.
    pub(super) fn sits(&self, group: &str, name: &str, within: Duration) -> Result<bool, BusError> {
        let found = self
            .consumer
            .fetch_group_list(Some(group), within.max(Duration::from_millis(1)))
            .map_err(|problem| error_of("asking who is in the group", &problem))?;
        let begin = format!("{name}-");
        Ok(found.groups().iter().flat_map(GroupInfo::members).any(|member| member.id().starts_with(&begin)))
    }

    /// What a partition holds.
    pub(super) fn state(&self, topic: Topic, partition: i32) -> Result<PartitionState, BusError> {
        reach(self.consumer.client(), &self.config, (topic, partition))
    }

    /// The `ce_id` of the record at exactly a position, where there is one with that header.
    pub(super) fn id_at(&self, position: Position) -> Result<Option<String>, BusError> {
        let records = self.records(position, 1)?;
        let exact = records.into_iter().find(|record| record.position == position);
        Ok(exact.and_then(|mut record| record.headers.remove(CE_ID)))
    }

    /// Up to `max` records from a position on, as far as the partition reaches now.
    pub(super) fn records(&self, from: Position, max: usize) -> Result<Vec<Record>, BusError> {
        let Position { topic, partition, offset } = from;
        let state = self.state(topic, partition)?;
        let first = offset.max(state.begins_at);
        if max == 0 || first >= state.ends_at {
            return Ok(Vec::new());
        }
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.config.topic(topic), partition, Offset::Offset(first))
            .and_then(|()| self.consumer.assign(&list))
            .map_err(|problem| error_of("reading a partition", &problem))?;
        let read = self.poll(topic, max, state.ends_at);
        if let Err(problem) = self.consumer.unassign() {
            tracing::debug!(kafka.error = %problem, "the reader could not be reset");
        }
        read
    }

    fn poll(&self, topic: Topic, max: usize, ends_at: i64) -> Result<Vec<Record>, BusError> {
        let until = Instant::now() + RECORD_WAIT;
        let mut records = Vec::new();
        while records.len() < max {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let record = record_of(topic, &message);
                    let next = record.position.offset + 1;
                    records.push(record);
                    if next >= ends_at {
                        break;
                    }
                }
                Some(Err(problem)) => match error_of("reading a partition", &problem) {
                    // Connections come and go while brokers restart: the deadline decides.
                    BusError::Unavailable(_) if Instant::now() < until => {}
                    failed => return Err(failed),
                },
                None if Instant::now() < until => {}
                // What ends a partition may be no record: a transaction's marker, of a producer that is not ours.
                None if !records.is_empty() => break,
                None => {
                    return Err(BusError::Unavailable(format!(
                        "{topic} could not be read in {RECORD_WAIT:?}"
                    )));
                }
            }
        }
        Ok(records)
    }
}

/// How many partitions a topic has.
pub(super) fn count<C: ClientContext>(
    client: &Client<C>,
    config: &KafkaConfig,
    topic: Topic,
) -> Result<i32, BusError> {
    let name = config.topic(topic);
    let found = client
        .fetch_metadata(Some(&name), ANSWER)
        .map_err(|problem| error_of("asking for the partitions", &problem))?;
    let count = found
        .topics()
        .iter()
        .filter(|found| found.name() == name && found.error().is_none())
        .map(|found| found.partitions().len())
        .sum::<usize>();
    if count == 0 {
        return Err(BusError::Broken(format!("there is no topic {name}: `drumbeat topics` makes it")));
    }
    i32::try_from(count).map_err(|_| BusError::Broken(format!("{name} has {count} partitions")))
}

/// What a partition holds.
pub(super) fn reach<C: ClientContext>(
    client: &Client<C>,
    config: &KafkaConfig,
    (topic, partition): (Topic, i32),
) -> Result<PartitionState, BusError> {
    let (begins_at, ends_at) = client
        .fetch_watermarks(&config.topic(topic), partition, ANSWER)
        .map_err(|problem| error_of("asking for a partition's reach", &problem))?;
    Ok(PartitionState { topic, partition, begins_at, ends_at })
}

/// Copies a message out of librdkafka's memory.
pub(super) fn record_of(topic: Topic, message: &impl Message) -> Record {
    let mut headers = BTreeMap::new();
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        let value = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
        headers.insert(header.key.to_owned(), value);
    }
    let appended_at =
        message.timestamp().to_millis().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    Record {
        position: Position { topic, partition: message.partition(), offset: message.offset() },
        appended_at: appended_at.unwrap_or(Timestamp::UNIX_EPOCH),
        key: message.key().unwrap_or_default().to_vec(),
        headers,
        payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
    }
}
