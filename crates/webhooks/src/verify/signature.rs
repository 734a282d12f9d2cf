//! A signature in a header, over a template: the HMAC family, ed25519 and ECDSA.

use jiff::Timestamp;

use super::candidates::{Encoding, MOST, parts};
use super::keys::Keys;
use super::signed::{Parts, Signed};
use super::{Tolerance, Verified, VerifyError};
use crate::request::Request;

/// How one source signs.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) header: String,
    pub(crate) encoding: Encoding,
    pub(crate) prefix: String,
    pub(crate) separator: Option<char>,
    pub(crate) signed: Signed,
    pub(crate) keys: Keys,
    pub(crate) timestamp: Option<TimestampRule>,
    pub(crate) id_header: Option<String>,
}

/// Where the signed time is.
#[derive(Debug, Clone)]
pub(crate) struct TimestampRule {
    pub(crate) header: String,
    /// The part of the header's list that it is, such as `t=`.
    pub(crate) prefix: String,
    pub(crate) unit: Unit,
    pub(crate) tolerance: Tolerance,
}

/// What a signed time counts since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
}

impl Signature {
    pub(crate) fn check(&self, request: &Request<'_>, url: &str) -> Result<Verified, VerifyError> {
        let header = request.headers.get(&self.header).ok_or(VerifyError::Missing)?;
        let signatures: Vec<Vec<u8>> = parts(header, self.separator, &self.prefix)
            .take(MOST)
            .filter_map(|part| self.encoding.decode(part))
            .collect();
        let time = match &self.timestamp {
            None => "",
            Some(rule) => self.time(rule, request).ok_or(VerifyError::Missing)?,
        };
        let id = match &self.id_header {
            None => "",
            Some(name) => {
                request.headers.get(name).filter(|id| !id.is_empty()).ok_or(VerifyError::Missing)?
            }
        };
        if !self.keys.match_any(&signatures, &self.signed, request, Parts { id, time, url }) {
            return Err(VerifyError::Mismatch);
        }
        let mut verified = Verified::default();
        if let Some(rule) = &self.timestamp {
            let sent_at = rule.unit.read(time).ok_or(VerifyError::BadTimestamp)?;
            rule.tolerance.check(sent_at, request.received_at)?;
            verified.sent_at = Some(sent_at);
        }
        // An id that is not signed could be changed at will, and each copy would count as a new message.
        if self.signed.has_id() {
            verified.message_id = Some(id.to_owned());
        }
        Ok(verified)
    }

    fn time<'r>(&'r self, rule: &'r TimestampRule, request: &Request<'r>) -> Option<&'r str> {
        let value = request.headers.get(&rule.header)?;
        if rule.prefix.is_empty() {
            return Some(value);
        }
        parts(value, self.separator, &rule.prefix).next()
    }
}

impl Unit {
    /// A time of plain digits; no sign, fraction or space.
    pub(crate) fn read(self, text: &str) -> Option<Timestamp> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: i64 = text.parse().ok()?;
        match self {
            Self::Seconds => Timestamp::from_second(number).ok(),
            Self::Milliseconds => Timestamp::from_millisecond(number).ok(),
        }
    }
}
