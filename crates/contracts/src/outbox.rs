//! What waits in the outbox.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::decision::Outcome;

use crate::error::DecodeError;
use crate::message::{Encoded, Published as _, Wire, decode, encode, headers_of};
use crate::wire::{self, waiting::Message};

/// Messages that wait in one row, in the order in which they are to be relayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel(pub Vec<Waiting>);

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// An encoded [`Outcome`]; the rest follows from it.
    Outcome(Bytes),
    /// Any other message.
    Written {
        /// The topic's name.
        topic: String,
        /// What is published.
        message: Encoded,
    },
    /// It was taken out; its place stays.
    Gone,
}

/// Key, headers and payload of an encoded outcome.
///
/// # Errors
/// When the bytes are no outcome.
pub fn outcome_message(payload: &Bytes) -> Result<Encoded, DecodeError> {
    let outcome = Outcome::from_bytes(payload)?;
    let headers = headers_of(&outcome, payload, outcome.trace.as_deref());
    Ok(Encoded { key: outcome.key(), headers, payload: payload.clone() })
}

impl Wire for Parcel {
    fn to_bytes(&self) -> Bytes {
        let message = |waiting: &Waiting| match waiting {
            Waiting::Outcome(payload) => Some(Message::Outcome(payload.clone())),
            Waiting::Written { topic, message } => Some(Message::Written(wire::waiting::Written {
                topic: topic.clone(),
                key: message.key.clone(),
                headers: message.headers.clone(),
                payload: message.payload.clone(),
            })),
            Waiting::Gone => None,
        };
        let messages = self.0.iter().map(|waiting| wire::Waiting { message: message(waiting) });
        encode(&wire::Parcel { messages: messages.collect() })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let parcel: wire::Parcel = decode(bytes)?;
        let waiting = |waiting: wire::Waiting| match waiting.message {
            Some(Message::Outcome(payload)) => Waiting::Outcome(payload),
            Some(Message::Written(written)) => Waiting::Written {
                topic: written.topic,
                message: Encoded {
                    key: written.key,
                    headers: BTreeMap::from_iter(written.headers),
                    payload: written.payload,
                },
            },
            None => Waiting::Gone,
        };
        Ok(Self(parcel.messages.into_iter().map(waiting).collect()))
    }
}
