//! One connector's work: its touches and its commands share its rate, its concurrency and its pauses.

use std::sync::Arc;
use std::time::Duration;

use futures::future::Either;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use ports::StoreResult;
use ports::connector::Connector;
use ports::dispatch::{Command, Draw, Place};
use ports::wake::{Generation, Wake};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::commands::{Answer, Looks, carry_out};
use crate::gate::{Gate, Limit, MayStart, Room};
use crate::lanes::{Rotation, Turn};
use crate::send::{Sent, send};
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
const NAP: Duration = Duration::from_secs(1);
/// The shortest sleep: touches that are due and cannot be picked must not make the loop spin.
const POLL: Duration = Duration::from_millis(20);
/// How long to wait after an error of the store.
const PATIENCE: Duration = Duration::from_millis(250);
/// The most touches marked in one transaction, and commands taken in one.
const SLICE: usize = 128;
/// How long permits are the connector's, unless they are drawn again.
const LEASE: Duration = Duration::from_secs(4);
/// How long they are trusted here: a request starts within the mark's time after they were looked at.
const TRUST: Duration = Duration::from_secs(3);
/// How often permits are drawn again; sooner where others still hold what is to be ours.
const REDRAW: Duration = Duration::from_secs(1);

/// Something in flight that ended.
enum Ended {
    Touch(Sent),
    Command(Answer, Option<Duration>),
}

/// Runs until `stop`, then until what is in flight ended or the drain time is over.
pub(crate) async fn run(line: Line) {
    let traits = line.connector.traits();
    // Marking costs a transaction: under load wait for some room instead of marking one by one.
    let enough = (traits.concurrency / 8).clamp(1, SLICE);
    let mut gate = Gate::new(traits.rate, traits.concurrency);
    let mut flying = FuturesUnordered::new();
    let (mut looks, mut rotation, mut permits) = (Looks::default(), Rotation::default(), Permits::default());
    let mut standing = line.standing.clone();

    while !line.stop.is_cancelled() {
        let seen = Seen::now(&line);
        let now = line.deps.clock.monotonic();
        let place = standing.borrow_and_update().place;
        if let Some(limit) = gate.limit(now)
            && permits.are_to_be_drawn(now, place)
        {
            let granted = beside(line.draw(limit, place), &mut flying, &line, &mut gate).await;
            gate.permit(granted, now + TRUST);
            permits = Permits::drawn(now, place, granted >= wanted(limit, place));
        }
        let room = gate.room(now);
        let name = line.connector.name().as_str();
        line.deps.observer.connection(name, gate.standing(now, room), gate.in_flight());
        let rest = match room {
            Room::For(room) if room < enough && !flying.is_empty() => Rest::UntilOneEnds,
            Room::For(room) => {
                let room = room.min(SLICE);
                // Nothing is begun before the heart beats.
                let share = if place.is_some() { looks.share(room, now, seen.commands) } else { 0 };
                // What is in flight goes on while the store is asked: a slow store must not make requests start late.
                let taken = beside(line.take(share), &mut flying, &line, &mut gate).await;
                looks.took((share, taken.len()), now, seen.commands);
                let left = room - taken.len();
                for command in taken {
                    let starting = line.deps.clock.monotonic();
                    let may_start = gate.may_start(starting);
                    gate.start(starting);
                    let carried = carry_out(&line, command, may_start);
                    flying.push(Either::Left(carried.map(|(answer, pause)| Ended::Command(answer, pause))));
                }
                match beside(line.touches(left, &mut rotation), &mut flying, &line, &mut gate).await {
                    Ok(Turn { marching, more }) => {
                        for mut march in marching {
                            let starting = line.deps.clock.monotonic();
                            // The store took so long that others may have our permits by now.
                            march.committing_at =
                                march.committing_at.filter(|_| gate.may_start(starting) == MayStart::Yes);
                            gate.start(starting);
                            flying.push(Either::Right(send(&line, march).map(Ended::Touch)));
                        }
                        if more || (looks.more() && place.is_some()) { Rest::None } else { Rest::UntilWoken }
                    }
                    Err(error) => {
                        tracing::warn!(error = %error, connector = %line.connector.name(), "the store cannot be asked for due touches");
                        Rest::For(PATIENCE)
                    }
                }
            }
            Room::WhenOneEnds => Rest::UntilOneEnds,
            Room::At(when) => Rest::For(when.saturating_sub(now)),
            Room::WhenPermitted => Rest::For(permits.next.saturating_sub(now).max(POLL)),
        };
        tokio::select! {
            biased;
            () = line.stop.cancelled() => break,
            Some(ended) = flying.next(), if !flying.is_empty() => {
                line.land(&mut gate, ended).await;
                while let Some(Some(ended)) = flying.next().now_or_never() {
                    line.land(&mut gate, ended).await;
                }
            }
            Ok(()) = standing.changed() => {}
            () = line.rest(rest, seen) => {}
        }
    }
    let drained = tokio::time::timeout(line.settings.drain, async {
        while let Some(ended) = flying.next().await {
            line.land(&mut gate, ended).await;
        }
    });
    if drained.await.is_err() {
        tracing::warn!(connector = %line.connector.name(), "requests in flight are left behind; another worker takes them over");
    }
    if let Some(limit) = gate.limit(line.deps.clock.monotonic()) {
        // What was started counts until it has aged; the rest is the others' at once.
        line.draw(limit, None).await;
    }
}

/// Does some work while requests are in flight.
async fn beside<T>(
    work: impl Future<Output = T>,
    flying: &mut FuturesUnordered<impl Future<Output = Ended>>,
    line: &Line,
    gate: &mut Gate,
) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(ended) = flying.next(), if !flying.is_empty() => line.land(gate, ended).await,
            done = &mut work => return done,
        }
    }
}

/// What to wait for when nothing was done.
enum Rest {
    None,
    UntilWoken,
    UntilOneEnds,
    For(Duration),
}

/// What was signalled before the store was asked.
#[derive(Clone, Copy)]
struct Seen {
    touches: Generation,
    commands: Generation,
}

impl Seen {
    fn now(line: &Line) -> Self {
        let wakes = &line.deps.wakes;
        Self { touches: wakes.generation(Wake::Touches), commands: wakes.generation(Wake::Commands) }
    }
}

/// When permits are drawn again.
#[derive(Default)]
struct Permits {
    next: Duration,
    place: Option<Place>,
}

impl Permits {
    fn drawn(now: Duration, place: Option<Place>, is_whole: bool) -> Self {
        Self { next: now + if is_whole { REDRAW } else { PATIENCE }, place }
    }

    fn are_to_be_drawn(&self, now: Duration, place: Option<Place>) -> bool {
        place != self.place || (place.is_some() && now >= self.next)
    }
}

/// The part of a limit that a worker should have.
fn wanted(limit: Limit, place: Option<Place>) -> usize {
    place.and_then(|place| place.among(limit.limit)).map_or(0, |place| place.part(limit.limit))
}

impl Line {
    /// Draws permits; says how many. None after an error: nobody knows then what the others count on.
    async fn draw(&self, limit: Limit, place: Option<Place>) -> usize {
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

    async fn take(&self, share: usize) -> Vec<Command> {
        if share == 0 {
            return Vec::new();
        }
        crate::commands::take(self, share).await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, connector = %self.connector.name(), "the store cannot be asked for commands");
            Vec::new()
        })
    }

    async fn touches(&self, room: usize, rotation: &mut Rotation) -> StoreResult<Turn> {
        if room == 0 || self.settings.sending == Sending::Disabled {
            return Ok(Turn::default());
        }
        self.turn(room, rotation).await
    }

    async fn land(&self, gate: &mut Gate, ended: Ended) {
        gate.end();
        let pause = match &ended {
            Ended::Touch(sent) => sent.pause,
            Ended::Command(_, pause) => *pause,
        };
        if let Some(wait) = pause {
            self.deps.observer.waiting(self.connector.name().as_str(), wait);
            gate.pause_until(self.deps.clock.monotonic() + wait);
        }
        // The queues hold thousands; while one is full the connection waits, which is the back-pressure wanted.
        let kept = match ended {
            Ended::Touch(sent) => self.settled.send(sent.input).await.is_ok(),
            Ended::Command(answer, _) => self.answers.send(answer).await.is_ok(),
        };
        if !kept {
            tracing::error!("a result came after settling had ended; it is taken over");
        }
    }

    async fn rest(&self, rest: Rest, seen: Seen) {
        match rest {
            Rest::None => {}
            Rest::UntilWoken => {
                let at_most = self.until_next_due().await.unwrap_or(NAP).min(NAP);
                let wakes = &self.deps.wakes;
                tokio::select! {
                    () = wakes.changed(Wake::Touches, seen.touches, at_most) => {}
                    () = wakes.changed(Wake::Commands, seen.commands, at_most) => {}
                }
            }
            Rest::UntilOneEnds => tokio::time::sleep(NAP).await,
            // Permits are drawn again meanwhile.
            Rest::For(wait) => tokio::time::sleep(wait.min(NAP)).await,
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
