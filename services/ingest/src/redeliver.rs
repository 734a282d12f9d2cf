//! Quarantined deliveries, translated again under the mapping of today.
//!
//! There is no store here to keep a position in: a process goes on where the group has noted that it is, which it does once
//! what a redelivery became is acknowledged. After a crash the last few are translated again; an event made again has the
//! digest that it had, and is applied once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
use tokio::sync::Mutex as AsyncMutex;
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

/// Where a partition goes on, by what this process knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It came so far; the group may have noted a place further on, of another member.
    Done(i64),
    /// What the group has noted lies outside of the log: it no longer counts, this does.
    Instead(i64),
}

/// How far this process and its group have come, by partition.
struct Progress {
    consumers: Arc<dyn Consumers>,
    known: Mutex<HashMap<i32, Known>>,
    /// What the group has noted, while an assignment is worked out.
    noted: AsyncMutex<Option<BTreeMap<i32, i64>>>,
}

impl Progress {
    fn new(consumers: Arc<dyn Consumers>) -> Self {
        Self { consumers, known: Mutex::default(), noted: AsyncMutex::default() }
    }

    /// Everything before `next` is done.
    fn done(&self, partition: i32, next: i64) {
        let mut known = self.known();
        let now = match known.get(&partition) {
            Some(Known::Instead(_)) => Known::Instead(next),
            Some(Known::Done(_)) | None => Known::Done(next),
        };
        known.insert(partition, now);
    }

    /// The partition begins at `begin`, whatever was noted.
    fn begin(&self, partition: i32, begin: i64) {
        self.known().insert(partition, Known::Instead(begin));
    }

    /// Another member goes on with the partition.
    fn forget(&self, partition: i32) {
        self.known().remove(&partition);
    }

    /// The next assignment asks for what is noted by then.
    async fn ask_again(&self) {
        *self.noted.lock().await = None;
    }

    fn known(&self) -> MutexGuard<'_, HashMap<i32, Known>> {
        // Nothing panics while it is held.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Starts for Progress {
    async fn stored(&self, _: &str, topic: Topic, partition: i32) -> Result<Option<StoredOffset>, BusError> {
        let noted = {
            let mut asked = self.noted.lock().await;
            let answer = match asked.take() {
                Some(answer) => answer,
                None => self.consumers.noted(GROUP, topic).await?,
            };
            asked.insert(answer).get(&partition).copied()
        };
        let next = match self.known().get(&partition) {
            Some(Known::Instead(next)) => Some(*next),
            Some(Known::Done(next)) => noted.max(Some(*next)),
            None => noted,
        };
        Ok(next.map(|next| StoredOffset { next, last_id: None }))
    }
}

impl Redeliveries {
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let progress = Arc::new(Progress::new(Arc::clone(&self.consumers)));
        while !shutdown.is_soft() {
            progress.ask_again().await;
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
                        progress.done(at.partition, at.offset + 1);
                        consumer.note_progress(at.topic, at.partition, at.offset + 1).await?;
                    }
                }
                Some(Delivery::Assigned(partitions)) => {
                    progress.ask_again().await;
                    let stopped = partitions.iter().filter(|(_, start)| matches!(start, StartAt::Stopped(_)));
                    let mut rejoin = false;
                    for (state, _) in stopped {
                        // The place has expired, or is of another log: the oldest that is left is the one to begin at.
                        progress.begin(state.partition, state.begins_at);
                        rejoin = true;
                    }
                    if rejoin {
                        return Ok(());
                    }
                }
                Some(Delivery::Revoked(partitions)) => {
                    for (_, partition) in partitions {
                        progress.forget(partition);
                    }
                }
                None => {}
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
