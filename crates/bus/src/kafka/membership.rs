//! A member of a group, as librdkafka sees it.
//!
//! Where to start is known only after asking the store, which a callback cannot do. So an assignment is only noted in the
//! callback, and librdkafka, which waits for it, is told by the consumer once all positions are known. A revocation is
//! obeyed at once, for what had been told.

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::Notify;

use super::context::{Changes, Place, log, trouble};

/// The context of a member.
#[derive(Debug, Default)]
pub(super) struct MemberContext {
    pub(super) changes: Changes,
    /// Wakes the consumer when something changed.
    pub(super) changed: Notify,
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        trouble(&error, reason);
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let places = places_in(partitions);
        tracing::debug!(kafka.partitions = places.len(), kafka.code = ?code, "rebalance");
        if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.changes.given(places);
        } else {
            let assigned = list_of(&self.changes.taken(places));
            if let Err(problem) = consumer.incremental_unassign(&assigned) {
                tracing::warn!(kafka.error = %problem, "partitions could not be given back");
            }
        }
        self.changed.notify_one();
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(problem) = result {
            // For lag tools only: the next one makes up for it.
            tracing::debug!(kafka.error = %problem, "progress was not committed");
        }
    }
}

pub(super) fn places_in(partitions: &TopicPartitionList) -> Vec<Place> {
    partitions.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}

pub(super) fn list_of(places: &[Place]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for (topic, partition) in places {
        list.add_partition(topic, *partition);
    }
    list
}
