//! What a client may do, and for how long.

use std::time::Duration;

/// Whether addresses of private networks may be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllowPrivate {
    /// Only addresses of the public internet.
    #[default]
    No,
    /// Private networks and this machine too, for a CRM that lives beside us. Cloud metadata services,
    /// link-local, multicast and unspecified addresses stay refused.
    Yes,
}

/// The bounds of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether private addresses may be reached.
    pub allow_private: AllowPrivate,
    /// Time for name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Time for the whole exchange, body included. A request may ask for less, never for more.
    pub total_timeout: Duration,
    /// The largest answer body read, in bytes.
    pub max_body: usize,
    /// The `User-Agent` header.
    pub user_agent: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow_private: AllowPrivate::No,
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(30),
            max_body: 1024 * 1024,
            user_agent: concat!("drumbeat/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
