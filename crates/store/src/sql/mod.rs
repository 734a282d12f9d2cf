//! Statements for both databases: one text, sets of rows as one parameter, answers read by position.

mod conn;
mod rows;
mod stmt;

pub(crate) use conn::{Conn, Cursor, Link, Row, begin, begin_reading, begin_snapshot, is_alive};
pub(crate) use rows::RowSet;
pub(crate) use stmt::{Dialect, Stmt};

use jiff::Timestamp;
use ports::{StoreError, StoreResult};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A moment as it is stored: microseconds since 1970, rounded down.
pub(crate) fn micros(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond().div_euclid(1000)).unwrap_or(i64::MAX)
}

/// A stored moment.
pub(crate) fn moment(micros: i64) -> Timestamp {
    let end = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(end)
}

/// A value as stored JSON.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> StoreResult<String> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Rejected(format!("not writable as JSON: {error}")))
}

/// A value from stored JSON. The error says where it broke, never what it holds.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str, what: &'static str) -> StoreResult<T> {
    serde_json::from_str(text).map_err(|error| {
        StoreError::Damaged(format!(
            "its {what} cannot be read: line {} column {}",
            error.line(),
            error.column()
        ))
    })
}
