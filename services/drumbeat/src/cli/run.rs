//! Running, configuring, measuring.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `up`
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Loads example cadences, plays a short story through the real webhooks on a fast clock, then stays up.
    #[arg(long)]
    pub(crate) demo: bool,
}

/// `demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {}

/// `health`
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Only whether it lives: a process that waits for its database lives, and is not ready.
    #[arg(long)]
    pub(crate) alive: bool,
    /// Asks again for at most this many seconds, until the answer is yes.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) wait: u64,
}

/// `config`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Validates everything, without opening a port or calling anyone.
    Check,
    /// Prints each key with its value and where it comes from; secrets stay hidden.
    Show,
}

/// `topics`
#[derive(Debug, Args)]
pub(crate) struct TopicsArgs {
    /// Only shows what there is.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `offsets`
#[derive(Debug, Subcommand)]
pub(crate) enum OffsetsCommand {
    /// Each partition: what the log holds, what is stored, and how far behind it is.
    List,
    /// Decides where a stopped partition goes on.
    ///
    /// A partition stops rather than skip anything, when the log does not hold what comes next or is another log than it
    /// was. `begin` reads all that is there (what is known already changes nothing), `end` gives up what lies between.
    Set {
        /// The topic, without prefix and version: events, quarantine or deadletter.
        topic: String,
        /// The partition, from 0.
        partition: i32,
        /// The next offset to read, or `begin` or `end`.
        offset: String,
    },
}

/// `bench`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) command: Option<BenchCommand>,
    /// What to measure; absent: all.
    #[arg(value_enum, value_name = "PART")]
    pub(crate) what: Vec<BenchPart>,
    /// Measures on PostgreSQL and Kafka too: an administrator's URL; databases are made there and dropped.
    #[arg(long, value_name = "URL", env = "DRUMBEAT_BENCH_POSTGRES")]
    pub(crate) postgres: Option<String>,
    /// The broker that goes with --postgres; topics `drumbeat-bench-…` remain on it.
    #[arg(long, value_name = "HOST:PORT", env = "DRUMBEAT_BENCH_KAFKA")]
    pub(crate) kafka: Option<String>,
    /// Measures on one set of adapters alone.
    #[arg(long, value_enum, value_name = "SET")]
    pub(crate) on: Option<BenchSet>,
    /// How long each measurement runs, in seconds; absent: 5.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
    /// The most touches that are scheduled in the future while due ones are dispatched, in steps up to it; 0: none.
    /// Absent: 1,000,000.
    #[arg(long, value_name = "TOUCHES")]
    pub(crate) future: Option<usize>,
    /// One second a measurement, 10,000 touches in the future, few repetitions: whether it works, not how fast.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measures everything this often: the figures are the medians, and how far they lie apart is known.
    #[arg(long, value_name = "TIMES", default_value_t = 1)]
    pub(crate) repeat: usize,
    /// Prints one JSON document, as `--output json` does.
    #[arg(long)]
    pub(crate) json: bool,
    /// Writes the JSON document to a file too, for `bench compare`.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// The commit that was built, for the record.
    #[arg(long, value_name = "COMMIT")]
    pub(crate) commit: Option<String>,
}

/// `bench …`
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Shows two runs side by side, and fails when a figure of the second is worse than noise and tolerance allow.
    Compare(CompareArgs),
}

/// `bench compare`
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// What `bench --save FILE` or `bench --json` wrote, before.
    pub(crate) before: PathBuf,
    /// The same, after.
    pub(crate) after: PathBuf,
    /// How much worse a figure may become, as a share.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub(crate) tolerance: f64,
    /// Prints one JSON document, as `--output json` does.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A set of adapters that the bench measures on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchSet {
    /// SQLite and the embedded log.
    Embedded,
    /// PostgreSQL and Kafka.
    Servers,
}

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchPart {
    /// Rules and decisions alone, without a store.
    Domain,
    /// Signed webhooks to durable acknowledgement.
    Ingest,
    /// Mixed events to effects in the store.
    Enrollment,
    /// Due touches: the whole cycle, taking and completing alone, over HTTP, with many more in the future.
    Dispatch,
    /// Webhook answered to request at the CRM, and reply answered to stopped, idle and at half load.
    Latency,
    /// A worker killed to its touches sent again.
    Recovery,
    /// A process's start to its readiness.
    Startup,
    /// Memory of each role, idle and loaded.
    Memory,
    /// Bytes on disk for each live enrollment.
    Space,
}
