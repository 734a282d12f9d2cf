//! What the service is given, how it works, and its one entry.

use std::sync::Arc;
use std::time::Duration;

use engine::Catalogs;
use ports::bus::{Consumers, Publisher};
use ports::clock::Clock;
use ports::dispatch::Flags;
use ports::relay::{Asides, Outbox};
use ports::unit::{Housekeeping, Offsets, Units};
use ports::wake::Wakes;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{consume, housekeeping, project, relay, timers};

/// Everything that enrollment uses of the world.
pub struct Deps {
    /// Runs units.
    pub units: Arc<dyn Units>,
    /// Where each partition goes on.
    pub offsets: Arc<dyn Offsets>,
    /// Stops sending when the store turns out to be restored.
    pub flags: Arc<dyn Flags>,
    /// The outbox.
    pub outbox: Arc<dyn Outbox>,
    /// What was set aside.
    pub asides: Arc<dyn Asides>,
    /// Keeps tables small.
    pub housekeeping: Arc<dyn Housekeeping>,
    /// Signals of the store.
    pub wakes: Arc<dyn Wakes>,
    /// The content in force.
    pub catalogs: Arc<Catalogs>,
    /// Reads the bus.
    pub consumers: Arc<dyn Consumers>,
    /// Writes the bus.
    pub publisher: Arc<dyn Publisher>,
    /// Wall and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Names this process to the outbox's leases.
    pub process: Uuid,
    /// Told what happens.
    pub observer: Arc<dyn Observer>,
}

/// How enrollment works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most events folded in one transaction.
    pub batch: usize,
    /// How many such transactions there are at once, of different partitions each: while one waits for the database, another
    /// is decided. A database with one writer gains nothing from more than one.
    pub beside: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { batch: 500, beside: 4 }
    }
}

/// Is told what happens, for metrics and readiness.
pub trait Observer: Send + Sync {
    /// A batch was committed.
    fn batch(&self, fresh: usize, duplicates: usize, took: Duration);
    /// Records were set aside.
    fn dead(&self, count: usize);
    /// What waits until a person decides: partitions that are stopped, sending that is held; empty: all go on.
    fn stopped(&self, why: &[String]);
    /// Whether the loop can work: `None`, or why not.
    fn troubled(&self, why: Option<&str>);
}

/// Runs until `stop` is cancelled, then ends what is under way.
pub async fn run(settings: Settings, deps: Deps, stop: CancellationToken) {
    let deps = Arc::new(deps);
    futures::join!(
        consume::run(Arc::clone(&deps), settings, stop.clone()),
        timers::run(Arc::clone(&deps), stop.clone()),
        relay::run(Arc::clone(&deps), stop.clone()),
        project::run(Arc::clone(&deps), stop.clone()),
        housekeeping::run(Arc::clone(&deps), stop.clone()),
    );
}
