//! A dispatcher on its stage: a file, a clock, a CRM, contacts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use dispatcher::{Connection, Deps, Observer, Settings};
use domain::catalog::Defaults;
use domain::id::Workspace;
use domain::identity::{Email, IdentityKind};
use domain::time::{Limit, Quota, Span, Speed, Window};
use domain::touch::{Channel, Touch, TouchState};
use engine::{Apply, Catalogs, DomainFold, Keep};
use jiff::{SignedDuration, Timestamp};
use manifest::Source;
use ports::clock::Clock;
use ports::connector::Connector;
use ports::content::Activation;
use ports::dispatch::WorkerId;
use ports::queries::Queries as _;
use ports::unit::{Unit, Units as _};
use store::{Store, StoreConfig};
use tempfile::TempDir;
use testkit::store::{events, form, keys, stop};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::crm::Crm;
use crate::ports_of::{Notes, Ports};

/// The test's time, on the test's thread; elsewhere what it was when the store was last asked.
#[derive(Debug)]
pub(crate) struct StageClock {
    thread: ThreadId,
    began: Instant,
    jumped: Mutex<Duration>,
    seen: AtomicU64,
}

impl StageClock {
    fn new() -> Self {
        Self {
            thread: std::thread::current().id(),
            began: Instant::now(),
            jumped: Mutex::default(),
            seen: AtomicU64::new(0),
        }
    }

    /// Shows the store what time it is.
    pub(crate) fn tick(&self) {
        let now = u64::try_from(self.monotonic().as_micros()).unwrap();
        self.seen.fetch_max(now, Ordering::Relaxed);
    }

    /// Moves the clock on without anybody's sleep.
    pub(crate) fn jump(&self, by: Duration) {
        *self.jumped.lock().unwrap() += by;
    }
}

impl Clock for StageClock {
    fn now(&self) -> Timestamp {
        let noon: Timestamp = "2026-03-03T12:00:00Z".parse().unwrap();
        noon + SignedDuration::try_from(self.monotonic()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        if std::thread::current().id() == self.thread {
            self.began.elapsed() + *self.jumped.lock().unwrap()
        } else {
            Duration::from_micros(self.seen.load(Ordering::Relaxed))
        }
    }
}

/// Notes what tests ask for, and is silent of the rest.
struct Noting(Arc<Notes>);

impl Observer for Noting {
    fn attempt(&self, _: &str, outcome: &'static str, took: Option<Duration>) {
        self.0.attempts.lock().unwrap().push((outcome, took));
    }
    fn lateness(&self, late: Duration) {
        self.0.late.lock().unwrap().push(late);
    }
    fn passed_over(&self, _: &'static str) {}
    fn left(&self, connector: &str) {
        self.0.left.lock().unwrap().push(connector.to_owned());
    }
    fn waiting(&self, _: &str, _: Duration) {}
    fn connection(&self, _: &str, _: Connection, _: usize) {}
    fn troubled(&self, _: Option<&str>) {}
}

pub(crate) struct Stage {
    pub(crate) ports: Ports,
    pub(crate) notes: Arc<Notes>,
    pub(crate) clock: Arc<StageClock>,
    pub(crate) catalogs: Arc<Catalogs>,
    pub(crate) settings: Settings,
    cadences: AtomicU64,
    runtime: Option<Runtime>,
    _folder: TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A dispatcher that runs.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// How a stage is set.
pub(crate) struct Setting {
    pub(crate) speed: u32,
    pub(crate) poll: Option<Duration>,
    /// At most so many touches of a contact a week.
    pub(crate) per_contact: Option<u32>,
}

impl Default for Setting {
    fn default() -> Self {
        Self { speed: 1, poll: None, per_contact: None }
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::set(Setting::default()).await
    }

    pub(crate) async fn set(setting: Setting) -> Self {
        let clock = Arc::new(StageClock::new());
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let url = format!("sqlite://{}", folder.path().join("drumbeat.db").display());
        let config = StoreConfig {
            speed: Speed::new(setting.speed).unwrap(),
            ..StoreConfig::new(url.clone(), keys(), Arc::clone(&clock) as Arc<dyn Clock>)
        };
        let outside = runtime.handle().clone();
        let open = async move {
            Store::migrate(&url).await.unwrap();
            Store::connect(config).await.unwrap()
        };
        let store = {
            let outside = outside.clone();
            tokio::task::spawn_blocking(move || outside.block_on(open)).await.unwrap()
        };
        let notes = Arc::new(Notes::default());
        let ports = Ports {
            store,
            outside,
            clock: Arc::clone(&clock),
            notes: Arc::clone(&notes),
            poll: setting.poll,
        };
        let limit = |max| Limit {
            quota: Quota::new(max, "7d".parse::<Span>().unwrap()).unwrap(),
            channel: None::<Channel>,
        };
        let defaults = Defaults {
            zone: jiff::tz::TimeZone::UTC,
            window: Window::Any,
            per_contact: setting.per_contact.map(limit).into_iter().collect(),
            per_owner: Vec::new(),
            delivers: std::collections::HashMap::new(),
        };
        let catalogs = Arc::new(Catalogs::new(Arc::new(ports.clone()), defaults));
        Self {
            ports,
            notes,
            clock,
            catalogs,
            settings: Settings::default(),
            cadences: AtomicU64::new(0),
            runtime: Some(runtime),
            _folder: folder,
        }
    }

    pub(crate) fn crm(&self) -> Crm {
        Crm::new("crm", &self.clock)
    }

    /// A cadence that whoever fills a form enters from now on: one call, at once.
    pub(crate) async fn cadence(&self, connector: &str, guard: &str) {
        let priority = 50 + self.cadences.fetch_add(1, Ordering::Relaxed);
        let guard = if guard.is_empty() { String::new() } else { format!(", when: {guard}") };
        let text = format!(
            r#"apiVersion: drumbeat/v1
kind: Cadence
metadata: {{ name: to-{connector} }}
spec:
  goal: meeting_booked
  connector: {connector}
  priority: {priority}
  window: any
  entry: {{ triggers: [ {{ on: form_submitted }} ] }}
  steps:
    - {{ id: first, channel: call, purpose: Say hello{guard} }}
"#
        );
        let how = Apply {
            workspace: &Workspace::main(),
            connectors: &["crm".to_owned(), "slow".to_owned(), "gone".to_owned()],
            activation: Activation::Activate,
            actor: "test",
        };
        let source = Source::new(format!("{connector}.yaml"), text);
        engine::apply(&self.ports, &[source], how).await.unwrap();
    }

    /// Someone fills a form.
    pub(crate) async fn enroll(&self, who: &str) {
        let at = self.ports.now().await.unwrap();
        self.decide(events([form(&format!("enroll {who}"), who, at).input()])).await;
    }

    /// Someone opts out.
    pub(crate) async fn opt_out(&self, who: &str) {
        let at = self.ports.now().await.unwrap();
        self.decide(events([stop(&format!("stop {who}"), who, at).input()])).await;
    }

    async fn decide(&self, unit: Unit) {
        let catalog = self.catalogs.current().await.unwrap();
        self.ports.run(unit, Arc::new(DomainFold::new(catalog, Keep::Nothing))).await.unwrap();
    }

    /// Starts a dispatcher.
    pub(crate) fn start(&self, connectors: &[&Arc<Crm>]) -> Running {
        let ports = Arc::new(self.ports.clone());
        let next = AtomicU64::new(1);
        let began = u128::from(u64::try_from(self.clock.monotonic().as_micros()).unwrap()) << 64;
        let deps = Deps {
            units: ports.clone(),
            dispatch: ports.clone(),
            commands: ports.clone(),
            workers: ports.clone(),
            permits: ports.clone(),
            wakes: ports,
            catalogs: Arc::clone(&self.catalogs),
            connectors: connectors.iter().map(|one| Arc::<Crm>::clone(one) as Arc<dyn Connector>).collect(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            new_worker: Arc::new(move || {
                WorkerId(Uuid::from_u128(began + u128::from(next.fetch_add(1, Ordering::Relaxed))))
            }),
            observer: Arc::new(Noting(Arc::clone(&self.notes))),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(dispatcher::run(self.settings.clone(), deps, stop.clone()));
        Running { stop, task }
    }

    /// Seconds since the stage was set.
    pub(crate) fn clock_seconds(&self) -> f64 {
        self.clock.monotonic().as_secs_f64()
    }

    /// Waits for something.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..240_000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never: {what}");
    }

    /// The touches of someone.
    pub(crate) async fn touches(&self, who: &str) -> Vec<Touch> {
        let email = Email::parse(who).unwrap();
        let key = keys().key(&Workspace::main(), IdentityKind::Email, email.as_str());
        let found = self.ports.out(move |store| async move {
            let contact = store.contact_by_identity(&key).await.unwrap().unwrap();
            store.contact(&Workspace::main(), contact).await.unwrap().unwrap()
        });
        found.await.touches
    }

    /// The only touch of someone.
    pub(crate) async fn touch(&self, who: &str) -> Touch {
        let mut touches = self.touches(who).await;
        assert_eq!(touches.len(), 1, "{touches:?}");
        touches.remove(0)
    }

    /// Waits until the only touch of someone is in a state.
    pub(crate) async fn until_state(&self, who: &str, state: TouchState) -> Touch {
        for _ in 0..2_000 {
            let touch = self.touch(who).await;
            if touch.state == state {
                return touch;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never {state}: {:?}", self.touch(who).await);
    }
}

/// Lets time pass.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
