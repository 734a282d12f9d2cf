//! From a process's start to its readiness.

use super::Run;
use super::processes::Program;
use super::report::tell;
use super::row::Row;
use super::sample::{Sample, millis};
use super::setup::{Deployment, Side};
use crate::exit::Outcome;

/// Measures each role on servers, and `up`.
pub(super) async fn measure(run: &mut Run, side: &Side) -> Outcome {
    let deployment = Deployment::make(side, "startup", None).await?;
    deployment.topics().await?;
    let config = deployment.folder().join("drumbeat.toml");
    let roles: &[&'static str] = match side {
        Side::Embedded => &["up"],
        Side::Servers { .. } => &["ingest", "enrollment", "dispatcher", "up"],
    };
    for role in roles {
        let times = if run.is_quick() { 2 } else { 7 };
        tell(&format!("{role} on {} is started {times} times", side.name()));
        let program = Program::new(role, &config);
        let mut sample = Sample::default();
        for _ in 0..times {
            let mut process = program.start(run.clock.as_ref())?;
            sample.push(process.ready(run.clock.as_ref()).await?);
            process.stop().await?;
        }
        let mut row = Row::new("startup", side.name(), format!("{role}: started to ready")).longest(&sample);
        row.p50_ms = sample.percentile(0.5).map(millis);
        run.report.add(row.note(format!("{times} starts")));
    }
    deployment.remove().await
}
