//! The guarded HTTP client: every request that Drumbeat itself makes to an address somebody configured leaves
//! through here, and it is the only crate that uses `reqwest`.
//!
//! It keeps three promises:
//!
//! * **It reaches only what it may.** Every address, written in the URL or found by name, is judged before a
//!   socket is
//!   opened ([`address`]); the addresses that passed are the ones connected to, so a name cannot change its mind in
//!   between. Redirects are not followed, proxies from the environment are not used.
//! * **It ends.** Connecting, the whole exchange and the size of the answer are bounded by the [`Policy`].
//! * **It says what happened.** [`Error::outcome`] tells a request that surely never left from one that may
//!   have been
//!   carried out, and in doubt says "may have been".
//!
//! It repeats a request only where the transport proves that the first try was not looked at (a pooled
//! connection found closed, an HTTP/2 refusal). It never parses a body, never logs a path, a query, a header
//! or a body, and knows nothing of CRMs.

pub mod address;
mod client;
mod error;
mod guard;
mod message;
mod policy;
mod resolver;
mod tls;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the servers of the tests run on threads of their own")]
mod tests;

pub use client::Egress;
pub use error::BuildError;
pub use error::Error;
pub use error::Outcome;
pub use message::Headers;
pub use message::Method;
pub use message::Request;
pub use message::Response;
pub use policy::AllowPrivate;
pub use policy::Policy;
