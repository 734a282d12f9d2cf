//! The store's schema, for PostgreSQL and SQLite, as numbered migrations that are compiled in.
//!
//! Ids between tables are `bigint`; moments are microseconds since 1970 (UTC), as `bigint` too, so that both databases
//! compare them alike. There are no foreign keys: the one lock order of the store would be broken by the locks that they
//! take. No index names a column that changes often, so that rows are updated in place. Every table and unique key
//! carries the workspace where the thing belongs to one.
//!
//! This crate never reads or writes rows of the business, and never runs by itself: the store calls it.

mod dialect;
mod m0001_begin;
mod m0002_sending;
mod m0003_keeping;
mod migrator;
mod run;

pub use migrator::Migrator;
pub use run::{MigrateError, Migrated, Standing, migrate, names, standing};
