//! Takes webhooks: verifies, translates, makes them durable on the bus, and only then answers 2xx.
//!
//! - [`Config`] compiles the deployment's sources; [`Ingest`] binds the port and serves until shutdown.
//! - One request goes through `accept`: body, source, rate, media, decoding, translation, publishing, answer, in the
//!   order that docs/sources.md promises.
//! - Beside requests it translates quarantined deliveries again (`redeliver`) and tells the console, sampled, what it
//!   answered (`deliveries`).
//!
//! It has no database and keeps nothing: what it answered with 2xx is on the bus, and everything else the sender still
//! has. It never logs a body, a header's value, an address or a secret.

mod accept;
mod answer;
mod body;
mod config;
mod deliveries;
mod door;
mod handshake;
mod messages;
mod rate;
mod readiness;
mod redeliver;
mod server;

pub use config::{Config, SourceProblem};
pub use door::{Door, Rate};
pub use server::{Deps, Error, Ingest, run};
