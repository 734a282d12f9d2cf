//! Mixed events to their effects in the store.

use std::sync::Arc;
use std::time::Duration;

use engine::Catalogs;
use ports::clock::Clock;
use runtime::lifecycle::Tasks;
use store::Store;

use super::Run;
use super::mix::{CADENCES, Mix, cadence};
use super::partition::{BATCH, Partition};
use super::report::tell;
use super::row::Row;
use super::sample::rate;
use super::setup::{Deployment, Side, apply};
use crate::exit::{Failure, Outcome};

/// People in cadences before the clock runs, of each partition.
const PEOPLE: usize = 4000;
/// The same of a quick run.
const FEW: usize = 1000;
/// Replicas of enrollment, each with a partition: one, and as many as share a small database.
const REPLICAS: [usize; 2] = [1, 4];

/// Measures on a set's store.
pub(super) async fn measure(run: &mut Run, side: &Side) -> Outcome {
    let reference = run.r_pg(side).await;
    let deployment = Deployment::make(side, "enrollment", None).await?;
    let (store, catalogs) = deployment.store().await?;
    apply(&store, (0..CADENCES).map(cadence).collect()).await?;
    let people = if run.is_quick() { FEW } else { PEOPLE };
    let mut number = 0;
    for replicas in REPLICAS {
        tell(&format!(
            "enrollment on {}, {replicas} at once: {} people enter",
            side.store_name(),
            replicas * people
        ));
        let mut lines = Vec::new();
        for _ in 0..replicas {
            lines.push(Line::start((&store, &catalogs), &deployment.clock, (number, people)).await?);
            number += 1;
        }
        let before = store.statements();
        let began = deployment.clock.monotonic();
        let lines = together(lines, began + run.time()).await?;
        let took = deployment.clock.monotonic().saturating_sub(began);
        let statements = store.statements() - before;
        let row = row(side, &lines, (statements, took))
            .note(format!("{} people at the start", lines.len() * people))
            .parts(&parts(&lines, began..began + run.time()));
        run.report.add(row.against("R_pg", reference));
    }
    store.close().await;
    deployment.remove().await
}

/// A partition and who feeds it.
struct Line {
    partition: Partition,
    mix: Mix,
    clock: Arc<dyn Clock>,
    /// When each batch was done.
    done: Vec<Duration>,
}

/// Of how many parts of the time a rate is told.
const PARTS: u32 = 5;

impl Line {
    async fn start(
        (store, catalogs): (&Arc<Store>, &Arc<Catalogs>),
        clock: &Arc<dyn Clock>,
        (number, people): (usize, usize),
    ) -> Result<Self, Failure> {
        let mut line = Self {
            partition: Partition::new(store, catalogs, clock, number),
            mix: Mix::new(number)?,
            clock: Arc::clone(clock),
            done: Vec::new(),
        };
        for _ in 0..people / BATCH {
            let at = line.clock.now();
            let entries: Result<Vec<_>, Failure> = (0..BATCH).map(|_| line.mix.entry(at)).collect();
            line.partition.process(entries?).await?;
        }
        line.partition.count_from_here();
        Ok(line)
    }

    async fn run(mut self, until: Duration) -> Result<Self, Failure> {
        while self.clock.monotonic() < until {
            let at = self.clock.now();
            let events: Result<Vec<_>, Failure> = (0..BATCH).map(|_| self.mix.next(at)).collect();
            self.partition.process(events?).await?;
            self.done.push(self.clock.monotonic());
        }
        Ok(self)
    }
}

async fn together(lines: Vec<Line>, until: Duration) -> Result<Vec<Line>, Failure> {
    let tasks = Tasks::detached();
    let running: Vec<_> =
        lines.into_iter().map(|line| tasks.spawn("bench.partition", line.run(until))).collect();
    let mut done = Vec::new();
    for one in running {
        done.push(one.await.map_err(|error| Failure::Refused(error.to_string()))??);
    }
    Ok(done)
}

/// The rate in each part of the time.
fn parts(lines: &[Line], measured: std::ops::Range<Duration>) -> Vec<f64> {
    let width = measured.end.saturating_sub(measured.start) / PARTS;
    let within = |from: Duration| {
        let done = lines.iter().flat_map(|line| &line.done);
        rate(done.filter(|done| (from..from + width).contains(*done)).count() * BATCH, width)
    };
    (0..PARTS).map(|part| within(measured.start + width * part)).collect()
}

fn row(side: &Side, lines: &[Line], (statements, took): (u64, Duration)) -> Row {
    let sum = |of: fn(&Partition) -> usize| lines.iter().map(|line| of(&line.partition)).sum::<usize>();
    let events = sum(|one| one.report.fresh + one.report.duplicates);
    let batches: u64 = lines.iter().map(|line| line.partition.batches).sum();
    let what = match lines.len() {
        1 => format!("mixed events, batches of {BATCH}"),
        many => format!("the same, {many} partitions at once"),
    };
    Row::new("enrollment", side.store_name(), what)
        .rate(rate(events, took))
        .note(format!("{} statements a batch", statements.checked_div(batches).unwrap_or_default()))
        .note(format!(
            "{} entered, {} ended, {} duplicates",
            sum(|one| one.report.enrolled),
            sum(|one| one.report.ended),
            sum(|one| one.report.duplicates)
        ))
}
