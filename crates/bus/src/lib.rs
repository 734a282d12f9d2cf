//! The log between ingest and the rest, behind the ports of `ports::bus`: Apache Kafka, or a durable log in a file.
//!
//! - [`KafkaBus`]: idempotent producers that wait for all in-sync replicas, and a cooperative consumer that starts each
//!   partition where the store says.
//! - [`EmbeddedLog`]: the same contract in a SQLite file of its own, for one machine: nothing to install, each publish
//!   fsynced before it is answered, many of them under one fsync.
//!
//! Both are at least once: what was answered with an error may have been appended nevertheless, and a record may be read
//! again. Consumers keep their positions in the store, in the transaction of their effects.
//!
//! This crate never decides where to read from (`ports::bus::start_at` does), never resets a position, and never looks
//! into a payload. `rdkafka` and `rusqlite` stay inside of it.

mod decisions;
mod embedded;
mod in_flight;
mod kafka;
mod partitioner;
mod retention;
mod size;

use decisions::JUDGE_EVERY;
pub use embedded::{EmbeddedConfig, EmbeddedLog};
pub use kafka::{KafkaBus, KafkaConfig, TopicLayout};
pub use retention::Retention;
pub use size::{DEFAULT_MAX_MESSAGE_BYTES, OVERHEAD_BYTES};
