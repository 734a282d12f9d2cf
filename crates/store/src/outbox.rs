//! The outbox: messages written with what they tell of, relayed under a lease a shard, deleted once acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::id::Shard;
use ports::StoreResult;
use ports::bus::Message;
use ports::relay::{Heads, Outbox};
use ports::wake::Wake;
use uuid::Uuid;

use crate::Store;
use crate::error::Fail;
use crate::parcels::{self, Parcels};
use crate::session::{Tx, Work};
use crate::sql::{RowSet, micros};

/// How many rows are read at most for the head of a shard: each holds a message at least.
const ROWS: i64 = 50;

struct Lease {
    owner: Uuid,
    want: usize,
    length: Duration,
}

#[async_trait]
impl Work for Lease {
    type Out = Vec<Shard>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<Shard>, Fail> {
        let wall = tx.wall().await?;
        let now = micros(wall);
        let until = micros(wall.saturating_add(self.length).unwrap_or(wall));
        let all =
            RowSet::new(usize::from(Shard::COUNT)).int("shard", Shard::all().map(|shard| i64::from(shard.0)));
        let stmt = tx
            .conn
            .stmt("insert into leases (shard, held_until) select v.shard, 0 from ")
            .rows(all)
            .sql(" where true order by 1 on conflict do nothing");
        tx.conn.run(stmt).await?;
        // Whoever is looking at leases right now keeps them; the rest is for the next time.
        let stmt = tx
            .conn
            .stmt("select l.shard, l.owner, l.held_until from leases l order by l.shard")
            .lock_free("l");
        let (mut mine, mut free) = (Vec::new(), Vec::new());
        for row in tx.conn.fetch(stmt).await? {
            let mut row = row.cursor();
            let shard = row.int()?;
            let owner = row.opt_uuid()?;
            let expired = row.int()? <= now;
            match owner {
                Some(owner) if owner == self.owner => mine.push(shard),
                Some(_) if !expired => {}
                Some(_) | None => free.push(shard),
            }
        }
        let held: Vec<i64> = mine.iter().copied().chain(free).take(self.want).collect();
        let given_back: Vec<i64> = mine.into_iter().filter(|shard| !held.contains(shard)).collect();
        if !held.is_empty() {
            let stmt = tx
                .conn
                .stmt("update leases set owner = ")
                .bind(self.owner)
                .sql(", held_until = ")
                .bind(until)
                .sql(" where shard")
                .any(held.iter().copied());
            tx.conn.run_exactly(stmt, held.len(), "leases").await?;
        }
        if !given_back.is_empty() {
            let stmt =
                tx.conn.stmt("update leases set owner = null, held_until = 0 where shard").any(given_back);
            tx.conn.run(stmt).await?;
        }
        Ok(held.into_iter().filter_map(|shard| u8::try_from(shard).ok()).map(Shard).collect())
    }
}

/// Up to where rows were relayed.
struct Acknowledge(BTreeMap<i64, i64>);

#[async_trait]
impl Work for Acknowledge {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        let rows = || {
            RowSet::new(self.0.len()).int("id", self.0.keys().copied()).int("done", self.0.values().copied())
        };
        let stmt = tx
            .conn
            .stmt("delete from outbox where exists (select 1 from ")
            .rows(rows())
            .sql(" where v.id = outbox.id and v.done >= outbox.messages) and id")
            .any(self.0.keys().copied());
        let gone = tx.conn.run(stmt).await?;
        if usize::try_from(gone).is_ok_and(|gone| gone >= self.0.len()) {
            return Ok(());
        }
        // The bus took a part of a row: the rest comes from there.
        let stmt = tx
            .conn
            .stmt("update outbox set relayed = v.done from ")
            .rows(rows())
            .sql(" where outbox.id = v.id and outbox.relayed < v.done");
        tx.conn.run(stmt).await.map(drop)
    }
}

struct Append(Vec<Message>);

#[async_trait]
impl Work for Append {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        let mut parcels = Parcels::default();
        self.0.iter().for_each(|message| parcels.send(message));
        parcels.write(&mut tx.conn).await
    }
}

#[async_trait]
impl Outbox for Store {
    async fn lease(&self, owner: Uuid, want: usize, length: Duration) -> StoreResult<Vec<Shard>> {
        let work = Lease { owner, want, length };
        self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)
    }

    async fn heads(&self, shards: &[Shard], limit: usize) -> StoreResult<Heads> {
        if shards.is_empty() {
            return Ok(Heads::new());
        }
        let read = async {
            let mut conn = self.database.reader().await?;
            let all = RowSet::new(shards.len()).int("shard", shards.iter().map(|shard| i64::from(shard.0)));
            let most = i64::try_from(limit).unwrap_or(i64::MAX).min(ROWS);
            // For each shard apart, so that a long outbox is not read through.
            let stmt = conn
                .stmt("select o.shard, o.id, o.relayed, o.body from ")
                .rows(all)
                .either(
                    " cross join lateral (select p.shard, p.id, p.relayed, p.body",
                    " cross join outbox o where o.id in (select p.id",
                )
                .sql(" from outbox p where p.shard = v.shard order by p.id limit ")
                .bind(most)
                .either(") o", ")")
                .sql(" order by 1, 2");
            let (mut heads, mut stuck) = (Heads::new(), BTreeSet::new());
            for row in conn.fetch(stmt).await? {
                let mut columns = row.cursor();
                let shard = Shard(columns.small()?);
                let Ok(messages) = heads.entry(shard).or_insert_with(|| Ok(Vec::new())) else { continue };
                // What comes behind a row that cannot be read waits for it; what comes before it does not.
                if messages.len() >= limit || stuck.contains(&shard) {
                    continue;
                }
                match parcels::read(&mut columns) {
                    Ok(more) => messages.extend(more.into_iter().take(limit - messages.len())),
                    Err(error) if messages.is_empty() => drop(heads.insert(shard, Err(error))),
                    Err(_) => drop(stuck.insert(shard)),
                }
            }
            Ok(heads)
        };
        self.reading(read).await
    }

    async fn acknowledged(&self, rows: &[i64]) -> StoreResult<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.database.transact(Arc::new(Acknowledge(parcels::relayed(rows)))).await.map_err(Fail::into_error)
    }

    async fn append(&self, messages: Vec<Message>) -> StoreResult<()> {
        if messages.is_empty() {
            return Ok(());
        }
        self.database.transact(Arc::new(Append(messages))).await.map_err(Fail::into_error)?;
        self.signals.raise(Wake::Outbox);
        Ok(())
    }
}
