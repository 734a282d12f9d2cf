//! Dead letters.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::event::Event;
use domain::id::{Digest, Workspace};
use domain::touch::Note;
use jiff::Timestamp;

use crate::error::{DecodeError, read};
use crate::message::{Published, Wire, decode, encode};
use crate::{note, timestamp, wire};

/// A record whose processing failed for good, as it stood in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// To whom it belongs; `None` where not even that could be read.
    pub workspace: Option<Workspace>,
    /// Its payload: an event, or what could not be read as one.
    pub payload: Bytes,
    /// Its key.
    pub key: Vec<u8>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Why it failed.
    pub error: Note,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub failed_at: Timestamp,
    /// In which topic it stood, without prefix and version: `events`, `redeliver`, …
    pub topic: String,
    /// In which partition it stood.
    pub partition: i32,
    /// At which offset it stood.
    pub offset: i64,
}

impl DeadLetter {
    /// The event in it.
    ///
    /// # Errors
    /// When its payload never was one, which may be what it died of.
    pub fn event(&self) -> Result<Event, DecodeError> {
        Event::from_bytes(&self.payload)
    }
}

impl Wire for DeadLetter {
    fn to_bytes(&self) -> Bytes {
        encode(&wire::DeadLetter {
            payload: self.payload.clone(),
            key: self.key.clone().into(),
            headers: self.headers.clone(),
            error: Some(note::to_wire(&self.error)),
            attempts: self.attempts,
            failed_at: Some(timestamp::to_wire(self.failed_at)),
            topic: self.topic.clone(),
            partition: self.partition,
            offset: self.offset,
            workspace: self.workspace.as_ref().map(|workspace| workspace.as_str().to_owned()),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: wire::DeadLetter = decode(bytes)?;
        Ok(Self {
            workspace: read("workspace", message.workspace.map(Workspace::try_from).transpose())?,
            payload: message.payload,
            key: message.key.into(),
            headers: message.headers,
            error: note::from_wire("error", message.error)?,
            attempts: message.attempts,
            failed_at: timestamp::from_wire("failed_at", message.failed_at)?,
            topic: message.topic,
            partition: message.partition,
            offset: message.offset,
        })
    }
}

impl Published for DeadLetter {
    /// As the record that it was.
    fn key(&self) -> Vec<u8> {
        self.key.clone()
    }

    /// Of the place where it stood: a record dies once.
    fn ce_id(&self, _payload: &Bytes) -> String {
        let place = [self.topic.as_bytes(), &self.partition.to_be_bytes(), &self.offset.to_be_bytes()];
        Digest::of(&place).to_hex()
    }

    fn ce_source(&self) -> String {
        self.workspace.as_ref().map_or_else(|| "/".to_owned(), |workspace| format!("/{workspace}/engine"))
    }

    fn ce_type(&self) -> String {
        "drumbeat.event_dead.v1".to_owned()
    }

    fn ce_time(&self) -> Timestamp {
        self.failed_at
    }
}
