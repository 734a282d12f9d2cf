//! What the dispatcher asks of the store: pick, mark, take over, and the commands.

use async_trait::async_trait;
use bytes::Bytes;
pub use domain::budget::Reservation;
use domain::catalog::Catalog;
use domain::decision::CommandAction;
use domain::id::{ConnectorName, OwnerName, Shard, TouchId, TouchKey, Workspace};
use domain::touch::{Channel, HeldReason, Lane};
use domain::world::World;
use jiff::Timestamp;
use std::sync::Arc;
use uuid::Uuid;

use crate::error::StoreResult;

/// A process start of a dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerId(pub Uuid);

/// A due touch, read without a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    /// The touch.
    pub touch: TouchId,
    /// Its fence as read.
    pub fence: i32,
    /// When it was due (business time).
    pub due_at: Timestamp,
    /// Its shard: not picked again before its mark has committed.
    pub shard: Shard,
    /// Whether it repeats an unknown or retried attempt, whose bytes are stored.
    pub attempt: i32,
}

/// A touch to mark.
#[derive(Debug, Clone)]
pub struct MarkRequest {
    /// The touch.
    pub touch: TouchId,
    /// The picked fence.
    pub fence: i32,
    /// Its flags' keys: workspace, cadence, owner, connector.
    pub flags: FlagKeys,
    /// The request as rendered; a repeat uses the stored bytes of the first attempt instead.
    pub body: Bytes,
    /// Reserved by the first mark only.
    pub reservations: Vec<Reservation>,
}

/// The flags that can stop a touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagKeys {
    /// To whom it belongs.
    pub workspace: Workspace,
    /// Its cadence.
    pub cadence: domain::id::CadenceName,
    /// Its owner.
    pub owner: Option<OwnerName>,
    /// Its connector.
    pub connector: ConnectorName,
}

/// What came of a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    /// Committed as `sending`: send now, these bytes, as this attempt.
    Yes {
        /// The attempt's number.
        attempt: i32,
        /// The bytes to send: those of the first attempt.
        body: Bytes,
        /// When the first attempt was marked (wall clock): transient errors are tried for 24 h from here.
        since: Timestamp,
        /// When the COMMIT was about to be sent (monotonic, of the process's [`crate::clock::Clock`]): the request must
        /// start soon after.
        committing_at: std::time::Duration,
    },
    /// Overtaken: the fence, state or enrollment changed, or someone else has it.
    Lost,
    /// A flag stops it; it is held.
    Held(HeldReason),
    /// A budget is full.
    Full {
        /// Which.
        key: String,
        /// The uses in it that count (business time), oldest first.
        uses: Vec<Timestamp>,
    },
}

/// A touch taken over from a worker that is gone or hung: its attempt is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The touch.
    pub touch: TouchId,
    /// Its attempt.
    pub attempt: i32,
    /// Where it was going: what may be done about an unknown outcome is the connector's matter.
    pub connector: ConnectorName,
}

/// A command to carry out.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Its row.
    pub id: i64,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// Where.
    pub connector: ConnectorName,
    /// About which touch.
    pub touch: TouchId,
    /// Its key.
    pub key: TouchKey,
    /// The CRM's id of the task, if known.
    pub remote_id: Option<String>,
    /// Its channel.
    pub channel: Channel,
    /// What.
    pub action: CommandAction,
    /// How often it was tried.
    pub tries: u32,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandResult {
    /// Done, or not needed.
    Done,
    /// Try again at the time given (wall clock).
    Again(Timestamp, String),
    /// Given up, with the reason.
    GivenUp(String),
}

/// What the dispatcher asks of the store.
#[async_trait]
pub trait Dispatch: Send + Sync {
    /// Due touches of a lane in the shards given, at most `per_shard` of each, oldest first. Reads only.
    async fn pick(&self, lane: &Lane, shards: &[Shard], per_shard: usize) -> StoreResult<Vec<Picked>>;

    /// When the next touch of the lanes is due (business time); for sleeping.
    async fn next_due(&self) -> StoreResult<Option<Timestamp>>;

    /// What the domain needs to judge and render these touches: contacts, accounts, identities, enrollments, touches. Reads only.
    async fn view(&self, touches: &[TouchId], catalog: Arc<Catalog>) -> StoreResult<World>;

    /// Marks touches as sending, in one transaction: the linearisation point with every stop.
    async fn mark(&self, worker: WorkerId, requests: Vec<MarkRequest>) -> StoreResult<Vec<Marked>>;

    /// Takes over attempts in flight of workers without a heartbeat row, and those older than `limit`.
    async fn take_over(&self, older_than: std::time::Duration) -> StoreResult<Vec<TakenOver>>;

    /// Releases held touches whose reason is gone, at most `slice`; says how many.
    async fn release(&self, slice: usize) -> StoreResult<usize>;

    /// Lanes that hold touches which are not held.
    async fn lanes(&self) -> StoreResult<Vec<Lane>>;
}

/// Commands for the dispatcher.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Commands that are due, not locked by another; a withdraw waits until its touch is settled.
    async fn due_commands(&self, worker: WorkerId, limit: usize) -> StoreResult<Vec<Command>>;

    /// Writes how commands ended.
    async fn finish_commands(&self, results: Vec<(i64, CommandResult)>) -> StoreResult<()>;
}

/// Which dispatchers live.
#[async_trait]
pub trait Workers: Send + Sync {
    /// Announces a worker, and at each later call that it lives. `false`: its row was gone; take a new id.
    async fn beat(&self, worker: WorkerId) -> StoreResult<Alive>;

    /// Removes rows of workers silent for 5 s. Only for a caller whose own heart has beaten unbroken that long.
    async fn reap(&self, caller: WorkerId) -> StoreResult<usize>;

    /// The shards that are the worker's, shared out among those that live.
    async fn shards(&self, worker: WorkerId) -> StoreResult<Vec<Shard>>;

    /// Takes the row away at a clean stop.
    async fn leave(&self, worker: WorkerId) -> StoreResult<()>;
}

/// See [`Workers::beat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alive {
    /// The row is there.
    Yes,
    /// The row was gone: the worker was taken for dead.
    Forgotten,
}

/// What can be stopped by a flag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// All sending of the deployment.
    All,
    /// A workspace.
    Workspace(Workspace),
    /// A cadence.
    Cadence(Workspace, domain::id::CadenceName),
    /// An owner's touches.
    Owner(Workspace, OwnerName),
    /// A connector.
    Connector(ConnectorName),
}

/// Whether a flag stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagState {
    /// It stops.
    Stopped,
    /// It does not.
    Clear,
}

/// Flags: changed only under the exclusive epoch lock, in a short transaction.
#[async_trait]
pub trait Flags: Send + Sync {
    /// Sets a flag, with who did it and why.
    async fn set_flag(&self, flag: Flag, state: FlagState, actor: &str) -> StoreResult<()>;

    /// All flags that stop.
    async fn stopped(&self) -> StoreResult<Vec<Flag>>;
}
