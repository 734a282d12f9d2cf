//! What went wrong, and what that means for the request.

use std::time::Duration;

use crate::address::Reserved;

/// What became of a request that did not end in a [`crate::Response`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not one byte of it left: it may be sent again freely.
    NotSent,
    /// It may have been carried out: repeat it only with an idempotency key, or look first.
    Unknown,
    /// The other side answered with this status, and only the body of its answer was lost.
    Answered(u16),
}

/// A request that ended without a readable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The URL cannot be called; its configuration has to change.
    #[error("the URL cannot be called: {why}")]
    InvalidUrl {
        /// What is wrong with it. Never the URL itself, which may hold a secret.
        why: String,
    },
    /// A header is not one; its configuration has to change.
    #[error("header {name:?} cannot be sent: it is not a legal header")]
    InvalidHeader {
        /// The header's name, as given.
        name: String,
    },
    /// The address may not be reached; set `allow_private` for a machine on a private network.
    #[error("refused to call {host}: it is {range}")]
    Refused {
        /// The host of the URL.
        host: String,
        /// The range its address lies in.
        range: Reserved,
    },
    /// No connection came about (name, TCP, TLS): try later.
    #[error("no connection: {why}")]
    Connect {
        /// What the network said.
        why: String,
    },
    /// The time was up after the request may have left.
    #[error("no complete answer within {} ms", after.as_millis())]
    TimedOut {
        /// The time that was allowed.
        after: Duration,
        /// The status, when the answer had begun.
        status: Option<u16>,
    },
    /// The connection broke after the request may have left.
    #[error("the exchange was cut off: {why}")]
    Interrupted {
        /// What the network said.
        why: String,
        /// The status, when the answer had begun.
        status: Option<u16>,
    },
    /// The answer's body is larger than the policy reads.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The status of the answer.
        status: u16,
        /// The largest body read, in bytes.
        limit: usize,
    },
}

impl Error {
    /// What became of the request. In doubt the answer is [`Outcome::Unknown`].
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::InvalidUrl { .. }
            | Self::InvalidHeader { .. }
            | Self::Refused { .. }
            | Self::Connect { .. } => Outcome::NotSent,
            Self::TimedOut { status, .. } | Self::Interrupted { status, .. } => {
                status.map_or(Outcome::Unknown, Outcome::Answered)
            }
            Self::TooLarge { status, .. } => Outcome::Answered(*status),
        }
    }

    /// A short word for logs and metric labels.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidUrl { .. } => "invalid_url",
            Self::InvalidHeader { .. } => "invalid_header",
            Self::Refused { .. } => "refused",
            Self::Connect { .. } => "connect",
            Self::TimedOut { .. } => "timed_out",
            Self::Interrupted { .. } => "interrupted",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

/// A client that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// TLS cannot be set up.
    #[error("tls cannot be set up: {0}")]
    Tls(String),
    /// The policy cannot be kept, for example a user agent that is not a legal header.
    #[error("the http client cannot be built: {0}")]
    Client(String),
}
