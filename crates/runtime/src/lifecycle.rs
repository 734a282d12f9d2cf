//! Start and shutdown of a process.
//!
//! Every task is spawned here, by name, and is waited for. A shutdown has two phases:
//!
//! 1. **soft**: somebody asked (a signal, or [`Shutdown::begin`]), or a component died. Readiness turns
//!    false, nothing
//!    new is begun, what is under way is finished, within [`Budget::drain`].
//! 2. **hard**: the time is up or somebody asked again. What is under way is given up, within
//!    [`Budget::hard`].
//!
//! Support tasks, which show the process's state to the outside, run until the others are gone. The process
//! ends with an error when a component ended without being asked, a task panicked, or something did not end
//! in time.

mod ending;
mod signals;
mod tasks;

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use ending::Death;
pub use ending::Failed;
pub use tasks::Died;
pub use tasks::Task;
pub use tasks::Tasks;

use crate::health::Readiness;

/// How long a shutdown may take, phase by phase. The default sums to less than ten seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// For finishing what is under way.
    pub drain: Duration,
    /// For giving up what is still under way then.
    pub hard: Duration,
    /// For the support tasks, at the end.
    pub support: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { drain: Duration::from_secs(7), hard: Duration::from_secs(1), support: Duration::from_secs(1) }
    }
}

/// A view on the shutdown, for whoever must take part in it; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    readiness: Readiness,
    soft: CancellationToken,
    hard: CancellationToken,
    drained: CancellationToken,
}

impl Shutdown {
    /// One that nobody begins, until [`Self::begin`]: for tests and short commands.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Turns readiness false and begins the soft phase; again, it does nothing.
    pub fn begin(&self) {
        // In this order, so that whoever sees the soft phase finds the process not ready.
        self.readiness.drain();
        self.soft.cancel();
    }

    /// Waits for the soft phase: begin nothing new, finish what is under way.
    pub async fn soft(&self) {
        self.soft.cancelled().await;
    }

    /// Waits for the hard phase: give up.
    pub async fn hard(&self) {
        self.hard.cancelled().await;
    }

    /// Waits until all tasks but the support tasks are gone.
    pub async fn drained(&self) {
        self.drained.cancelled().await;
    }

    /// Whether the soft phase has begun.
    #[must_use]
    pub fn is_soft(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Whether the hard phase has begun.
    #[must_use]
    pub fn is_hard(&self) -> bool {
        self.hard.is_cancelled()
    }

    /// The token of the soft phase, for libraries that take one.
    #[must_use]
    pub fn soft_token(&self) -> CancellationToken {
        self.soft.clone()
    }
}

/// The life of one process.
#[derive(Debug)]
pub struct Lifecycle {
    shutdown: Shutdown,
    tasks: Tasks,
    budget: Budget,
}

impl Lifecycle {
    /// A process that turns `readiness` false when it begins to end.
    #[must_use]
    pub fn new(readiness: Readiness, budget: Budget) -> Self {
        let shutdown = Shutdown { readiness, ..Shutdown::default() };
        let tasks = Tasks::new(shutdown.clone());
        Self { shutdown, tasks, budget }
    }

    /// The view on the shutdown that services take.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Where tasks are spawned.
    #[must_use]
    pub fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// Waits for the end: a first signal (SIGTERM or SIGINT), a dead component or [`Shutdown::begin`] begins
    /// it, a second signal hurries it. It takes the signals of the process, so it runs once.
    ///
    /// A blocking task may outlive it; end the process with `Runtime::shutdown_background` then.
    ///
    /// # Errors
    /// What died early or did not end in time: the process should exit with a failure.
    pub async fn run(self) -> Result<(), Failed> {
        let (heard, signals) = mpsc::channel(4);
        let listening = signals::listen(heard);
        tokio::pin!(listening);
        tokio::select! {
            ended = self.run_until(signals) => ended,
            never = &mut listening => match never {},
        }
    }

    async fn run_until(self, mut signals: mpsc::Receiver<&'static str>) -> Result<(), Failed> {
        let Self { shutdown, tasks, budget } = self;
        tokio::select! {
            () = shutdown.soft() => {}
            Some(signal) = signals.recv() => tracing::info!(signal, "shutting down"),
        }
        shutdown.begin();

        let drained = tokio::select! {
            () = tasks.ended() => true,
            () = tokio::time::sleep(budget.drain) => {
                tracing::warn!(tasks = ?tasks.running(), "not everything was finished in time, giving it up");
                false
            }
            Some(signal) = signals.recv() => {
                tracing::warn!(signal, tasks = ?tasks.running(), "asked again, giving up what is under way");
                false
            }
        };
        shutdown.hard.cancel();
        let stuck = if drained || tokio::time::timeout(budget.hard, tasks.ended()).await.is_ok() {
            Vec::new()
        } else {
            tasks.running()
        };
        shutdown.drained.cancel();
        if tokio::time::timeout(budget.support, tasks.support_ended()).await.is_err() {
            tracing::warn!("a support task did not end in time");
        }
        ending::judge(tasks.deaths(), stuck)
    }
}
