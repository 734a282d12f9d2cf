//! The thread that writes: it takes what waits, appends it under one fsync, and answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use ports::bus::{BusError, Message, Position, Topic};
use ports::clock::Clock;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::EmbeddedConfig;
use super::append::append;
use super::expire::{Left, expire_slice};
use super::file::LogFile;
use super::notes::{self, Before, Notes};

/// How many calls may wait; beyond that publishing answers `Unavailable`.
const MOST_WAITING: usize = 8192;

/// What one transaction takes at most.
const MOST_MESSAGES: usize = 4096;
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// How often expired records are looked for.
const EXPIRY: Duration = Duration::from_secs(60);

/// How long what groups say of their progress is gathered before it is written.
const NOTES: Duration = Duration::from_secs(1);

/// Who was just answered is likely to come back at once: for so long a group waits to be as large as the one before it.
/// With 64 publishers this fills a third more into each fsync; a lone publisher never waits.
const GATHER: Duration = Duration::from_micros(150);

/// For how long groups may follow each other without a pause, and that pause: else another process never gets the lock.
const STRETCH: Duration = Duration::from_millis(20);
const AIR: Duration = Duration::from_millis(1);

type Answers = Vec<Result<Position, BusError>>;

/// What the writer is asked to do.
pub(super) enum Command {
    /// Append messages.
    Append(Group),
    /// Anything else.
    Errand(Errand),
}

/// What the writer is asked to do beside appending.
pub(super) enum Errand {
    /// Remove everything that expired.
    Expire(oneshot::Sender<Result<(), BusError>>),
    /// Say whether the file can be written.
    Probe(oneshot::Sender<Result<(), BusError>>),
    /// Nothing yet: notes wait, which are written a little later.
    Note,
    /// Say how far a group has said it is.
    Noted { group: String, topic: Topic, answer: oneshot::Sender<Result<BTreeMap<i32, i64>, BusError>> },
    /// End, after what waits.
    Stop,
}

/// The messages of one publish call.
pub(super) struct Group {
    messages: Vec<Message>,
    answer: oneshot::Sender<Answers>,
    /// Given back to the waiting room when dropped.
    room: Room,
}

/// A share of the bytes that may wait.
struct Room {
    taken: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// The handle to the thread.
pub(super) struct Writer {
    commands: SyncSender<Command>,
    waiting_bytes: Arc<AtomicUsize>,
    max_waiting_bytes: usize,
    /// Whether the last write worked.
    healthy: Arc<AtomicBool>,
    notes: Arc<Notes>,
    /// Closed when the thread has ended.
    ended: watch::Receiver<()>,
}

/// The error of a writer that is no more.
pub(super) fn gone() -> BusError {
    BusError::Unavailable("the event log is closed".to_owned())
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        connection: Connection,
        file: &LogFile,
        config: &EmbeddedConfig,
        clock: Arc<dyn Clock>,
        appended: watch::Sender<u64>,
    ) -> Result<Self, BusError> {
        let (commands, inbox) = mpsc::sync_channel(MOST_WAITING);
        let (ending, ended) = watch::channel(());
        let healthy = Arc::new(AtomicBool::new(true));
        let notes = Arc::<Notes>::default();
        let thread = Thread {
            connection,
            file: file.clone(),
            config: config.clone(),
            clock,
            appended,
            healthy: Arc::clone(&healthy),
            notes: Arc::clone(&notes),
            last_calls: 0,
            _ending: ending,
        };
        thread::Builder::new()
            .name("event-log".to_owned())
            .spawn(move || thread.run(&inbox))
            .map_err(|problem| BusError::Unavailable(format!("no thread for the event log: {problem}")))?;
        let waiting_bytes = Arc::default();
        Ok(Self {
            commands,
            waiting_bytes,
            max_waiting_bytes: config.max_waiting_bytes,
            healthy,
            notes,
            ended,
        })
    }

    /// Appends messages of that many bytes; the answers are in their order.
    pub(super) async fn append(&self, messages: Vec<Message>, bytes: usize) -> Answers {
        let count = messages.len();
        if count == 0 {
            return Vec::new();
        }
        match self.enqueue(messages, bytes) {
            Ok(answered) => answered.await.unwrap_or_else(|_| vec![Err(gone()); count]),
            Err(problem) => vec![Err(problem); count],
        }
    }

    fn enqueue(&self, messages: Vec<Message>, bytes: usize) -> Result<oneshot::Receiver<Answers>, BusError> {
        let waiting = self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        let room = Room { taken: Arc::clone(&self.waiting_bytes), bytes };
        // One call always gets in, however big it is.
        if waiting > 0 && waiting + bytes > self.max_waiting_bytes {
            return Err(BusError::Unavailable(format!("{waiting} bytes wait to be written")));
        }
        let (answer, answered) = oneshot::channel();
        self.send(Command::Append(Group { messages, answer, room }))?;
        Ok(answered)
    }

    pub(super) fn send(&self, command: Command) -> Result<(), BusError> {
        self.commands.try_send(command).map_err(|refused| match refused {
            TrySendError::Full(_) => {
                BusError::Unavailable(format!("{MOST_WAITING} calls wait to be written"))
            }
            TrySendError::Disconnected(_) => gone(),
        })
    }

    /// Keeps what a group says of its progress, to be written soon.
    pub(super) fn note(&self, place: (String, Topic, i32), next: i64) {
        if self.notes.add(place, next) == Before::Nothing {
            // A full queue means that the thread is at work, and looks at the notes after it. One that has ended wrote
            // its last: it is as after a crash, the group knows of an earlier place.
            drop(self.send(Command::Errand(Errand::Note)));
        }
    }

    /// Whether the file can be written; tried out only after a failure.
    pub(super) async fn ready(&self) -> Result<(), BusError> {
        if self.healthy.load(Ordering::Acquire) && self.ended.has_changed().is_ok() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        self.send(Command::Errand(Errand::Probe(answer)))?;
        answered.await.map_err(|_| gone())?
    }

    /// Ends the thread after what waits, and waits for that.
    pub(super) async fn stop(&self, limit: Duration) -> Result<(), BusError> {
        let mut ended = self.ended.clone();
        let stopped = async {
            // A full queue empties within milliseconds.
            while let Err(TrySendError::Full(_)) = self.commands.try_send(Command::Errand(Errand::Stop)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            while ended.changed().await.is_ok() {}
        };
        tokio::time::timeout(limit, stopped)
            .await
            .map_err(|_| BusError::Unavailable(format!("the event log is still writing after {limit:?}")))
    }
}

struct Thread {
    connection: Connection,
    file: LogFile,
    config: EmbeddedConfig,
    clock: Arc<dyn Clock>,
    appended: watch::Sender<u64>,
    healthy: Arc<AtomicBool>,
    notes: Arc<Notes>,
    /// How many calls the group before had.
    last_calls: usize,
    _ending: watch::Sender<()>,
}

/// Whether the thread goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Work,
    End,
}

impl Thread {
    fn run(mut self, inbox: &Receiver<Command>) {
        let mut expiry_due = self.clock.monotonic() + EXPIRY;
        let mut notes_due = None;
        let mut busy_since = self.clock.monotonic();
        loop {
            let first = match inbox.try_recv() {
                Ok(command) => Some(command),
                Err(_) => {
                    let due = notes_due.unwrap_or(expiry_due).min(expiry_due);
                    let wait = due.saturating_sub(self.clock.monotonic()).min(EXPIRY);
                    let waited = inbox.recv_timeout(wait);
                    busy_since = self.clock.monotonic();
                    match waited {
                        Ok(command) => Some(command),
                        Err(RecvTimeoutError::Timeout) => None,
                        Err(RecvTimeoutError::Disconnected) => {
                            drop(self.write_notes());
                            return;
                        }
                    }
                }
            };
            if let Some(first) = first
                && self.work(first, inbox) == Next::End
            {
                return;
            }
            let now = self.clock.monotonic();
            if now >= expiry_due {
                // One slice at a time, so that publishers never wait long behind it.
                let left = self.expire_slice().unwrap_or(Left::Nothing);
                expiry_due = if left == Left::More { now } else { now + EXPIRY };
            }
            if notes_due.is_some_and(|due| now >= due) {
                // What could not be written waits for the next time; `note` has told of the failure.
                drop(self.write_notes());
                notes_due = None;
            }
            if notes_due.is_none() && !self.notes.is_empty() {
                notes_due = Some(now + NOTES);
            }
            if now.saturating_sub(busy_since) > STRETCH {
                thread::sleep(AIR);
                busy_since = self.clock.monotonic();
            }
        }
    }

    /// Takes what waits; appends are gathered until something else is asked.
    fn work(&mut self, first: Command, inbox: &Receiver<Command>) -> Next {
        let mut groups = Vec::new();
        let (mut messages, mut bytes) = (0, 0);
        let mut errand = None;
        let mut command = Some(first);
        let mut until = None;
        while let Some(next) = command.take() {
            match next {
                Command::Append(group) => {
                    messages += group.messages.len();
                    bytes += group.room.bytes;
                    groups.push(group);
                    if messages < MOST_MESSAGES && bytes < MOST_BYTES {
                        command = inbox.try_recv().ok();
                        if command.is_none() && groups.len() < self.last_calls {
                            let until = *until.get_or_insert_with(|| Instant::now() + GATHER);
                            command =
                                inbox.recv_timeout(until.saturating_duration_since(Instant::now())).ok();
                        }
                    }
                }
                Command::Errand(next) => errand = Some(next),
            }
        }
        self.last_calls = groups.len();
        if !groups.is_empty() {
            self.append(groups);
        }
        // Whoever asked may be gone: an answer that nobody awaits is dropped.
        match errand {
            None | Some(Errand::Note) => {}
            Some(Errand::Noted { group, topic, answer }) => drop(answer.send(self.noted(&group, topic))),
            Some(Errand::Expire(answer)) => drop(answer.send(self.expire_all())),
            Some(Errand::Probe(answer)) => drop(answer.send(self.probe())),
            Some(Errand::Stop) => {
                drop(self.write_notes());
                return Next::End;
            }
        }
        Next::Work
    }

    fn append(&mut self, groups: Vec<Group>) {
        let messages: Vec<&Message> = groups.iter().flat_map(|group| &group.messages).collect();
        let written = append(&mut self.connection, &messages, self.file.partitions, self.clock.now());
        let written = self.note(written);
        match written {
            Ok(positions) => {
                fail::fail_point!("bus.publish.acknowledged");
                self.appended.send_modify(|count| *count += 1);
                let mut positions = positions.into_iter();
                for group in groups {
                    let answers = positions.by_ref().take(group.messages.len()).map(Ok).collect();
                    drop(group.answer.send(answers));
                }
            }
            Err(problem) => {
                for group in groups {
                    drop(group.answer.send(vec![Err(problem.clone()); group.messages.len()]));
                }
            }
        }
    }

    fn expire_slice(&mut self) -> Result<Left, BusError> {
        let now = self.clock.now();
        let left = expire_slice(&mut self.connection, self.file.partitions, &self.config.retention, now);
        self.note(left)
    }

    fn expire_all(&mut self) -> Result<(), BusError> {
        while self.expire_slice()? == Left::More {}
        Ok(())
    }

    fn write_notes(&mut self) -> Result<(), BusError> {
        if self.notes.is_empty() {
            return Ok(());
        }
        let written = self.notes.write(&mut self.connection);
        self.note(written)
    }

    fn noted(&mut self, group: &str, topic: Topic) -> Result<BTreeMap<i32, i64>, BusError> {
        self.write_notes()?;
        notes::read(&self.connection, group, topic).map_err(|problem| self.file.error(&problem))
    }

    fn probe(&mut self) -> Result<(), BusError> {
        let mut write = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute(
                "INSERT INTO facts VALUES ('probes', 1) ON CONFLICT DO UPDATE SET value = value + 1",
                [],
            )?;
            transaction.commit()
        };
        let written = write();
        self.note(written)
    }

    /// Keeps in mind whether writing works, and says so once when that changes.
    fn note<T>(&self, written: rusqlite::Result<T>) -> Result<T, BusError> {
        let written = written.map_err(|problem| self.file.error(&problem));
        let was_healthy = self.healthy.swap(written.is_ok(), Ordering::AcqRel);
        match &written {
            Ok(_) if !was_healthy => tracing::info!("the event log can be written again"),
            Err(problem) if was_healthy => {
                tracing::error!(error = %problem, "the event log cannot be written");
            }
            _ => {}
        }
        written
    }
}
