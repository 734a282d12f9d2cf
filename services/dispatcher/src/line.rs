//! One connector's work: its touches and its commands share its rate, its concurrency and its pauses. What it asks of the
//! store; when it does so is [`crate::work`]'s.

use std::sync::Arc;
use std::time::Duration;

use ports::StoreResult;
use ports::connector::Connector;
use ports::dispatch::{Command, Draw, Place};
use ports::wake::{Generation, Wake};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::commands::Answer;
use crate::gate::Limit;
use crate::settle::Settled;
use crate::upkeep::Standing;
use crate::{Deps, Sending, Settings};

/// What a connector's loop works with.
pub(crate) struct Line {
    pub(crate) deps: Arc<Deps>,
    pub(crate) settings: Settings,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) standing: watch::Receiver<Standing>,
    /// For whom permits are drawn: the same for as long as the process runs.
    pub(crate) holder: Uuid,
    pub(crate) settled: mpsc::Sender<Settled>,
    pub(crate) answers: mpsc::Sender<Answer>,
    pub(crate) stop: CancellationToken,
}

/// The longest sleep: a missed signal or a restored database costs no more.
pub(crate) const NAP: Duration = Duration::from_secs(1);
/// The shortest sleep: touches that are due and cannot be picked must not make the loop spin.
pub(crate) const POLL: Duration = Duration::from_millis(20);
/// How long to wait after an error of the store.
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);
/// How long permits are the connector's, unless they are drawn again.
const LEASE: Duration = Duration::from_secs(4);
/// How long they are trusted here: a request starts within the mark's time after they were looked at.
pub(crate) const TRUST: Duration = Duration::from_secs(3);
/// How often permits are drawn again; sooner where others still hold what is to be ours.
const REDRAW: Duration = Duration::from_secs(1);

/// What was signalled before the store was asked.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) touches: Generation,
    pub(crate) commands: Generation,
}

impl Seen {
    pub(crate) fn now(line: &Line) -> Self {
        let wakes = &line.deps.wakes;
        Self { touches: wakes.generation(Wake::Touches), commands: wakes.generation(Wake::Commands) }
    }
}

/// When permits are drawn again.
#[derive(Default)]
pub(crate) struct Permits {
    pub(crate) next: Duration,
    place: Option<Place>,
}

impl Permits {
    pub(crate) fn drawn(now: Duration, place: Option<Place>, is_whole: bool) -> Self {
        Self { next: now + if is_whole { REDRAW } else { PATIENCE }, place }
    }

    pub(crate) fn are_to_be_drawn(&self, now: Duration, place: Option<Place>) -> bool {
        place != self.place || (place.is_some() && now >= self.next)
    }
}

/// The part of a limit that a worker should have.
pub(crate) fn wanted(limit: Limit, place: Option<Place>) -> usize {
    place.and_then(|place| place.among(limit.limit)).map_or(0, |place| place.part(limit.limit))
}

impl Line {
    /// Draws permits; says how many. None after an error: nobody knows then what the others count on.
    pub(crate) async fn draw(&self, limit: Limit, place: Option<Place>) -> usize {
        let draw = Draw {
            connector: self.connector.name().clone(),
            holder: self.holder,
            wanted: wanted(limit, place),
            used: limit.used,
            limit: limit.limit,
            per: limit.per,
            lease: LEASE,
        };
        self.deps.permits.draw(draw).await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, connector = %self.connector.name(), "permits could not be drawn");
            0
        })
    }

    pub(crate) async fn take(&self, share: usize) -> Vec<Command> {
        crate::commands::take(self, share).await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, connector = %self.connector.name(), "the store cannot be asked for commands");
            Vec::new()
        })
    }

    /// Until something is due or signalled.
    pub(crate) async fn until_woken(&self, seen: Seen) {
        let at_most = self.until_next_due().await.unwrap_or(NAP).min(NAP);
        let wakes = &self.deps.wakes;
        tokio::select! {
            () = wakes.changed(Wake::Touches, seen.touches, at_most) => {}
            () = wakes.changed(Wake::Commands, seen.commands, at_most) => {}
        }
    }

    async fn until_next_due(&self) -> StoreResult<Duration> {
        if self.settings.sending == Sending::Disabled {
            return Ok(NAP);
        }
        let Some(due) = self.deps.dispatch.next_due(self.connector.name()).await? else {
            return Ok(NAP);
        };
        let clock = self.deps.units.business();
        let wait = clock.wall(due).duration_since(self.deps.clock.now());
        Ok(Duration::try_from(wait).unwrap_or(Duration::ZERO).max(POLL))
    }

    /// The shards that are ours.
    pub(crate) fn shards(&self, place: Option<Place>) -> Vec<domain::id::Shard> {
        // Where fewer requests may be started than there are workers, only so many of them share the work.
        let sharers =
            self.connector.traits().rate.map_or(usize::MAX, |(requests, _)| requests.max(1) as usize);
        place.and_then(|place| place.among(sharers)).map(Place::shards).unwrap_or_default()
    }
}
