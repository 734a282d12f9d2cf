//! How much waits, for metrics.

use async_trait::async_trait;
use jiff::Timestamp;

/// What waits in a store. Counting ends somewhere, so that asking stays cheap when much has piled up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages in the outbox, at most [`Waiting::MOST_MESSAGES`].
    pub outbox: u64,
    /// Quarantined deliveries that nobody drove again, at most [`Waiting::MOST_ASIDE`].
    pub quarantine: u64,
    /// Dead letters that nobody drove again, at most as many.
    pub dead_letters: u64,
    /// Touches that are due and not held, at most [`Waiting::MOST_DUE`] of a lane and shard.
    pub due: u64,
    /// When the oldest of these fell due (business time).
    pub oldest_due: Option<Timestamp>,
}

impl Waiting {
    /// Where counting messages ends.
    pub const MOST_MESSAGES: i64 = 100_000;
    /// Where counting what was set aside ends.
    pub const MOST_ASIDE: i64 = 10_000;
    /// Where counting due touches ends, in each lane and shard.
    pub const MOST_DUE: i64 = 1_000;
}

/// Tells how much waits.
#[async_trait]
pub trait Survey: Send + Sync {
    /// What waits now, over all workspaces. Reads only.
    async fn waiting(&self) -> crate::StoreResult<Waiting>;
}
