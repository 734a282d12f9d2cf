//! `up` and the roles.

use runtime::config::{Backend, BusKind, Config, Role};
use runtime::telemetry::{self, Service};

use crate::cli::{Global, UpArgs};
use crate::exit::{Failure, Outcome};
use crate::wiring::{self, Started, System};

/// What `up` runs.
pub(crate) const ALL: [Role; 3] = [Role::Ingest, Role::Enrollment, Role::Dispatcher];

pub(super) async fn up(global: &Global, args: &UpArgs) -> Outcome {
    if args.demo {
        return crate::demo::then_stay_up(global).await;
    }
    let config = wiring::load(global, &ALL)?;
    let guard = log(&config, "up")?;
    wiring::arm()?;
    let started = System::prepare(config, "up")?.start(&ALL).await?;
    announce(&started);
    let ended = started.until_ended().await;
    guard.shutdown();
    ended
}

/// What a person who started everything by hand wants to know next.
pub(crate) fn announce(started: &Started) {
    if let Some(ingest) = started.ingest {
        eprintln!("webhooks    http://{ingest}/hooks/{{source}}");
    }
    eprintln!("health      http://{}/readyz", started.admin);
    eprintln!("metrics     http://{}/metrics", started.admin);
    eprintln!("Ctrl-C ends it; what is under way is finished first.");
}

pub(super) async fn role(global: &Global, role: Role) -> Outcome {
    let name = match role {
        Role::Ingest => "ingest",
        Role::Enrollment => "enrollment",
        Role::Dispatcher => "dispatcher",
        Role::Console => "console",
    };
    let config = wiring::load(global, &[role])?;
    shared(&config, name)?;
    let guard = log(&config, name)?;
    wiring::arm()?;
    let ended = System::prepare(config, name)?.start(&[role]).await?.until_ended().await;
    guard.shutdown();
    ended
}

/// One role alone meets the others through Kafka and PostgreSQL; embedded adapters belong to a single process.
fn shared(config: &Config, name: &str) -> Result<(), Failure> {
    let mut wanted = Vec::new();
    if config.bus.kind == BusKind::Embedded {
        wanted.push("bus.kind = \"kafka\" with bus.brokers");
    }
    if name != "ingest" && config.store.url.backend() == Some(Backend::Sqlite) {
        wanted.push("store.url = \"postgres://USER@HOST/DATABASE\"");
    }
    if wanted.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "{name} alone meets the other roles through servers: set {}; or run all roles in one process with `drumbeat up`",
        wanted.join(" and ")
    )))
}

/// Sets logs and traces up.
pub(crate) fn log(config: &Config, role: &'static str) -> Result<telemetry::Guard, Failure> {
    let instance = wiring::fresh_id().to_string();
    let service = Service { role, version: env!("CARGO_PKG_VERSION"), instance };
    telemetry::init(&config.telemetry, &service)
        .map_err(|error| Failure::Refused(format!("configuration: {error}")))
}
