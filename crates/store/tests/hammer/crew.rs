//! The tasks of a run: units, dispatchers as the real one works, sweeps, flags, commands, timers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::decide::{Judgement, defer, judge, reservations};
use domain::id::{ConnectorName, Shard, TouchId, Workspace};
use domain::input::{Input, TouchInput, TouchReport};
use domain::touch::{AttemptResult, Delivery, Lane, Note};
use domain::world::World;
use engine::{Catalogs, DomainFold, Keep};
use ports::StoreError;
use ports::dispatch::{
    CommandResult, FlagKeys, FlagState, MarkRequest, Marked, Pick, Picked, Take, WorkerId,
};
use ports::unit::Unit;
use testkit::store::StorePorts;
use tokio::time::Instant;
use uuid::Uuid;

use crate::stage::{self, CADENCES, Dice, Events};

/// After how long an attempt of a worker that lives is taken over.
pub(crate) const HUNG: Duration = Duration::from_millis(1_200);

/// What all tasks share.
pub(crate) struct Shared {
    pub(crate) seed: u64,
    pub(crate) people: u64,
    pub(crate) catalogs: Arc<Catalogs>,
    pub(crate) over: AtomicBool,
    /// Dispatchers leave nothing unsettled any more.
    pub(crate) calm: AtomicBool,
    pub(crate) found: Mutex<Vec<String>>,
    pub(crate) tally: Tally,
    /// What went out: the bytes of each touch, and the CRM's id of its task.
    pub(crate) crm: Mutex<Crm>,
    pub(crate) flags: Mutex<Vec<Duration>>,
    workers: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) units: AtomicUsize,
    pub(crate) marks: AtomicUsize,
    pub(crate) held: AtomicUsize,
    pub(crate) full: AtomicUsize,
    pub(crate) lost: AtomicUsize,
    pub(crate) deaths: AtomicUsize,
    pub(crate) stalls: AtomicUsize,
    pub(crate) taken: AtomicUsize,
    pub(crate) released: AtomicUsize,
    pub(crate) conflicts: AtomicUsize,
    /// Signs of life that could not be given.
    pub(crate) mute: AtomicUsize,
}

impl Tally {
    fn add(counter: &AtomicUsize, count: usize) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

#[derive(Default)]
pub(crate) struct Crm {
    bodies: HashMap<TouchId, Bytes>,
    tasks: Vec<(Workspace, String)>,
}

impl Shared {
    pub(crate) fn new(seed: u64, people: u64, catalogs: Arc<Catalogs>) -> Arc<Self> {
        Arc::new(Self {
            seed,
            people,
            catalogs,
            over: AtomicBool::new(false),
            calm: AtomicBool::new(false),
            found: Mutex::default(),
            tally: Tally::default(),
            crm: Mutex::default(),
            flags: Mutex::default(),
            workers: AtomicU64::new(1),
        })
    }

    pub(crate) fn report(&self, what: String) {
        let mut found = self.found.lock().expect("nobody panics while reporting");
        if found.len() < 200 {
            found.push(what);
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// An id for a worker's new life.
    fn new_worker(&self) -> WorkerId {
        WorkerId(Uuid::from_u128(u128::from(self.workers.fetch_add(1, Ordering::Relaxed)) << 8))
    }

    fn remote(&self, dice: &mut Dice) -> Option<(Workspace, String)> {
        let crm = self.crm.lock().expect("nobody panics over the CRM");
        let newest = crm.tasks.len().saturating_sub(200);
        let some = &crm.tasks[newest..];
        (!some.is_empty())
            .then(|| some[usize::try_from(dice.below(some.len() as u64)).expect("small")].clone())
    }
}

/// Runs a unit until it commits; only what the rules allow may stand in its way.
pub(crate) async fn run(shared: &Shared, store: &Arc<dyn StorePorts>, inputs: Vec<Input>) {
    if inputs.is_empty() {
        return;
    }
    let mut batches = vec![inputs];
    let mut tries = 0;
    while let Some(batch) = batches.pop() {
        let fold = match shared.catalogs.current().await {
            Ok(catalog) => Arc::new(DomainFold::new(catalog, Keep::Nothing)),
            Err(error) => return shared.report(format!("error: the content cannot be read: {error}")),
        };
        let unit = Unit { inputs: batch.clone(), ..Unit::default() };
        match store.run(unit, fold).await {
            Ok(_) => Tally::add(&shared.tally.units, 1),
            // Its closure grew thrice: halved, as the enrollment service does.
            Err(StoreError::Conflict(_) | StoreError::Contended(_)) if tries < 200 => {
                tries += 1;
                Tally::add(&shared.tally.conflicts, 1);
                let mut first = batch;
                let second = first.split_off(first.len() / 2);
                batches.extend([second, first].into_iter().filter(|half| !half.is_empty()));
            }
            Err(error) => shared.report(format!("error: a unit failed: {error}")),
        }
    }
}

/// Events of all kinds, in batches.
pub(crate) async fn events(shared: Arc<Shared>, store: Arc<dyn StorePorts>, task: u64) {
    let mut dice = Dice::new(shared.seed, 100 + task);
    let mut events = Events { task, next: 0, people: shared.people };
    while !shared.is_over() {
        let Ok(now) = store.now().await else { return shared.report("error: no now".to_owned()) };
        let inputs = (0..4 + dice.below(20)).map(|_| {
            let remote = shared.remote(&mut dice);
            events.make(&mut dice, now, remote)
        });
        let inputs: Vec<Input> = inputs.collect();
        run(&shared, &store, inputs).await;
    }
}

/// Timers of waits, pauses, overdue tasks and ends.
pub(crate) async fn timers(shared: Arc<Shared>, store: Arc<dyn StorePorts>) {
    while !shared.is_over() {
        match store.due_timers(50).await {
            Ok(due) if due.is_empty() => tokio::time::sleep(Duration::from_millis(20)).await,
            Ok(due) => run(&shared, &store, due.into_iter().map(Input::Timer).collect()).await,
            Err(error) => return shared.report(format!("error: due timers: {error}")),
        }
    }
}

/// One dispatcher, and what becomes of it.
pub(crate) struct Dispatcher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<dyn StorePorts>,
    pub(crate) dice: Dice,
    pub(crate) worker: WorkerId,
    /// Attempts whose result comes later, and when.
    pub(crate) flying: Vec<(Instant, TouchInput)>,
}

impl Dispatcher {
    pub(crate) fn new(shared: &Arc<Shared>, store: &Arc<dyn StorePorts>, task: u64) -> Self {
        Self {
            dice: Dice::new(shared.seed, 200 + task),
            worker: shared.new_worker(),
            shared: Arc::clone(shared),
            store: Arc::clone(store),
            flying: Vec::new(),
        }
    }

    pub(crate) async fn serve(mut self) {
        while !self.shared.is_over() {
            if let Err(error) = self.turn().await {
                self.shared.report(format!("error: a dispatcher failed: {error}"));
                return;
            }
        }
    }

    /// One look at what is due, as the dispatcher takes it. Gives how many were marked.
    pub(crate) async fn turn(&mut self) -> Result<usize, StoreError> {
        match self.store.beat(self.worker).await {
            // A disk that stalls for longer than a connection is waited for: the next turn tries again, as the dispatcher does.
            Err(StoreError::Unavailable(_)) => {
                Tally::add(&self.shared.tally.mute, 1);
                return Ok(0);
            }
            beaten => drop(beaten?),
        }
        let (connector, _, priority) = CADENCES[usize::from(self.dice.chance(40))];
        let lane = Lane { connector: ConnectorName::new(connector).expect("a name"), priority };
        let calm = self.shared.calm.load(Ordering::Relaxed);
        // Shards overlap, since no correctness may rest on them.
        let shards: Vec<Shard> = Shard::all().filter(|_| calm || self.dice.chance(60)).collect();
        let pick = Pick { lane, workspaces: vec![Workspace::main()], shards, each: 64 };
        let mut picked = self.store.pick(&pick).await?;
        if !calm {
            picked.truncate(1 + usize::try_from(self.dice.below(24)).expect("small"));
        }
        let now = Instant::now();
        let late = self.flying.extract_if(.., |(at, _)| *at <= now).map(|(_, input)| Input::Touch(input));
        let mut ended: Vec<Input> = late.collect();
        let mut marked = 0;
        if picked.is_empty() {
            tokio::time::sleep(Duration::from_millis(4)).await;
        } else {
            let ids: Vec<TouchId> = picked.iter().map(|one| one.touch).collect();
            let world = self.store.view(&ids, self.shared.catalogs.current().await?).await?;
            let (requests, mut reports) = self.judge(&world, &picked);
            let marks = self.store.mark(self.worker, requests.clone()).await?;
            for (request, mark) in requests.iter().zip(marks) {
                match mark {
                    Marked::Yes { attempt, body, .. } => {
                        marked += 1;
                        self.send(request, attempt, &body);
                    }
                    Marked::Full { key, uses } => {
                        Tally::add(&self.shared.tally.full, 1);
                        let (until, note) = defer(&world, request.touch, &key, &uses, world.now);
                        let report = TouchReport::Defer { fence: request.fence, until, note };
                        reports.push(TouchInput { touch: request.touch, at: world.now, report });
                    }
                    Marked::Held(_) => Tally::add(&self.shared.tally.held, 1),
                    Marked::Lost => Tally::add(&self.shared.tally.lost, 1),
                }
            }
            ended.extend(reports.into_iter().map(Input::Touch));
        }
        Tally::add(&self.shared.tally.marks, marked);
        if !calm && self.dice.chance(2) {
            // It dies: what is in flight is never settled, unless it only froze and comes back later.
            Tally::add(&self.shared.tally.deaths, 1);
            self.store.leave(self.worker).await?;
            self.worker = self.shared.new_worker();
            let back = Instant::now() + self.dice.millis(10, 500);
            let reports = ended.into_iter().filter_map(|input| match input {
                Input::Touch(input) => Some((back, input)),
                Input::Event(_) | Input::Timer(_) => None,
            });
            self.flying.extend(reports);
            let dice = &mut self.dice;
            self.flying.retain(|_| dice.chance(60));
            for (at, _) in &mut self.flying {
                *at = back.max(*at);
            }
            return Ok(marked);
        }
        run(&self.shared, &self.store, ended).await;
        Ok(marked)
    }

    fn judge(&mut self, world: &World, picked: &[Picked]) -> (Vec<MarkRequest>, Vec<TouchInput>) {
        let (mut requests, mut reports) = (Vec::new(), Vec::new());
        for one in picked {
            let report = match judge(world, one.touch, world.now) {
                Judgement::Gone => continue,
                Judgement::Act => TouchReport::Judge { fence: one.fence },
                Judgement::Wait { until, note } => TouchReport::Defer { fence: one.fence, until, note },
                Judgement::Go => {
                    requests.extend(self.request(world, one));
                    continue;
                }
            };
            reports.push(TouchInput { touch: one.touch, at: world.now, report });
        }
        (requests, reports)
    }

    fn request(&mut self, world: &World, picked: &Picked) -> Option<MarkRequest> {
        let touch = world.touches.get(&picked.touch)?;
        let enrollment = world.enrollments.get(&touch.enrollment)?;
        let wanted = touch.reserved.is_empty();
        Some(MarkRequest {
            touch: picked.touch,
            fence: picked.fence,
            flags: FlagKeys {
                workspace: touch.workspace.clone(),
                cadence: enrollment.cadence.clone(),
                owner: touch.owner.clone(),
                connector: touch.lane.connector.clone(),
            },
            body: Bytes::from(format!("{} {}", touch.key, self.dice.below(u64::MAX))),
            reservations: if wanted { reservations(world, picked.touch, world.now) } else { Vec::new() },
        })
    }

    /// The request, and what it comes to after a while, or much later, or never.
    fn send(&mut self, request: &MarkRequest, attempt: i32, body: &Bytes) {
        let at = jiff::Timestamp::now();
        let note = || Note::new("hammer", "by chance");
        let calm = self.shared.calm.load(Ordering::Relaxed);
        let again = at.saturating_add(self.dice.millis(1, 40)).unwrap_or(at);
        let mut wait = self.dice.millis(0, if calm { 5 } else { 90 });
        let result = match if calm { 0 } else { self.dice.below(100) } {
            0..62 => {
                let remote_id = format!("R{}", request.touch);
                let mut crm = self.shared.crm.lock().expect("nobody panics over the CRM");
                crm.tasks.push((request.flags.workspace.clone(), remote_id.clone()));
                AttemptResult::Sent { remote_id: Some(remote_id), delivery: Delivery::Task }
            }
            62..70 => AttemptResult::Retry { at: again, note: note() },
            70..78 => AttemptResult::Unknown { again_at: Some(again), note: note() },
            78..79 => AttemptResult::Unknown { again_at: None, note: note() },
            79..83 => AttemptResult::Rejected(note()),
            83..85 => AttemptResult::Exhausted(note()),
            85..93 => AttemptResult::Void,
            _ => {
                Tally::add(&self.shared.tally.stalls, 1);
                wait = self.dice.millis(100, 2_500);
                let results = [
                    AttemptResult::Sent { remote_id: None, delivery: Delivery::Task },
                    AttemptResult::Void,
                    AttemptResult::Retry { at, note: note() },
                ];
                let [sent, void, retry] = results;
                match self.dice.below(4) {
                    0 => retry,
                    1 => void,
                    _ => sent,
                }
            }
        };
        if result != AttemptResult::Void {
            self.left(request.touch, body);
        }
        let report = TouchReport::Attempt { attempt, result };
        self.flying.push((Instant::now() + wait, TouchInput { touch: request.touch, at, report }));
    }

    /// Bytes left for the CRM: those of one touch are always the same.
    fn left(&self, touch: TouchId, body: &Bytes) {
        let mut crm = self.shared.crm.lock().expect("nobody panics over the CRM");
        let first = crm.bodies.entry(touch).or_insert_with(|| body.clone());
        if first != body {
            self.shared.report(format!("bytes: touch {touch} was sent with other bytes than at first"));
        }
    }
}

/// Takeovers, releases, and commands.
pub(crate) async fn sweeps(shared: Arc<Shared>, store: Arc<dyn StorePorts>, task: u64) {
    let mut dice = Dice::new(shared.seed, 300 + task);
    while !shared.is_over() {
        if let Err(error) = sweep(&shared, &store, HUNG).await {
            return shared.report(format!("error: a sweep failed: {error}"));
        }
        tokio::time::sleep(dice.millis(5, 60)).await;
    }
}

pub(crate) async fn sweep(
    shared: &Shared,
    store: &Arc<dyn StorePorts>,
    older_than: Duration,
) -> Result<(), StoreError> {
    let taken = store.take_over(older_than).await?;
    Tally::add(&shared.tally.taken, taken.len());
    let at = store.now().await?;
    let settled = taken.into_iter().map(|one| {
        let result =
            AttemptResult::Unknown { again_at: Some(at), note: Note::new("taken_over", "gone or hung") };
        let report = TouchReport::Attempt { attempt: one.attempt, result };
        Input::Touch(TouchInput { touch: one.touch, at, report })
    });
    run(shared, store, settled.collect()).await;
    let known = connectors();
    Tally::add(&shared.tally.released, store.release(&known, 100).await?);
    for connector in known {
        let take = Take { connector, limit: 50, lease: Duration::from_secs(60) };
        let commands = store.due_commands(take).await?;
        store.finish_commands(commands.iter().map(|one| (one.id, CommandResult::Done)).collect()).await?;
    }
    store.expire(100).await.map(drop)
}

/// Where the cadences' tasks go.
fn connectors() -> Vec<ConnectorName> {
    CADENCES.iter().map(|(connector, _, _)| ConnectorName::new(connector).expect("a name")).collect()
}

/// Sets and lifts flags of all kinds, and measures how long each change takes.
pub(crate) async fn flags(shared: Arc<Shared>, store: Arc<dyn StorePorts>, task: u64) {
    let mut dice = Dice::new(shared.seed, 400 + task);
    while !shared.is_over() {
        let flag = stage::flag(&mut dice);
        for state in [FlagState::Stopped, FlagState::Clear] {
            let began = Instant::now();
            if let Err(error) = store.set_flag(flag.clone(), state, "hammer").await {
                return shared.report(format!("error: a flag could not be changed: {error}"));
            }
            shared.flags.lock().expect("nobody panics over the times").push(began.elapsed());
            tokio::time::sleep(dice.millis(5, 60)).await;
        }
    }
}
