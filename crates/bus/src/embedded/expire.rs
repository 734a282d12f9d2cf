//! Retention: records older than their topic's limit go, oldest first, without a hole. Offsets are never used again.

use jiff::{SignedDuration, Timestamp};
use ports::bus::Topic;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::file::{id_of, number_of, offset_in};
use crate::retention::Retention;

/// How many records one transaction removes, so that publishers never wait long behind it.
const SLICE: i64 = 1000;

/// Whether a slice was all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing expired is left.
    Nothing,
    /// Another slice may find more.
    More,
}

/// Removes one slice.
pub(super) fn expire_slice(
    connection: &mut Connection,
    partitions: i32,
    retention: &Retention,
    now: Timestamp,
) -> rusqlite::Result<Left> {
    for topic in Topic::ALL {
        let keep = SignedDuration::try_from(retention.of(topic)).unwrap_or(SignedDuration::MAX);
        // A retention beyond the calendar keeps everything.
        let Ok(cutoff) = now.checked_sub(keep) else { continue };
        for partition in 0..partitions {
            if expire_partition(connection, (topic, partition), cutoff.as_microsecond())? == Left::More {
                return Ok(Left::More);
            }
        }
    }
    Ok(Left::Nothing)
}

fn expire_partition(connection: &mut Connection, place: (Topic, i32), cutoff: i64) -> rusqlite::Result<Left> {
    let (topic, partition) = place;
    let range = (id_of(topic, partition, 0), id_of(topic, partition + 1, 0));
    let oldest: Option<i64> = connection
        .prepare_cached("SELECT appended_at FROM records WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1")?
        .query_row(range, |row| row.get(0))
        .optional()?;
    if oldest.is_none_or(|oldest| oldest >= cutoff) {
        return Ok(Left::Nothing);
    }

    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let begins_at: i64 = transaction.query_row(
        "SELECT begins_at FROM heads WHERE topic = ?1 AND partition = ?2",
        (number_of(topic), partition),
        |row| row.get(0),
    )?;
    let reach = id_of(topic, partition, begins_at + SLICE).min(range.1);
    // The first record that stays; without one, all of the slice goes.
    let stays: Option<i64> = transaction
        .query_row(
            "SELECT id FROM records WHERE id >= ?1 AND id < ?2 AND appended_at >= ?3 ORDER BY id LIMIT 1",
            (range.0, reach, cutoff),
            |row| row.get(0),
        )
        .optional()?;
    let last: Option<i64> = transaction.query_row(
        "SELECT max(id) FROM records WHERE id >= ?1 AND id < ?2",
        (range.0, stays.unwrap_or(reach)),
        |row| row.get(0),
    )?;
    if let Some(last) = last {
        transaction.execute("DELETE FROM records WHERE id >= ?1 AND id <= ?2", (range.0, last))?;
        transaction.execute(
            "UPDATE heads SET begins_at = ?3 WHERE topic = ?1 AND partition = ?2",
            (number_of(topic), partition, offset_in(last) + 1),
        )?;
    }
    transaction.commit()?;
    Ok(if stays.is_none() && last.is_some() { Left::More } else { Left::Nothing })
}
