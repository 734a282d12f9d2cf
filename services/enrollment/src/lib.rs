//! Enrollment: applies events and timers to the store, relays the outbox, and keeps what was set aside in view.
//!
//! All business is in `domain`, each transaction in the store's unit. This crate moves records between the bus and the
//! store and knows the wire format. Offsets live in the store: a batch and its offset commit together or not at all.

mod consume;
mod decode;
#[cfg(test)]
mod fakes;
mod housekeeping;
mod project;
mod relay;
mod restored;
mod service;
mod timers;
mod traces;

pub use restored::hold_if_restored;
pub use service::{Deps, Observer, Settings, run};
