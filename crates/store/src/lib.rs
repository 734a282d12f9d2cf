//! The store: every port of `ports` that keeps something, on PostgreSQL and on SQLite.
//!
//! One set of statements serves both: a set of rows reaches PostgreSQL as arrays (`unnest`) and SQLite as one JSON text
//! (`json_each`), so the number of statements never depends on how many rows there are. Every transaction locks in one
//! order: epoch (advisory), dedupe (inserted sorted), identities (those of accounts last), accounts, contacts, enrollments,
//! touches, timers, budgets, commands, offset; it locks first, then reads, then writes. SQLite needs no locks: one task
//! writes, in groups that share a COMMIT.
//!
//! - [`Store`]: connects, migrates, and implements the ports.
//! - `unit`: load, decide, commit. `dispatch`: pick, view, mark, take over, hold, release.
//! - `sql`: statements for both databases. `session`: transactions, retries, the group commit.
//! - `tables`: rows of the domain as columns. `entity`: sea-orm's entities, for what is read and written seldom.
//!
//! This crate never decides anything of the business, never talks to a CRM or a bus, and puts no personal data into
//! errors or logs.

mod asides;
mod budgets;
mod commands;
mod config;
mod content;
mod dispatch;
mod entity;
mod erasure;
mod error;
mod flags;
mod housekeeping;
mod ids;
mod naming;
mod offsets;
mod outbox;
mod parcels;
mod permits;
mod queries;
mod retention;
mod session;
mod sql;
mod store;
mod survey;
mod tables;
mod unit;
mod units;
mod wake;
mod workers;

pub use config::StoreConfig;
pub use migration::{Migrated, Standing};
pub use store::Store;
pub use wake::Wakeups;
