//! Row ids in blocks: one row of the store is moved on for many ids at a time.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::world::Ids;
use ports::StoreError;

use crate::error::Fail;
use crate::session::{Database, Tx, Work};

/// How many ids are fetched at least.
const BLOCK: i64 = 20_000;

/// Hands out row ids.
#[derive(Debug, Default)]
pub(crate) struct RowIds {
    /// What is left of the block fetched last: `from..end`.
    rest: Mutex<(i64, i64)>,
}

struct Fetch(i64);

#[async_trait]
impl Work for Fetch {
    type Out = (i64, i64);

    async fn run(&self, tx: &mut Tx) -> Result<(i64, i64), Fail> {
        let lock = tx.conn.stmt("select value from counters c where name = 'row_id'").lock("c");
        let row = tx.conn.first(lock).await?;
        let row = row.ok_or_else(|| StoreError::Inconsistent("the counter of row ids is gone".to_owned()))?;
        let from = row.cursor().int()?;
        let end = from + self.0;
        let stmt = tx.conn.stmt("update counters set value = ").bind(end).sql(" where name = 'row_id'");
        tx.conn.run_exactly(stmt, 1, "counters").await?;
        Ok((from, end))
    }
}

impl RowIds {
    /// So many ids in a row, for a world. Never inside of a transaction: it is one of its own.
    pub(crate) async fn reserve(&self, database: &Database, count: i64) -> Result<Ids, Fail> {
        let ids = self.block(database, count).await?;
        Ok(Ids::new(ids.start, ids.end))
    }

    /// The same as numbers.
    pub(crate) async fn block(&self, database: &Database, count: i64) -> Result<Range<i64>, Fail> {
        if let Some(ids) = self.take(count) {
            return Ok(ids);
        }
        let (from, end) = database.transact(Arc::new(Fetch(count.max(BLOCK)))).await?;
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        // Another caller may have fetched meanwhile; the smaller rest is let go.
        if rest.1 - rest.0 < end - from - count {
            *rest = (from + count, end);
        }
        Ok(from..from + count)
    }

    fn take(&self, count: i64) -> Option<Range<i64>> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, end) = *rest;
        (end - from >= count).then(|| {
            rest.0 = from + count;
            from..from + count
        })
    }
}
