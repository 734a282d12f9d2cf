//! The store as services are given it: each operation's time is taken, and what a unit decided is counted once it is
//! committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::catalog::Catalog;
use domain::decision::{Decision, DecisionRecord};
use domain::enrollment::EnrollmentState;
use domain::id::{ConnectorName, TouchId};
use domain::input::{EventInput, TimerInput};
use domain::time::BusinessClock;
use domain::touch::{Lane, TimerKind};
use domain::world::World;
use jiff::Timestamp;
use ports::clock::Clock;
use ports::dispatch::{Dispatch, HeldTouches, MarkRequest, Marked, Pick, Picked, TakenOver, WorkerId};
use ports::unit::{Admitted, Fold, FoldError, Reach, Unit, UnitReport, Units};
use ports::{StoreError, StoreResult};
use runtime::metrics::Metrics;

/// A store that is watched.
pub(crate) struct Watched<S> {
    store: Arc<S>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl<S> Watched<S> {
    pub(crate) fn new(store: &Arc<S>, clock: &Arc<dyn Clock>, metrics: &Metrics) -> Self {
        Self { store: Arc::clone(store), clock: Arc::clone(clock), metrics: metrics.clone() }
    }

    /// How long the stops of a committed unit took, and whom they came too late for.
    fn stopped(&self, report: &UnitReport) {
        if !report.stopped_by.is_empty() {
            let committed = self.clock.now();
            for received in &report.stopped_by {
                let took = Duration::try_from(committed.duration_since(*received)).unwrap_or_default();
                self.metrics.exit_applied(took);
            }
        }
        for connector in &report.crossed {
            self.metrics.crossed(connector.as_str());
        }
    }

    async fn timed<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        let began = self.clock.monotonic();
        let answer = work.await;
        let took = self.clock.monotonic().saturating_sub(began);
        self.metrics.store_answered(operation, took, answer.as_ref().err().map(kind));
        answer
    }
}

fn kind(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Conflict(_) => "conflict",
        StoreError::Contended(_) => "contended",
        StoreError::Rejected(_) => "rejected",
        StoreError::Damaged(_) => "damaged",
        StoreError::Inconsistent(_) => "inconsistent",
    }
}

#[async_trait]
impl<S: Units> Units for Watched<S> {
    async fn run(&self, unit: Unit, fold: Arc<dyn Fold>) -> StoreResult<UnitReport> {
        let fold = Arc::new(WatchedFold {
            fold,
            clock: Arc::clone(&self.clock),
            last: Mutex::new(Tally::default()),
        });
        let report = self.timed("unit", self.store.run(unit, Arc::<WatchedFold>::clone(&fold))).await?;
        let tally = std::mem::take(&mut *fold.last.lock().unwrap_or_else(PoisonError::into_inner));
        tally.tell(&self.metrics);
        self.stopped(&report);
        Ok(report)
    }

    async fn due_timers(&self, limit: usize) -> StoreResult<Vec<TimerInput>> {
        self.store.due_timers(limit).await
    }

    async fn next_timer(&self, kinds: &[TimerKind]) -> StoreResult<Option<Timestamp>> {
        self.store.next_timer(kinds).await
    }

    async fn now(&self) -> StoreResult<Timestamp> {
        self.store.now().await
    }

    fn business(&self) -> BusinessClock {
        self.store.business()
    }
}

#[async_trait]
impl<S: Dispatch> Dispatch for Watched<S> {
    async fn pick(&self, pick: &Pick) -> StoreResult<Vec<Picked>> {
        self.timed("pick", self.store.pick(pick)).await
    }

    async fn next_due(&self, connector: &ConnectorName) -> StoreResult<Option<Timestamp>> {
        self.store.next_due(connector).await
    }

    async fn view(&self, touches: &[TouchId], catalog: Arc<Catalog>) -> StoreResult<World> {
        self.timed("view", self.store.view(touches, catalog)).await
    }

    async fn mark(&self, worker: WorkerId, requests: Vec<MarkRequest>) -> StoreResult<Vec<Marked>> {
        self.timed("mark", self.store.mark(worker, requests)).await
    }

    async fn take_over(&self, older_than: Duration) -> StoreResult<Vec<TakenOver>> {
        self.timed("take_over", self.store.take_over(older_than)).await
    }

    async fn release(&self, known: &[ConnectorName], slice: usize) -> StoreResult<usize> {
        self.timed("release", self.store.release(known, slice)).await
    }

    async fn hold_strays(&self, known: &[ConnectorName], slice: usize) -> StoreResult<usize> {
        self.store.hold_strays(known, slice).await
    }

    async fn held(&self) -> StoreResult<Vec<HeldTouches>> {
        self.store.held().await
    }

    async fn lanes(&self) -> StoreResult<Vec<Lane>> {
        self.store.lanes().await
    }
}

/// A fold whose last run is counted: it may run again, and only what is committed counts.
struct WatchedFold {
    fold: Arc<dyn Fold>,
    clock: Arc<dyn Clock>,
    last: Mutex<Tally>,
}

impl Fold for WatchedFold {
    fn catalog(&self) -> Arc<Catalog> {
        self.fold.catalog()
    }

    fn reach(&self, event: &EventInput) -> Reach {
        self.fold.reach(event)
    }

    fn fold(&self, world: &mut World, inputs: &[Admitted]) -> Result<(), FoldError> {
        let before = world.decisions.len();
        let began = self.clock.monotonic();
        self.fold.fold(world, inputs)?;
        let took = self.clock.monotonic().saturating_sub(began);
        let mut tally = Tally { counts: BTreeMap::new(), took, inputs: inputs.len() };
        world.decisions.iter().skip(before).for_each(|record| tally.add(record));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = tally;
        Ok(())
    }
}

/// What a unit decided: how often, by cadence, outcome and reason.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<(String, &'static str, String), u64>,
    took: Duration,
    inputs: usize,
}

impl Tally {
    fn add(&mut self, record: &DecisionRecord) {
        for item in &record.items {
            let told = match item {
                Decision::Ignored { why } => Some(("", "ignored", why.code.as_str())),
                Decision::Enrolled { cadence, .. } => Some((cadence.as_str(), "enrolled", "entered")),
                Decision::Refused { cadence, refusal } => {
                    Some((cadence.as_str(), "refused", refusal.rule.as_str()))
                }
                Decision::Ended { cadence, state, rule, .. } => {
                    Some((cadence.as_str(), state.as_str(), word(rule)))
                }
                Decision::Paused { by, .. } => Some(("", "paused", word(by))),
                Decision::Resumed { by, .. } => Some(("", "resumed", word(by))),
                Decision::Noted { .. }
                | Decision::Advanced { .. }
                | Decision::Scheduled { .. }
                | Decision::Touched { .. } => None,
            };
            if let Some((cadence, outcome, reason)) = told {
                let key = (cadence.to_owned(), outcome, reason.to_owned());
                *self.counts.entry(key).or_default() += 1;
            }
        }
    }

    fn tell(&self, metrics: &Metrics) {
        let exits = [EnrollmentState::Exited.as_str(), EnrollmentState::Preempted.as_str()];
        for ((cadence, outcome, reason), count) in &self.counts {
            metrics.decided(cadence, outcome, reason, *count);
            if exits.contains(outcome) {
                metrics.exited(cadence, reason, *count);
            }
        }
        if let Some(each) = u32::try_from(self.inputs).ok().and_then(|count| self.took.checked_div(count)) {
            metrics.rules_evaluated(each);
        }
    }
}

/// A rule's name; one that an author wrote as an expression has none and shares one.
fn word(rule: &str) -> &str {
    let plain = rule.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if plain { rule } else { "condition" }
}

#[cfg(test)]
mod tests;
