use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::values::ByteSize;

/// `[ingest]`: the public door for webhooks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ingest {
    /// Address and port of `POST /hooks/{source}`.
    #[serde(deserialize_with = "crate::config::values::listen")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// The largest body taken from a source that sets no limit of its own.
    pub max_body: ByteSize,
}
