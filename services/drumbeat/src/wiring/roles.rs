//! Roles: their adapters opened, their loops started, under one lifecycle.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::Catalogs;
use ports::clock::Clock;
use ports::dispatch::WorkerId;
use runtime::config::{Backend, BusKind, Config, Role};
use runtime::health::{AdminServer, Readiness, Status};
use runtime::lifecycle::{Budget, Lifecycle};
use runtime::metrics::Metrics;
use store::Store;

use super::adapters::{Bus, open_bus, open_store};
use super::clock::{SystemClock, fresh_id};
use super::connectors::connectors;
use super::defaults::defaults;
use super::folder::Claim;
use super::observers::Observers;
use super::survey::Surveyor;
use super::watched::Watched;
use crate::exit::Failure;

/// How long to wait before something that cannot be reached is asked again.
const PATIENCE: Duration = Duration::from_secs(1);

/// A process on its way up.
pub(crate) struct System {
    config: Config,
    clock: Arc<dyn Clock>,
    lifecycle: Lifecycle,
    observers: Observers,
    admin: SocketAddr,
    /// Held until the process ends.
    claim: Option<Claim>,
}

/// A process whose roles run.
pub(crate) struct Started {
    /// Waits for its end.
    pub(crate) lifecycle: Lifecycle,
    /// Where webhooks are taken, if that role runs.
    pub(crate) ingest: Option<SocketAddr>,
    /// Health and metrics.
    pub(crate) admin: SocketAddr,
    /// The store, if a role uses it.
    pub(crate) store: Option<Arc<Store>>,
    /// Held until the process ends.
    claim: Option<Claim>,
}

/// Why a port was not had, and what to do.
fn not_bound(key: &str, said: &str, error: &std::io::Error) -> Failure {
    let advice = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("; is another process there? stop it, or choose another port with `--set {key}=…`")
        }
        std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address".to_owned(),
        _ => String::new(),
    };
    Failure::Refused(format!("{key}: {said}{advice}"))
}

impl System {
    /// Takes the admin port and, where anything is embedded, the data folder.
    pub(crate) fn prepare(config: Config, name: &str) -> Result<Self, Failure> {
        let embedded =
            config.bus.kind == BusKind::Embedded || config.store.url.backend() == Some(Backend::Sqlite);
        let claim = embedded.then(|| Claim::on(&config.data, "set `data` to another folder")).transpose()?;
        let readiness = Readiness::new();
        let metrics = Metrics::new();
        metrics.build(env!("CARGO_PKG_VERSION"), name);
        let lifecycle = Lifecycle::new(readiness.clone(), Budget::default());
        let listen = config.admin.listen;
        let server = AdminServer::bind(listen, readiness.clone(), metrics.clone()).map_err(|error| {
            not_bound("admin.listen", &format!("cannot listen on {listen}: {error}"), &error)
        })?;
        let admin = server.address();
        lifecycle.tasks().support("admin", server.run(lifecycle.shutdown()));
        Ok(Self {
            config,
            clock: Arc::new(SystemClock::new()),
            lifecycle,
            observers: Observers { metrics, readiness },
            admin,
            claim,
        })
    }

    /// Opens the adapters, waiting for what cannot be reached yet, and starts the roles.
    pub(crate) async fn start(self, roles: &[Role]) -> Result<Started, Failure> {
        self.observers.readiness.register("start");
        // The tables of phone numbers are read at first use, which takes long: not in the first webhook.
        let _ = domain::identity::Phone::parse("+14155550100");
        let bus = self.patiently("the bus", || open_bus(&self.config, &self.clock)).await?;
        let mut store = None;
        if roles.iter().any(|role| *role != Role::Ingest) {
            let opened =
                self.patiently("the store", || open_store(&self.config, &self.clock, "service")).await?;
            let catalogs = Arc::new(Catalogs::new(Arc::<Store>::clone(&opened), defaults(&self.config)?));
            if roles.contains(&Role::Enrollment) {
                self.start_enrollment(&bus, &opened, &catalogs);
            }
            if roles.contains(&Role::Dispatcher) {
                self.patiently("the bus", || hold_if_restored(&bus, &opened)).await?;
                self.start_dispatcher(&opened, &catalogs)?;
            }
            store = Some(opened);
        }
        let surveyor = Surveyor {
            store: store.clone(),
            topics: Arc::clone(&bus.admin),
            consumers: Arc::clone(&bus.consumers),
            clock: Arc::clone(&self.clock),
            metrics: self.observers.metrics.clone(),
            readiness: self.observers.readiness.clone(),
            roles: roles.to_vec(),
        };
        self.lifecycle.tasks().component("survey", surveyor.run(self.lifecycle.shutdown()));
        let ingest = if roles.contains(&Role::Ingest) { Some(self.start_ingest(&bus)?) } else { None };
        self.observers.readiness.set("start", Status::Ready);
        Ok(Started { lifecycle: self.lifecycle, ingest, admin: self.admin, store, claim: self.claim })
    }

    /// Opens something, asking again while it cannot be reached: an outage at start is an outage like any other.
    async fn patiently<T, F>(&self, what: &str, open: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let shutdown = self.lifecycle.shutdown();
        loop {
            match open().await {
                Err(Failure::Unreachable(why)) if !shutdown.is_soft() => {
                    tracing::warn!(why, "{what} cannot be reached; trying again");
                    self.observers.readiness.set("start", Status::not_ready(format!("{what}: {why}")));
                    tokio::select! {
                        () = tokio::time::sleep(PATIENCE) => {}
                        () = shutdown.soft() => return Err(Failure::Unreachable(why)),
                    }
                }
                other => return other,
            }
        }
    }

    fn start_ingest(&self, bus: &Bus) -> Result<SocketAddr, Failure> {
        let config = ingest::Config::from_deployment(&self.config).map_err(|problems| {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::Refused(texts.join("\n"))
        })?;
        let deps = ingest::Deps {
            publisher: Arc::clone(&bus.publisher),
            consumers: Some(Arc::clone(&bus.consumers)),
            clock: Arc::clone(&self.clock),
            readiness: self.observers.readiness.clone(),
            metrics: self.observers.metrics.clone(),
        };
        let ingest = ingest::Ingest::bind(config, deps).map_err(|error| {
            let said = error.to_string();
            match error {
                ingest::Error::Bind { source, .. } => not_bound("ingest.listen", &said, &source),
                ingest::Error::Serve(_) => Failure::Refused(said),
            }
        })?;
        let address = ingest.address();
        self.lifecycle.tasks().component("ingest", ingest.run(self.lifecycle.shutdown()));
        Ok(address)
    }

    fn start_enrollment(&self, bus: &Bus, store: &Arc<Store>, catalogs: &Arc<Catalogs>) {
        self.observers.expect_enrollment();
        let deps = enrollment::Deps {
            units: self.watched(store),
            offsets: Arc::<Store>::clone(store),
            flags: Arc::<Store>::clone(store),
            outbox: Arc::<Store>::clone(store),
            asides: Arc::<Store>::clone(store),
            housekeeping: Arc::<Store>::clone(store),
            wakes: Arc::new(store.wakeups()),
            catalogs: Arc::clone(catalogs),
            consumers: Arc::clone(&bus.consumers),
            publisher: Arc::clone(&bus.publisher),
            clock: Arc::clone(&self.clock),
            process: fresh_id(),
            observer: Arc::new(self.observers.clone()),
        };
        let mut settings = enrollment::Settings::default();
        if self.config.store.url.backend() == Some(Backend::Sqlite) {
            settings.beside = 1;
        }
        let run = enrollment::run(settings, deps, self.lifecycle.shutdown().soft_token());
        self.lifecycle.tasks().component("enrollment", async {
            run.await;
            Ok::<(), Infallible>(())
        });
    }

    fn watched(&self, store: &Arc<Store>) -> Arc<Watched<Store>> {
        Arc::new(Watched::new(store, &self.clock, &self.observers.metrics))
    }

    fn start_dispatcher(&self, store: &Arc<Store>, catalogs: &Arc<Catalogs>) -> Result<(), Failure> {
        self.observers.expect_dispatcher();
        let deps = dispatcher::Deps {
            units: self.watched(store),
            dispatch: self.watched(store),
            commands: Arc::<Store>::clone(store),
            workers: Arc::<Store>::clone(store),
            permits: Arc::<Store>::clone(store),
            wakes: Arc::new(store.wakeups()),
            catalogs: Arc::clone(catalogs),
            connectors: connectors(&self.config, &self.clock)?,
            clock: Arc::clone(&self.clock),
            new_worker: Arc::new(|| WorkerId(fresh_id())),
            observer: Arc::new(self.observers.clone()),
        };
        let sending = if self.config.dispatch.enabled {
            dispatcher::Sending::Enabled
        } else {
            dispatcher::Sending::Disabled
        };
        let settings = dispatcher::Settings { sending, ..dispatcher::Settings::default() };
        let run = dispatcher::run(settings, deps, self.lifecycle.shutdown().soft_token());
        self.lifecycle.tasks().component("dispatcher", async {
            run.await;
            Ok::<(), Infallible>(())
        });
        Ok(())
    }
}

/// Before the first touch can be sent: a database restored from a backup has forgotten what was sent since. Waits for
/// whatever cannot be asked yet, topics that are still to be made included.
async fn hold_if_restored(bus: &Bus, store: &Store) -> Result<(), Failure> {
    let compare = async {
        let cluster = bus.admin.cluster().await?;
        enrollment::hold_if_restored(bus.consumers.as_ref(), store, store, &cluster).await
    };
    match compare.await {
        Ok(None) => Ok(()),
        Ok(Some(why)) => {
            tracing::error!(why, "sending starts held");
            Ok(())
        }
        Err(error) => Err(Failure::Unreachable(error.to_string())),
    }
}

impl Started {
    /// Runs until the process is asked to end.
    pub(crate) async fn until_ended(self) -> Result<(), Failure> {
        let ended = self.lifecycle.run().await.map_err(|failed| Failure::Refused(failed.to_string()));
        if let Some(store) = self.store {
            store.close().await;
        }
        drop(self.claim);
        ended
    }
}
