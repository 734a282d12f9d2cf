//! Quarantined deliveries on their way back to ingest.

use bytes::Bytes;
use jiff::Timestamp;

use crate::error::{DecodeError, require};
use crate::message::{Published, Wire, decode, encode, id_of};
use crate::quarantine::Quarantined;
use crate::{timestamp, wire};

/// A quarantined delivery that is to be translated again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redelivery {
    /// What was kept of it; its `received_at` stays that of the first delivery.
    pub quarantined: Quarantined,
    /// When that was asked for.
    pub requested_at: Timestamp,
    /// Who asked, through the API or the command line.
    pub actor: Option<String>,
}

impl Wire for Redelivery {
    fn to_bytes(&self) -> Bytes {
        encode(&wire::Redelivery {
            quarantined: Some(self.quarantined.to_wire()),
            requested_at: Some(timestamp::to_wire(self.requested_at)),
            actor: self.actor.clone(),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: wire::Redelivery = decode(bytes)?;
        let quarantined = require("quarantined", message.quarantined)?;
        Ok(Self {
            quarantined: Quarantined::from_wire(quarantined)
                .map_err(|problem| problem.within("quarantined"))?,
            requested_at: timestamp::from_wire("requested_at", message.requested_at)?,
            actor: message.actor,
        })
    }
}

impl Published for Redelivery {
    fn key(&self) -> Vec<u8> {
        self.quarantined.key()
    }

    fn ce_id(&self, payload: &Bytes) -> String {
        id_of(payload)
    }

    fn ce_source(&self) -> String {
        self.quarantined.ce_source()
    }

    fn ce_type(&self) -> String {
        "drumbeat.delivery_redriven.v1".to_owned()
    }

    fn ce_time(&self) -> Timestamp {
        self.requested_at
    }
}
