//! Reading: what a partition holds, and its records.

use bytes::Bytes;
use jiff::Timestamp;
use ports::bus::{PartitionState, Position, Record, Topic};
use rusqlite::types::Type;
use rusqlite::{Connection, Row};

use super::file::{id_of, number_of, offset_in};
use super::headers;

/// One look gives no more bytes of payload than this, or one record.
pub(super) const MOST_BYTES: usize = 8 * 1024 * 1024;

/// How much more a look may read. It ends with the record that takes the last of it.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl Room {
    pub(super) fn is_none(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }
}

/// What a partition holds.
pub(super) fn state_of(
    connection: &Connection,
    topic: Topic,
    partition: i32,
) -> rusqlite::Result<PartitionState> {
    connection
        .prepare_cached("SELECT begins_at, ends_at FROM heads WHERE topic = ?1 AND partition = ?2")?
        .query_row((number_of(topic), partition), |row| {
            Ok(PartitionState { topic, partition, begins_at: row.get(0)?, ends_at: row.get(1)? })
        })
}

/// What all partitions of a topic hold, in their order.
pub(super) fn states_of(connection: &Connection, topic: Topic) -> rusqlite::Result<Vec<PartitionState>> {
    connection
        .prepare_cached(
            "SELECT partition, begins_at, ends_at FROM heads WHERE topic = ?1 ORDER BY partition",
        )?
        .query_map([number_of(topic)], |row| {
            Ok(PartitionState { topic, partition: row.get(0)?, begins_at: row.get(1)?, ends_at: row.get(2)? })
        })?
        .collect()
}

/// Records from an offset on, as far as there is room; without a hole, since the log has none.
pub(super) fn records_from(
    connection: &Connection,
    from: Position,
    room: &mut Room,
) -> rusqlite::Result<Vec<Record>> {
    let Position { topic, partition, offset } = from;
    let range = (id_of(topic, partition, offset.max(0)), id_of(topic, partition + 1, 0));
    let mut select = connection.prepare_cached(
        "SELECT id, appended_at, key, headers, payload FROM records WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut rows = select.query((range.0, range.1, i64::try_from(room.records).unwrap_or(i64::MAX)))?;
    let mut records = Vec::new();
    while !room.is_none()
        && let Some(row) = rows.next()?
    {
        let record = record_of(row, topic, partition)?;
        room.bytes = room.bytes.saturating_sub(record.payload.len());
        room.records -= 1;
        records.push(record);
    }
    Ok(records)
}

fn record_of(row: &Row<'_>, topic: Topic, partition: i32) -> rusqlite::Result<Record> {
    let id: i64 = row.get(0)?;
    let appended_at = Timestamp::from_microsecond(row.get(1)?)
        .map_err(|problem| rusqlite::Error::FromSqlConversionFailure(1, Type::Integer, problem.into()))?;
    let packed = row.get_ref(3)?.as_blob()?;
    let headers = headers::unpack(packed)
        .ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(3, Type::Blob, "damaged headers".into()))?;
    Ok(Record {
        position: Position { topic, partition, offset: offset_in(id) },
        appended_at,
        key: row.get(2)?,
        headers,
        payload: Bytes::copy_from_slice(row.get_ref(4)?.as_blob()?),
    })
}

/// Changes when another connection, of whatever process, has written.
pub(super) fn version_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
