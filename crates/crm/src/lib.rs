//! Connectors: how a task reaches a CRM, and what the CRM's answers mean.
//!
//! One folder a connector. A connector renders a request once, sends the same bytes on every attempt, and sorts each
//! answer into "done", "certainly not done" or "nobody knows". It never retries by itself, never waits, never decides
//! whether a touch may go: that is the dispatcher's part. All HTTP goes through the guarded client of `egress`.

pub mod rest;
