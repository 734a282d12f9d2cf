//! Whether a request comes from whom it claims: over the raw bytes, in constant time, with any of several secrets.

mod candidates;
mod keys;
mod settings;
mod signature;
mod signed;
mod standard;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;

use jiff::{SignedDuration, Timestamp};

pub(crate) use candidates::BASE64;
pub(crate) use settings::{Defaults, compile};

use crate::request::Request;
use signature::Signature;
use standard::StandardWebhooks;
use token::Token;

/// A secret or public key of a source, as configured.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Keeps a secret; none when it is blank: an empty HMAC key makes a valid HMAC.
    #[must_use]
    pub fn new(secret: impl Into<Vec<u8>>) -> Option<Self> {
        let secret = secret.into();
        (!secret.trim_ascii().is_empty()).then_some(Self(secret))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As text without surrounding space, for keys in base64, hex or PEM.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok().map(str::trim)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How far a signed timestamp may be from our clock, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// Any time is accepted.
    Off,
    /// Within this much, the end included.
    Within(SignedDuration),
}

impl Tolerance {
    fn check(self, sent_at: Timestamp, now: Timestamp) -> Result<(), VerifyError> {
        match self {
            Self::Within(limit) if now.duration_since(sent_at).abs() > limit => {
                Err(VerifyError::OutsideWindow)
            }
            Self::Within(_) | Self::Off => Ok(()),
        }
    }
}

/// What an authentic request's headers say, as far as the signature covers them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// The sender's id of the message, the same on every attempt.
    pub message_id: Option<String>,
    /// When the sender signed.
    pub sent_at: Option<Timestamp>,
}

/// Why a request is not taken for authentic. All of them answer 401; the difference is for metrics and logs alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// What should prove it is not there.
    #[error("the request carries no proof of its sender")]
    Missing,
    /// The proof is wrong.
    #[error("the proof of the sender does not match")]
    Mismatch,
    /// The signed time is no time.
    #[error("the signed time cannot be read")]
    BadTimestamp,
    /// The proof is right, but too old or too new.
    #[error("the signed time is outside of the replay window")]
    OutsideWindow,
}

impl VerifyError {
    /// Its name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Mismatch => "mismatch",
            Self::BadTimestamp => "bad_timestamp",
            Self::OutsideWindow => "outside_window",
        }
    }
}

/// How requests of one source prove where they come from.
#[derive(Debug, Clone)]
pub struct Verifier(Scheme);

#[derive(Debug, Clone)]
pub(crate) enum Scheme {
    /// Nothing is checked: someone wrote `allow_unsigned = true`.
    Unsigned,
    Token(Token),
    Signature(Signature),
    Standard(StandardWebhooks),
}

impl Verifier {
    pub(crate) fn new(scheme: Scheme) -> Self {
        Self(scheme)
    }

    /// Accepts everything.
    pub(crate) fn unsigned() -> Self {
        Self(Scheme::Unsigned)
    }

    /// Checks a request; `url` is the address that the sender called, for schemes that sign it.
    ///
    /// # Errors
    /// When the proof is missing, wrong or outside of the replay window.
    pub fn check(&self, request: &Request<'_>, url: Option<&str>) -> Result<Verified, VerifyError> {
        match &self.0 {
            Scheme::Unsigned => Ok(Verified::default()),
            Scheme::Token(token) => token.check(request),
            Scheme::Signature(signature) => signature.check(request, url.unwrap_or_default()),
            Scheme::Standard(standard) => standard.check(request),
        }
    }

    /// Whether nothing is checked.
    #[must_use]
    pub fn is_unsigned(&self) -> bool {
        matches!(self.0, Scheme::Unsigned)
    }

    /// Whether the sender's address is signed, so that it must be configured.
    #[must_use]
    pub fn needs_url(&self) -> bool {
        matches!(&self.0, Scheme::Signature(signature) if signature.signed.has_url())
    }

    /// Where in the body a secret lies, to be redacted.
    pub(crate) fn secret_in_body(&self) -> Option<&crate::pointer::Pointer> {
        match &self.0 {
            Scheme::Token(token) => token.in_body(),
            _ => None,
        }
    }
}
