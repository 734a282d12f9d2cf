//! What every process of Drumbeat shares around its business: configuration, logs and traces, metrics, start
//! and shutdown, health, and the form of HTTP errors.
//!
//! It knows nothing of cadences, stores or buses and depends on no other crate of the project. It opens one
//! port, the admin one ([`health`]); it is the only place that reads the environment, handles signals and
//! spawns tasks.

pub mod config;
pub mod health;
pub mod lifecycle;
pub mod metrics;
pub mod problem;
pub mod telemetry;

#[cfg(test)]
mod testing;
