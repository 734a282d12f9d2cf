//! The narrow traits between services and adapters, and their errors.
//!
//! A service sees the outside world only through these: the bus, the store, the CRM, the clock. Nothing here names an
//! rdkafka, sea-orm, reqwest or actix type, and nothing here exists for tests only. Errors say what the caller should
//! do; absence is `Option`.

pub mod bus;
pub mod clock;
pub mod connector;
pub mod content;
pub mod dispatch;
mod error;
pub mod queries;
pub mod relay;
pub mod survey;
pub mod unit;
pub mod wake;

pub use error::{StoreError, StoreResult};
