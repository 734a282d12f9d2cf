//! Quarantined deliveries.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::id::{Digest, EventId, SourceName, Workspace};
use domain::touch::Note;
use jiff::Timestamp;

use crate::error::{DecodeError, read, read_16};
use crate::message::{Published, Wire, decode, encode, source_of};
use crate::{note, timestamp, wire};

/// A verified delivery, or one item of it, that could not be translated.
///
/// Whoever makes one has struck secrets (tokens, session ids, signatures) out of body and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Names it; made like an event's digest, so that a delivery repeated is the same one.
    pub digest: Digest,
    /// The id under which the item was answered to the sender.
    pub id: EventId,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// The configured source to which it was posted.
    pub source: SourceName,
    /// The provider by whose rules it was verified.
    pub provider: String,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// Why it was not translated.
    pub reason: Note,
    /// The body as it was sent.
    pub body: Bytes,
    /// Its content type; empty where none was named.
    pub content_type: String,
    /// Headers that a translation may need, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Which item of the body, from 0; `None`: the whole body.
    pub item: Option<u32>,
}

impl Quarantined {
    pub(crate) fn to_wire(&self) -> wire::Quarantined {
        wire::Quarantined {
            digest: self.digest.0.to_vec(),
            workspace: self.workspace.as_str().to_owned(),
            source: self.source.as_str().to_owned(),
            provider: self.provider.clone(),
            received_at: Some(timestamp::to_wire(self.received_at)),
            reason: Some(note::to_wire(&self.reason)),
            body: self.body.clone(),
            content_type: self.content_type.clone(),
            headers: self.headers.clone(),
            item: self.item,
            id: self.id.as_str().to_owned(),
        }
    }

    pub(crate) fn from_wire(message: wire::Quarantined) -> Result<Self, DecodeError> {
        Ok(Self {
            digest: Digest(read_16("digest", &message.digest)?),
            id: read("id", EventId::try_from(message.id))?,
            workspace: read("workspace", Workspace::try_from(message.workspace))?,
            source: read("source", SourceName::try_from(message.source))?,
            provider: message.provider,
            received_at: timestamp::from_wire("received_at", message.received_at)?,
            reason: note::from_wire("reason", message.reason)?,
            body: message.body,
            content_type: message.content_type,
            headers: message.headers,
            item: message.item,
        })
    }
}

impl Wire for Quarantined {
    fn to_bytes(&self) -> Bytes {
        encode(&self.to_wire())
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::from_wire(decode(bytes)?)
    }
}

impl Published for Quarantined {
    fn key(&self) -> Vec<u8> {
        self.source.as_str().as_bytes().to_vec()
    }

    fn ce_id(&self, _payload: &Bytes) -> String {
        self.digest.to_hex()
    }

    fn ce_source(&self) -> String {
        source_of(&self.workspace, &self.source)
    }

    fn ce_type(&self) -> String {
        "drumbeat.delivery_quarantined.v1".to_owned()
    }

    fn ce_time(&self) -> Timestamp {
        self.received_at
    }
}
