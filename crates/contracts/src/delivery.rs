//! What was answered to webhook requests.

use std::time::Duration;

use bytes::Bytes;
use domain::id::{SourceName, Workspace};
use domain::touch::Note;
use jiff::Timestamp;

use crate::error::{DecodeError, read, read_enum, require};
use crate::message::{Published, Wire, decode, encode, id_of, source_of};
use crate::{note, timestamp, wire};

/// What was answered to one webhook request. Holds no body, header or address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// To whom the source belongs.
    pub workspace: Workspace,
    /// The configured source to which it was posted.
    pub source: SourceName,
    /// When it came.
    pub at: Timestamp,
    /// How it was judged.
    pub verdict: Verdict,
    /// The HTTP status that was answered.
    pub status: u16,
    /// Why, where it was not simply accepted.
    pub reason: Option<Note>,
    /// How many events were made of it.
    pub accepted: u32,
    /// How many items went to quarantine.
    pub quarantined: u32,
    /// Bytes of the body that were read.
    pub size: u64,
    /// From the first byte to the answer, kept in microseconds.
    pub took: Duration,
    /// For how many deliveries of the same verdict this one stands, itself counted.
    pub sampled_of: u32,
}

/// How a delivery was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Accepted: every item is an event.
    Accepted,
    /// Accepted: one item or more went to quarantine.
    Quarantined,
    /// Refused: bad or missing signature, or outside of the replay window.
    Unverified,
    /// Refused: not what the provider sends.
    Malformed,
    /// Refused: the body is too big.
    TooLarge,
    /// Refused: too many requests of this source.
    RateLimited,
    /// Refused: the log cannot take it now.
    Unavailable,
    /// A handshake or test of the provider, answered and otherwise ignored.
    Handshake,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Quarantined,
        Self::Unverified,
        Self::Malformed,
        Self::TooLarge,
        Self::RateLimited,
        Self::Unavailable,
        Self::Handshake,
    ];

    /// Its name in tables and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Quarantined => "quarantined",
            Self::Unverified => "unverified",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Handshake => "handshake",
        }
    }

    fn to_wire(self) -> wire::Verdict {
        match self {
            Self::Accepted => wire::Verdict::Accepted,
            Self::Quarantined => wire::Verdict::Quarantined,
            Self::Unverified => wire::Verdict::Unverified,
            Self::Malformed => wire::Verdict::Malformed,
            Self::TooLarge => wire::Verdict::TooLarge,
            Self::RateLimited => wire::Verdict::RateLimited,
            Self::Unavailable => wire::Verdict::Unavailable,
            Self::Handshake => wire::Verdict::Handshake,
        }
    }

    fn from_wire(verdict: wire::Verdict) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.to_wire() == verdict)
    }
}

impl Wire for Delivery {
    fn to_bytes(&self) -> Bytes {
        encode(&wire::Delivery {
            workspace: self.workspace.as_str().to_owned(),
            source: self.source.as_str().to_owned(),
            at: Some(timestamp::to_wire(self.at)),
            verdict: self.verdict.to_wire().into(),
            status: self.status.into(),
            reason: self.reason.as_ref().map(note::to_wire),
            accepted: self.accepted,
            quarantined: self.quarantined,
            size: self.size,
            duration_micros: u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
            sampled_of: self.sampled_of,
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: wire::Delivery = decode(bytes)?;
        let verdict = read_enum("verdict", message.verdict, Verdict::from_wire)?;
        Ok(Self {
            workspace: read("workspace", Workspace::try_from(message.workspace))?,
            source: read("source", SourceName::try_from(message.source))?,
            at: timestamp::from_wire("at", message.at)?,
            verdict: require("verdict", verdict)?,
            status: read("status", u16::try_from(message.status))?,
            reason: message.reason.map(|reason| note::from_wire("reason", Some(reason))).transpose()?,
            accepted: message.accepted,
            quarantined: message.quarantined,
            size: message.size,
            took: Duration::from_micros(message.duration_micros),
            sampled_of: message.sampled_of,
        })
    }
}

impl Published for Delivery {
    fn key(&self) -> Vec<u8> {
        self.source.as_str().as_bytes().to_vec()
    }

    fn ce_id(&self, payload: &Bytes) -> String {
        id_of(payload)
    }

    fn ce_source(&self) -> String {
        source_of(&self.workspace, &self.source)
    }

    fn ce_type(&self) -> String {
        "drumbeat.delivery_judged.v1".to_owned()
    }

    fn ce_time(&self) -> Timestamp {
        self.at
    }
}
