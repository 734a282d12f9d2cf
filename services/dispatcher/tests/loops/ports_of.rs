//! The store's ports, each call carried out on the store's own runtime, where time runs, and noted.
//!
//! A test's time stands still while a call is under way: blocking tasks keep it from being moved on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::catalog::Catalog;
use domain::id::{ConnectorName, TouchId, TouchKey, Workspace};
use domain::input::{Input, TimerInput, TouchReport};
use domain::time::BusinessClock;
use domain::touch::{Lane, TimerKind};
use domain::world::World;
use jiff::Timestamp;
use ports::clock::Clock as _;
use ports::content::{Activation, Applied, Content, Document, NewDocument};
use ports::dispatch::{
    Alive, Command, CommandResult, Commands, Dispatch, Draw, HeldTouches, MarkRequest, Marked, Permits, Pick,
    Picked, Place, Stray, Take, TakenOver, WorkerId, Workers,
};
use ports::unit::{Fold, Unit, UnitReport, Units};
use ports::wake::{Generation, Wake, Wakes};
use ports::{StoreError, StoreResult};
use store::Store;
use tokio::runtime::Handle;

use crate::stage::StageClock;

/// More calls of one kind than any test needs: a loop that spins ends here.
const MANY: usize = 2_000;

/// What a test changes, and what it looks at.
#[derive(Default)]
pub(crate) struct Notes {
    calls: Mutex<BTreeMap<&'static str, Vec<Duration>>>,
    /// How long the answers to the next marks take.
    pub(crate) slow_marks: Mutex<Vec<Duration>>,
    /// How long the next answers to being asked for commands take.
    pub(crate) slow_commands: Mutex<Vec<Duration>>,
    /// What marks hold from their begin to their end, and taking commands waits for: a connection, or a lock.
    held: tokio::sync::Mutex<()>,
    /// How many touches each mark was of.
    pub(crate) marked_at_once: Mutex<Vec<usize>>,
    /// How late requests started.
    pub(crate) late: Mutex<Vec<Duration>>,
    /// How attempts ended, and how long their requests took.
    pub(crate) attempts: Mutex<Vec<(&'static str, Option<Duration>)>>,
    /// What every settling but that of attempts is answered with.
    pub(crate) refuses: AtomicBool,
    /// The next beat says that the worker was forgotten.
    pub(crate) forgets: AtomicBool,
    /// The workers that marked and those that were announced.
    pub(crate) marked_by: Mutex<Vec<WorkerId>>,
    pub(crate) beaten_by: Mutex<Vec<WorkerId>>,
    pub(crate) place: Mutex<Option<Place>>,
    pub(crate) taken_over_after: Mutex<Option<Duration>>,
    pub(crate) answers: Mutex<Vec<(Timestamp, CommandResult)>>,
    pub(crate) taken_at_once: AtomicUsize,
    pub(crate) leases: Mutex<Vec<Duration>>,
    /// The connectors at which a task was left.
    pub(crate) left: Mutex<Vec<String>>,
    pub(crate) draws: Mutex<Vec<Draw>>,
}

impl Notes {
    pub(crate) fn count(&self, what: &str) -> usize {
        self.times(what).len()
    }

    pub(crate) fn times(&self, what: &str) -> Vec<Duration> {
        self.calls.lock().unwrap().get(what).cloned().unwrap_or_default()
    }

    fn note(&self, what: &'static str, at: Duration) {
        let mut calls = self.calls.lock().unwrap();
        let times = calls.entry(what).or_default();
        times.push(at);
        let spins = times.len() > MANY;
        drop(calls);
        assert!(!spins, "{what}: a loop spins");
    }
}

#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) store: Store,
    pub(crate) outside: Handle,
    pub(crate) clock: Arc<StageClock>,
    pub(crate) notes: Arc<Notes>,
    /// How often other processes are asked for, where there are any.
    pub(crate) poll: Option<Duration>,
}

impl Ports {
    /// Carries a call out where time runs.
    pub(crate) async fn out<T, F>(&self, work: impl FnOnce(Store) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.clock.tick();
        let (outside, work) = (self.outside.clone(), work(self.store.clone()));
        tokio::task::spawn_blocking(move || outside.block_on(work)).await.unwrap()
    }

    fn note(&self, what: &'static str) {
        self.notes.note(what, self.clock.monotonic());
    }
}

#[async_trait]
impl Units for Ports {
    async fn run(&self, unit: Unit, fold: Arc<dyn Fold>) -> StoreResult<UnitReport> {
        self.note("settle");
        let is_attempt = |input: &Input| matches!(input, Input::Touch(touch) if matches!(touch.report, TouchReport::Attempt { .. }));
        if unit.inputs.iter().any(is_attempt) {
            self.note("results");
        } else if self.notes.refuses.load(Ordering::Relaxed) {
            return Err(StoreError::Rejected("refused by the test".to_owned()));
        }
        self.out(|store| async move { store.run(unit, fold).await }).await
    }

    async fn due_timers(&self, limit: usize) -> StoreResult<Vec<TimerInput>> {
        self.out(move |store| async move { store.due_timers(limit).await }).await
    }

    async fn next_timer(&self, kinds: &[TimerKind]) -> StoreResult<Option<Timestamp>> {
        let kinds = kinds.to_vec();
        self.out(|store| async move { store.next_timer(&kinds).await }).await
    }

    async fn now(&self) -> StoreResult<Timestamp> {
        self.out(|store| async move { store.now().await }).await
    }

    fn business(&self) -> BusinessClock {
        self.store.business()
    }
}

#[async_trait]
impl Dispatch for Ports {
    async fn pick(&self, pick: &Pick) -> StoreResult<Vec<Picked>> {
        self.note(if pick.lane.connector.as_str() == "crm" { "pick" } else { "pick of another" });
        let pick = pick.clone();
        self.out(|store| async move { store.pick(&pick).await }).await
    }

    async fn next_due(&self, connector: &ConnectorName) -> StoreResult<Option<Timestamp>> {
        let connector = connector.clone();
        self.out(|store| async move { store.next_due(&connector).await }).await
    }

    async fn view(&self, touches: &[TouchId], catalog: Arc<Catalog>) -> StoreResult<World> {
        let touches = touches.to_vec();
        self.out(|store| async move { store.view(&touches, catalog).await }).await
    }

    async fn mark(&self, worker: WorkerId, requests: Vec<MarkRequest>) -> StoreResult<Vec<Marked>> {
        self.note("mark");
        let _held = self.notes.held.lock().await;
        self.notes.marked_by.lock().unwrap().push(worker);
        self.notes.marked_at_once.lock().unwrap().push(requests.len());
        let marked = self.out(|store| async move { store.mark(worker, requests).await }).await;
        let slow = {
            let mut slow = self.notes.slow_marks.lock().unwrap();
            (!slow.is_empty()).then(|| slow.remove(0))
        };
        if let Some(wait) = slow {
            tokio::time::sleep(wait).await;
        }
        marked
    }

    async fn take_over(&self, older_than: Duration) -> StoreResult<Vec<TakenOver>> {
        *self.notes.taken_over_after.lock().unwrap() = Some(older_than);
        self.out(move |store| async move { store.take_over(older_than).await }).await
    }

    async fn release(&self, known: &[ConnectorName], slice: usize) -> StoreResult<usize> {
        let known = known.to_vec();
        self.out(move |store| async move { store.release(&known, slice).await }).await
    }

    async fn hold_strays(&self, known: &[ConnectorName], slice: usize) -> StoreResult<usize> {
        let known = known.to_vec();
        self.out(move |store| async move { store.hold_strays(&known, slice).await }).await
    }

    async fn held(&self) -> StoreResult<Vec<HeldTouches>> {
        self.out(|store| async move { store.held().await }).await
    }

    async fn lanes(&self) -> StoreResult<Vec<Lane>> {
        self.out(|store| async move { store.lanes().await }).await
    }
}

#[async_trait]
impl Commands for Ports {
    async fn due_commands(&self, take: Take) -> StoreResult<Vec<Command>> {
        self.note(if take.connector.as_str() == "crm" { "commands" } else { "commands of another" });
        self.notes.leases.lock().unwrap().push(take.lease);
        let held = self.notes.held.lock().await;
        let taken = self.out(|store| async move { store.due_commands(take).await }).await?;
        drop(held);
        let slow = self.notes.slow_commands.lock().unwrap().pop();
        if let Some(wait) = slow {
            tokio::time::sleep(wait).await;
        }
        self.notes.taken_at_once.fetch_max(taken.len(), Ordering::Relaxed);
        Ok(taken)
    }

    async fn command_again(&self, workspace: &Workspace, touch: TouchKey) -> StoreResult<usize> {
        let workspace = workspace.clone();
        self.out(move |store| async move { store.command_again(&workspace, touch).await }).await
    }

    async fn finish_commands(&self, results: Vec<(i64, CommandResult)>) -> StoreResult<()> {
        let now = self.clock.now();
        let said = results.iter().map(|(_, result)| (now, result.clone()));
        self.notes.answers.lock().unwrap().extend(said);
        self.out(|store| async move { store.finish_commands(results).await }).await
    }

    async fn stray_commands(&self, known: &[ConnectorName], stray: Stray) -> StoreResult<usize> {
        let known = known.to_vec();
        self.out(move |store| async move { store.stray_commands(&known, stray).await }).await
    }
}

#[async_trait]
impl Workers for Ports {
    async fn beat(&self, worker: WorkerId) -> StoreResult<Alive> {
        self.note("beat");
        self.notes.beaten_by.lock().unwrap().push(worker);
        if self.notes.forgets.swap(false, Ordering::Relaxed) {
            self.out(move |store| async move { store.leave(worker).await }).await?;
            return Ok(Alive::Forgotten);
        }
        self.out(move |store| async move { store.beat(worker).await }).await
    }

    async fn reap(&self, caller: WorkerId) -> StoreResult<usize> {
        self.out(move |store| async move { store.reap(caller).await }).await
    }

    async fn place(&self, worker: WorkerId) -> StoreResult<Option<Place>> {
        if let Some(place) = *self.notes.place.lock().unwrap() {
            return Ok(Some(place));
        }
        self.out(move |store| async move { store.place(worker).await }).await
    }

    async fn leave(&self, worker: WorkerId) -> StoreResult<()> {
        self.note("leave");
        self.out(move |store| async move { store.leave(worker).await }).await
    }
}

#[async_trait]
impl Permits for Ports {
    async fn draw(&self, draw: Draw) -> StoreResult<usize> {
        self.note("draw");
        self.notes.draws.lock().unwrap().push(draw.clone());
        self.out(|store| async move { store.draw(draw).await }).await
    }
}

#[async_trait]
impl Content for Ports {
    async fn epoch(&self) -> StoreResult<i64> {
        self.out(|store| async move { store.epoch().await }).await
    }

    async fn in_force(&self) -> StoreResult<(i64, Vec<Document>)> {
        self.out(|store| async move { store.in_force().await }).await
    }

    async fn apply(
        &self,
        documents: Vec<NewDocument>,
        activation: Activation,
        actor: &str,
    ) -> StoreResult<Vec<Applied>> {
        let actor = actor.to_owned();
        self.out(move |store| async move { store.apply(documents, activation, &actor).await }).await
    }

    async fn current(&self, workspace: &Workspace) -> StoreResult<Vec<Document>> {
        let workspace = workspace.clone();
        self.out(|store| async move { store.current(&workspace).await }).await
    }
}

#[async_trait]
impl Wakes for Ports {
    fn generation(&self, what: Wake) -> Generation {
        self.store.wakeups().generation(what)
    }

    async fn changed(&self, what: Wake, seen: Generation, at_most: Duration) {
        let at_most = self.poll.map_or(at_most, |poll| poll.min(at_most));
        self.store.wakeups().changed(what, seen, at_most).await;
    }
}
