//! One connector's touches: pick, judge, mark, and start the sends.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use domain::catalog::Catalog;
use domain::decide::{Judgement, defer, judge, reservations, task};
use domain::id::TouchId;
use domain::input::{TouchInput, TouchReport};
use domain::touch::{Lane, Note};
use domain::world::World;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use ports::StoreResult;
use ports::connector::Connector;
use ports::dispatch::{FlagKeys, MarkRequest, Marked, Picked, WorkerId};
use ports::wake::Wake;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::gate::{Gate, Room};
use crate::send::{Marching, Sent, send};
use crate::settle::{Settled, settle};
use crate::upkeep::Standing;
use crate::{Connection, Deps, Sending, Settings};

/// What a connector's loop works with.
pub(crate) struct Lanes {
    pub(crate) deps: Arc<Deps>,
    pub(crate) settings: Settings,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) settled: mpsc::Sender<Settled>,
    pub(crate) stop: CancellationToken,
}

/// The longest sleep: a missed signal or a restored database costs no more.
const NAP: Duration = Duration::from_secs(1);
/// The shortest sleep: touches of another connector that are due and blocked must not make this one spin.
const POLL: Duration = Duration::from_millis(20);
/// How long to wait after an error of the store.
const PATIENCE: Duration = Duration::from_millis(250);
/// The most touches marked in one transaction.
const SLICE: usize = 128;

/// Runs until `stop`, then until what is in flight ended or the drain time is over.
pub(crate) async fn run(lanes: Lanes) {
    if lanes.settings.sending == Sending::Disabled {
        return;
    }
    let traits = lanes.connector.traits();
    // Marking costs a transaction: under load wait for some room instead of marking one by one.
    let enough = (traits.concurrency / 8).clamp(1, SLICE);
    let mut gate = Gate::new(traits.rate, traits.concurrency);
    let mut flying = FuturesUnordered::new();

    while !lanes.stop.is_cancelled() {
        let seen = lanes.deps.wakes.generation(Wake::Touches);
        let now = lanes.deps.clock.monotonic();
        let share = lanes.standing.borrow().share();
        let room = gate.room(now, share);
        tell(&lanes, &gate, gate.standing(now, room));
        let rest = match room {
            Room::For(room) if room < enough && !flying.is_empty() => Rest::UntilOneEnds,
            Room::For(room) => {
                // What is in flight goes on while the store is asked: a slow store must not make requests start late.
                let turn = beside(lanes.turn(room.min(SLICE)), &mut flying, &lanes, &mut gate).await;
                match turn {
                    Ok(Turn { marching, more }) => {
                        for march in marching {
                            gate.start(lanes.deps.clock.monotonic());
                            flying.push(send(&lanes, march));
                        }
                        if more { Rest::None } else { Rest::UntilWoken }
                    }
                    Err(error) => {
                        tracing::warn!(error = %error, connector = %lanes.connector.name(), "the store cannot be asked for due touches");
                        Rest::For(PATIENCE)
                    }
                }
            }
            Room::WhenOneEnds => Rest::UntilOneEnds,
            Room::At(when) => Rest::For(when.saturating_sub(now)),
        };
        tokio::select! {
            biased;
            () = lanes.stop.cancelled() => break,
            Some(sent) = flying.next(), if !flying.is_empty() => {
                land(&lanes, &mut gate, sent).await;
                while let Some(Some(sent)) = flying.next().now_or_never() {
                    land(&lanes, &mut gate, sent).await;
                }
            }
            () = lanes.rest(rest, seen) => {}
        }
    }
    let drained = tokio::time::timeout(lanes.settings.drain, async {
        while let Some(sent) = flying.next().await {
            land(&lanes, &mut gate, sent).await;
        }
    });
    if drained.await.is_err() {
        tracing::warn!(connector = %lanes.connector.name(), "requests in flight are left behind; another worker takes them over");
    }
}

fn tell(lanes: &Lanes, gate: &Gate, standing: Connection) {
    lanes.deps.observer.connection(lanes.connector.name().as_str(), standing, gate.in_flight());
}

/// Does some work while requests are in flight.
async fn beside<T>(
    work: impl Future<Output = T>,
    flying: &mut FuturesUnordered<impl Future<Output = Sent>>,
    lanes: &Lanes,
    gate: &mut Gate,
) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(sent) = flying.next(), if !flying.is_empty() => land(lanes, gate, sent).await,
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

/// What one look at the due touches came to.
struct Turn {
    marching: Vec<Marching>,
    /// Whether to look again at once.
    more: bool,
}

async fn land(lanes: &Lanes, gate: &mut Gate, sent: Sent) {
    gate.end();
    if let Some(wait) = sent.pause {
        lanes.deps.observer.waiting(lanes.connector.name().as_str(), wait);
        gate.pause_until(lanes.deps.clock.monotonic() + wait);
    }
    // The queue holds thousands; while it is full the connection waits, which is the back-pressure wanted.
    if lanes.settled.send(sent.input).await.is_err() {
        tracing::error!("a result came after settling had ended; its touch is taken over");
    }
}

impl Lanes {
    async fn rest(&self, rest: Rest, seen: ports::wake::Generation) {
        match rest {
            Rest::None => {}
            Rest::UntilWoken => {
                let at_most = self.until_next_due().await.unwrap_or(NAP).min(NAP);
                self.deps.wakes.changed(Wake::Touches, seen, at_most).await;
            }
            Rest::UntilOneEnds => tokio::time::sleep(NAP).await,
            Rest::For(wait) => tokio::time::sleep(wait).await,
        }
    }

    async fn until_next_due(&self) -> StoreResult<Duration> {
        let Some(due) = self.deps.dispatch.next_due().await? else {
            return Ok(NAP);
        };
        let clock = self.deps.units.business();
        let wait = clock.wall(due).duration_since(self.deps.clock.now());
        Ok(Duration::try_from(wait).unwrap_or(Duration::ZERO).max(POLL))
    }

    async fn turn(&self, room: usize) -> StoreResult<Turn> {
        let standing = self.standing.borrow().clone();
        if standing.shards.is_empty() {
            return Ok(Turn { marching: Vec::new(), more: false });
        }
        let catalog = self.deps.catalogs.current().await?;
        let picked = self.pick(&catalog, &standing, room).await?;
        if picked.is_empty() {
            return Ok(Turn { marching: Vec::new(), more: false });
        }
        let ids: Vec<TouchId> = picked.iter().map(|one| one.touch).collect();
        let world = self.deps.dispatch.view(&ids, catalog).await?;
        let (requests, reports) = self.judge_all(&world, &picked);
        let judged = reports.len();
        let judged = judged - settle(&self.deps, reports).await;
        let (marching, moved) = self.mark(&world, standing.worker, requests).await?;
        let more = judged > 0 || moved > 0 || !marching.is_empty();
        Ok(Turn { marching, more })
    }

    /// Due touches, the lanes of higher priority first.
    async fn pick(&self, catalog: &Catalog, standing: &Standing, room: usize) -> StoreResult<Vec<Picked>> {
        let mut picked = Vec::new();
        for lane in self.lanes(catalog) {
            let left = room - picked.len();
            let per_shard = left.div_ceil(standing.shards.len());
            let mut due = self.deps.dispatch.pick(&lane, &standing.shards, per_shard).await?;
            due.sort_by_key(|one| one.due_at);
            due.truncate(left);
            picked.extend(due);
            if picked.len() == room {
                break;
            }
        }
        Ok(picked)
    }

    fn lanes(&self, catalog: &Catalog) -> Vec<Lane> {
        let priorities: BTreeSet<u8> = catalog
            .workspaces
            .values()
            .flat_map(|content| content.cadences.values())
            .filter(|cadence| cadence.connector == *self.connector.name())
            .map(|cadence| cadence.priority)
            .collect();
        let connector = self.connector.name();
        priorities.into_iter().rev().map(|priority| Lane { connector: connector.clone(), priority }).collect()
    }

    /// Splits the picked touches into those that may go, rendered, and what is to be said of the others.
    fn judge_all(&self, world: &World, picked: &[Picked]) -> (Vec<MarkRequest>, Vec<TouchInput>) {
        let mut requests = Vec::with_capacity(picked.len());
        let mut reports = Vec::new();
        for one in picked {
            let report = match judge(world, one.touch, world.now) {
                Judgement::Gone => continue,
                Judgement::Go => match self.request(world, one) {
                    Ok(Some(request)) => {
                        requests.push(request);
                        continue;
                    }
                    Ok(None) => continue,
                    Err(note) => TouchReport::Unrenderable { fence: one.fence, note },
                },
                Judgement::Act => TouchReport::Judge { fence: one.fence },
                Judgement::Wait { until, note } => TouchReport::Defer { fence: one.fence, until, note },
            };
            self.deps.observer.passed_over(match &report {
                TouchReport::Unrenderable { .. } => "unrenderable",
                TouchReport::Defer { .. } => "full",
                _ => "judged",
            });
            reports.push(TouchInput { touch: one.touch, at: world.now, report });
        }
        (requests, reports)
    }

    fn request(&self, world: &World, picked: &Picked) -> Result<Option<MarkRequest>, Note> {
        let Some(touch) = world.touches.get(&picked.touch) else {
            return Ok(None);
        };
        let Some(enrollment) = world.enrollments.get(&touch.enrollment) else {
            return Ok(None);
        };
        // A repeat sends the stored bytes of the first attempt; these count where none of the earlier ones ever left.
        let body = match self.render(world, picked) {
            Err(_) if picked.attempt > 0 => bytes::Bytes::new(),
            rendered => rendered?,
        };
        // It keeps what that one reserved, unless a void or a rejection gave it back.
        let reservations =
            if touch.reserved.is_empty() { reservations(world, picked.touch, world.now) } else { Vec::new() };
        Ok(Some(MarkRequest {
            touch: picked.touch,
            fence: picked.fence,
            flags: FlagKeys {
                workspace: touch.workspace.clone(),
                cadence: enrollment.cadence.clone(),
                owner: touch.owner.clone(),
                connector: touch.lane.connector.clone(),
            },
            body,
            reservations,
        }))
    }

    fn render(&self, world: &World, picked: &Picked) -> Result<bytes::Bytes, Note> {
        let task = task(world, picked.touch)?;
        self.connector.render(&task).map_err(|error| Note::new("unrenderable", error.to_string()))
    }

    /// Marks what may go, and moves on what a full budget keeps back.
    async fn mark(
        &self,
        world: &World,
        worker: WorkerId,
        requests: Vec<MarkRequest>,
    ) -> StoreResult<(Vec<Marching>, usize)> {
        if requests.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let touches: Vec<TouchId> = requests.iter().map(|request| request.touch).collect();
        let fences: HashMap<TouchId, i32> =
            requests.iter().map(|request| (request.touch, request.fence)).collect();
        let marks = self.deps.dispatch.mark(worker, requests).await?;
        let mut marching = Vec::with_capacity(touches.len());
        let mut moved = Vec::new();
        for (id, mark) in touches.into_iter().zip(marks) {
            let Some(touch) = world.touches.get(&id) else {
                continue;
            };
            match mark {
                Marked::Yes { attempt, body, since, committing_at } => {
                    self.observe_lateness(touch.due_at);
                    marching.push(Marching { touch: touch.clone(), attempt, body, since, committing_at });
                }
                Marked::Full { key, uses } => {
                    self.deps.observer.passed_over("full");
                    let (until, note) = defer(world, id, &key, &uses, world.now);
                    let report = TouchReport::Defer { fence: fences[&id], until, note };
                    moved.push(TouchInput { touch: id, at: world.now, report });
                }
                Marked::Held(_) => self.deps.observer.passed_over("held"),
                Marked::Lost => self.deps.observer.passed_over("lost"),
            }
        }
        let count = moved.len();
        let count = count - settle(&self.deps, moved).await;
        Ok((marching, count))
    }

    fn observe_lateness(&self, due: jiff::Timestamp) {
        let late = self.deps.clock.now().duration_since(self.deps.units.business().wall(due));
        self.deps.observer.lateness(Duration::try_from(late).unwrap_or_default());
    }
}
