//! `bench`: first figures of this machine, on the embedded adapters and, where they are given, on PostgreSQL and Kafka.
//!
//! Everything runs in this process, the load generator too, over loopback and in bounded time. Rates are held against
//! references measured moments before on the same machine: `R_http`, a bare server that verifies and parses, and
//! `R_pg`, pgbench's simple update. What each figure means is in docs/performance.md.

mod dispatch;
mod enrollment;
mod http;
mod ingest;
mod latency;
mod machine;
mod mix;
mod noop;
mod partition;
mod postgres;
mod report;
mod sample;
mod servers;
mod setup;

use std::sync::Arc;

use ports::clock::Clock;
use runtime::config::{Config, LoadOptions};

use self::postgres::Server;
use self::report::{Report, Row};
use self::setup::Side;
use crate::cli::{BenchArgs, BenchPart, Global, Output};
use crate::commands;
use crate::exit::{Failure, Outcome};
use crate::{output, wiring};

/// A run of the bench.
struct Run {
    report: Report,
    clock: Arc<dyn Clock>,
    /// How long each measurement runs.
    seconds: u64,
    /// Touches in the future while due ones are dispatched.
    future: usize,
}

/// Measures and prints.
pub(crate) async fn run(global: &Global, args: &BenchArgs) -> Outcome {
    let guard = commands::run::log(&quiet()?, "bench")?;
    let measured = tokio::select! {
        measured = measure(args) => measured,
        _ = tokio::signal::ctrl_c() => Err(Failure::Refused("interrupted".to_owned())),
    };
    guard.shutdown();
    if let (Err(_), Some(Ok(server))) = (&measured, args.postgres.as_deref().map(Server::at)) {
        server.sweep().await;
    }
    let report = measured?;
    match global.output {
        Output::Json => output::json(&report),
        Output::Human => {
            report.print();
            Ok(())
        }
    }
}

/// The defaults, saying only what goes wrong: a line for each touch would be measured too.
fn quiet() -> Result<Config, Failure> {
    let options = LoadOptions::bare(std::env::temp_dir()).set("telemetry.filter", "warn");
    Config::load(&options).map_err(|findings| Failure::Refused(findings.to_string()))
}

async fn measure(args: &BenchArgs) -> Result<Report, Failure> {
    if args.seconds == 0 {
        return Err(Failure::Usage("--seconds: at least 1".to_owned()));
    }
    let clock: Arc<dyn Clock> = Arc::new(wiring::SystemClock::new());
    let machine = machine::machine(clock.as_ref(), args.seconds);
    let report = Report { machine, rows: Vec::new(), missing: Vec::new() };
    let mut run = Run { report, clock, seconds: args.seconds, future: args.future };
    if cfg!(debug_assertions) {
        run.report.lacks("anything of worth: this is a debug build".to_owned());
    }
    for side in sides(args, &mut run.report)? {
        for part in parts(args) {
            match part {
                BenchPart::Ingest => ingest::measure(&mut run, &side).await?,
                BenchPart::Enrollment => enrollment::measure(&mut run, &side).await?,
                BenchPart::Dispatch => dispatch::measure(&mut run, &side).await?,
                BenchPart::Latency => latency::measure(&mut run, &side).await?,
            }
        }
    }
    Ok(run.report)
}

/// What was asked for, in the order of the argument's values; nothing said: all.
fn parts(args: &BenchArgs) -> Vec<BenchPart> {
    let all = [BenchPart::Ingest, BenchPart::Enrollment, BenchPart::Dispatch, BenchPart::Latency];
    all.into_iter().filter(|part| args.what.is_empty() || args.what.contains(part)).collect()
}

fn sides(args: &BenchArgs, report: &mut Report) -> Result<Vec<Side>, Failure> {
    let mut sides = vec![Side::Embedded];
    match (&args.postgres, &args.kafka) {
        (Some(postgres), Some(kafka)) => match Server::at(postgres) {
            Ok(server) => sides.push(Side::Servers { postgres: server, kafka: kafka.clone() }),
            Err(error) => report.lacks(format!("PostgreSQL and Kafka: {error}")),
        },
        (None, None) => report.lacks("PostgreSQL and Kafka: no --postgres and --kafka were given".to_owned()),
        _ => return Err(Failure::Usage("--postgres and --kafka go together".to_owned())),
    }
    Ok(sides)
}

impl Run {
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
