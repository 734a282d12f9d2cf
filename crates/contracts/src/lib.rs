//! The contract on the wire: generated protobuf, the CloudEvents headers and keys of the log, and the conversions between
//! wire and domain. Store, outbox and bus share this one encoding.
//!
//! The schema is `proto/drumbeat/event/v1`; [`wire`] is generated from it and committed, and a test holds the two together
//! (`UPDATE=1 cargo test -p contracts --test generated` writes it anew). Nothing outside of this crate sees `prost`.
//!
//! - [`Wire`]: a value that has bytes. Encoding never fails; decoding names the field that is wrong.
//! - [`Published`]: a value that also has a place in the log: key, headers, payload, as one [`Encoded`].
//!
//! This crate never sends, stores or decides anything, and puts no personal data into headers or keys: they end up in the
//! logs and metrics of brokers.

mod deadletter;
mod decision;
mod delivery;
mod enrollment;
mod enums;
mod error;
mod event;
mod message;
mod note;
mod outbox;
mod outcome;
mod quarantine;
mod redeliver;
mod subject;
mod timestamp;
mod value;
pub mod wire;

pub use deadletter::DeadLetter;
pub use delivery::{Delivery, Verdict};
pub use error::DecodeError;
pub use event::{event_message, headers};
pub use message::{Encoded, Published, Wire};
pub use outbox::{Parcel, Waiting, outcome_message};
pub use quarantine::Quarantined;
pub use redeliver::Redelivery;
