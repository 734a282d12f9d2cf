//! Apache Kafka.
//!
//! Publishing waits until all in-sync replicas have a message. Two idempotent producers share the work: one sends at once,
//! the other gathers for two milliseconds, and the number of calls under way says which of them takes a call. A member of
//! a group takes part in cooperative rebalancing, but reads each partition from where the store says, whatever the group has
//! committed.

mod admin;
mod asking;
mod config;
mod consumer;
mod context;
mod errors;
mod leaving;
mod membership;
mod partitions;
mod publisher;
mod reader;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ports::bus::{BusError, Consumer, Consumers, Message, Position, Publisher, Starts, Topic};
use rdkafka::admin::AdminClient;

use self::asking::asked;
pub use self::config::{KafkaConfig, TopicLayout};
use self::consumer::KafkaConsumer;
use self::context::Context;
use self::errors::on_a_thread;
use self::leaving::Seats;
use self::publisher::Producers;
use self::reader::Reader;

/// How long a broker may take to answer a question about the cluster.
const ANSWER: Duration = Duration::from_secs(10);

/// A Kafka cluster: publisher, consumers and admin. Clones share the producers.
#[derive(Clone)]
pub struct KafkaBus {
    shared: Arc<Shared>,
}

struct Shared {
    config: KafkaConfig,
    cluster: String,
    producers: Producers,
    admin: AdminClient<Context>,
    /// By the group's full name: who can ask what it has committed.
    askers: Mutex<BTreeMap<String, Arc<Mutex<Reader>>>>,
    /// Members of one process are told apart.
    seats: Arc<Seats>,
}

impl Shared {
    fn asker(&self, group: String) -> Result<Arc<Mutex<Reader>>, BusError> {
        let mut askers = self.askers.lock().unwrap_or_else(PoisonError::into_inner);
        let asker = match askers.entry(group) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => {
                let asker = Reader::about(&self.config, place.key())?;
                place.insert(Arc::new(Mutex::new(asker)))
            }
        };
        Ok(Arc::clone(asker))
    }
}

impl std::fmt::Debug for KafkaBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaBus").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl KafkaBus {
    /// Makes the producers and asks the cluster who it is. Topics are made by `TopicAdmin::ensure`, not here.
    ///
    /// # Errors
    /// `Broken` when a setting is refused; `Unavailable` when no broker answers within ten seconds.
    pub async fn connect(config: KafkaConfig) -> Result<Self, BusError> {
        config.check()?;
        let admin: AdminClient<Context> = errors::made(config.client().create_with_context(Context))?;
        let producers = Producers::new(&config)?;
        on_a_thread(move || {
            let id = asked(ANSWER, |slice| admin.inner().fetch_cluster_id(slice));
            let cluster = id.ok_or_else(|| {
                BusError::Unavailable(format!("no Kafka broker answers at {}", config.brokers.join(", ")))
            })?;
            Ok(Self {
                shared: Arc::new(Shared {
                    config,
                    cluster,
                    producers,
                    admin,
                    askers: Mutex::default(),
                    seats: Arc::default(),
                }),
            })
        })
        .await
    }

    async fn reader(&self) -> Result<Reader, BusError> {
        let shared = Arc::clone(&self.shared);
        on_a_thread(move || Reader::open(&shared.config)).await
    }
}

#[async_trait]
impl Publisher for KafkaBus {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Position, BusError>> {
        self.shared.producers.publish(messages).await
    }

    async fn ready(&self) -> Result<(), BusError> {
        self.shared.producers.ready().await
    }

    async fn flush(&self, limit: Duration) -> Result<(), BusError> {
        self.shared.producers.flush(limit).await
    }
}

#[async_trait]
impl Consumers for KafkaBus {
    async fn join(
        &self,
        group: &str,
        topics: &[Topic],
        starts: Arc<dyn Starts>,
    ) -> Result<Box<dyn Consumer>, BusError> {
        let reader = self.reader().await?;
        let shared = &self.shared;
        let group = shared.config.group_named(group);
        let seat = shared.seats.take(group, shared.config.instance.as_deref());
        let consumer =
            KafkaConsumer::join(&shared.config, shared.cluster.clone(), (seat, topics), (reader, starts))?;
        Ok(Box::new(consumer))
    }

    async fn noted(&self, group: &str, topic: Topic) -> Result<BTreeMap<i32, i64>, BusError> {
        let shared = Arc::clone(&self.shared);
        let group = shared.config.group_named(group);
        on_a_thread(move || {
            // Asked for metrics every few seconds: one client a group is kept.
            let asker = shared.asker(group)?;
            asker.lock().unwrap_or_else(PoisonError::into_inner).noted(topic)
        })
        .await
    }
}
