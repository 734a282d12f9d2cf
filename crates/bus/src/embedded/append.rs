//! The appending transaction.

use std::collections::HashMap;

use jiff::Timestamp;
use ports::bus::{Message, Position, Topic};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::file::{id_of, number_of};
use super::headers;
use crate::partitioner::partition_of;

/// Appends messages in order and makes them durable, all or none.
///
/// Offsets are counted here, under the file's write lock, so that appends of other processes never meet ours.
pub(super) fn append(
    connection: &mut Connection,
    messages: &[&Message],
    partitions: i32,
    now: Timestamp,
) -> rusqlite::Result<Vec<Position>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let positions = insert(&transaction, messages, partitions, now)?;
    fail::fail_point!("bus.publish.unacknowledged");
    transaction.commit()?;
    Ok(positions)
}

fn insert(
    transaction: &Transaction<'_>,
    messages: &[&Message],
    partitions: i32,
    now: Timestamp,
) -> rusqlite::Result<Vec<Position>> {
    let mut select =
        transaction.prepare_cached("SELECT ends_at FROM heads WHERE topic = ?1 AND partition = ?2")?;
    let mut insert = transaction.prepare_cached("INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let mut update =
        transaction.prepare_cached("UPDATE heads SET ends_at = ?3 WHERE topic = ?1 AND partition = ?2")?;

    let now = now.as_microsecond();
    let mut ends: HashMap<(Topic, i32), i64> = HashMap::new();
    let mut positions = Vec::with_capacity(messages.len());
    for message in messages {
        let partition = partition_of(&message.key, partitions);
        let place = (message.topic, partition);
        let offset = match ends.get(&place) {
            Some(end) => *end,
            None => select.query_row((number_of(message.topic), partition), |row| row.get(0))?,
        };
        let headers = headers::pack(&message.headers);
        insert.execute((
            id_of(message.topic, partition, offset),
            now,
            &message.key,
            headers,
            &*message.payload,
        ))?;
        ends.insert(place, offset + 1);
        positions.push(Position { topic: message.topic, partition, offset });
    }
    for ((topic, partition), end) in ends {
        update.execute((number_of(topic), partition, end))?;
    }
    Ok(positions)
}
