//! The durable log in a SQLite file.
//!
//! One thread of the process appends: it takes what waits, writes it in one transaction and answers after its fsync, so
//! that many publishers share one. Offsets are dense in each partition, begin at 0 and are counted in the appending
//! transaction, so that another process (the command line) may append to the same file; retention removes records and
//! never frees an offset. Consumers of this process are woken by a signal, the appends of others are noticed by polling
//! `PRAGMA data_version` while they wait.
//!
//! There is no broker to deal out partitions: within a process, all partitions of a topic belong to one consumer of each
//! group, and the next one to join waits until it is gone. Groups of several processes are not kept apart; `drumbeat up`
//! holds a lock on its data folder instead.

mod admin;
mod append;
mod consumer;
mod expire;
mod file;
mod headers;
mod membership;
mod notes;
mod read;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ports::bus::{BusError, Consumer, Consumers, Message, Position, Publisher, Starts, Topic};
use ports::clock::Clock;
use tokio::sync::{oneshot, watch};

use self::consumer::EmbeddedConsumer;
use self::file::{LogFile, on_a_thread};
use self::membership::Membership;
use self::writer::{Command, Errand, Writer};
use crate::in_flight::InFlight;
use crate::retention::Retention;
use crate::size::{DEFAULT_MAX_MESSAGE_BYTES, check_size};

/// How the embedded log is kept.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// The file; made with its folder when missing. Beside it lie `-wal` and `-shm` files while it is open.
    pub path: PathBuf,
    /// Partitions of each topic, 1 to 256. An existing file keeps its number: another one would tear keys from their
    /// partitions.
    pub partitions: i32,
    /// How long records are kept.
    pub retention: Retention,
    /// The largest message: key, headers and payload.
    pub max_message_bytes: usize,
    /// How many bytes may wait to be written before publishing answers `Unavailable`.
    pub max_waiting_bytes: usize,
    /// The largest file; `None`: as far as the disk goes. A full log answers `Unavailable` until records expire.
    pub max_file_bytes: Option<u64>,
}

impl EmbeddedConfig {
    /// The defaults for a file: 4 partitions, 4 MiB a message, 64 MiB waiting.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            partitions: 4,
            retention: Retention::default(),
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            max_waiting_bytes: 64 * 1024 * 1024,
            max_file_bytes: None,
        }
    }
}

/// The durable log in a file: publisher, consumers and admin. Clones share one writer.
#[derive(Clone)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
}

/// What the handles of a log share.
pub(crate) struct Shared {
    config: EmbeddedConfig,
    file: LogFile,
    writer: Writer,
    in_flight: InFlight,
    closed: AtomicBool,
    membership: Membership,
    /// Raised after each commit.
    appended: watch::Receiver<u64>,
}

impl std::fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedLog").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl EmbeddedLog {
    /// Opens the file, or makes it, and starts its writer. `clock` dates the records.
    ///
    /// # Errors
    /// `Broken` when the file is none of ours, is damaged or may not be written; `Unavailable` when the disk is full.
    pub async fn open(config: EmbeddedConfig, clock: Arc<dyn Clock>) -> Result<Self, BusError> {
        if !(1..=256).contains(&config.partitions) {
            return Err(BusError::Broken(format!("{} partitions; 1 to 256 are possible", config.partitions)));
        }
        on_a_thread(move || {
            let (file, connection) = LogFile::open(&config)?;
            let (signal, appended) = watch::channel(0);
            let writer = Writer::start(connection, &file, &config, clock, signal)?;
            let shared = Shared {
                config,
                file,
                writer,
                in_flight: InFlight::default(),
                closed: AtomicBool::new(false),
                membership: Membership::default(),
                appended,
            };
            Ok(Self { shared: Arc::new(shared) })
        })
        .await
    }

    /// Removes what is older than its topic's retention, now. The writer does so by itself each minute.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn expire(&self) -> Result<(), BusError> {
        let (answer, answered) = oneshot::channel();
        self.shared.writer.send(Command::Errand(Errand::Expire(answer)))?;
        answered.await.map_err(|_| writer::gone())?
    }

    /// Takes no more messages, writes those that wait and closes the file; at most `limit`.
    ///
    /// # Errors
    /// `Unavailable` when that took longer. What was answered with a position is durable in any case.
    pub async fn close(&self, limit: Duration) -> Result<(), BusError> {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.writer.stop(limit).await
    }
}

#[async_trait]
impl Publisher for EmbeddedLog {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Position, BusError>> {
        if self.shared.closed.load(Ordering::Acquire) {
            let closed = BusError::Unavailable("the event log is closed".to_owned());
            return messages.iter().map(|_| Err(closed.clone())).collect();
        }
        let _call = self.shared.in_flight.enter();
        let limit = self.shared.config.max_message_bytes;

        let verdicts: Vec<_> = messages.iter().map(|message| check_size(message, limit)).collect();
        let mut fitting = messages;
        let mut fits = verdicts.iter().map(Result::is_ok);
        fitting.retain(|_| fits.next().unwrap_or_default());
        let bytes = verdicts.iter().filter_map(|verdict| verdict.as_ref().ok()).sum();

        let mut written = self.shared.writer.append(fitting, bytes).await.into_iter();
        let answers = verdicts.into_iter().map(|verdict| match verdict {
            Ok(_) => written.next().unwrap_or_else(|| Err(writer::gone())),
            Err(refusal) => Err(refusal),
        });
        answers.collect()
    }

    async fn ready(&self) -> Result<(), BusError> {
        self.shared.writer.ready().await
    }

    async fn flush(&self, limit: Duration) -> Result<(), BusError> {
        self.shared.in_flight.idle(limit).await
    }
}

#[async_trait]
impl Consumers for EmbeddedLog {
    async fn join(
        &self,
        group: &str,
        topics: &[Topic],
        starts: Arc<dyn Starts>,
    ) -> Result<Box<dyn Consumer>, BusError> {
        let consumer = EmbeddedConsumer::join(Arc::clone(&self.shared), group, topics, starts).await?;
        Ok(Box::new(consumer))
    }

    async fn noted(&self, group: &str, topic: Topic) -> Result<BTreeMap<i32, i64>, BusError> {
        let (answer, answered) = oneshot::channel();
        let question = Errand::Noted { group: group.to_owned(), topic, answer };
        self.shared.writer.send(Command::Errand(question))?;
        answered.await.map_err(|_| writer::gone())?
    }
}
