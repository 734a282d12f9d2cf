//! `drumbeat demo` and `drumbeat up --demo`: the main job on one machine, told line by line.
//!
//! Everything is real: webhooks are signed and posted over HTTP to the demo's own ingest, events pass the embedded log,
//! touches come due on a fast clock, and tasks go over HTTP to a small CRM in the same process. The story ends with an
//! error when something that it promises does not come about.

mod content;
mod crm;
mod ending;
mod folder;
mod look;
mod print;
mod rep;
mod senders;
mod story;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use ports::clock::Clock;
use ports::unit::Units as _;

use self::crm::Crm;
use self::folder::{FORMS_SECRET, Folder};
use self::look::Lookout;
use self::print::Teller;
use self::senders::Senders;
use self::story::Stage;
use crate::cli::Global;
use crate::commands::run::{self as roles, ALL};
use crate::exit::{Failure, Outcome};
use crate::output::line;
use crate::wiring::{self, System, SystemClock};

/// Where the CRM listens, unless somebody else does.
const CRM_PORT: u16 = 8091;

/// Something that the demo promises and that did not happen.
#[derive(Debug)]
pub(crate) struct Missed(String);

impl std::fmt::Display for Missed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to happen after the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    End,
    StayUp,
}

/// `drumbeat demo`
pub(crate) async fn alone(global: &Global) -> Outcome {
    run(global, Afterwards::End).await
}

/// `drumbeat up --demo`
pub(crate) async fn then_stay_up(global: &Global) -> Outcome {
    run(global, Afterwards::StayUp).await
}

async fn run(global: &Global, afterwards: Afterwards) -> Outcome {
    if global.config.is_some() || !global.set.is_empty() {
        eprintln!("note: the demo has a configuration of its own; --config and --set do not apply to it");
    }
    let desk = folder::listen_near(CRM_PORT)?;
    desk.set_nonblocking(true)?;
    let crm_address = desk.local_addr()?;
    let folder = Folder::prepare(crm_address)?;
    let config = folder.load(global)?;
    let keys = wiring::keys(&config)?;
    let connectors = wiring::connector_names(&config);
    let _logs = roles::log(&config, "demo")?;

    let started = System::prepare(config, "demo")?.start(&ALL).await?;
    let (Some(store), Some(ingest)) = (started.store.clone(), started.ingest) else {
        return Err(Failure::Refused("the demo needs every role in this process".to_owned()));
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let teller = || Teller::new(store.business(), Arc::clone(&clock));
    let crm = Crm::new(teller());
    let shutdown = started.lifecycle.shutdown();
    started.lifecycle.tasks().support("crm", Arc::clone(&crm).serve(desk, shutdown.clone()));

    introduce(&folder, &content::apply(&store, &connectors).await?)?;
    let stage = Stage {
        senders: Senders::new(ingest, Arc::clone(&clock))?,
        lookout: Lookout::new(Arc::clone(&store), keys, Arc::clone(&crm)),
        teller: teller(),
        crm,
    };
    let addresses = Addresses { ingest, admin: started.admin, crm: crm_address };
    let running = started.until_ended();
    tokio::pin!(running);
    let told = tokio::select! {
        biased;
        ended = &mut running => {
            return ended.and(Err(Failure::Refused("the demo was ended before the end of its story".to_owned())));
        }
        told = tell(&stage, addresses.admin) => told,
    };
    let verdict =
        told.map_err(|missed| Failure::Refused(format!("the demo did not go as it should: {missed}")));
    match (&verdict, afterwards) {
        (Ok(()), Afterwards::StayUp) => invite(&folder, &addresses)?,
        (Ok(()), Afterwards::End) => {
            line(
                "\nEverything came about as promised. `drumbeat up --demo` (`make run`) plays the same and stays up.",
            )?;
            shutdown.begin();
        }
        (Err(_), _) => shutdown.begin(),
    }
    running.await.and(verdict)
}

async fn tell(stage: &Stage, admin: SocketAddr) -> Result<(), Missed> {
    stage.senders.ready(admin).await?;
    story::play(stage).await
}

/// Where things listen.
struct Addresses {
    ingest: SocketAddr,
    admin: SocketAddr,
    crm: SocketAddr,
}

/// What is about to be seen.
fn introduce(folder: &Folder, cadences: &[String]) -> Outcome {
    line(
        "Drumbeat, everything in one process on embedded defaults. A day of business time passes in a second;",
    )?;
    line("times are of New York, tasks are shown at the time at which they are due.")?;
    line(&format!(
        "Configuration, secrets and data are in {} (wiped at each start). Cadences: {}.",
        folder.path().display(),
        cadences.join(", ")
    ))?;
    for (port, address) in &folder.moved {
        line(&format!("The usual ports are in use: {address} instead of port {port}."))?;
    }
    Ok(())
}

/// What to try now that it stays up.
fn invite(folder: &Folder, at: &Addresses) -> Outcome {
    let Addresses { ingest, admin, crm } = at;
    let config = folder.config_path();
    let drumbeat = format!("{} --config {}", program(), config.display());
    line("\nEverything came about as promised, and stays up, a day a second:")?;
    line(&format!("  webhooks   http://{ingest}/hooks/{{website-forms,mail-events,crm-tasks}}"))?;
    line(&format!("  the CRM    http://{crm}/api/tasks"))?;
    line(&format!("  health     http://{admin}/readyz     metrics http://{admin}/metrics"))?;
    line("\nAsk for a demo yourself: this signs a form fill and posts it. Its tasks appear above.\n")?;
    line(r#"  body='{"form":"demo-request","email":"you@example.com","first_name":"You","country":"US"}'"#)?;
    line(&format!(
        "  signature=$(printf '%s' \"$body\" | openssl dgst -sha256 -hmac '{FORMS_SECRET}' | sed 's/.* //')"
    ))?;
    line(&format!(
        "  curl -sS -w '\\n' http://{ingest}/hooks/website-forms -H 'Content-Type: application/json' \\"
    ))?;
    line("    -H \"X-Signature: sha256=$signature\" --data-binary \"$body\"")?;
    line("\nThen, in another terminal:\n")?;
    line(&format!("  {drumbeat} explain you@example.com"))?;
    line(&format!("  {drumbeat} tasks list"))?;
    line(&format!("  {drumbeat} tail"))?;
    line("\nCtrl-C ends it.")
}

/// As a person can type it from the working folder.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let here = std::env::current_dir().ok();
    let shown =
        path.map(|path| match here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf)) {
            Some(inside) => format!("./{}", inside.display()),
            None => path.display().to_string(),
        });
    shown.unwrap_or_else(|| "drumbeat".to_owned())
}
