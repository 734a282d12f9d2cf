//! SQLite's one writer: a task that commits transactions in groups.
//!
//! Each transaction is a savepoint in the group's transaction and is answered after the COMMIT, so that an answer means
//! durable. A failed COMMIT answers all of the group as failed. Marks come last in a group, else a stop of the same
//! commit would come before their requests; but they do not queue: the next COMMIT has all that wait, and comes sooner.
//! Another process that writes is waited for in short steps, and noticed.
//!
//! The task outlives what goes wrong in it: a transaction that panics is refused, and a connection that no longer takes
//! transactions is opened anew.

mod folding;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ports::StoreError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use self::folding::Folding;
use super::caught::{self, caught};
use super::{Time, Turn, Tx, Work, sqlite};
use crate::error::Fail;
use crate::sql::Conn;
use crate::wake::Signals;

/// How long a group may collect.
const GROUP: Duration = Duration::from_millis(20);
/// How long when somebody waits for a mark: his touch is due now.
const PRESSING: Duration = Duration::from_millis(5);
/// Room for other processes between groups.
const AIR: Duration = Duration::from_millis(1);
/// How long to wait before trying for the file again.
const STEP: Duration = Duration::from_micros(500);
/// How long to try for the file.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look whether another process wrote.
const LOOK: Duration = Duration::from_millis(20);

/// Hands transactions to the task.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Order>,
}

enum Order {
    Run(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// A transaction of any outcome.
#[async_trait]
trait Job: Send {
    fn turn(&self) -> Turn;
    /// Runs it; `false`: to be rolled back.
    async fn run(&mut self, tx: &mut Tx) -> bool;
    /// Answers, once the group's fate is known.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Typed<W: Work> {
    work: Arc<W>,
    out: Option<Result<W::Out, Fail>>,
    reply: oneshot::Sender<Result<W::Out, Fail>>,
}

#[async_trait]
impl<W: Work> Job for Typed<W> {
    fn turn(&self) -> Turn {
        self.work.turn()
    }

    async fn run(&mut self, tx: &mut Tx) -> bool {
        let out = caught::run(&*self.work, tx).await;
        let keep = out.is_ok();
        self.out = Some(out);
        keep
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let out = match (self.out, committed) {
            (Some(Ok(out)), Ok(())) => Ok(out),
            // What failed by itself stays failed by itself, whatever became of the group.
            (Some(Err(fail)), _) => Err(fail),
            (_, Err(error)) => Err(Fail::Store(error)),
            (None, Ok(())) => {
                Err(Fail::Store(StoreError::Unavailable("the transaction did not run".to_owned())))
            }
        };
        // Nobody listens any more when the caller gave up; what was committed stays committed.
        let _ = self.reply.send(out);
    }
}

impl Writer {
    #[expect(
        clippy::disallowed_methods,
        reason = "the seam of this crate: one task a file, it ends with the store"
    )]
    pub(super) fn start(
        (conn, folding): (Conn, Conn),
        reopen: sqlite::Writing,
        time: Arc<Time>,
        signals: Arc<Signals>,
    ) -> Self {
        let (jobs, orders) = mpsc::channel(1024);
        let tx = Tx::new(conn, time);
        let (folding, fold) = Folding::new(folding);
        tokio::spawn(fold);
        let waiting = VecDeque::new();
        tokio::spawn(Task { tx, reopen, orders, waiting, signals, folding, version: None }.serve());
        Self { jobs }
    }

    pub(super) async fn run<W: Work>(&self, work: Arc<W>) -> Result<W::Out, Fail> {
        let (reply, answer) = oneshot::channel();
        let gone = || Fail::Store(StoreError::Unavailable("the store is shutting down".to_owned()));
        self.jobs.send(Order::Run(Box::new(Typed { work, out: None, reply }))).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Lets what was handed over end, then closes the file.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.jobs.send(Order::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

struct Task {
    tx: Tx,
    /// How to open the file again.
    reopen: sqlite::Writing,
    orders: mpsc::Receiver<Order>,
    /// What was taken in while a group ran, and is for a later one.
    waiting: VecDeque<Order>,
    signals: Arc<Signals>,
    folding: Folding,
    /// SQLite's count of commits by other connections, as last seen.
    version: Option<i64>,
}

/// What a group has gathered.
#[derive(Default)]
struct Group {
    ran: Vec<Box<dyn Job>>,
    last: Vec<Box<dyn Job>>,
    close: Option<oneshot::Sender<()>>,
}

impl Task {
    async fn serve(mut self) {
        loop {
            let order = match self.waiting.pop_front() {
                Some(order) => Some(order),
                None => tokio::select! {
                    order = self.orders.recv() => order,
                    () = tokio::time::sleep(LOOK) => {
                        self.look().await;
                        continue;
                    }
                },
            };
            let Some(order) = order else { return };
            let mut group = Group::default();
            let first = match order {
                Order::Run(job) => job,
                Order::Close(done) => return self.end(done).await,
            };
            let fate = caught(self.commit_group(first, &mut group)).await.unwrap_or_else(|| {
                tracing::error!("SQLite's writer panicked; its group is given up");
                Err(StoreError::Unavailable("SQLite's writer panicked".to_owned()))
            });
            if fate.is_err() {
                self.heal().await;
            }
            for job in group.ran.into_iter().chain(group.last) {
                job.answer(fate.clone());
            }
            if let Some(done) = group.close {
                return self.end(done).await;
            }
            if !(self.waiting.is_empty() && self.orders.is_empty()) {
                tokio::time::sleep(AIR).await;
            }
        }
    }

    /// Closes the file, and says so.
    async fn end(self, done: oneshot::Sender<()>) {
        // The last connection to go folds all that is left.
        self.folding.end().await;
        if let Err(fail) = self.tx.conn.close().await {
            tracing::warn!(error = %fail.into_error(), "SQLite's file did not close well");
        }
        let _ = done.send(());
    }

    async fn commit_group(&mut self, first: Box<dyn Job>, group: &mut Group) -> Result<(), StoreError> {
        self.tx.now = None;
        if let Err(error) = self.begin().await {
            group.ran.push(first);
            return Err(error);
        }
        self.look().await;
        let outcome = self.run_group(first, group).await;
        match outcome {
            Ok(()) => {
                self.tx.conn.plain("commit").await.map_err(Fail::into_error)?;
                self.folding.committed();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// After a group was lost: whatever state the connection is in, the next group gets another one.
    async fn heal(&mut self) {
        // Fails when SQLite rolled back by itself; either way nothing is left.
        let _ = self.tx.conn.plain("rollback").await;
        match self.reopen.open().await {
            Ok(conn) => (self.tx.conn, self.version) = (conn, None),
            Err(fail) => {
                tracing::error!(error = %fail.into_error(), "SQLite's writer cannot open its file again");
            }
        }
    }

    /// Takes the file's write lock, waiting for other processes in short steps.
    async fn begin(&mut self) -> Result<(), StoreError> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.tx.conn.plain("begin immediate").await {
                Ok(()) => return Ok(()),
                Err(Fail::Store(StoreError::Unavailable(_))) if Instant::now() < until => {
                    tokio::time::sleep(STEP).await;
                }
                Err(fail) => return Err(fail.into_error()),
            }
        }
    }

    async fn run_group(&mut self, first: Box<dyn Job>, group: &mut Group) -> Result<(), StoreError> {
        let start = Instant::now();
        let mut next = Some(first);
        while let Some(job) = next.take() {
            match job.turn() {
                Turn::Last => group.last.push(job),
                Turn::Any => {
                    group.ran.push(job);
                    if let Some(job) = group.ran.last_mut() {
                        self.run_job(&mut **job).await?;
                    }
                }
            }
            self.take_in(group);
            let most = if group.last.is_empty() { GROUP } else { PRESSING };
            if start.elapsed() >= most {
                break;
            }
            match self.waiting.pop_front() {
                Some(Order::Run(job)) => next = Some(job),
                Some(Order::Close(done)) => group.close = Some(done),
                None => {}
            }
        }
        for job in &mut group.last {
            self.run_job(&mut **job).await?;
        }
        Ok(())
    }

    /// Takes in what has come meanwhile: what is to come last joins the group, whatever stands before it.
    fn take_in(&mut self, group: &mut Group) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Run(job) if job.turn() == Turn::Last => group.last.push(job),
                other => self.waiting.push_back(other),
            }
        }
    }

    async fn run_job(&mut self, job: &mut dyn Job) -> Result<(), StoreError> {
        self.tx.now = None;
        self.tx.conn.plain("savepoint job").await.map_err(Fail::into_error)?;
        let end = if job.run(&mut self.tx).await { "release job" } else { "rollback to job; release job" };
        // When this fails SQLite has ended the whole transaction by itself (disk full, I/O): the group is lost.
        self.tx.conn.plain(end).await.map_err(Fail::into_error)
    }

    /// Wakes everybody when another process has written.
    async fn look(&mut self) {
        let Some(version) = self.tx.conn.data_version().await else { return };
        if self.version.replace(version).is_some_and(|before| before != version) {
            self.signals.all();
        }
    }
}

#[cfg(test)]
mod tests;
