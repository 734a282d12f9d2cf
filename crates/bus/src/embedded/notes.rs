//! How far each group says it is: kept in memory, and written by the writer now and then, so that it costs no fsync of its
//! own for each batch.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ports::bus::Topic;
use rusqlite::{Connection, TransactionBehavior};

use super::file::number_of;

/// A group, a topic and its partition.
type Place = (String, Topic, i32);

/// What was said and is not written yet.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<HashMap<Place, i64>>);

/// Whether something waited to be written already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    Some,
}

impl Notes {
    /// Keeps the latest that was said.
    pub(super) fn add(&self, place: Place, next: i64) -> Before {
        let mut waiting = self.waiting();
        let before = if waiting.is_empty() { Before::Nothing } else { Before::Some };
        waiting.insert(place, next);
        before
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    /// Writes what waits; what is said meanwhile waits for the next time.
    pub(super) fn write(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let taken = self.waiting().clone();
        if taken.is_empty() {
            return Ok(());
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO notes VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET next = excluded.next",
            )?;
            for ((group, topic, partition), next) in &taken {
                upsert.execute((group, number_of(*topic), partition, next))?;
            }
        }
        transaction.commit()?;
        self.waiting().retain(|place, next| taken.get(place) != Some(next));
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Place, i64>> {
        // No code that holds the lock can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is written of a group and a topic.
pub(super) fn read(
    connection: &Connection,
    group: &str,
    topic: Topic,
) -> rusqlite::Result<BTreeMap<i32, i64>> {
    connection
        .prepare_cached("SELECT partition, next FROM notes WHERE reader = ?1 AND topic = ?2")?
        .query_map((group, number_of(topic)), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
