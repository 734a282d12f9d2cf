//! What the engine tells the world.

use bytes::Bytes;
use domain::decision::Outcome;
use domain::id::{ContactId, EnrollmentUid, EventId, Workspace};
use jiff::Timestamp;
use uuid::Uuid;

use crate::decision;
use crate::error::{DecodeError, read, read_16, require};
use crate::message::{Published, Wire, decode, encode, id_of};
use crate::{timestamp, wire};

impl Wire for Outcome {
    fn to_bytes(&self) -> Bytes {
        encode(&wire::Outcome {
            workspace: self.workspace.as_str().to_owned(),
            key: self.key.clone(),
            at: Some(timestamp::to_wire(self.at)),
            what: Some(decision::to_wire(&self.what)),
            contact: self.contact.map(|contact| contact.0),
            enrollment: self.enrollment.map(|enrollment| enrollment.0.as_bytes().to_vec()),
            event: self.event.as_ref().map(|event| event.as_str().to_owned()),
            trace: self.trace.clone(),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: wire::Outcome = decode(bytes)?;
        let enrollment = message.enrollment.map(|bytes| read_16("enrollment", &bytes)).transpose()?;
        Ok(Self {
            workspace: read("workspace", Workspace::try_from(message.workspace))?,
            key: message.key,
            at: timestamp::from_wire("at", message.at)?,
            what: decision::from_wire(require("what", message.what)?)
                .map_err(|problem| problem.within("what"))?,
            contact: message.contact.map(ContactId),
            enrollment: enrollment.map(|bytes| EnrollmentUid(Uuid::from_bytes(bytes))),
            event: read("event", message.event.map(EventId::try_from).transpose())?,
            trace: message.trace,
        })
    }
}

impl Published for Outcome {
    fn key(&self) -> Vec<u8> {
        format!("{}:{}", self.workspace, self.key).into_bytes()
    }

    fn ce_id(&self, payload: &Bytes) -> String {
        id_of(payload)
    }

    fn ce_source(&self) -> String {
        format!("/{}/engine", self.workspace)
    }

    fn ce_type(&self) -> String {
        format!("drumbeat.outcome_{}.v1", decision::name(&self.what))
    }

    fn ce_time(&self) -> Timestamp {
        self.at
    }
}
