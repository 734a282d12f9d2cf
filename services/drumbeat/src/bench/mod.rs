//! `bench`: figures of this machine, on the embedded adapters and, where they are given, on PostgreSQL and Kafka.
//!
//! The load generator, and nearly all that it loads, run in this process, over loopback and in bounded time; start-up,
//! memory and recovery are measured on processes of this same program. Rates are held against references measured moments
//! before on the same machine: `R_http`, a bare server that verifies and parses, and `R_pg`, pgbench's simple update.
//! What each figure means is in docs/performance.md.

mod arrivals;
mod compare;
mod desk;
mod dispatch;
mod enrollment;
mod fill;
mod http;
mod ingest;
mod latency;
mod machine;
mod memory;
mod mix;
mod noop;
mod partition;
mod people;
mod postgres;
mod processes;
mod pure;
mod recovery;
mod report;
mod row;
mod sample;
mod servers;
mod setup;
mod space;
mod startup;
mod webhooks;

use std::sync::Arc;

use clap::ValueEnum as _;
use ports::clock::Clock;
use runtime::config::{Config, LoadOptions};

use self::postgres::Server;
use self::report::Report;
use self::row::Row;
use self::setup::Side;
use crate::cli::{BenchArgs, BenchCommand, BenchPart, BenchSet, Global, Output};
use crate::commands;
use crate::exit::{Failure, Outcome};
use crate::{output, wiring};

/// How long a measurement runs, in seconds, unless said otherwise.
const SECONDS: u64 = 5;
/// Touches in the future, unless said otherwise.
const FUTURE: usize = 1_000_000;
/// The same of a quick run.
const QUICK_FUTURE: usize = 10_000;

/// A run of the bench.
struct Run {
    report: Report,
    clock: Arc<dyn Clock>,
    /// How long each measurement runs.
    seconds: u64,
    /// The most touches in the future while due ones are dispatched.
    future: usize,
    quick: bool,
}

/// Measures and prints, or compares two measurements.
pub(crate) async fn run(global: &Global, args: &BenchArgs) -> Outcome {
    if let Some(BenchCommand::Compare(files)) = &args.command {
        return compare::run(global, files);
    }
    let guard = commands::run::log(&quiet()?, "bench")?;
    let measured = tokio::select! {
        measured = measure_all(args) => measured,
        _ = tokio::signal::ctrl_c() => Err(Failure::Refused("interrupted".to_owned())),
    };
    guard.shutdown();
    if let (Err(_), Some(Ok(server))) = (&measured, args.postgres.as_deref().map(Server::at)) {
        server.sweep().await;
    }
    let report = measured?;
    if let Some(file) = &args.save {
        let text =
            serde_json::to_string_pretty(&report).map_err(|error| Failure::Refused(error.to_string()))?;
        std::fs::write(file, text)
            .map_err(|error| Failure::Refused(format!("--save {}: {error}", file.display())))?;
    }
    let output = if args.json { Output::Json } else { global.output };
    output::show(output, &report, || report.print())
}

/// The defaults, saying only what goes wrong: a line for each touch would be measured too.
fn quiet() -> Result<Config, Failure> {
    let options = LoadOptions::bare(std::env::temp_dir()).set("telemetry.filter", "warn");
    Config::load(&options).map_err(|findings| Failure::Refused(findings.to_string()))
}

/// As often as was asked for.
async fn measure_all(args: &BenchArgs) -> Result<Report, Failure> {
    if args.seconds == Some(0) || args.repeat == 0 {
        return Err(Failure::Usage("--seconds and --repeat: at least 1".to_owned()));
    }
    if let Some(file) = &args.save {
        // Not after a quarter of an hour.
        std::fs::write(file, "")
            .map_err(|error| Failure::Usage(format!("--save {}: {error}", file.display())))?;
    }
    let mut reports = Vec::new();
    for turn in 1..=args.repeat {
        if args.repeat > 1 {
            report::tell(&format!("run {turn} of {}", args.repeat));
        }
        reports.push(measure(args).await?);
    }
    report::merge(reports).ok_or_else(|| Failure::Usage("--repeat: at least 1".to_owned()))
}

async fn measure(args: &BenchArgs) -> Result<Report, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(wiring::SystemClock::new());
    let seconds = args.seconds.unwrap_or(if args.quick { 1 } else { SECONDS });
    let future = args.future.unwrap_or(if args.quick { QUICK_FUTURE } else { FUTURE });
    let machine = machine::machine(clock.as_ref(), seconds, args.commit.as_deref());
    let report = Report { machine, rows: Vec::new(), missing: Vec::new() };
    let mut run = Run { report, clock, seconds, future, quick: args.quick };
    if cfg!(debug_assertions) {
        run.report.lacks("anything of worth: this is a debug build".to_owned());
    }
    let sides = sides(args, &mut run.report)?;
    if parts(args).contains(&BenchPart::Domain) {
        pure::measure(&mut run).await?;
    }
    for side in sides {
        for part in parts(args) {
            match part {
                // It was, without a store.
                BenchPart::Domain => {}
                BenchPart::Ingest => ingest::measure(&mut run, &side).await?,
                BenchPart::Enrollment => enrollment::measure(&mut run, &side).await?,
                BenchPart::Dispatch => dispatch::measure(&mut run, &side).await?,
                BenchPart::Latency => latency::measure(&mut run, &side).await?,
                BenchPart::Recovery => recovery::measure(&mut run, &side).await?,
                BenchPart::Startup => startup::measure(&mut run, &side).await?,
                BenchPart::Memory => memory::measure(&mut run, &side).await?,
                BenchPart::Space => space::measure(&mut run, &side).await?,
            }
        }
    }
    run.report.relate_stores();
    Ok(run.report)
}

/// What was asked for, in the order of the argument's values; nothing said: all.
fn parts(args: &BenchArgs) -> Vec<BenchPart> {
    let all = BenchPart::value_variants().iter().copied();
    all.filter(|part| args.what.is_empty() || args.what.contains(part)).collect()
}

fn sides(args: &BenchArgs, report: &mut Report) -> Result<Vec<Side>, Failure> {
    let embedded = (args.on != Some(BenchSet::Servers)).then_some(Side::Embedded);
    Ok(embedded.into_iter().chain(servers(args, report)?).collect())
}

fn servers(args: &BenchArgs, report: &mut Report) -> Result<Option<Side>, Failure> {
    let (postgres, kafka) = match (&args.postgres, &args.kafka, args.on) {
        (Some(_), None, _) | (None, Some(_), _) => {
            return Err(Failure::Usage("--postgres and --kafka go together".to_owned()));
        }
        (None, None, Some(BenchSet::Servers)) => {
            return Err(Failure::Usage("--on servers: say where, with --postgres and --kafka".to_owned()));
        }
        (None, None, None) => {
            report.lacks("PostgreSQL and Kafka: no --postgres and --kafka were given".to_owned());
            return Ok(None);
        }
        (_, _, Some(BenchSet::Embedded)) => return Ok(None),
        (Some(postgres), Some(kafka), _) => (postgres, kafka),
    };
    match Server::at(postgres) {
        Ok(server) => Ok(Some(Side::Servers { postgres: server, kafka: kafka.clone() })),
        Err(error) => {
            report.lacks(format!("PostgreSQL and Kafka: {error}"));
            Ok(None)
        }
    }
}

impl Run {
    /// Whether it is only to be seen that everything works.
    fn is_quick(&self) -> bool {
        self.quick
    }

    /// `R_pg` of this moment, where the side has it.
    async fn r_pg(&mut self, side: &Side) -> Option<f64> {
        let Side::Servers { postgres, .. } = side else {
            return None;
        };
        match postgres.reference(self.seconds).await {
            Ok(rate) => {
                self.report.add(
                    Row::new("reference", "postgres", "pgbench -N -M prepared -c8 -j2")
                        .rate(rate)
                        .note("R_pg"),
                );
                Some(rate)
            }
            Err(why) => {
                self.report.lacks(why);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    /// On which sets of adapters it would measure, as it is typed, and what the report says is missing.
    fn measured(words: &[&str]) -> Result<(Vec<&'static str>, usize), Failure> {
        let cli = crate::cli::Cli::try_parse_from(["drumbeat", "bench"].iter().chain(words)).unwrap();
        let crate::cli::Command::Bench(args) = cli.command else { panic!("not the bench") };
        let machine = machine::machine(&wiring::SystemClock::new(), 1, None);
        let mut report = Report { machine, rows: Vec::new(), missing: Vec::new() };
        let sides = sides(&args, &mut report)?;
        Ok((sides.iter().map(Side::name).collect(), report.missing.len()))
    }

    const SERVERS: [&str; 4] =
        ["--postgres", "postgres://postgres@127.0.0.1:1/postgres", "--kafka", "127.0.0.1:1"];

    #[test]
    fn both_sets_of_adapters_are_measured_unless_one_is_named() {
        assert_eq!(measured(&[]).unwrap(), (vec!["embedded"], 1));
        assert_eq!(measured(&["--on", "embedded"]).unwrap(), (vec!["embedded"], 0));
        let embedded = [&SERVERS[..], &["--on", "embedded"]].concat();
        assert_eq!(measured(&embedded).unwrap(), (vec!["embedded"], 0));

        // Without psql there is no server to measure on, and the report says so.
        let servers =
            |found: Result<Server, Failure>| if found.is_ok() { (vec!["pg+kafka"], 0) } else { (vec![], 1) };
        let alone = [&SERVERS[..], &["--on", "servers"]].concat();
        assert_eq!(measured(&alone).unwrap(), servers(Server::at(SERVERS[1])));
    }

    #[test]
    fn servers_that_are_asked_for_and_not_named_are_wrong_use() {
        for words in [&["--on", "servers"][..], &SERVERS[..2], &SERVERS[2..]] {
            assert!(matches!(measured(words), Err(Failure::Usage(_))), "{words:?}");
        }
    }
}
