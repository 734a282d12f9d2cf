//! What each command does: read the configuration, open what it needs, call the engine, print.

pub(crate) mod apply;
mod asides;
mod config;
mod dispatch;
mod enroll;
mod explain;
mod health;
mod offsets;
mod people;
mod redrive;
pub(crate) mod run;
mod tail;
mod tasks;
mod topics;
pub(crate) mod workbench;

use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::exit::{Failure, Outcome};
use crate::wiring;

/// Runs a command to its end.
pub(crate) fn run(cli: Cli) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(dispatch(cli));
    // A blocking task may hang in a library; the process ends all the same.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(cli: Cli) -> Outcome {
    let global = &cli.global;
    match cli.command {
        Command::Up(args) => run::up(global, &args).await,
        Command::Ingest => run::role(global, runtime::config::Role::Ingest).await,
        Command::Enrollment => run::role(global, runtime::config::Role::Enrollment).await,
        Command::Dispatcher => run::role(global, runtime::config::Role::Dispatcher).await,
        Command::Demo(_) => crate::demo::alone(global).await,
        Command::Health(args) => health::run(global, &args).await,
        Command::Config(command) => config::run(global, &command),
        Command::Migrate => config::migrate(global).await,
        Command::Topics(args) => topics::run(global, &args).await,
        Command::Offsets(command) => offsets::run(global, command).await,
        Command::Lint(args) => apply::lint(global, &args),
        Command::Apply(args) => apply::apply(global, &args).await,
        Command::Export(args) => apply::export(global, &args).await,
        Command::Schema(_) => apply::schema(),
        Command::Explain(args) => explain::run(global, &args).await,
        Command::Tasks(command) => tasks::run(global, command).await,
        Command::Enroll(args) => enroll::run(global, &args).await,
        Command::Pause(args) => people::pause(global, &args).await,
        Command::Resume(args) => people::resume(global, &args).await,
        Command::Remove(args) => people::remove(global, &args).await,
        Command::Suppress(args) => people::suppress(global, &args).await,
        Command::Resubscribe(args) => people::resubscribe(global, &args).await,
        Command::Quarantine(command) => asides::quarantine(global, command).await,
        Command::Deadletter(command) => asides::dead_letters(global, command).await,
        Command::Redrive(args) => redrive::run(global, &args).await,
        Command::Dispatch(command) => dispatch::run(global, &command).await,
        Command::Tail(args) => tail::run(global, &args).await,
        Command::Bench(args) => crate::bench::run(global, &args).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "drumbeat", &mut script);
            crate::output::line(String::from_utf8_lossy(&script).trim_end())
        }
    }
}

/// The name under which a person's acts are recorded.
fn actor() -> String {
    ["DRUMBEAT_ACTOR", "USER", "LOGNAME"]
        .into_iter()
        .find_map(wiring::variable)
        .unwrap_or_else(|| "unknown".to_owned())
}

/// A usage error.
fn usage(text: impl Into<String>) -> Failure {
    Failure::Usage(text.into())
}
