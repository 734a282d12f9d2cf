//! What every message has: bytes, and a place in the log.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::id::{Digest, SourceName, Workspace};
use jiff::Timestamp;

use crate::error::DecodeError;

/// A value with one encoding, in the log and in the store alike.
pub trait Wire: Sized {
    /// Its bytes. The same value always has the same ones.
    fn to_bytes(&self) -> Bytes;

    /// Reads it back.
    ///
    /// # Errors
    /// When the bytes are no such message, or a field is missing or unknown: it says which.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError>;
}

/// A message ready for the log; callers add the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Chooses the partition.
    pub key: Vec<u8>,
    /// CloudEvents attributes and the trace.
    pub headers: BTreeMap<String, String>,
    /// The protobuf message.
    pub payload: Bytes,
}

/// A value that is published: CloudEvents 1.0 in the binary mode of the Kafka protocol binding.
///
/// `ce_id` is made of digests and `ce_subject` is left out, since headers may hold no personal data and a provider's own
/// id of an item may well be an address.
pub trait Published: Wire {
    /// Chooses the partition.
    fn key(&self) -> Vec<u8>;

    /// `ce_id`: the same for the same thing, however often it is published.
    fn ce_id(&self, payload: &Bytes) -> String;

    /// `ce_source`, a URI reference.
    fn ce_source(&self) -> String;

    /// `ce_type`.
    fn ce_type(&self) -> String;

    /// `ce_time`.
    fn ce_time(&self) -> Timestamp;

    /// Key, headers and payload. A `traceparent` that is not one of W3C Trace Context is left out.
    fn message(&self, traceparent: Option<&str>) -> Encoded {
        let payload = self.to_bytes();
        Encoded { key: self.key(), headers: headers_of(self, &payload, traceparent), payload }
    }
}

/// The content type of every payload.
const CONTENT_TYPE: &str = "application/protobuf";

pub(crate) fn headers_of<M: Published>(
    message: &M,
    payload: &Bytes,
    traceparent: Option<&str>,
) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::from([
        ("ce_specversion".to_owned(), "1.0".to_owned()),
        ("ce_id".to_owned(), message.ce_id(payload)),
        ("ce_source".to_owned(), message.ce_source()),
        ("ce_type".to_owned(), message.ce_type()),
        ("ce_time".to_owned(), message.ce_time().to_string()),
        ("content-type".to_owned(), CONTENT_TYPE.to_owned()),
    ]);
    if let Some(trace) = traceparent.filter(|trace| is_traceparent(trace)) {
        headers.insert("traceparent".to_owned(), trace.to_owned());
    }
    headers
}

/// Whether it has the form `00-{32 hex}-{16 hex}-{2 hex}`; later versions may append to it.
fn is_traceparent(text: &str) -> bool {
    let lower_hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let mut parts = text.splitn(5, '-');
    let lengths_fit = [2, 32, 16, 2]
        .into_iter()
        .all(|length| parts.next().is_some_and(|part| part.len() == length && lower_hex(part)));
    lengths_fit
        && parts.next().is_none_or(|rest| rest.len() <= 64 && rest.is_ascii() && !text.starts_with("00"))
}

/// `ce_source` of what came from a configured source.
pub(crate) fn source_of(workspace: &Workspace, source: &SourceName) -> String {
    format!("/{workspace}/{source}")
}

/// A key that says of whom it is only by a digest.
pub(crate) fn key_of(workspace: &Workspace, digest: Digest) -> Vec<u8> {
    format!("{workspace}:{}", digest.to_hex()).into_bytes()
}

/// `ce_id` of what has no id of its own.
pub(crate) fn id_of(payload: &Bytes) -> String {
    Digest::of(&[payload.as_ref()]).to_hex()
}

/// Decodes with the message's name in the error.
pub(crate) fn decode<M: prost::Message + Default + prost::Name>(bytes: &[u8]) -> Result<M, DecodeError> {
    M::decode(bytes)
        .map_err(|problem| DecodeError::Malformed { message: M::NAME, problem: problem.to_string() })
}

/// Encodes; a `Vec` grows as needed, so this cannot fail.
pub(crate) fn encode<M: prost::Message>(message: &M) -> Bytes {
    message.encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    #[test]
    fn only_a_trace_context_enters_the_headers() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(is_traceparent(trace));
        assert!(is_traceparent(&format!("cc{}-later", &trace[2..])));

        for wrong in [
            "",
            "00",
            "ada@example.com",
            &trace.to_uppercase(),
            &trace[..54],
            &format!("{trace}-x"),
            &format!("{trace}\n"),
        ] {
            assert!(!is_traceparent(wrong), "{wrong}");
        }
    }
}
