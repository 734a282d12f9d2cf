use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::values::Period;

/// `[dispatch]`: sending touches to CRMs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dispatch {
    /// false: nothing is sent, and nothing is lost; due touches wait.
    pub enabled: bool,
    /// How often due touches are looked for when nothing woke the dispatcher.
    pub poll: Period,
    /// The most requests in flight of each dispatcher to a connector that sets no `rate.concurrency`.
    pub concurrency: NonZeroU32,
    /// Time for name resolution, TCP and TLS of a request, for a connector that sets none.
    pub connect_timeout: Period,
    /// Time for a whole request, for a connector that sets none.
    pub timeout: Period,
}
