//! Ingest over real sockets, with a bus that records.

mod attacks;
mod bad_input;
mod examples;
mod good_input;
mod life;
mod limits;
mod redeliveries;
mod support;
