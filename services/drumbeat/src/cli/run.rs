//! Running, configuring, measuring.

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
pub(crate) struct BenchArgs {
    /// What to measure; absent: all.
    #[arg(value_enum)]
    pub(crate) what: Vec<BenchPart>,
    /// Measures on PostgreSQL and Kafka too: an administrator's URL; databases are made there and dropped.
    #[arg(long, value_name = "URL", env = "DRUMBEAT_BENCH_POSTGRES")]
    pub(crate) postgres: Option<String>,
    /// The broker that goes with --postgres; topics `drumbeat-bench-…` remain on it.
    #[arg(long, value_name = "HOST:PORT", env = "DRUMBEAT_BENCH_KAFKA")]
    pub(crate) kafka: Option<String>,
    /// How long each measurement runs, in seconds.
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    pub(crate) seconds: u64,
    /// How many touches are scheduled in the future when due ones are dispatched a second time; 0: not measured.
    #[arg(long, default_value_t = 100_000, value_name = "TOUCHES")]
    pub(crate) future: usize,
}

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchPart {
    /// Signed webhooks to durable acknowledgement.
    Ingest,
    /// Mixed events to effects in the store.
    Enrollment,
    /// Due touches, the whole cycle.
    Dispatch,
    /// Webhook answered to request at the CRM.
    Latency,
}
