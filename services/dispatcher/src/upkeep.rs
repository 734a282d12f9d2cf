//! Beside the sending: the heartbeat, whose shards are ours, who is gone, and what is held no longer.

use std::sync::Arc;
use std::time::Duration;

use domain::id::ConnectorName;
use domain::input::{TouchInput, TouchReport};
use domain::touch::{AttemptResult, Note};
use ports::StoreResult;
use ports::dispatch::{Alive, Place, Stray, WorkerId};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::StoreClock;
use crate::settle::Settled;
use crate::{Deps, send};

/// Who we are and what is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) worker: WorkerId,
    /// Its place among the workers that live.
    pub(crate) place: Option<Place>,
}

impl Standing {
    pub(crate) fn fresh(worker: WorkerId) -> Self {
        Self { worker, place: None }
    }
}

const BEAT: Duration = Duration::from_secs(1);
/// A worker silent for this long is taken for dead, by one whose own heart has beaten at least as long.
const SILENCE: Duration = Duration::from_secs(5);
/// An attempt this much older than any request may take is taken over even if its worker lives.
pub(crate) const HUNG: Duration = Duration::from_secs(30);
const RELEASE: Duration = Duration::from_secs(1);
const SLICE: usize = 500;
/// How often work for connectors that are not configured is looked for.
const STRAYS: Duration = Duration::from_secs(60);
/// How long a command waits for its connector to be configured again.
const ABSENCE: Duration = Duration::from_hours(24);

/// Sweeps until `stop`.
pub(crate) async fn tidy(deps: Arc<Deps>, settled: mpsc::Sender<Settled>, stop: CancellationToken) {
    stop.run_until_cancelled(sweep(&deps, &settled)).await;
}

/// Beats for ever: its caller ends it when nothing is in flight any more. A heart that stops before would have others
/// repeat requests that are still under way.
pub(crate) async fn beat(deps: &Deps, clock: &StoreClock, standing: &watch::Sender<Standing>) {
    let mut beating_since = None;
    loop {
        let now = deps.clock.monotonic();
        match beat_once(deps, clock, standing).await {
            Ok(()) => {
                deps.observer.troubled(None);
                let since = *beating_since.get_or_insert(now);
                // A database outage makes nobody dead: only an unbroken heart may judge others.
                let worker = standing.borrow().worker;
                if now.saturating_sub(since) >= SILENCE
                    && let Err(error) = deps.workers.reap(worker).await
                {
                    tracing::warn!(error = %error, "silent workers could not be removed");
                }
            }
            Err(error) => {
                beating_since = None;
                deps.observer.troubled(Some(&error.to_string()));
                tracing::warn!(error = %error, "the heartbeat could not be written");
            }
        }
        tokio::time::sleep(BEAT).await;
    }
}

async fn beat_once(deps: &Deps, clock: &StoreClock, standing: &watch::Sender<Standing>) -> StoreResult<()> {
    let mut worker = standing.borrow().worker;
    if deps.workers.beat(worker).await? == Alive::Forgotten {
        worker = (deps.new_worker)();
        tracing::warn!("this worker was taken for dead and goes on under a new id");
        deps.workers.beat(worker).await?;
    }
    // Before there is a shard to work on.
    clock.follow(&*deps.units).await?;
    let place = deps.workers.place(worker).await?;
    standing.send_if_modified(|held| {
        let next = Standing { worker, place };
        let changed = *held != next;
        *held = next;
        changed
    });
    Ok(())
}

async fn sweep(deps: &Deps, settled: &mpsc::Sender<Settled>) {
    let known: Vec<ConnectorName> = deps.connectors.iter().map(|one| one.name().clone()).collect();
    let mut strays_at = deps.clock.monotonic();
    loop {
        if let Err(error) = take_over(deps, settled).await {
            tracing::warn!(error = %error, "attempts of gone workers could not be taken over");
        }
        match deps.dispatch.release(&known, SLICE).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "held touches go on"),
            Err(error) => tracing::warn!(error = %error, "held touches could not be released"),
        }
        if deps.clock.monotonic() >= strays_at {
            match hold_strays(deps, &known).await {
                // There may be more.
                Ok(count) if count >= SLICE => {}
                Ok(_) => strays_at = deps.clock.monotonic() + STRAYS,
                Err(error) => {
                    tracing::warn!(error = %error, "touches of unknown connectors could not be held");
                }
            }
        }
        tokio::time::sleep(RELEASE).await;
    }
}

/// What is for a connector that is not configured says so, and goes on once it is.
async fn hold_strays(deps: &Deps, known: &[ConnectorName]) -> StoreResult<usize> {
    let touches = deps.dispatch.hold_strays(known, SLICE).await?;
    let stray = Stray { patience: ABSENCE, slice: SLICE };
    let commands = deps.commands.stray_commands(known, stray).await?;
    if touches + commands > 0 {
        tracing::warn!(
            touches,
            commands,
            "there is work for connectors that are not configured; see `dispatch status`"
        );
    }
    Ok(touches.max(commands))
}

async fn take_over(deps: &Deps, settled: &mpsc::Sender<Settled>) -> StoreResult<()> {
    let taken = deps.dispatch.take_over(longest_request(deps).saturating_add(HUNG)).await?;
    if taken.is_empty() {
        return Ok(());
    }
    tracing::warn!(count = taken.len(), "taking over attempts whose worker is gone or hung");
    let at = deps.units.now().await?;
    let again = deps.clock.now();
    for one in taken {
        let note = Note::new("taken_over", "the worker that sent it is gone");
        let result =
            AttemptResult::Unknown { again_at: deps.may_repeat(&one.connector).then_some(again), note };
        let report = TouchReport::Attempt { attempt: one.attempt, result };
        // A full queue only means that the attempt is found again at the next sweep.
        let _ = settled.try_send(TouchInput { touch: one.touch, at, report });
    }
    Ok(())
}

/// How long the slowest connector's request may take.
fn longest_request(deps: &Deps) -> Duration {
    deps.connectors.iter().map(|connector| send::time_limit(connector.traits())).max().unwrap_or_default()
}
