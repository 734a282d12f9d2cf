//! One thing that a delivery tells, before and after it was understood.

use std::collections::BTreeMap;

use domain::id::Digest;
use serde_json::Value;

use crate::json::{self, JsonError};

/// One item of a delivery: all that is needed to translate it, now or later.
///
/// A quarantined item is kept like this (redacted), and translated again under the mapping of that day.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What pointers look into.
    pub body: Value,
    /// The sender's id of the message that it came in.
    pub message: Option<MessageId>,
    /// Its place in the message, from 0; none when it is the whole message.
    pub index: Option<u32>,
    /// The digest of its bytes as sent, for when nobody gave it an id.
    pub bytes: Digest,
    /// The kind that the message's envelope says.
    pub kind: Option<String>,
    /// The time that the message's envelope says.
    pub occurred_at: Option<Value>,
    /// Why it cannot be an item at all.
    pub problem: Option<String>,
}

impl Item {
    /// What is known of it beside its body, by name: what a quarantined item is kept with.
    #[must_use]
    pub fn envelope(&self) -> BTreeMap<String, String> {
        let message = self.message.as_ref();
        let known = [
            (BYTES, Some(self.bytes.to_hex())),
            (MESSAGE, message.map(|message| message.id.clone())),
            (SCOPE, message.map(|message| message.scope.clone()).filter(|scope| !scope.is_empty())),
            (KIND, self.kind.clone()),
            (TIME, self.occurred_at.as_ref().map(Value::to_string)),
            (PROBLEM, self.problem.clone()),
        ];
        known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// Puts a kept item together again; none when body or envelope are not what [`Item::envelope`] made.
    #[must_use]
    pub fn restore(body: &[u8], envelope: &BTreeMap<String, String>, index: Option<u32>) -> Option<Self> {
        let text = |name: &str| envelope.get(name).cloned();
        let scope = text(SCOPE).unwrap_or_default();
        Some(Self {
            body: json::parse(body).ok()?,
            message: text(MESSAGE).map(|id| MessageId { scope, id }),
            index,
            bytes: Digest::try_from(text(BYTES)?).ok()?,
            kind: text(KIND),
            occurred_at: text(TIME).map(|time| json::parse(time.as_bytes())).transpose().ok()?,
            problem: text(PROBLEM),
        })
    }
}

const BYTES: &str = "bytes-digest";
const MESSAGE: &str = "message-id";
const SCOPE: &str = "message-scope";
const KIND: &str = "envelope-kind";
const TIME: &str = "envelope-time";
const PROBLEM: &str = "problem";

/// The sender's id of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageId {
    /// Within what it is unique: the `source` of a CloudEvent; else empty.
    pub scope: String,
    /// The id.
    pub id: String,
}

/// What one decoded message is, before its items are taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Part<'a> {
    pub(crate) body: Value,
    /// As sent, where the body is a piece of the request.
    pub(crate) raw: Option<&'a str>,
    pub(crate) message: Option<MessageId>,
    pub(crate) kind: Option<String>,
    pub(crate) occurred_at: Option<Value>,
    pub(crate) problem: Option<String>,
}

impl<'a> Part<'a> {
    pub(crate) fn new(body: Value, raw: Option<&'a str>) -> Self {
        Self { body, raw, message: None, kind: None, occurred_at: None, problem: None }
    }
}

/// A body that is not what the provider sends: 400. Never holds a piece of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not the JSON that we take.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Not a form.
    #[error("the body is not a urlencoded form of UTF-8 text")]
    Form,
    /// Not a CloudEvent.
    #[error("not a CloudEvent: {0}")]
    CloudEvent(&'static str),
}

impl Malformed {
    /// Its name in metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Json(JsonError::Utf8 { .. }) => "not_utf8",
            Self::Json(JsonError::Syntax { .. }) => "not_json",
            Self::Json(JsonError::DuplicateName { .. }) => "duplicate_name",
            Self::Json(JsonError::TooDeep) => "too_deep",
            Self::Form => "not_a_form",
            Self::CloudEvent(_) => "not_a_cloud_event",
        }
    }
}

/// A content type or encoding that the provider does not send: 415.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct Unsupported {
    /// What it sends.
    pub expected: &'static str,
}

/// An item that was read and cannot be made an event: it is quarantined. Never holds a value of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Untranslatable {
    /// The class.
    pub reason: Reason,
    /// What was expected where, for the person who mends the mapping.
    pub detail: String,
}

/// Why an item cannot be made an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No canonical kind.
    UnknownKind,
    /// A value is missing or not what its target needs.
    WrongShape,
    /// Neither a person nor an account nor a task is named.
    NoSubject,
}

impl Reason {
    /// Its name in metrics and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKind => "unknown_kind",
            Self::WrongShape => "wrong_shape",
            Self::NoSubject => "no_subject",
        }
    }
}

impl Untranslatable {
    pub(crate) fn wrong_shape(detail: impl Into<String>) -> Self {
        Self { reason: Reason::WrongShape, detail: detail.into() }
    }

    /// `given` is shown only when it looks like a kind's name: a mapping may point at anything.
    pub(crate) fn unknown_kind(given: &str) -> Self {
        let looks_like_a_name = !given.is_empty()
            && given.len() <= 80
            && given
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'/'));
        let shown = if looks_like_a_name { format!("{given:?} is") } else { "the kind found is".to_owned() };
        Self {
            reason: Reason::UnknownKind,
            detail: format!("{shown} not a canonical event kind; `map.kind` can translate it"),
        }
    }

    pub(crate) fn no_subject() -> Self {
        Self {
            reason: Reason::NoSubject,
            detail: "neither a person (email, phone, crm_id) nor an account nor a task is named".to_owned(),
        }
    }
}
