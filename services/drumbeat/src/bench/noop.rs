//! What stands around the dispatcher while it is measured: a connector that does nothing, and counters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::id::{ConnectorName, TouchKey};
use domain::input::{Input, TimerInput, TouchReport};
use domain::time::BusinessClock;
use domain::touch::{AttemptResult, Delivery, TimerKind};
use jiff::Timestamp;
use ports::StoreResult;
use ports::connector::{CanonicalTask, Connector, ConnectorError, Created, Idempotency, Task, Traits};
use ports::unit::{Fold, Unit, UnitReport, Units};
use store::Store;
use tokio::sync::watch;

use super::sample::Sample;

/// Renders as the inbox does, and has done everything at once.
pub(super) struct Noop {
    name: ConnectorName,
    traits: Traits,
}

impl Noop {
    pub(super) fn new(name: ConnectorName) -> Self {
        let traits = Traits {
            idempotency: Idempotency::Key,
            delivers: Vec::new(),
            rate: None,
            concurrency: 1000,
            timeout: Duration::from_secs(5),
        };
        Self { name, traits }
    }

    fn done() -> Created {
        Created { remote_id: Some("noop".to_owned()), delivery: Delivery::Task }
    }
}

#[async_trait]
impl Connector for Noop {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn traits(&self) -> &Traits {
        &self.traits
    }

    fn render(&self, task: &CanonicalTask) -> Result<Bytes, ConnectorError> {
        Ok(task.to_string().into())
    }

    async fn create(&self, _: &Task) -> Result<Created, ConnectorError> {
        Ok(Self::done())
    }

    async fn look_up(&self, _: TouchKey) -> Result<Option<Created>, ConnectorError> {
        Ok(Some(Self::done()))
    }

    async fn withdraw(&self, _: TouchKey, _: Option<&str>, _: &str) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn probe(&self) -> Result<(), ConnectorError> {
        Ok(())
    }
}

/// What the dispatcher did.
#[derive(Debug, Default)]
pub(super) struct Seen {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    late: Sample,
    outcomes: BTreeMap<&'static str, usize>,
}

impl Seen {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How late the requests of touches started.
    pub(super) fn late(&self) -> Sample {
        self.state().late.clone()
    }

    /// How attempts ended, other than well, and what was passed over.
    pub(super) fn other(&self) -> Option<String> {
        let state = self.state();
        let other: Vec<String> = state
            .outcomes
            .iter()
            .filter(|(name, _)| **name != "sent")
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        (!other.is_empty()).then(|| other.join(", "))
    }

    fn count(&self, name: &'static str) {
        *self.state().outcomes.entry(name).or_default() += 1;
    }
}

impl dispatcher::Observer for Seen {
    fn attempt(&self, _: &str, outcome: &'static str, _: Option<Duration>) {
        self.count(outcome);
    }

    fn lateness(&self, late: Duration) {
        self.state().late.push(late);
    }

    fn passed_over(&self, why: &'static str) {
        self.count(why);
    }

    fn left(&self, _: &str) {
        self.count("left");
    }

    fn waiting(&self, _: &str, _: Duration) {
        self.count("waited");
    }

    fn connection(&self, _: &str, _: dispatcher::Connection, _: usize) {}

    fn troubled(&self, _: Option<&str>) {}
}

/// The units of a store, which count what was settled as sent once it is committed.
pub(super) struct Counted {
    store: Arc<Store>,
    settled: watch::Sender<usize>,
}

impl Counted {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, settled: watch::Sender::new(0) }
    }

    /// How many touches were sent and settled.
    pub(super) fn settled(&self) -> watch::Receiver<usize> {
        self.settled.subscribe()
    }
}

fn sent(input: &Input) -> bool {
    match input {
        Input::Touch(touch) => {
            matches!(&touch.report, TouchReport::Attempt { result: AttemptResult::Sent { .. }, .. })
        }
        Input::Event(_) | Input::Timer(_) => false,
    }
}

#[async_trait]
impl Units for Counted {
    async fn run(&self, unit: Unit, fold: Arc<dyn Fold>) -> StoreResult<UnitReport> {
        let count = unit.inputs.iter().filter(|input| sent(input)).count();
        let report = Units::run(self.store.as_ref(), unit, fold).await?;
        self.settled.send_modify(|sum| *sum += count);
        Ok(report)
    }

    async fn due_timers(&self, limit: usize) -> StoreResult<Vec<TimerInput>> {
        self.store.due_timers(limit).await
    }

    async fn next_timer(&self, kinds: &[TimerKind]) -> StoreResult<Option<Timestamp>> {
        self.store.next_timer(kinds).await
    }

    async fn now(&self) -> StoreResult<Timestamp> {
        Units::now(self.store.as_ref()).await
    }

    fn business(&self) -> BusinessClock {
        self.store.business()
    }
}
