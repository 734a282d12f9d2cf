//! What can be wrong with bytes.

use std::fmt;

/// Why bytes were not read. The record itself is at fault: reading it again changes nothing.
///
/// Never holds a value from the payload: it may be personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not protobuf, or not of this message.
    #[error("not a {message} message: {problem}")]
    Malformed {
        /// The message that was expected.
        message: &'static str,
        /// What the decoder met.
        problem: String,
    },
    /// A field is missing or holds what it may not hold.
    #[error("{field}: {problem}")]
    Field {
        /// The path of the field, such as `subject.email`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl DecodeError {
    pub(crate) fn field(field: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self::Field { field: field.into(), problem: problem.to_string() }
    }

    pub(crate) fn missing(field: impl Into<String>) -> Self {
        Self::field(field, "is missing")
    }

    /// The same, of a message that itself is the field `outer`.
    pub(crate) fn within(self, outer: &str) -> Self {
        match self {
            Self::Field { field, problem } => Self::Field { field: format!("{outer}.{field}"), problem },
            malformed @ Self::Malformed { .. } => Self::field(outer, malformed),
        }
    }
}

/// Reads a field with one of the domain's constructors.
pub(crate) fn read<T, E: fmt::Display>(field: &'static str, parsed: Result<T, E>) -> Result<T, DecodeError> {
    parsed.map_err(|problem| DecodeError::field(field, problem))
}

/// Reads one of the domain's fixed words.
pub(crate) fn read_word<T>(field: &'static str, parsed: Option<T>) -> Result<T, DecodeError> {
    parsed.ok_or_else(|| DecodeError::field(field, "is a word that this version does not know"))
}

/// Reads a field that must be there.
pub(crate) fn require<T>(field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or_else(|| DecodeError::missing(field))
}

/// Reads an enum's number; `None` for the unspecified one.
pub(crate) fn read_enum<W, T>(
    field: &'static str,
    number: i32,
    read: impl Fn(W) -> Option<T>,
) -> Result<Option<T>, DecodeError>
where
    W: TryFrom<i32>,
{
    let wire = W::try_from(number).map_err(|_| {
        DecodeError::field(field, format_args!("is number {number}, which this version does not know"))
    })?;
    Ok(read(wire))
}

/// Reads the 16 bytes of an id or digest.
pub(crate) fn read_16(field: &'static str, bytes: &[u8]) -> Result<[u8; 16], DecodeError> {
    bytes
        .try_into()
        .map_err(|_| DecodeError::field(field, format_args!("has {} bytes instead of 16", bytes.len())))
}
