//! One connector's touches: pick, judge, mark.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::catalog::Catalog;
use domain::decide::{Judgement, defer, judge, reservations, task};
use domain::id::{Shard, TouchId, Workspace};
use domain::input::{TouchInput, TouchReport};
use domain::touch::{Lane, Note};
use domain::world::World;
use ports::StoreResult;
use ports::dispatch::{FlagKeys, MarkRequest, Marked, Pick, Picked};

use crate::Sending;
use crate::line::Line;
use crate::send::Marching;
use crate::settle::settle;

/// What one look at the due touches came to.
#[derive(Default)]
pub(crate) struct Looked {
    /// What may go.
    pub(crate) ready: Option<Ready>,
    /// Whether it changed anything: then there may be more.
    pub(crate) acted: bool,
    pub(crate) found: Found,
}

/// Whether there may be more touches that are due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Found {
    /// These were all.
    #[default]
    All,
    /// These were as many as were asked for.
    Many,
}

/// Touches that were judged and rendered, to be marked soon.
pub(crate) struct Ready {
    world: Arc<World>,
    requests: Vec<MarkRequest>,
    /// When they were looked for (monotonic).
    pub(crate) at: Duration,
}

impl Ready {
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(crate) fn touches(&self) -> impl Iterator<Item = TouchId> + '_ {
        self.requests.iter().map(|one| one.touch)
    }

    /// The first of them, and the others.
    pub(crate) fn split(mut self, count: usize) -> (Self, Option<Self>) {
        if count >= self.requests.len() {
            return (self, None);
        }
        let others = self.requests.split_off(count);
        let world = Arc::clone(&self.world);
        let at = self.at;
        (self, Some(Self { world, requests: others, at }))
    }
}

/// What came of marking.
#[derive(Default)]
pub(crate) struct Marks {
    pub(crate) marching: Vec<Marching>,
    /// How many were moved on, since a budget is full.
    pub(crate) moved: usize,
}

/// What to look for.
pub(crate) struct Ask {
    pub(crate) room: usize,
    /// As many are picked when there is a backlog: each pick walks over what was just marked. What there is no room for is
    /// for the next looks.
    pub(crate) deep: usize,
    /// What is about to be marked: due until it is.
    pub(crate) except: HashSet<TouchId>,
}

/// Whose turn it is: picks rotate over workspaces, so that one with much to do starves no other.
#[derive(Default)]
pub(crate) struct Rotation {
    /// Who was served last in each lane.
    last: HashMap<u8, Workspace>,
    stock: Stock,
}

/// What was picked and not looked at yet. Whether it may still go is seen when it is, and by the mark.
#[derive(Default)]
struct Stock {
    picked: VecDeque<Picked>,
    at: Duration,
    shards: Vec<Shard>,
    found: Found,
}

/// How long a stock lasts: so long something of a higher lane may have to wait.
const KEPT: Duration = Duration::from_millis(250);

impl Stock {
    /// Some of it, unless it is too old or was picked for other shards.
    fn take(&mut self, ask: &Ask, (now, shards): (Duration, &[Shard])) -> Vec<Picked> {
        if now.saturating_sub(self.at) > KEPT || self.shards != shards {
            self.picked.clear();
        }
        let count = ask.room.min(self.picked.len());
        self.picked.drain(..count).filter(|one| !ask.except.contains(&one.touch)).collect()
    }

    /// Whether there may be more, beside what was taken.
    fn found(&self) -> Found {
        if self.picked.is_empty() { self.found } else { Found::Many }
    }
}

impl Rotation {
    /// As many as there is room for: one of each workspace after the one served last, then another of each, and so on;
    /// of one workspace the oldest first.
    fn choose(&mut self, (priority, room): (u8, usize), due: Vec<Picked>) -> Vec<Picked> {
        let mut queues: BTreeMap<Workspace, VecDeque<Picked>> = BTreeMap::new();
        for one in due {
            queues.entry(one.workspace.clone()).or_default().push_back(one);
        }
        let after = |last: &Workspace| queues.keys().position(|one| one > last).unwrap_or(0);
        let first = self.last.get(&priority).map_or(0, after);
        let mut queues: VecDeque<VecDeque<Picked>> = queues.into_values().collect();
        queues.rotate_left(first);
        let mut chosen = Vec::new();
        while chosen.len() < room
            && let Some(mut queue) = queues.pop_front()
        {
            chosen.extend(queue.pop_front());
            if !queue.is_empty() {
                queues.push_back(queue);
            }
        }
        if let Some(last) = chosen.last() {
            self.last.insert(priority, last.workspace.clone());
        }
        chosen
    }
}

impl Line {
    /// One look at the due touches: what may go is rendered, and what may not is moved on.
    pub(crate) async fn look(&self, ask: &Ask, rotation: &mut Rotation) -> StoreResult<Looked> {
        let place = self.standing.borrow().place;
        let shards = self.shards(place);
        if shards.is_empty() || self.settings.sending == Sending::Disabled {
            return Ok(Looked::default());
        }
        let at = self.deps.clock.monotonic();
        let catalog = self.deps.catalogs.current().await?;
        let mut picked = rotation.stock.take(ask, (at, &shards));
        let of_stock = !picked.is_empty();
        if !of_stock {
            picked = self.pick(&catalog, (&shards, ask), rotation).await?;
            let found = if picked.len() < ask.deep { Found::All } else { Found::Many };
            let more = picked.split_off(picked.len().min(ask.room));
            rotation.stock = Stock { picked: more.into(), at, shards, found };
        }
        if picked.is_empty() {
            return Ok(Looked::default());
        }
        let ids: Vec<TouchId> = picked.iter().map(|one| one.touch).collect();
        let world = Arc::new(self.deps.dispatch.view(&ids, catalog).await?);
        let (requests, reports) = self.judge_all(&world, &picked);
        let judged = reports.len();
        let judged = judged - settle(&self.deps, reports).await;
        let ready = (!requests.is_empty()).then_some(Ready { world, requests, at });
        // None of a stock may be there any more, which says nothing of what is due by now.
        Ok(Looked { ready, acted: judged > 0 || of_stock, found: rotation.stock.found() })
    }

    /// Due touches, the lanes of higher priority first, and in each lane every workspace in turn.
    async fn pick(
        &self,
        catalog: &Catalog,
        (shards, ask): (&[Shard], &Ask),
        rotation: &mut Rotation,
    ) -> StoreResult<Vec<Picked>> {
        let room = ask.deep;
        let mut picked = Vec::new();
        for (priority, workspaces) in self.lanes(catalog) {
            let left = room - picked.len();
            let lane = Lane { connector: self.connector.name().clone(), priority };
            // Of many workspaces seldom all have much to do: a few of each are enough to fill the room.
            let each = (left * 4).div_ceil(workspaces.len()).min(left) + ask.except.len();
            let pick =
                Pick { lane, workspaces: workspaces.into_iter().collect(), shards: shards.to_vec(), each };
            let mut due = self.deps.dispatch.pick(&pick).await?;
            due.retain(|one| !ask.except.contains(&one.touch));
            picked.extend(rotation.choose((priority, left), due));
            if picked.len() == room {
                break;
            }
        }
        Ok(picked)
    }

    /// The priorities of this connector's cadences, highest first, each with the workspaces that have one.
    fn lanes(&self, catalog: &Catalog) -> impl Iterator<Item = (u8, BTreeSet<Workspace>)> {
        let mut lanes: BTreeMap<u8, BTreeSet<Workspace>> = BTreeMap::new();
        for (workspace, content) in &catalog.workspaces {
            let ours = content.cadences.values().filter(|one| one.connector == *self.connector.name());
            for cadence in ours {
                lanes.entry(cadence.priority).or_default().insert(workspace.clone());
            }
        }
        lanes.into_iter().rev()
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
    pub(crate) async fn mark(&self, Ready { world, requests, .. }: Ready) -> StoreResult<Marks> {
        let worker = self.standing.borrow().worker;
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
                    let touch = touch.clone();
                    marching.push(Marching { touch, attempt, body, since, committing_at });
                }
                Marked::Full { key, uses } => {
                    self.deps.observer.passed_over("full");
                    let (until, note) = defer(&world, id, &key, &uses, world.now);
                    let report = TouchReport::Defer { fence: fences[&id], until, note };
                    moved.push(TouchInput { touch: id, at: world.now, report });
                }
                Marked::Held(_) => self.deps.observer.passed_over("held"),
                Marked::Lost => self.deps.observer.passed_over("lost"),
            }
        }
        let count = moved.len();
        let moved = count - settle(&self.deps, moved).await;
        Ok(Marks { marching, moved })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn due(workspace: &str, touch: i64) -> Picked {
        Picked {
            touch: TouchId(touch),
            workspace: workspace.parse().unwrap(),
            fence: 0,
            due_at: Timestamp::from_second(touch).unwrap(),
            shard: Shard(0),
            attempt: 0,
        }
    }

    fn ids(picked: &[Picked]) -> Vec<i64> {
        picked.iter().map(|one| one.touch.0).collect()
    }

    #[test]
    fn every_workspace_gets_its_turn_and_the_oldest_of_each_goes_first() {
        let all = || vec![due("a", 1), due("a", 2), due("a", 3), due("b", 7), due("c", 8), due("c", 9)];
        let mut rotation = Rotation::default();

        assert_eq!(ids(&rotation.choose((50, 5), all())), [1, 7, 8, 2, 9]);
        assert_eq!(ids(&rotation.choose((60, 1), all())), [1]);
        assert_eq!(ids(&rotation.choose((60, 1), all())), [7], "with room for one they take turns");
        assert_eq!(ids(&rotation.choose((60, 1), all())), [8]);
        assert_eq!(ids(&rotation.choose((60, 1), all())), [1]);
        assert_eq!(ids(&rotation.choose((60, 9), Vec::new())), Vec::<i64>::new());
    }

    #[test]
    fn a_stock_is_looked_at_slice_by_slice_unless_it_is_old_or_of_other_shards() {
        let ask =
            |except: &[i64]| Ask { room: 2, deep: 8, except: except.iter().map(|id| TouchId(*id)).collect() };
        let ms = Duration::from_millis;
        let stock = || Stock {
            picked: (1..=5).map(|id| due("a", id)).collect(),
            at: ms(100),
            shards: vec![Shard(3)],
            found: Found::All,
        };
        let ours = [Shard(3)];

        let mut used = stock();
        assert_eq!(ids(&used.take(&ask(&[]), (ms(100), &ours))), [1, 2]);
        assert_eq!(ids(&used.take(&ask(&[3]), (ms(350), &ours))), [4]);
        assert_eq!(used.found(), Found::Many);
        assert_eq!(ids(&used.take(&ask(&[]), (ms(350), &ours))), [5]);
        assert_eq!(used.found(), Found::All);
        assert_eq!(ids(&stock().take(&ask(&[]), (ms(351), &ours))), [0_i64; 0], "it is too old");
        assert_eq!(ids(&stock().take(&ask(&[]), (ms(100), &[Shard(4)]))), [0_i64; 0], "these are not ours");
    }
}
