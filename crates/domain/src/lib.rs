//! The business of Drumbeat, pure: what a cadence is, what an event does to an enrollment, when a touch is due.
//!
//! Nothing here is async, does I/O, reads a clock or draws a random number: time and ids come in as values, decisions
//! go out as values. The same functions therefore serve live traffic, tests and simulation. CEL lives only in [`expr`],
//! MiniJinja only in [`template`].

pub mod account;
pub mod attributes;
pub mod budget;
pub mod cadence;
pub mod catalog;
pub mod contact;
pub mod decide;
pub mod decision;
pub mod enrollment;
pub mod event;
pub mod expr;
pub mod id;
pub mod identity;
pub mod input;
pub mod suppression;
pub mod template;
pub mod time;
pub mod touch;
pub mod world;
