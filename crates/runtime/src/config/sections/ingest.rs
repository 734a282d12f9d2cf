use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::values::ByteSize;
use crate::config::values::Tolerance;

/// `[ingest]`: the public door for webhooks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ingest {
    /// Address and port of `POST /hooks/{source}`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// The largest body taken from a source that sets no limit of its own.
    pub max_body: ByteSize,
    /// The replay window of a source that sets none of its own: how far a signed timestamp may be from now,
    /// or "off".
    pub tolerance: Tolerance,
}
