//! Named, tracked tasks.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use tracing::Span;

use super::Shutdown;
use super::ending::Death;

/// Where tasks are spawned; cheap to clone. Nothing else in the project spawns.
#[derive(Clone, Debug)]
pub struct Tasks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    shutdown: Shutdown,
    ordinary: TaskTracker,
    support: TaskTracker,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    next: u64,
    running: BTreeMap<u64, &'static str>,
    deaths: Vec<Death>,
}

/// The result of a spawned task: await it, or let it go; the task runs on either way.
#[derive(Debug)]
pub struct Task<T> {
    name: &'static str,
    handle: JoinHandle<T>,
}

/// A task that panicked, or that the runtime ended before it began.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task {0} did not finish")]
pub struct Died(pub &'static str);

impl<T> Future for Task<T> {
    type Output = Result<T, Died>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let name = self.name;
        Pin::new(&mut self.handle).poll(context).map(|result| result.map_err(|_| Died(name)))
    }
}

impl Tasks {
    pub(super) fn new(shutdown: Shutdown) -> Self {
        let ordinary = TaskTracker::new();
        let support = TaskTracker::new();
        // A closed tracker still takes tasks; closing only lets one wait for them.
        ordinary.close();
        support.close();
        Self(Arc::new(Shared { shutdown, ordinary, support, book: Mutex::default() }))
    }

    /// For tests and short commands: tasks whose deaths nobody waits for.
    #[must_use]
    pub fn detached() -> Self {
        Self::new(Shutdown::new())
    }

    /// Runs a component: it should end only when it is asked to. Ending earlier, with or without an error, or
    /// panicking, begins the shutdown and makes it a failure; so does an error at any time.
    pub fn component<E: fmt::Display + Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let entry = self.enter(name);
        let shutdown = self.0.shutdown.clone();
        let work = async move {
            match work.await {
                Err(error) => entry.failed(format!("failed: {error}")),
                Ok(()) if !shutdown.is_soft() => entry.failed("ended without being asked to".to_owned()),
                Ok(()) => entry.done(),
            }
        };
        drop(start(&self.0.ordinary, name, work));
    }

    /// Runs a support task, such as the admin port: it is asked last, with [`Shutdown::drained`]. An error or
    /// a panic is a failure as with a component.
    pub fn support<E: fmt::Display + Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        // Not in the book of those that the shutdown waits for.
        let entry = Entry { id: None, name, tasks: self.clone() };
        let work = async move {
            match work.await {
                Err(error) => entry.failed(format!("failed: {error}")),
                Ok(()) => entry.done(),
            }
        };
        drop(start(&self.0.support, name, work));
    }

    /// Runs a task that ends by itself. The shutdown waits for it; a panic begins the shutdown and makes it a
    /// failure.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let entry = self.enter(name);
        let work = async move {
            let output = work.await;
            entry.done();
            output
        };
        start(&self.0.ordinary, name, work)
    }

    /// Runs blocking work on a thread for it. The shutdown waits for it; a panic begins the shutdown and
    /// makes it a failure.
    pub fn spawn_blocking<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Task<T> {
        let entry = self.enter(name);
        let span = Span::current();
        let handle = self.0.ordinary.spawn_blocking(move || {
            let output = span.in_scope(work);
            entry.done();
            output
        });
        Task { name, handle }
    }

    fn enter(&self, name: &'static str) -> Entry {
        let mut book = self.book();
        let id = book.next;
        book.next += 1;
        book.running.insert(id, name);
        Entry { id: Some(id), name, tasks: self.clone() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing panics while it is held, and a list of names is never half written.
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no ordinary task is left.
    pub(super) async fn ended(&self) {
        self.0.ordinary.wait().await;
    }

    pub(super) async fn support_ended(&self) {
        self.0.support.wait().await;
    }

    /// Names of the tasks that run, each once.
    pub(super) fn running(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = self.book().running.values().copied().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(super) fn deaths(&self) -> Vec<Death> {
        self.book().deaths.clone()
    }
}

/// Spawns `work` within the current span.
fn start<T: Send + 'static>(
    tracker: &TaskTracker,
    name: &'static str,
    work: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    Task { name, handle: tracker.spawn(work.instrument(Span::current())) }
}

/// A running task's line in the book. Dropped while the task panics, it records the death.
struct Entry {
    id: Option<u64>,
    name: &'static str,
    tasks: Tasks,
}

impl Entry {
    fn done(self) {
        drop(self);
    }

    fn failed(self, why: String) {
        self.die(why);
    }

    fn die(&self, why: String) {
        tracing::error!(task = self.name, why, "a task died");
        self.tasks.book().deaths.push(Death { task: self.name, why });
        self.tasks.0.shutdown.begin();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.die("panicked".to_owned());
        }
        if let Some(id) = self.id {
            self.tasks.book().running.remove(&id);
        }
    }
}
