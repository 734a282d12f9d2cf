//! The dispatcher: picks due touches, marks them, sends them to the CRM, and settles what became of them.
//!
//! It decides nothing by itself: whether a touch may go is judged by `domain`, and the store's marking transaction is
//! where it meets every stop. No lock and no transaction is held while the CRM is called. Picking claims nothing, so a
//! dispatcher that dies leaves only its attempts in flight behind, which another takes over.

mod backoff;
mod clock;
mod commands;
mod gate;
mod inbox;
mod lanes;
mod line;
mod outage;
mod pace;
mod send;
mod service;
mod settle;
mod upkeep;
mod verdict;
mod work;

pub use inbox::Inbox;
pub use service::{Connection, Deps, Observer, Sending, Settings, run};
