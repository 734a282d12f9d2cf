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

/// Due touches to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// Of this lane.
    pub lane: Lane,
    /// Of these workspaces.
    pub workspaces: Vec<Workspace>,
    /// In these shards.
    pub shards: Vec<Shard>,
    /// At most so many of each workspace.
    pub each: usize,
}

/// A due touch, read without a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    /// The touch.
    pub touch: TouchId,
    /// To whom it belongs.
    pub workspace: Workspace,
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
    /// How often it was tried and failed; having been told to wait is no failure.
    pub tries: u32,
    /// Since when it fails, wall time; of one that never failed, since when it is to be done.
    pub since: Timestamp,
}

/// Commands to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// Of this connector.
    pub connector: ConnectorName,
    /// At most so many: what is taken is begun at once.
    pub limit: usize,
    /// How long nobody else gets them: longer than the longest request.
    pub lease: std::time::Duration,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandResult {
    /// Done, or not needed.
    Done,
    /// It failed: try again at the time given (wall clock).
    Again(Timestamp, String),
    /// The CRM asks to wait until the time given (wall clock), or is away: no failure, and not counted as a try.
    Wait(Timestamp, String),
    /// Given up, with the reason.
    GivenUp(String),
}

/// Touches of a lane that are held for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTouches {
    /// Why.
    pub reason: HeldReason,
    /// Which.
    pub lane: Lane,
    /// How many.
    pub touches: u64,
}

/// What the dispatcher asks of the store.
#[async_trait]
pub trait Dispatch: Send + Sync {
    /// Due touches, oldest first. Each workspace is looked at apart: one with many that are due hides no other's. Reads
    /// only.
    async fn pick(&self, pick: &Pick) -> StoreResult<Vec<Picked>>;

    /// When the next touch of a connector is due (business time); for sleeping.
    async fn next_due(&self, connector: &ConnectorName) -> StoreResult<Option<Timestamp>>;

    /// What the domain needs to judge and render these touches: contacts, accounts, identities, enrollments, touches. Reads only.
    async fn view(&self, touches: &[TouchId], catalog: Arc<Catalog>) -> StoreResult<World>;

    /// Marks touches as sending, in one transaction: the linearisation point with every stop.
    async fn mark(&self, worker: WorkerId, requests: Vec<MarkRequest>) -> StoreResult<Vec<Marked>>;

    /// Takes over attempts in flight of workers without a heartbeat row, and those older than `limit`.
    async fn take_over(&self, older_than: std::time::Duration) -> StoreResult<Vec<TakenOver>>;

    /// Releases held touches whose reason is gone, at most `slice`; says how many. `known` are the connectors configured
    /// here.
    async fn release(&self, known: &[ConnectorName], slice: usize) -> StoreResult<usize>;

    /// Holds due touches of connectors that are not among `known`, at most `slice`, until one of this name is configured
    /// again; says how many.
    async fn hold_strays(&self, known: &[ConnectorName], slice: usize) -> StoreResult<usize>;

    /// How many touches are held, by reason and lane.
    async fn held(&self) -> StoreResult<Vec<HeldTouches>>;

    /// Lanes that hold touches which are not held.
    async fn lanes(&self) -> StoreResult<Vec<Lane>>;
}

/// Commands for the dispatcher.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Takes a connector's commands that are due, oldest first; a withdraw waits until its touch is settled.
    async fn due_commands(&self, take: Take) -> StoreResult<Vec<Command>>;

    /// Notes on the commands of connectors that are not among `known` that they wait for theirs, and gives up those that
    /// have waited for longer than `patience`; at most `slice` of each. Says how many were noted or given up.
    async fn stray_commands(&self, known: &[ConnectorName], stray: Stray) -> StoreResult<usize>;

    /// Writes how commands ended.
    async fn finish_commands(&self, results: Vec<(i64, CommandResult)>) -> StoreResult<()>;

    /// Has the commands of a touch that were given up carried out once more, at once and with all their tries; says how many.
    async fn command_again(&self, workspace: &Workspace, touch: TouchKey) -> StoreResult<usize>;
}

/// See [`Commands::stray_commands`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stray {
    /// How long a command waits for its connector to be configured again.
    pub patience: std::time::Duration,
    /// How many at once.
    pub slice: usize,
}

/// Which dispatchers live.
#[async_trait]
pub trait Workers: Send + Sync {
    /// Announces a worker, and at each later call that it lives. `false`: its row was gone; take a new id.
    async fn beat(&self, worker: WorkerId) -> StoreResult<Alive>;

    /// Removes rows of workers silent for 5 s. Only for a caller whose own heart has beaten unbroken that long.
    async fn reap(&self, caller: WorkerId) -> StoreResult<usize>;

    /// The worker's place among those that live; `None`: it has no row.
    async fn place(&self, worker: WorkerId) -> StoreResult<Option<Place>>;

    /// Takes the row away at a clean stop.
    async fn leave(&self, worker: WorkerId) -> StoreResult<()>;
}

/// A worker's place among those that live: shards and rates are shared out by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number, from 0.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl Place {
    /// Its place where only the first `sharers` have a share; `None`: it is not among them.
    #[must_use]
    pub fn among(self, sharers: usize) -> Option<Self> {
        (self.number < sharers).then(|| Self { number: self.number, of: self.of.min(sharers) })
    }

    /// Its shards.
    #[must_use]
    pub fn shards(self) -> Vec<Shard> {
        Shard::all().filter(|shard| usize::from(shard.0) % self.of.max(1) == self.number).collect()
    }

    /// Its part of a whole; the parts of all workers add up to the whole exactly.
    #[must_use]
    pub fn part(self, whole: usize) -> usize {
        let of = self.of.max(1);
        whole / of + usize::from(self.number < whole % of)
    }
}

/// A part of a connector's rate to draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// Of this connector.
    pub connector: ConnectorName,
    /// For whom: one id for as long as the process runs.
    pub holder: Uuid,
    /// How many requests a period it would like to start.
    pub wanted: usize,
    /// How many it has started within the last period.
    pub used: usize,
    /// How many may be started a period, by all together.
    pub limit: usize,
    /// The period.
    pub per: std::time::Duration,
    /// For how long the part is needed, unless it is drawn again before.
    pub lease: std::time::Duration,
}

/// The rates of connectors, shared out by a row for each: what all holders together may start never exceeds the limit,
/// whoever comes, goes or dies.
#[async_trait]
pub trait Permits: Send + Sync {
    /// Draws a part in place of the one held so far: how many requests may be started a period, those that were started
    /// within the last one counted. The holder starts nothing while it asks, and nothing after an error or the lease.
    async fn draw(&self, draw: Draw) -> StoreResult<usize>;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_share_out_everything_exactly() {
        for of in 1..=40 {
            let places: Vec<Place> = (0..of).map(|number| Place { number, of }).collect();
            let mut shards: Vec<u8> =
                places.iter().flat_map(|place| place.shards()).map(|shard| shard.0).collect();
            shards.sort_unstable();
            assert!(shards.into_iter().eq(0..Shard::COUNT), "{of}");
            for whole in [1, 2, 10, 100] {
                let sharers = places.iter().filter_map(|place| place.among(whole));
                assert!(sharers.clone().all(|place| place.part(whole) > 0), "{whole} among {of}");
                assert_eq!(
                    sharers.map(|place| place.part(whole)).sum::<usize>(),
                    whole,
                    "{whole} among {of}"
                );
            }
        }
    }
}
