//! How much the whole job does: from a backlog, and by the clock.

use std::sync::Arc;
use std::time::Duration;

use domain::id::{Shard, Workspace};
use domain::touch::{TimerKind, TouchState};
use ports::queries::{Queries as _, TaskFilter};
use ports::relay::Outbox as _;
use ports::unit::Units as _;
use runtime::lifecycle::Tasks;
use tokio_util::sync::CancellationToken;

use super::{CONNECTIONS, PAUSE, Probe, processed};
use crate::bench::arrivals::{Pace, open_load};
use crate::bench::http::WARM_UP;
use crate::bench::report::tell;
use crate::bench::sample::rate;
use crate::bench::setup::Side;
use crate::bench::webhooks::Webhooks;
use crate::exit::Failure;
use crate::wiring::Started;

/// Webhooks of the backlog, for each second of a measurement.
const BACKLOG: usize = 10_000;
/// The longest that a backlog takes.
const LONGEST: Duration = Duration::from_secs(120);
/// For how long nothing is to move.
const QUIET: Duration = Duration::from_secs(1);
/// How often the rate that is kept up with is narrowed down by half.
const STEPS: usize = 5;
/// What is to be applied of the webhooks of a time, while they come: a unit ends now and then, not all the time.
const KEPT: f64 = 0.95;

impl Probe<'_> {
    /// Whether a touch waits to be sent, or is on its way, or something of it to be told.
    async fn is_any_left(&self) -> Result<bool, Failure> {
        let now = self.run.clock.now();
        let due = self.store.next_timer(&[TimerKind::Touch]).await?;
        if due.is_some_and(|due| self.store.business().wall(due) <= now) {
            return Ok(true);
        }
        let sending = TaskFilter { state: Some(TouchState::Sending), limit: 1, ..TaskFilter::default() };
        let sending = self.store.tasks(&Workspace::main(), &sending).await?;
        let shards: Vec<Shard> = Shard::all().collect();
        Ok(!sending.is_empty() || !self.store.heads(&shards, 1).await?.is_empty())
    }

    /// How many mixed webhooks a second become effects, from the first one posted until the last one is applied, the last
    /// touch of theirs is sent and its result settled, and the last outcome relayed.
    pub(super) async fn capacity(&self, started: &Started, webhooks: &Webhooks) -> Result<f64, Failure> {
        let count = BACKLOG * usize::try_from(self.run.seconds).unwrap_or(usize::MAX);
        let before = processed(started).await?;
        let began = self.run.clock.monotonic();
        let posted = webhooks.post_all(CONNECTIONS, count).await?;
        while processed(started).await? < before + posted || self.is_any_left().await? {
            if self.run.clock.monotonic().saturating_sub(began) > LONGEST {
                return Err(Failure::Refused(format!("{posted} webhooks were not applied in time")));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(rate(posted, self.run.clock.monotonic().saturating_sub(began)))
    }

    /// The most webhooks a second, arriving by the clock, that become effects as fast as they come: found between none and
    /// `most` by halving.
    pub(super) async fn sustained(
        &mut self,
        (started, side): (&Started, &Side),
        webhooks: &Webhooks,
        most: f64,
    ) -> Result<f64, Failure> {
        let (mut kept, mut lost) = (0.0, most);
        for _ in 0..if self.run.is_quick() { STEPS / 2 } else { STEPS } {
            let middle = f64::midpoint(kept, lost);
            tell(&format!(
                "latency on {}: whether it keeps up with {middle:.0} webhooks a second",
                side.name()
            ));
            if self.keeps_up(started, webhooks, middle).await? {
                kept = middle;
            } else {
                lost = middle;
            }
        }
        if kept > 0.0 {
            Ok(kept)
        } else {
            Err(Failure::Refused(format!("it keeps up with less than {lost:.0} a second")))
        }
    }

    async fn keeps_up(
        &mut self,
        started: &Started,
        webhooks: &Webhooks,
        per_second: f64,
    ) -> Result<bool, Failure> {
        let time = Duration::from_secs(self.run.seconds);
        let pace = Pace { connections: CONNECTIONS, per_second, time };
        let clock = Arc::clone(&self.run.clock);
        let of = (self.ingest, webhooks.requests());
        let load = Tasks::detached()
            .spawn("bench.load", async move { open_load(&clock, of, pace, CancellationToken::new()).await });
        tokio::time::sleep(WARM_UP).await;
        let from = (processed(started).await?, self.run.clock.monotonic());
        let load = load.await.map_err(|error| Failure::Refused(error.to_string()))??;
        let to = (processed(started).await?, self.run.clock.monotonic());
        let kept = rate(to.0.saturating_sub(from.0), to.1.saturating_sub(from.1));
        self.quiet(started).await?;
        Ok(load.failures == 0 && kept >= per_second * KEPT)
    }

    /// Waits until nothing moves any more: nobody knows how many were taken in when more came than could be.
    async fn quiet(&self, started: &Started) -> Result<(), Failure> {
        let (mut before, began) = (None, self.run.clock.monotonic());
        loop {
            if self.run.clock.monotonic().saturating_sub(began) > LONGEST {
                return Err(Failure::Refused("what had come was not applied in time".to_owned()));
            }
            let now = processed(started).await?;
            if before.replace(now) == Some(now) && !self.is_any_left().await? {
                return Ok(());
            }
            tokio::time::sleep(QUIET).await;
        }
    }
}
