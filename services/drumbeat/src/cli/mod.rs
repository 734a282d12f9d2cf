//! What can be typed.

mod content;
mod operate;
mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::id::Workspace;

pub(crate) use content::{ApplyArgs, ExportArgs, LintArgs, SchemaArgs};
pub(crate) use operate::{
    AsideCommand, AsideListArgs, DispatchCommand, EnrollArgs, ExplainArgs, PauseArgs, RedriveArgs,
    RemoveArgs, ResubscribeArgs, ResumeArgs, Scope, SuppressArgs, TailArgs, TaskListArgs, TasksCommand,
};
pub(crate) use run::{
    BenchArgs, BenchCommand, BenchPart, CompareArgs, ConfigCommand, DemoArgs, OffsetsCommand, TopicsArgs,
    UpArgs,
};

/// The event-driven sales-cadence engine.
///
/// Webhooks come in, contacts enter, branch and leave cadences by rule, and each due touch becomes one task in your CRM.
/// `drumbeat up --demo` shows all of it on this machine, with nothing to install.
#[derive(Debug, Parser)]
#[command(
    name = "drumbeat",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    max_term_width = 110
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The configuration file; absent: ./drumbeat.toml if it is there, else the defaults.
    #[arg(long, short, global = true, value_name = "FILE", env = "DRUMBEAT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The workspace to work in.
    #[arg(long, short, global = true, value_name = "NAME", default_value = "main")]
    pub(crate) workspace: Workspace,
    /// Sets a key of the configuration, above file and environment: `--set ingest.listen=127.0.0.1:9000`.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// How results are printed.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Human)]
    pub(crate) output: Output,
    /// How logs are printed (on standard error).
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Tables and sentences.
    Human,
    /// One JSON document, a list for lists.
    Json,
}

/// How logs are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs everything in one process, on embedded defaults.
    Up(UpArgs),
    /// Runs the role that takes webhooks.
    Ingest,
    /// Runs the role that applies events to the store.
    Enrollment,
    /// Runs the role that sends due touches to the CRM.
    Dispatcher,
    /// Shows the main job on this machine in half a minute, and exits.
    Demo(DemoArgs),
    /// Checks or shows the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Brings the store's schema up to date.
    Migrate,
    /// Creates the topics that are missing, and shows them.
    Topics(TopicsArgs),
    /// Shows or sets from where partitions are read.
    #[command(subcommand)]
    Offsets(OffsetsCommand),
    /// Checks cadence, template, segment and calendar files.
    Lint(LintArgs),
    /// Checks files and makes them current, as new versions.
    Apply(ApplyArgs),
    /// Prints the current files, as they were written.
    Export(ExportArgs),
    /// Prints the JSON Schema of the files, for editors.
    Schema(SchemaArgs),
    /// Says why a contact is, or is not, where they are.
    Explain(ExplainArgs),
    /// Lists and works tasks.
    #[command(subcommand)]
    Tasks(TasksCommand),
    /// Enters contacts into a cadence by hand.
    Enroll(EnrollArgs),
    /// Pauses an enrollment, a contact, a cadence, an owner, a workspace or everything.
    Pause(PauseArgs),
    /// Lifts a pause.
    Resume(ResumeArgs),
    /// Takes an enrollment out of its cadence, back to manual handling.
    Remove(RemoveArgs),
    /// Stops a person, on one channel or all, also before any contact exists.
    Suppress(SuppressArgs),
    /// Takes down that a person may be contacted again.
    Resubscribe(ResubscribeArgs),
    /// Deliveries that could not be translated.
    #[command(subcommand)]
    Quarantine(AsideCommand),
    /// Events that could not be processed.
    #[command(subcommand)]
    Deadletter(AsideCommand),
    /// Sends a failed or unknown touch again.
    Redrive(RedriveArgs),
    /// Holds or releases all sending.
    #[command(subcommand)]
    Dispatch(DispatchCommand),
    /// Follows what is decided, as it happens.
    Tail(TailArgs),
    /// Measures this machine, or compares two measurements.
    Bench(BenchArgs),
    /// Prints the completion script of a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}
