//! The unit: load, decide, commit, in one transaction.

use std::sync::Arc;

use async_trait::async_trait;
use domain::catalog::Catalog;
use domain::id::ConnectorName;
use domain::input::{EventInput, Input, TimerInput};
use domain::time::BusinessClock;
use domain::touch::TimerKind;
use domain::world::World;
use jiff::Timestamp;

use crate::bus::{Message, Position, StoredOffset, Topic};
use crate::error::StoreResult;

/// Inputs to fold in one transaction, in order.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    /// What happened.
    pub inputs: Vec<Input>,
    /// The offsets to move on in the same transaction, all or none: of each partition that the inputs are from, once.
    pub advances: Vec<Advance>,
    /// Messages for the outbox beside those of the fold: dead letters, written with the offset that passes them.
    pub letters: Vec<Message>,
}

/// A compare-and-set of a partition's stored offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The log.
    pub cluster: String,
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// The next offset as it is stored now; `None`: no row yet.
    pub from: Option<i64>,
    /// The next offset afterwards, and the id of the record before it.
    pub to: StoredOffset,
}

/// The pure part of a unit. Called inside of the transaction; must not block, and may be called again after a retry.
pub trait Fold: Send + Sync + 'static {
    /// The content under which this fold decides; the store puts it into the world.
    fn catalog(&self) -> Arc<Catalog>;

    /// What an event needs locked beside its own contact.
    fn reach(&self, event: &EventInput) -> Reach;

    /// Folds the admitted inputs, one by one and in order, into the world.
    fn fold(&self, world: &mut World, inputs: &[Admitted]) -> Result<(), FoldError>;
}

/// What an event needs locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The contact that it is about.
    Contact,
    /// All contacts of its account with live enrollments: a live rule looks at them.
    Account,
}

/// An input after the dedupe.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The input.
    pub input: Input,
    /// Whether it is new.
    pub standing: Standing,
}

/// Whether an input is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// To be folded.
    Fresh,
    /// An event whose digest is known: only counted.
    Duplicate,
    /// An event received before the dedupe horizon: ignored as late unless of the stop class or re-driven.
    BeforeHorizon,
}

/// A fold's failure.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FoldError {
    /// More rows were made than ids were reserved: the store reserves more and folds again.
    #[error("more row ids are needed")]
    OutOfIds,
    /// An input cannot be folded (it panicked or contradicts the store): the caller bisects.
    #[error("an input cannot be folded: {0}")]
    Input(String),
}

/// What a unit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitReport {
    /// Inputs folded as fresh.
    pub fresh: usize,
    /// Events that were known.
    pub duplicates: usize,
    /// Touches that were scheduled to go now or soon, by wall time: wake the dispatcher.
    pub touches_scheduled: usize,
    /// Enrollments made.
    pub enrolled: usize,
    /// Enrollments that ended.
    pub ended: usize,
    /// Commands queued for the dispatcher.
    pub commands_queued: usize,
    /// When each event that stopped enrollments was received (wall clock).
    pub stopped_by: Vec<Timestamp>,
    /// Touches whose requests had left just before their stop, by where they went.
    pub crossed: Vec<ConnectorName>,
}

/// Runs units.
#[async_trait]
pub trait Units: Send + Sync {
    /// Runs one unit: dedupes, locks the closure, reads it, folds, writes, moves the offsets, commits.
    ///
    /// # Errors
    /// `Conflict` when one of the offsets' compare-and-sets failed (discard the inputs, load the stored offsets and go on
    /// from there); `Contended` when what the inputs touch kept growing or a serialization failure persisted (halve);
    /// `Rejected` when the data or the fold is at fault, `Damaged` when a row that the inputs touch is (bisect);
    /// `Unavailable` otherwise. Nothing is written on any error.
    async fn run(&self, unit: Unit, fold: Arc<dyn Fold>) -> StoreResult<UnitReport>;

    /// Timers of every kind but touches that are due, without locking them, at most `limit`.
    async fn due_timers(&self, limit: usize) -> StoreResult<Vec<TimerInput>>;

    /// When the next such timer is due (business time).
    async fn next_timer(&self, kinds: &[TimerKind]) -> StoreResult<Option<Timestamp>>;

    /// The store's now: business time.
    async fn now(&self) -> StoreResult<Timestamp>;

    /// How wall time maps to business time; the identity on PostgreSQL.
    fn business(&self) -> BusinessClock;
}

/// Offsets, for consumers and the command line.
#[async_trait]
pub trait Offsets: Send + Sync {
    /// The stored offset of a partition.
    async fn stored(&self, cluster: &str, topic: Topic, partition: i32) -> StoreResult<Option<StoredOffset>>;

    /// All stored offsets: cluster, topic, partition, offset.
    async fn all(&self) -> StoreResult<Vec<(String, Topic, i32, StoredOffset)>>;

    /// Sets an offset by hand.
    async fn set(&self, cluster: &str, at: Position) -> StoreResult<()>;
}

/// Keeps tables of passing things small, in slices.
#[async_trait]
pub trait Housekeeping: Send + Sync {
    /// Removes what erased people left in other tables, then about `slice` expired rows of each kind: digests, events,
    /// decisions, answered commands, what was set aside, used budgets, and what ended enrollments left behind. Says how
    /// many went; as many as a slice: call again soon.
    async fn expire(&self, slice: usize) -> StoreResult<usize>;

    /// Whether each secret of the configuration is known to the store, and none is missing that it hashed with.
    ///
    /// # Errors
    /// `Inconsistent` for an unknown key: it would void every suppression.
    async fn check_keys(&self) -> StoreResult<()>;
}
