//! Memory of each role, idle and at full load.

use std::sync::Arc;
use std::time::Duration;

use runtime::lifecycle::Tasks;
use tokio_util::sync::CancellationToken;

use super::Run;
use super::mix::CADENCES;
use super::processes::{Process, Program, free, start_all};
use super::report::tell;
use super::row::{Better, Row};
use super::servers;
use super::setup::{Deployment, Side, apply};
use super::webhooks::{Webhooks, cadence_at_once};
use crate::exit::Outcome;

/// How long a process rests before it counts as idle.
const REST: Duration = Duration::from_secs(2);
/// How often it is looked at under load.
const LOOK: Duration = Duration::from_millis(50);
/// Connections of the load.
const CONNECTIONS: usize = 64;

/// Measures each role of the set in a process of its own; `up` on the embedded one.
pub(super) async fn measure(run: &mut Run, side: &Side) -> Outcome {
    let sink = servers::sink()?;
    let deployment = Deployment::make(side, "memory", Some(&sink.url())).await?;
    deployment.topics().await?;
    let (store, _) = deployment.store().await?;
    apply(&store, (0..CADENCES).map(cadence_at_once).collect()).await?;
    store.close().await;
    let config = deployment.folder().join("drumbeat.toml");
    let roles: &[&'static str] = match side {
        Side::Embedded => &["up"],
        Side::Servers { .. } => &["ingest", "enrollment", "dispatcher"],
    };
    let ingest = free()?;
    let programs: Vec<Program> =
        roles.iter().map(|role| Program::new(role, &config).set(format!("ingest.listen={ingest}"))).collect();
    tell(&format!("memory on {}: {} at rest", side.name(), roles.join(", ")));
    let running = start_all(&programs, &run.clock).await?;
    tokio::time::sleep(REST).await;
    let idle = look(&running);

    tell(&format!("memory on {}: {} at full load", side.name(), roles.join(", ")));
    let stop = CancellationToken::new();
    let time = run.time();
    let webhooks = Webhooks::new(ingest)?;
    let clock = Arc::clone(&run.clock);
    let told = stop.clone();
    let load = Tasks::detached().spawn("bench.load", async move {
        let answered = webhooks.post_for(&clock, (CONNECTIONS, time)).await;
        told.cancel();
        answered
    });
    let mut peak = idle.clone();
    // What was taken is still to be worked off, and that may take more than taking it did.
    let until = run.clock.monotonic() + time * 2;
    while !stop.is_cancelled() || run.clock.monotonic() < until {
        tokio::time::sleep(LOOK).await;
        for (peak, now) in peak.iter_mut().zip(look(&running)) {
            *peak = (*peak).max(now);
        }
    }
    let answered = load.await.map_err(|error| crate::exit::Failure::Refused(error.to_string()))??;
    for (role, (idle, peak)) in roles.iter().zip(idle.iter().zip(&peak)) {
        let row = |what: &str, bytes: f64| {
            let mib = bytes / (1024.0 * 1024.0);
            Row::new("memory", side.name(), format!("{role}, {what}")).amount(mib, "MiB", Better::Lower)
        };
        run.report.add(row("idle", *idle));
        let note = format!("the most in {} s of {answered} mixed webhooks", time.as_secs());
        run.report.add(row("at full load", *peak).note(note));
    }
    for process in running {
        process.stop().await?;
    }
    sink.stop().await;
    deployment.remove().await
}

/// Resident bytes of each; 0 where the system does not tell.
fn look(running: &[Process]) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
    let bytes = |process: &Process| process.resident().unwrap_or_default() as f64;
    running.iter().map(bytes).collect()
}
