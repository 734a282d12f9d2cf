//! Making and looking at topics.

use std::collections::BTreeMap;

use async_trait::async_trait;
use ports::bus::{BusError, PartitionState, Position, Record, Topic, TopicAdmin};
use rdkafka::admin::{AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::{Instant, sleep};

use super::config::KafkaConfig;
use super::errors::{error_of, on_a_thread};
use super::reader::{count, reach};
use super::{ANSWER, KafkaBus};
use crate::size::OVERHEAD_BYTES;

/// What a topic is made with.
fn settings(config: &KafkaConfig, topic: Topic) -> BTreeMap<&'static str, String> {
    let retention = config.retention.of(topic).as_millis();
    let mut settings = BTreeMap::from([
        ("cleanup.policy", "delete".to_owned()),
        ("max.message.bytes", (config.max_message_bytes + OVERHEAD_BYTES).to_string()),
        // Retention counts from when the log took a record, whatever the producer's clock says.
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("retention.ms", retention.to_string()),
    ]);
    if config.layout.replication >= 3 {
        settings.insert("min.insync.replicas", "2".to_owned());
    }
    settings
}

impl KafkaBus {
    async fn create(&self, topic: Topic) -> Result<String, BusError> {
        let config = &self.shared.config;
        let (name, settings) = (config.topic(topic), settings(config, topic));
        let layout = config.layout;
        let mut new = NewTopic::new(&name, layout.partitions, TopicReplication::Fixed(layout.replication));
        for (key, value) in &settings {
            new = new.set(key, value);
        }
        let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
        let made = self
            .shared
            .admin
            .create_topics([&new], &options)
            .await
            .map_err(|problem| error_of("making topics", &problem))?;
        for answer in made {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, RDKafkaErrorCode::InvalidReplicationFactor)) => {
                    return Err(BusError::Broken(format!(
                        "{name} cannot be made: {} copies are more than the cluster has brokers; set bus.topics.replication",
                        layout.replication
                    )));
                }
                Err((name, code)) => {
                    return Err(error_of(
                        &format!("making {name}"),
                        &rdkafka::error::KafkaError::AdminOp(code),
                    ));
                }
            }
        }
        self.wait_until_there(topic).await?;
        Ok(format!("made, {} partitions, {} copies", layout.partitions, layout.replication))
    }

    /// A topic is there for clients once each partition has a leader.
    async fn wait_until_there(&self, topic: Topic) -> Result<(), BusError> {
        let until = Instant::now() + ANSWER;
        loop {
            let shape = self.shape(topic).await?;
            if shape.is_some_and(|shape| shape.led) {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(BusError::Unavailable(format!(
                    "{topic} was made, but has no leaders after {ANSWER:?}"
                )));
            }
            sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// What a topic looks like; `None`: there is none.
    async fn shape(&self, topic: Topic) -> Result<Option<Shape>, BusError> {
        let shared = std::sync::Arc::clone(&self.shared);
        on_a_thread(move || {
            let name = shared.config.topic(topic);
            let found = shared
                .admin
                .inner()
                .fetch_metadata(Some(&name), ANSWER)
                .map_err(|problem| error_of("asking for topics", &problem))?;
            let there = found.topics().iter().find(|found| found.name() == name && found.error().is_none());
            Ok(there.filter(|found| !found.partitions().is_empty()).map(|found| Shape {
                partitions: found.partitions().len(),
                replication: found
                    .partitions()
                    .iter()
                    .map(|partition| partition.replicas().len())
                    .min()
                    .unwrap_or(0),
                led: found.partitions().iter().all(|partition| partition.leader() >= 0),
            }))
        })
        .await
    }

    /// In what an existing topic differs from what is configured. It is not changed: that is a person's decision.
    async fn compare(&self, topic: Topic, shape: &Shape) -> Result<String, BusError> {
        let config = &self.shared.config;
        let name = config.topic(topic);
        let mut differs = Vec::new();
        let mut compare = |what: &str, there: &str, wanted: &str| {
            if there != wanted {
                differs.push(format!("{what} is {there}, configured is {wanted}"));
            }
        };
        compare("partitions", &shape.partitions.to_string(), &config.layout.partitions.to_string());
        compare("replication", &shape.replication.to_string(), &config.layout.replication.to_string());

        let options = AdminOptions::new().request_timeout(Some(ANSWER));
        let described = self
            .shared
            .admin
            .describe_configs([&ResourceSpecifier::Topic(&name)], &options)
            .await
            .map_err(|problem| error_of("asking for a topic's settings", &problem))?;
        for resource in described {
            let resource = resource.map_err(|code| {
                error_of("asking for a topic's settings", &rdkafka::error::KafkaError::AdminOp(code))
            })?;
            for (key, wanted) in settings(config, topic) {
                let there = resource.get(key).and_then(|entry| entry.value.as_deref()).unwrap_or("unset");
                compare(key, there, &wanted);
            }
        }
        if differs.is_empty() {
            return Ok(format!("there, {} partitions, {} copies", shape.partitions, shape.replication));
        }
        Ok(format!("there, but {}", differs.join("; ")))
    }
}

struct Shape {
    partitions: usize,
    replication: usize,
    led: bool,
}

#[async_trait]
impl TopicAdmin for KafkaBus {
    async fn ensure(&self) -> Result<Vec<(Topic, String)>, BusError> {
        let mut said = Vec::new();
        for topic in Topic::ALL {
            let what = match self.shape(topic).await? {
                None => self.create(topic).await?,
                Some(shape) => self.compare(topic, &shape).await?,
            };
            said.push((topic, what));
        }
        Ok(said)
    }

    async fn partitions(&self, topic: Topic) -> Result<Vec<PartitionState>, BusError> {
        // By the client that is there: metrics ask every few seconds.
        let shared = std::sync::Arc::clone(&self.shared);
        on_a_thread(move || {
            let (client, config) = (shared.admin.inner(), &shared.config);
            (0..count(client, config, topic)?)
                .map(|partition| reach(client, config, (topic, partition)))
                .collect()
        })
        .await
    }

    async fn read(&self, from: Position, max: usize) -> Result<Vec<Record>, BusError> {
        let reader = self.reader().await?;
        on_a_thread(move || reader.records(from, max)).await
    }

    async fn cluster(&self) -> Result<String, BusError> {
        Ok(self.shared.cluster.clone())
    }
}
