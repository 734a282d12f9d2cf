//! Where a process listens.

use std::net::SocketAddr;

use serde::Deserialize as _;
use serde::Deserializer;
use serde::de::Error as _;

/// Reads an address and a port.
pub(crate) fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!(
            "{text:?} is no IP address with a port (names are not looked up, ports end at 65535); write one such as \"127.0.0.1:8080\""
        ))
    })
}
