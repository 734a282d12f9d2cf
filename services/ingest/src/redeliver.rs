//! Quarantined deliveries, translated again under the mapping of today.
//!
//! There is no store here to keep a position in, so that a process begins with the oldest redelivery that the log still
//! holds. That changes nothing: an event made again has the digest that it had, and is applied once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use contracts::{Published, Quarantined, Redelivery, Wire};
use domain::touch::Note;
use ports::bus::{
    BusError, Consumer, Consumers, Delivery, Message, Publisher, Record, StartAt, Starts, StoredOffset, Topic,
};
use runtime::lifecycle::Shutdown;
use runtime::metrics::Metrics;
use runtime::telemetry::propagation::TRACEPARENT;
use webhooks::{Item, Source};

use crate::messages::{Outcomes, message};

/// The consumer group, after the configured prefix.
const GROUP: &str = "ingest";
/// Redeliveries taken at a time: each may be as large as a body.
const BATCH: usize = 16;
const WAIT: Duration = Duration::from_secs(1);
/// Between attempts while the bus cannot give or take anything.
const PAUSE: Duration = Duration::from_secs(1);

/// Translates redeliveries until the shutdown begins.
pub(crate) struct Redeliveries {
    pub(crate) consumers: Arc<dyn Consumers>,
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) sources: HashMap<String, Source>,
    pub(crate) metrics: Metrics,
}

/// How far this process has come, by partition.
#[derive(Debug, Default)]
struct Progress(Mutex<HashMap<i32, i64>>);

impl Progress {
    fn set(&self, partition: i32, next: i64) {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, next);
    }
}

#[async_trait]
impl Starts for Progress {
    async fn stored(&self, _: &str, _: Topic, partition: i32) -> Result<Option<StoredOffset>, BusError> {
        let positions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(positions.get(&partition).map(|next| StoredOffset { next: *next, last_id: None }))
    }
}

impl Redeliveries {
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let progress = Arc::new(Progress::default());
        while !shutdown.is_soft() {
            let starts = Arc::clone(&progress) as Arc<dyn Starts>;
            let problem = match self.consumers.join(GROUP, &[Topic::Redeliver], starts).await {
                Ok(mut consumer) => {
                    let ended = self.follow(consumer.as_mut(), &progress, &shutdown).await;
                    consumer.close().await;
                    ended.err()
                }
                Err(error) => Some(error),
            };
            if let Some(error) = problem {
                tracing::warn!(error = %error, "redeliveries cannot be read now");
                pause(&shutdown).await;
            }
        }
    }

    /// Reads until the shutdown begins, or until it must join anew.
    async fn follow(
        &self,
        consumer: &mut dyn Consumer,
        progress: &Progress,
        shutdown: &Shutdown,
    ) -> Result<(), BusError> {
        while !shutdown.is_soft() {
            let delivery = tokio::select! {
                next = consumer.next(BATCH, WAIT) => next?,
                () = shutdown.soft() => return Ok(()),
            };
            match delivery {
                Some(Delivery::Records(records)) => {
                    if !self.translate(&records, shutdown).await {
                        return Ok(());
                    }
                    if let Some(last) = records.last() {
                        let at = last.position;
                        progress.set(at.partition, at.offset + 1);
                        consumer.note_progress(at.topic, at.partition, at.offset + 1).await?;
                    }
                }
                Some(Delivery::Assigned(partitions)) => {
                    let stopped = partitions.iter().filter(|(_, start)| matches!(start, StartAt::Stopped(_)));
                    let mut rejoin = false;
                    for (state, _) in stopped {
                        // The beginning of the log has expired: the oldest that is left is the place to begin.
                        progress.set(state.partition, state.begins_at);
                        rejoin = true;
                    }
                    if rejoin {
                        return Ok(());
                    }
                }
                Some(Delivery::Revoked(_)) | None => {}
            }
        }
        Ok(())
    }

    /// Publishes what the records become, however long that takes; false when the shutdown came first.
    async fn translate(&self, records: &[Record], shutdown: &Shutdown) -> bool {
        let mut messages = Vec::new();
        for record in records {
            messages.extend(self.messages(record));
        }
        while !messages.is_empty() {
            let results = self.publisher.publish(messages.clone()).await;
            let mut results = results.into_iter();
            messages.retain(|_| match results.next() {
                Some(Ok(_)) => false,
                Some(Err(BusError::Rejected(why))) => {
                    tracing::error!(why, "the bus will never take what a redelivery became");
                    false
                }
                Some(Err(_)) | None => true,
            });
            if messages.is_empty() {
                break;
            }
            if shutdown.is_soft() {
                return false;
            }
            pause(shutdown).await;
        }
        true
    }

    fn messages(&self, record: &Record) -> Vec<Message> {
        let redelivery = match Redelivery::from_bytes(&record.payload) {
            Ok(redelivery) => redelivery,
            Err(error) => {
                tracing::error!(error = %error, offset = record.position.offset, "a redelivery cannot be read");
                return Vec::new();
            }
        };
        let kept = redelivery.quarantined;
        let trace = record.headers.get(TRACEPARENT).map(String::as_str);
        let Some(source) = self.sources.get(kept.source.as_str()) else {
            return again(kept, "unknown_source", "no source of this name is configured any more", trace);
        };
        let Some(item) = Item::restore(&kept.body, &kept.headers, kept.item) else {
            return again(kept, "unreadable", "what was kept of it cannot be read", trace);
        };
        let outcomes = Outcomes::of(source, source.reopen(item), kept.received_at, trace);
        self.metrics.events_ingested(kept.source.as_str(), "redelivered", u64::from(outcomes.accepted));
        outcomes.messages
    }
}

/// Back into quarantine it goes, for another reason than before: whoever asked for it sees why nothing came of it.
fn again(kept: Quarantined, code: &str, text: &str, trace: Option<&str>) -> Vec<Message> {
    tracing::warn!(source.name = %kept.source, reason = code, "a redelivery goes back into quarantine");
    let kept = Quarantined { reason: Note::new(code, text), ..kept };
    vec![message(Topic::Quarantine, kept.message(trace))]
}

async fn pause(shutdown: &Shutdown) {
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => {}
        () = shutdown.soft() => {}
    }
}
