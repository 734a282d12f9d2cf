//! Reasons.

use domain::touch::Note;

use crate::error::{DecodeError, require};
use crate::wire;

pub(crate) fn to_wire(note: &Note) -> wire::Note {
    wire::Note { code: note.code.clone(), text: note.text.clone() }
}

pub(crate) fn from_wire(field: &'static str, note: Option<wire::Note>) -> Result<Note, DecodeError> {
    let wire::Note { code, text } = require(field, note)?;
    Ok(Note { code, text })
}
