//! One source as it is served.

use std::num::NonZeroU32;
use std::time::Duration;

/// A source with its limits.
#[derive(Debug, Clone)]
pub struct Door {
    /// How it is verified and translated.
    pub source: webhooks::Source,
    /// The largest body taken, in bytes.
    pub max_body: usize,
    /// How many requests are taken; none: any number.
    pub rate: Option<Rate>,
}

/// So many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests per period.
    pub requests: NonZeroU32,
    /// The period, longer than nothing.
    pub per: Duration,
    /// Requests that may come at once after a quiet time.
    pub burst: NonZeroU32,
}
