//! What the service is given, how it works, and its one entry.

use std::sync::Arc;
use std::time::Duration;

use domain::id::ConnectorName;
use engine::Catalogs;
use futures::future::join_all;
use ports::clock::Clock;
use ports::connector::{Connector, Idempotency};
use ports::dispatch::{Commands, Dispatch, Permits, WorkerId, Workers};
use ports::unit::Units;
use ports::wake::Wakes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::StoreClock;
use crate::commands::Answer;
use crate::line::Line;
use crate::settle::Settled;
use crate::upkeep::Standing;
use crate::{commands, settle, upkeep, work};

/// Everything that the dispatcher uses of the world.
pub struct Deps {
    /// Settles and defers.
    pub units: Arc<dyn Units>,
    /// Picks and marks.
    pub dispatch: Arc<dyn Dispatch>,
    /// What is to be withdrawn.
    pub commands: Arc<dyn Commands>,
    /// Which dispatchers live.
    pub workers: Arc<dyn Workers>,
    /// How the rates of connectors are shared out among them.
    pub permits: Arc<dyn Permits>,
    /// Signals of the store.
    pub wakes: Arc<dyn Wakes>,
    /// The content in force.
    pub catalogs: Arc<Catalogs>,
    /// Where tasks go; the inbox among them.
    pub connectors: Vec<Arc<dyn Connector>>,
    /// Wall and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Makes the id of a worker: one a process start, another when its row was taken away.
    pub new_worker: Arc<dyn Fn() -> WorkerId + Send + Sync>,
    /// Told what happens.
    pub observer: Arc<dyn Observer>,
}

impl Deps {
    /// Whether a request of unknown outcome may be repeated or looked up by us; else a person decides.
    pub(crate) fn may_repeat(&self, connector: &ConnectorName) -> bool {
        self.connectors
            .iter()
            .find(|known| known.name() == connector)
            .is_some_and(|known| known.traits().idempotency != Idempotency::None)
    }
}

/// Whether anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// Touches go out.
    Enabled,
    /// `[dispatch] enabled = false`: only settles, withdraws and takes over.
    Disabled,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Requests may go.
    Open,
    /// As many as may be are in flight.
    Busy,
    /// Our share of its rate is used up.
    RateLimited,
    /// The CRM asked to wait, or does not know us.
    Paused,
    /// Nothing gets through to the CRM: one request at a time tries.
    Away,
}

/// How the dispatcher works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether anything is sent.
    pub sending: Sending,
    /// A request must start this long after its mark was sent to the store, or the mark is void.
    pub start_within: Duration,
    /// Transient errors are tried this long, from the first attempt.
    pub give_up_after: Duration,
    /// How long requests in flight may take once a stop was asked for.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sending: Sending::Enabled,
            start_within: Duration::from_millis(250),
            give_up_after: Duration::from_secs(24 * 60 * 60),
            drain: Duration::from_secs(7),
        }
    }
}

/// Is told what happens, for metrics. Every method has a cheap implementation.
pub trait Observer: Send + Sync {
    /// An attempt ended: `sent`, `rejected`, `retry`, `exhausted`, `unknown` or `void`; and how long its request took, where
    /// one was made.
    fn attempt(&self, connector: &str, outcome: &'static str, took: Option<Duration>);
    /// The request of an attempt starts this long (wall time) after it was due; zero where clocks disagree that it is.
    fn lateness(&self, late: Duration);
    /// A touch was not marked: `held`, `full`, `lost`, `judged`, `unrenderable`.
    fn passed_over(&self, why: &'static str);
    /// A task stays in the CRM though it was to be taken back: that was given up.
    fn left(&self, connector: &str);
    /// A connection waits this long, for the reason given.
    fn waiting(&self, connector: &str, wait: Duration);
    /// How a connection stands, and how many requests it has in flight.
    fn connection(&self, connector: &str, standing: Connection, in_flight: usize);
    /// Whether the dispatcher can work: `None`, or why not.
    fn troubled(&self, why: Option<&str>);
}

/// Runs until `stop` is cancelled, then lets what is in flight end.
pub async fn run(settings: Settings, deps: Deps, stop: CancellationToken) {
    let clock = Arc::new(StoreClock::new(Arc::clone(&deps.clock)));
    let deps = Arc::new(Deps { clock: Arc::<StoreClock>::clone(&clock), ..deps });
    let worker = (deps.new_worker)();
    let (standing, _) = watch::channel(Standing::fresh(worker));
    let (settled, queue) = mpsc::channel::<Settled>(4096);
    let (answers, answered) = mpsc::channel::<Answer>(4096);

    let tidy = upkeep::tidy(Arc::clone(&deps), settled.clone(), stop.clone());
    let lines: Vec<_> = deps
        .connectors
        .iter()
        .map(|connector| {
            work::run(Line {
                deps: Arc::clone(&deps),
                settings: settings.clone(),
                connector: Arc::clone(connector),
                standing: standing.subscribe(),
                holder: worker.0,
                settled: settled.clone(),
                answers: answers.clone(),
                stop: stop.clone(),
            })
        })
        .collect();
    // Each loop drops its senders when it ends; once all are gone the queues end, and settling ends with them.
    drop((settled, answers));
    let settle = settle::run(Arc::clone(&deps), queue);
    let finish = commands::finish(Arc::clone(&deps), answered);
    let work = async { futures::join!(join_all(lines), tidy, settle, finish) };
    tokio::select! {
        _ = work => {}
        () = upkeep::beat(&deps, &clock, &standing) => {}
    }
    let worker = standing.borrow().worker;
    if let Err(error) = deps.workers.leave(worker).await {
        tracing::warn!(error = %error, "the worker's row could not be taken away; others take it for dead soon");
    }
}
