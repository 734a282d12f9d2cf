use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

/// `[admin]`: health, readiness and metrics, served by every role.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Address and port of `/healthz`, `/readyz` and `/metrics`; port 0 takes a free one.
    #[serde(deserialize_with = "crate::config::values::listen")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
}
