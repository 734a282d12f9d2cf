//! Budgets: what a touch's first mark reserves so that caps hold across all cadences.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Counts one touch against a limit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reservation {
    /// The budget's row: `{workspace}/contact/{id}/{channel or *}/{period}` and the like.
    pub key: String,
    /// How many fit; `None`: only counted, for the cadences that limit it.
    pub max: Option<u32>,
    /// Only uses after this moment (business time) count.
    pub counted_since: Timestamp,
    /// When the row may be forgotten (business time).
    pub forget_after: Timestamp,
}
