use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

/// `[console]`: the internal API and web interface.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// Address and port of the console; keep it off the internet.
    #[serde(deserialize_with = "crate::config::values::listen")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
}
