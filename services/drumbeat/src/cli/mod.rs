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
    BenchArgs, BenchCommand, BenchPart, BenchSet, CompareArgs, ConfigCommand, DemoArgs, HealthArgs,
    OffsetsCommand, TopicsArgs, UpArgs,
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
    max_term_width = 110,
    after_help = "Exit codes: 0 done, 1 refused or findings, 2 wrong use, 3 something needed cannot be reached."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Under this the options of every command are listed, after those of its own.
const EVERYWHERE: &str = "Options of every command";

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The configuration file; absent: the variable DRUMBEAT_CONFIG, else ./drumbeat.toml if it is there, else the defaults.
    #[arg(long, short, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    pub(crate) config: Option<PathBuf>,
    /// The workspace to work in.
    #[arg(long, short, global = true, value_name = "NAME", default_value = "main", help_heading = EVERYWHERE)]
    pub(crate) workspace: Workspace,
    /// Sets a key of the configuration, above file and environment: `--set ingest.listen=127.0.0.1:9000`.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", help_heading = EVERYWHERE)]
    pub(crate) set: Vec<String>,
    /// How results are printed.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Human, help_heading = EVERYWHERE)]
    pub(crate) output: Output,
    /// How logs are printed (on standard error).
    #[arg(long, global = true, value_enum, value_name = "FORMAT", help_heading = EVERYWHERE)]
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
    ///
    /// Without a configuration: SQLite and an event log in ./drumbeat-data, webhooks at 127.0.0.1:8080, health and metrics
    /// at 127.0.0.1:8099. It brings its store up to date by itself.
    Up(UpArgs),
    /// Runs the role that takes webhooks.
    ///
    /// It needs Kafka and no database. `drumbeat topics` comes before it.
    Ingest,
    /// Runs the role that applies events to the store.
    ///
    /// It needs Kafka and PostgreSQL. `drumbeat migrate` and `drumbeat topics` come before it.
    Enrollment,
    /// Runs the role that sends due touches to the CRM.
    ///
    /// It needs Kafka and PostgreSQL. `drumbeat migrate` and `drumbeat topics` come before it.
    Dispatcher,
    /// Shows the main job on this machine in half a minute, and exits.
    ///
    /// It works in drumbeat-data/demo under the current folder, wipes what an earlier demo left there, and has a configuration of its own:
    /// --config and --set do not apply.
    Demo(DemoArgs),
    /// Asks the process that runs with this configuration whether it is ready.
    ///
    /// It asks the port of `admin.listen`. Exit codes: 0 yes, 1 no, 3 nobody answers.
    Health(HealthArgs),
    /// Checks or shows the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Brings the store's schema up to date.
    ///
    /// Run it before the roles of a new version start; twice does no harm. An embedded store needs it never.
    Migrate,
    /// Creates the topics that are missing, and shows them.
    ///
    /// Run it once, and again when `bus.topics` or `bus.retention` changed. An embedded log needs it never.
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
    ///
    /// For editors with the YAML language server: `drumbeat schema > drumbeat.schema.json`, and in the first line of a file
    /// `# yaml-language-server: $schema=drumbeat.schema.json`.
    Schema(SchemaArgs),
    /// Says why a contact is, or is not, where they are.
    ///
    /// What stops them, what they entered or were refused, each step and why it moved, as it was recorded at the time.
    Explain(ExplainArgs),
    /// Lists and works tasks.
    #[command(subcommand)]
    Tasks(TasksCommand),
    /// Enters contacts into a cadence by hand.
    ///
    /// One, or many from a CSV file such as
    ///
    ///   email,first_name,country
    ///   ada@example.com,Ada,US
    Enroll(EnrollArgs),
    /// Pauses an enrollment, a contact, a cadence, an owner, a connector or a workspace.
    ///
    /// All sending of the deployment stops with `drumbeat dispatch hold`.
    Pause(PauseArgs),
    /// Lifts a pause.
    Resume(ResumeArgs),
    /// Takes an enrollment, or all live ones of a contact, out of the cadence, back to manual handling.
    Remove(RemoveArgs),
    /// Stops a person, on one channel or all, also before any contact exists.
    Suppress(SuppressArgs),
    /// Notes that a person agreed to be contacted again: what `suppress` or an opt-out stopped may be sent.
    Resubscribe(ResubscribeArgs),
    /// Deliveries that could not be translated.
    #[command(subcommand)]
    Quarantine(AsideCommand),
    /// Events that could not be processed.
    #[command(subcommand)]
    Deadletter(AsideCommand),
    /// Sends a failed or unknown touch again.
    ///
    /// An unknown one keeps its idempotency key, a definitely failed one gets a new one.
    Redrive(RedriveArgs),
    /// Holds or releases all sending.
    #[command(subcommand)]
    Dispatch(DispatchCommand),
    /// Follows what is decided, as it happens.
    Tail(TailArgs),
    /// Measures this machine, or compares two measurements.
    Bench(BenchArgs),
    /// Prints the completion script of a shell.
    ///
    /// For bash: `source <(drumbeat completions bash)`, in ~/.bashrc for good.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}
