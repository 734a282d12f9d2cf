//! Which dispatchers live. On SQLite there is one process, so nothing beats: a new one takes the place of all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ports::StoreResult;
use ports::dispatch::{Alive, Place, WorkerId, Workers};

use crate::Store;
use crate::error::Fail;
use crate::session::{Tx, Work};
use crate::sql::{Dialect, micros};

/// A worker silent for so long is taken for dead; a reaper's own heart must have beaten as long.
const SILENCE: Duration = Duration::from_secs(5);
/// A beat later than this after the one before breaks the row of beats.
const BREAK: Duration = Duration::from_millis(2_500);

/// The workers that this process announced, and whether each has its row still, as far as is known.
#[derive(Debug, Default)]
pub(crate) struct Announced(Mutex<HashMap<WorkerId, bool>>);

impl Announced {
    /// Whether it has its row, as far as is known.
    fn knows(&self, worker: WorkerId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&worker) == Some(&true)
    }

    /// Whether it ever had one.
    pub(crate) fn knew(&self, worker: WorkerId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&worker)
    }

    fn add(&self, worker: WorkerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(worker, true);
    }

    fn forget(&self, worker: WorkerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(worker, false);
    }
}

struct Announce(WorkerId);

#[async_trait]
impl Work for Announce {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        if tx.conn.dialect() == Dialect::Sqlite {
            // The file's lock says that no other process sends: attempts of others are to be taken over at once.
            let stmt = tx.conn.stmt("delete from workers");
            tx.conn.run(stmt).await?;
        }
        let now = micros(tx.wall().await?);
        let stmt = tx
            .conn
            .stmt("insert into workers (id, beat_at, unbroken_since) values (")
            .bind(self.0.0)
            .sql(", ")
            .bind(now)
            .sql(", ")
            .bind(now)
            .sql(") on conflict (id) do update set beat_at = excluded.beat_at, unbroken_since = excluded.unbroken_since");
        tx.conn.run(stmt).await.map(drop)
    }
}

struct Beat(WorkerId);

#[async_trait]
impl Work for Beat {
    type Out = Alive;

    async fn run(&self, tx: &mut Tx) -> Result<Alive, Fail> {
        let now = tx.wall().await?;
        let fine = micros(now.saturating_sub(BREAK).unwrap_or(now));
        let stmt = tx
            .conn
            .stmt("update workers set unbroken_since = case when beat_at >= ")
            .bind(fine)
            .sql(" then unbroken_since else ")
            .bind(micros(now))
            .sql(" end, beat_at = ")
            .bind(micros(now))
            .sql(" where id = ")
            .bind(self.0.0);
        Ok(if tx.conn.run(stmt).await? == 1 { Alive::Yes } else { Alive::Forgotten })
    }
}

struct Reap(WorkerId);

#[async_trait]
impl Work for Reap {
    type Out = usize;

    async fn run(&self, tx: &mut Tx) -> Result<usize, Fail> {
        let now = tx.wall().await?;
        let limit = micros(now.saturating_sub(SILENCE).unwrap_or(now));
        // An outage of the database silenced everybody, the reaper too: then nobody is dead.
        let stmt = tx
            .conn
            .stmt("select id from workers w where beat_at <= ")
            .bind(limit)
            .sql(" and exists (select 1 from workers r where r.id = ")
            .bind(self.0.0)
            .sql(" and r.unbroken_since <= ")
            .bind(limit)
            .sql(" and r.beat_at > ")
            .bind(limit)
            .sql(") order by id")
            .lock_free("w");
        let mut silent = Vec::new();
        for row in tx.conn.fetch(stmt).await? {
            silent.push(row.cursor().uuid()?);
        }
        if silent.is_empty() {
            return Ok(0);
        }
        let set = crate::sql::RowSet::new(silent.len()).uuid("id", silent.iter().copied());
        let stmt = tx
            .conn
            .stmt("delete from workers where beat_at <= ")
            .bind(limit)
            .sql(" and id in (select v.id from ")
            .rows(set)
            .sql(")");
        Ok(usize::try_from(tx.conn.run(stmt).await?).unwrap_or(usize::MAX))
    }
}

struct Leave(WorkerId);

#[async_trait]
impl Work for Leave {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        let stmt = tx.conn.stmt("delete from workers where id = ").bind(self.0.0);
        tx.conn.run(stmt).await.map(drop)
    }
}

#[async_trait]
impl Workers for Store {
    async fn beat(&self, worker: WorkerId) -> StoreResult<Alive> {
        if !self.announced.knows(worker) {
            self.database.beat(Arc::new(Announce(worker))).await.map_err(Fail::into_error)?;
            self.announced.add(worker);
            return Ok(Alive::Yes);
        }
        if self.database.dialect() == Dialect::Sqlite {
            return Ok(Alive::Yes);
        }
        let alive = self.database.beat(Arc::new(Beat(worker))).await.map_err(Fail::into_error)?;
        if alive == Alive::Forgotten {
            self.announced.forget(worker);
        }
        Ok(alive)
    }

    async fn reap(&self, caller: WorkerId) -> StoreResult<usize> {
        if self.database.dialect() == Dialect::Sqlite {
            return Ok(0);
        }
        self.database.beat(Arc::new(Reap(caller))).await.map_err(Fail::into_error)
    }

    async fn place(&self, worker: WorkerId) -> StoreResult<Option<Place>> {
        let read = async {
            let mut conn = self.database.reader().await?;
            let stmt = conn.stmt("select id from workers order by id");
            let mut workers = Vec::new();
            for row in conn.fetch(stmt).await? {
                workers.push(row.cursor().uuid()?);
            }
            Ok(workers)
        };
        let workers = self.reading(read).await?;
        let number = workers.iter().position(|id| *id == worker.0);
        Ok(number.map(|number| Place { number, of: workers.len() }))
    }

    async fn leave(&self, worker: WorkerId) -> StoreResult<()> {
        self.database.beat(Arc::new(Leave(worker))).await.map_err(Fail::into_error)?;
        self.announced.forget(worker);
        Ok(())
    }
}
