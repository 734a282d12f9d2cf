//! The two producers.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use futures::future::join_all;
use ports::bus::{BusError, Message, Position, Topic};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::config::{KafkaConfig, Pace};
use super::context::Context;
use super::errors::{error_of, made, on_a_thread};
use crate::in_flight::InFlight;
use crate::size::check_size;

/// From this many calls under way on, gathering for two milliseconds costs less than sending each at once. Measured with
/// the broker on the same two cores: up to 128 calls sending at once gave up to twice the rate at a fifth of the latency;
/// from 256 on, gathering gave the higher and steadier rate.
const GATHER_FROM: usize = 192;

/// Beyond librdkafka's own limit, whose clock ticks once a second.
const GRACE: Duration = Duration::from_millis(300);

/// How long the verdict on readiness holds, and how long a broker has to answer.
const READY_FOR: Duration = Duration::from_secs(1);
const READY_WAIT: Duration = Duration::from_secs(1);

/// A producer is replaced no more often: what kills the next one at once is a setting, not an accident.
const RENEW_EVERY: Duration = Duration::from_secs(1);

type Producing = FutureProducer<Context>;

pub(super) struct Producers {
    config: KafkaConfig,
    at_once: Lane,
    gathering: Lane,
    in_flight: InFlight,
    readiness: Mutex<Readiness>,
}

/// What was last found out.
#[derive(Default)]
struct Readiness {
    judged: Option<(Instant, Result<(), BusError>)>,
}

/// One producer, replaced when librdkafka declares it dead.
struct Lane {
    pace: Pace,
    current: RwLock<Current>,
}

struct Current {
    producer: Producing,
    since: Instant,
}

impl Lane {
    fn new(config: &KafkaConfig, pace: Pace) -> Result<Self, BusError> {
        let producer = made(config.producer(pace).create_with_context(Context))?;
        Ok(Self { pace, current: RwLock::new(Current { producer, since: Instant::now() }) })
    }

    fn producer(&self) -> Producing {
        self.current.read().unwrap_or_else(PoisonError::into_inner).producer.clone()
    }

    /// An idempotent producer that lost its sequence refuses everything from then on: only a new one helps.
    fn renew(&self, config: &KafkaConfig) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.since.elapsed() < RENEW_EVERY {
            return;
        }
        let Some((code, reason)) = current.producer.client().fatal_error() else { return };
        tracing::warn!(kafka.code = %code, kafka.reason = reason, "the Kafka producer is dead and is replaced");
        match config.producer(self.pace).create_with_context(Context) {
            Ok(producer) => {
                let dead = std::mem::replace(&mut *current, Current { producer, since: Instant::now() });
                // Its end waits for librdkafka's threads.
                tokio::task::spawn_blocking(move || drop(dead));
            }
            Err(problem) => tracing::error!(kafka.error = %problem, "no new Kafka producer"),
        }
    }
}

impl Producers {
    pub(super) fn new(config: &KafkaConfig) -> Result<Self, BusError> {
        Ok(Self {
            config: config.clone(),
            at_once: Lane::new(config, Pace::AtOnce)?,
            gathering: Lane::new(config, Pace::Gathering)?,
            in_flight: InFlight::default(),
            readiness: Mutex::default(),
        })
    }

    pub(super) async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Position, BusError>> {
        let (_call, before) = self.in_flight.enter();
        let lane = if before < GATHER_FROM { &self.at_once } else { &self.gathering };
        let until = Instant::now() + self.config.ack_timeout + GRACE;

        // All of a call go through one producer, in order.
        let producer = lane.producer();
        let sent: Vec<_> = messages.iter().map(|message| self.send(&producer, message)).collect();
        fail::fail_point!("bus.publish.unacknowledged");
        let answers = join_all(sent.into_iter().zip(&messages).map(|(sent, message)| async move {
            match timeout_at(until, sent?).await {
                Ok(Ok(Ok(delivery))) => Ok(Position {
                    topic: message.topic,
                    partition: delivery.partition,
                    offset: delivery.offset,
                }),
                Ok(Ok(Err((problem, _)))) => Err(error_of("publishing", &problem)),
                Ok(Err(_)) => Err(BusError::Unavailable("the Kafka producer is gone".to_owned())),
                Err(_) => Err(BusError::Unavailable("Kafka did not acknowledge in time".to_owned())),
            }
        }))
        .await;
        if answers.iter().any(|answer| matches!(answer, Err(BusError::Unavailable(_) | BusError::Broken(_))))
        {
            lane.renew(&self.config);
        }
        fail::fail_point!("bus.publish.acknowledged");
        answers
    }

    fn send(&self, producer: &Producing, message: &Message) -> Result<DeliveryFuture, BusError> {
        check_size(message, self.config.max_message_bytes)?;
        let topic = self.config.topic(message.topic);
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in &message.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let record = FutureRecord::to(&topic).key(&message.key).payload(&*message.payload).headers(headers);
        producer.send_result(record).map_err(|(problem, _)| error_of("publishing", &problem))
    }

    /// Whether a broker answers for the topic of events; asked at most once a second.
    pub(super) async fn ready(&self) -> Result<(), BusError> {
        let mut readiness = self.readiness.lock().await;
        if let Some((at, verdict)) = &readiness.judged
            && at.elapsed() < READY_FOR
        {
            return verdict.clone();
        }
        let producer = self.at_once.producer();
        let topic = self.config.topic(Topic::Events);
        let verdict = on_a_thread(move || {
            let found = producer
                .client()
                .fetch_metadata(Some(&topic), READY_WAIT)
                .map_err(|problem| error_of("asking for the topic of events", &problem))?;
            let missing =
                found.topics().iter().all(|found| found.error().is_some() || found.partitions().is_empty());
            if missing {
                return Err(BusError::Unavailable(format!(
                    "there is no topic {topic}: `drumbeat topics` makes it"
                )));
            }
            Ok(())
        })
        .await;
        readiness.judged = Some((Instant::now(), verdict.clone()));
        verdict
    }

    pub(super) async fn flush(&self, limit: Duration) -> Result<(), BusError> {
        self.in_flight.idle(limit).await
    }
}
