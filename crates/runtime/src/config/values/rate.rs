//! Rates.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Period;

/// So many requests in so much time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests per period, at least 1.
    pub requests: NonZeroU32,
    /// The period, for example "1s".
    pub per: Period,
    /// Requests that may come at once after a quiet time; absent: as many as `requests`.
    pub burst: Option<NonZeroU32>,
}
