//! Name resolution that hands out only addresses that may be reached.
//!
//! The addresses returned here are the ones the connector dials, so what was judged is what is called: a name
//! that answers differently a moment later (DNS rebinding) gains nothing.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::Addrs;
use reqwest::dns::Name;
use reqwest::dns::Resolve;
use reqwest::dns::Resolving;

use crate::address;
use crate::address::Reserved;
use crate::policy::AllowPrivate;

/// The future of a look-up.
pub(crate) type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Where names are looked up.
pub(crate) trait Lookup: Send + Sync {
    fn lookup(&self, host: String) -> Looking;
}

/// The operating system's resolver.
pub(crate) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> Looking {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
    }
}

/// A look-up whose every address was forbidden.
#[derive(Debug, thiserror::Error)]
#[error("{host} resolves to {range}")]
pub(crate) struct Forbidden {
    pub(crate) host: String,
    pub(crate) range: Reserved,
}

/// A look-up that found no address at all.
#[derive(Debug, thiserror::Error)]
#[error("{host} has no address")]
struct Nothing {
    host: String,
}

/// The resolver given to the HTTP client.
pub(crate) struct GuardedResolver {
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) allow_private: AllowPrivate,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let looking = self.lookup.lookup(host.clone());
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = looking.await?;
            let mut forbidden = None;
            let mut permitted = Vec::with_capacity(found.len());
            for address in found {
                match address::check(address.ip(), allow_private) {
                    Ok(()) => permitted.push(address),
                    Err(range) => forbidden = forbidden.or(Some(range)),
                }
            }
            if permitted.is_empty() {
                return Err(match forbidden {
                    Some(range) => Forbidden { host, range }.into(),
                    None => Nothing { host }.into(),
                });
            }
            let addresses: Addrs = Box::new(permitted.into_iter());
            Ok(addresses)
        })
    }
}
