//! The outbox, and what consumers of our own topics keep of them.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use domain::id::{Shard, Workspace};
use jiff::Timestamp;

use crate::bus::Message;
use crate::error::StoreResult;

/// A message of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number: the order within a shard.
    pub id: i64,
    /// What to publish.
    pub message: Message,
}

/// What is to be relayed next, by shard.
pub type Heads = BTreeMap<Shard, StoreResult<Vec<OutboxRow>>>;

/// The outbox: written by units, relayed under a lease per shard, deleted after the acknowledgement.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes or keeps leases on shards for `owner`, at most `want` of them, for `length`; gives the ones held.
    async fn lease(&self, owner: uuid::Uuid, want: usize, length: Duration) -> StoreResult<Vec<Shard>>;

    /// Of those of these shards that hold messages: the oldest ones, in order, at most `limit` of each. What cannot be read of
    /// one shard is an error of its own.
    async fn heads(&self, shards: &[Shard], limit: usize) -> StoreResult<Heads>;

    /// Takes away messages that were acknowledged: with the ones before them in their shards, if those are still there.
    async fn acknowledged(&self, rows: &[i64]) -> StoreResult<()>;

    /// Appends messages outside of a unit: dead letters.
    async fn append(&self, messages: Vec<Message>) -> StoreResult<()>;
}

/// Something that was set aside: a quarantined delivery or a dead letter.
#[derive(Debug, Clone, PartialEq)]
pub struct SetAside {
    /// Its row; 0 for a new one.
    pub id: i64,
    /// Which list.
    pub list: AsideList,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// Its source.
    pub source: String,
    /// A machine-readable reason.
    pub code: String,
    /// The reason in words.
    pub text: String,
    /// When (wall clock).
    pub at: Timestamp,
    /// The encoded quarantine or dead-letter message.
    pub payload: Vec<u8>,
    /// Where in the log, for showing each once: `topic/partition/offset`.
    pub place: String,
    /// When it was re-driven.
    pub redriven_at: Option<Timestamp>,
}

/// A list of things set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsideList {
    /// Deliveries that could not be translated.
    Quarantine,
    /// Events that could not be processed.
    DeadLetter,
}

/// The projected lists of things set aside.
#[async_trait]
pub trait Asides: Send + Sync {
    /// Adds rows and moves the partition's offset, in one transaction; a place that is known is left as it is.
    async fn project(&self, rows: Vec<SetAside>, advance: Option<crate::unit::Advance>) -> StoreResult<()>;

    /// The newest rows of a list, before a row id, in a workspace.
    async fn list(
        &self,
        list: AsideList,
        workspace: &Workspace,
        before: Option<i64>,
        limit: usize,
    ) -> StoreResult<Vec<SetAside>>;

    /// One row.
    async fn find(&self, list: AsideList, workspace: &Workspace, id: i64) -> StoreResult<Option<SetAside>>;

    /// Notes that rows were re-driven.
    async fn redriven(&self, list: AsideList, ids: &[i64]) -> StoreResult<()>;
}
