//! Settings of the cluster and of librdkafka.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ports::bus::{BusError, Topic};
use rdkafka::ClientConfig;

use crate::retention::Retention;
use crate::size::{DEFAULT_MAX_MESSAGE_BYTES, OVERHEAD_BYTES};

/// How topics are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicLayout {
    /// Partitions of each topic.
    pub partitions: i32,
    /// Copies of each partition; from 3 on, two of them must have a message before it counts (`min.insync.replicas`).
    pub replication: i32,
}

/// How Kafka is reached and used.
#[derive(Clone)]
pub struct KafkaConfig {
    /// Where to find the cluster: `host:port`.
    pub brokers: Vec<String>,
    /// What the names of topics begin with: `{prefix}.events.v1`.
    pub prefix: String,
    /// What the names of groups begin with: `{group}.enrollment`.
    pub group: String,
    /// A name that no other process has, in letters, digits and hyphens. Members of groups that have one keep their partitions
    /// over an outage of the brokers, without a rebalance (static membership, KIP-345). `None`: every return is a newcomer's.
    pub instance: Option<String>,
    /// How topics are made.
    pub layout: TopicLayout,
    /// How long records are kept.
    pub retention: Retention,
    /// The largest message: key, headers and payload.
    pub max_message_bytes: usize,
    /// How long an acknowledgement may take before publishing answers `Unavailable`; below what callers wait.
    pub ack_timeout: Duration,
    /// Any other settings of librdkafka, such as `security.protocol`. Those on which the guarantees rest are refused.
    pub options: BTreeMap<String, String>,
}

impl KafkaConfig {
    /// The defaults for a cluster: prefix and group `drumbeat`, 12 partitions, 3 copies, 1.5 seconds to acknowledge.
    #[must_use]
    pub fn new(brokers: Vec<String>) -> Self {
        Self {
            brokers,
            prefix: "drumbeat".to_owned(),
            group: "drumbeat".to_owned(),
            instance: None,
            layout: TopicLayout { partitions: 12, replication: 3 },
            retention: Retention::default(),
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            ack_timeout: Duration::from_millis(1500),
            options: BTreeMap::new(),
        }
    }
}

// Options hold passwords.
impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("prefix", &self.prefix)
            .field("group", &self.group)
            .field("instance", &self.instance)
            .field("layout", &self.layout)
            .field("retention", &self.retention)
            .field("max_message_bytes", &self.max_message_bytes)
            .field("ack_timeout", &self.ack_timeout)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// Settings that are not to be chosen, and why.
const OURS: &[(&str, &str)] = &[
    ("bootstrap.servers", "the brokers are set by `brokers`"),
    ("metadata.broker.list", "the brokers are set by `brokers`"),
    ("group.id", "the groups are named by `group`"),
    ("group.instance.id", "each member is named by its process"),
    ("acks", "a message counts once all in-sync replicas have it"),
    ("request.required.acks", "a message counts once all in-sync replicas have it"),
    ("enable.idempotence", "a retry must not write a message twice"),
    ("transactional.id", "no Kafka transactions are used"),
    ("linger.ms", "two producers are kept, and chosen by the load"),
    ("queue.buffering.max.ms", "two producers are kept, and chosen by the load"),
    ("message.timeout.ms", "it follows from what webhook senders wait"),
    ("delivery.timeout.ms", "it follows from what webhook senders wait"),
    ("message.max.bytes", "it follows from the largest message"),
    ("partitioner", "all producers must agree on a key's partition"),
    ("enable.auto.commit", "positions are kept in the store"),
    ("enable.auto.offset.store", "positions are kept in the store"),
    ("auto.offset.reset", "a lost position is never replaced by a guess"),
    ("partition.assignment.strategy", "only cooperative rebalancing keeps the other partitions going"),
    ("enable.partition.eof", "the end of a partition is no error"),
];

/// Which producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Sends at once.
    AtOnce,
    /// Gathers for two milliseconds.
    Gathering,
}

impl KafkaConfig {
    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), BusError> {
        if self.brokers.is_empty() {
            return Err(BusError::Broken("no Kafka brokers are configured".to_owned()));
        }
        if self.layout.partitions < 1 || self.layout.replication < 1 {
            return Err(BusError::Broken("topics need at least one partition and one copy".to_owned()));
        }
        match OURS.iter().find(|(name, _)| self.options.contains_key(*name)) {
            Some((name, why)) => {
                Err(BusError::Broken(format!("the Kafka option {name} cannot be set: {why}")))
            }
            None => Ok(()),
        }
    }

    /// A topic's full name.
    pub(super) fn topic(&self, topic: Topic) -> String {
        topic.full_name(&self.prefix)
    }

    /// A group's full name.
    pub(super) fn group_named(&self, group: &str) -> String {
        format!("{}.{group}", self.group)
    }

    /// The topic of a full name.
    pub(super) fn topic_named(&self, name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| self.topic(*topic) == name)
    }

    /// What all clients share; options come after the defaults, so that they can change them.
    pub(super) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("client.id", &self.group)
            .set("socket.nagle.disable", "true")
            .set("socket.keepalive.enable", "true")
            .set("socket.connection.setup.timeout.ms", "5000")
            // A connection that says nothing for so long is given up.
            .set("socket.timeout.ms", "10000")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("log.connection.close", "false")
            .set("allow.auto.create.topics", "false");
        for (name, value) in &self.options {
            client.set(name, value);
        }
        client.set("bootstrap.servers", self.brokers.join(","));
        client
    }

    /// A producer.
    pub(super) fn producer(&self, pace: Pace) -> ClientConfig {
        let linger = match pace {
            Pace::AtOnce => "0",
            Pace::Gathering => "2",
        };
        let mut defaults = ClientConfig::new();
        defaults
            .set("compression.codec", "lz4")
            .set("retry.backoff.ms", "50")
            // What waits when the brokers are away: bounded, since it is answered as unavailable anyway.
            .set("queue.buffering.max.messages", "50000")
            .set("queue.buffering.max.kbytes", (16 * 1024 + 2 * self.max_message_bytes / 1024).to_string());
        let mut producer = self.over(defaults);
        producer
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", linger)
            .set("message.timeout.ms", self.ack_timeout.as_millis().to_string())
            .set("message.max.bytes", (self.max_message_bytes + OVERHEAD_BYTES).to_string())
            .set("partitioner", "murmur2_random");
        producer
    }

    /// A member of a group, which the group knows by its own name, if it has one.
    pub(super) fn member(&self, group: &str, name: Option<&str>) -> ClientConfig {
        let mut defaults = ClientConfig::new();
        defaults
            // A broker's least, by default. So long a killed member keeps its partitions. After a coordinator was away for longer,
            // librdkafka asks for another id; a group that knows no name of it waits so long again for the id that it had.
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "1000")
            .set("fetch.error.backoff.ms", "50")
            // Topics that are made, and partitions that are added, while we run.
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("queued.min.messages", "10000")
            .set("queued.max.messages.kbytes", "16384");
        let mut member = self.over(defaults);
        member
            .set("group.id", group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            // Only what `note_progress` stores is committed.
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error");
        if let Some(name) = name {
            member.set("group.instance.id", name);
        }
        member
    }

    /// A client that reads partitions by itself and commits nothing; it never joins the group that it must name.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut defaults = ClientConfig::new();
        defaults.set("fetch.error.backoff.ms", "50").set("queued.max.messages.kbytes", "8192");
        let mut reader = self.over(defaults);
        reader
            .set("group.id", format!("{}.reader", self.group))
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error");
        reader
    }

    /// The shared settings over some defaults.
    fn over(&self, mut defaults: ClientConfig) -> ClientConfig {
        let shared = self.client();
        for (name, value) in shared.config_map() {
            defaults.set(name, value);
        }
        defaults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_option(name: &str, value: &str) -> KafkaConfig {
        let mut config = KafkaConfig::new(vec!["kafka-1:9092".to_owned()]);
        config.options.insert(name.to_owned(), value.to_owned());
        config
    }

    #[test]
    fn options_change_defaults_but_not_what_the_guarantees_rest_on() {
        let config = with_option("session.timeout.ms", "30000");
        config.check().unwrap();
        assert_eq!(config.member("g", None).get("session.timeout.ms"), Some("30000"));

        for (name, _) in OURS {
            let problem = with_option(name, "x").check().unwrap_err();
            assert!(matches!(&problem, BusError::Broken(text) if text.contains(name)), "{problem}");
        }
    }

    #[test]
    fn passwords_do_not_show() {
        let shown = format!("{:?}", with_option("sasl.password", "hunter2"));

        assert!(shown.contains("sasl.password") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn every_client_can_be_made_of_its_settings() {
        use rdkafka::consumer::BaseConsumer;
        use rdkafka::producer::BaseProducer;

        let config = KafkaConfig::new(vec!["127.0.0.1:1".to_owned()]);

        for pace in [Pace::AtOnce, Pace::Gathering] {
            config.producer(pace).create::<BaseProducer>().unwrap();
        }
        config.member("drumbeat.enrollment", Some("a-1")).create::<BaseConsumer>().unwrap();
        config.reader().create::<BaseConsumer>().unwrap();
    }
}
