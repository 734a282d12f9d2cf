//! Metrics for Prometheus.
//!
//! What there is, with its unit, labels and help text, stands in [`definitions`], which also makes
//! docs/metrics.md. Services hold a [`Metrics`] and call its methods; nobody else names a metric.
//!
//! Labels are bounded: outcomes and reasons are words of the code, sources and connectors come from the
//! configuration, and cadences, which users make, are folded into `other` after the first thousand.

pub mod definitions;
mod labels;
mod recorder;

#[cfg(test)]
mod tests;

pub use recorder::ConnectorState;
pub use recorder::Metrics;
