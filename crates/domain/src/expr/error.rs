//! What can be wrong with an expression, when it is read and when it is judged.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// An expression that cannot be, or (as a warning) one that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ExprError {
    /// Where, in bytes of the source.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl ExprError {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn nearest(self, name: Option<&str>) -> Self {
        match name {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}

/// Why an expression could not be judged. It then counts as false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct EvalNote {
    /// What kind of thing went wrong.
    pub kind: NoteKind,
    /// What exactly, for a person.
    pub text: String,
}

/// Kinds of [`EvalNote`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// A number, a time or a field of an event that is not there.
    Absent,
    /// A value of another type than the operation takes.
    Type,
    /// A value out of range: a division by zero, a text that is no time.
    Value,
    /// A segment that does not exist, or that is made of itself.
    Segment,
    /// More work than an expression may make.
    Cost,
}

impl EvalNote {
    pub(super) fn absent(path: impl fmt::Display) -> Self {
        Self { kind: NoteKind::Absent, text: format!("{path} is absent") }
    }

    pub(super) fn of_type(text: String) -> Self {
        Self { kind: NoteKind::Type, text }
    }

    pub(super) fn value(text: String) -> Self {
        Self { kind: NoteKind::Value, text }
    }

    pub(super) fn segment(text: String) -> Self {
        Self { kind: NoteKind::Segment, text }
    }

    pub(super) fn cost() -> Self {
        Self { kind: NoteKind::Cost, text: "the expression makes too much work".into() }
    }
}
