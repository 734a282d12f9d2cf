//! Keeping tables of passing things small, and knowing the secrets.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use ports::unit::Housekeeping;
use ports::{StoreError, StoreResult};

use crate::Store;
use crate::error::Fail;
use crate::retention::{Forget, Sweep};
use crate::session::{Tx, Work};
use crate::sql::{Dialect, micros};

const DAY: Duration = Duration::from_hours(24);
/// How long answered commands are kept for people.
const COMMANDS_FOR: Duration = Duration::from_hours(24 * 30);
/// How long what was set aside is kept: as long as its topics.
const ASIDES_FOR: Duration = Duration::from_hours(24 * 14);
/// How many days of events have a table of their own ahead of time.
const DAYS_AHEAD: i64 = 7;

/// One table's expired rows, in a slice.
struct Expire {
    /// The columns that name a row, its table, and what makes it expired: `{}` is the moment.
    rows: (&'static str, &'static str, &'static str),
    /// How long rows are kept; compared in wall time, or in business time.
    keep: Duration,
    clock: Which,
    slice: i64,
}

/// Which clock a table's moments are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Wall,
    Business,
}

impl Which {
    /// Its now.
    pub(crate) async fn now(self, tx: &mut Tx) -> Result<Timestamp, Fail> {
        match self {
            Self::Wall => tx.wall().await,
            Self::Business => tx.now().await,
        }
    }
}

#[async_trait]
impl Work for Expire {
    type Out = usize;

    async fn run(&self, tx: &mut Tx) -> Result<usize, Fail> {
        let now = self.clock.now(tx).await?;
        let before = micros(now.saturating_sub(self.keep).unwrap_or(Timestamp::MIN));
        let (key, table, expired) = self.rows;
        // A row's place is looked up directly from a list only, not from a query's rows.
        let (open, close) = if key == "ctid" { (" = any(array(", "))") } else { (" in (", ")") };
        let stmt = tx
            .conn
            .stmt(&format!(
                "delete from {table} where ({key}){open}select {key} from {table} x where {expired} < "
            ))
            .bind(before)
            .sql(" limit ")
            .bind(self.slice)
            .lock_free("x")
            .sql(close);
        Ok(usize::try_from(tx.conn.run(stmt).await?).unwrap_or(usize::MAX))
    }
}

/// Makes the tables of the coming days, and drops those of days that are over.
struct Days {
    keep: Duration,
}

#[async_trait]
impl Work for Days {
    type Out = usize;

    async fn run(&self, tx: &mut Tx) -> Result<usize, Fail> {
        let wall = tx.wall().await?;
        let day = |at: Timestamp| at.as_second().div_euclid(86_400);
        let stmt = tx.conn.stmt(
            "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid \
             where i.inhparent = 'events'::regclass",
        );
        let mut present: Vec<i64> = Vec::new();
        for row in tx.conn.fetch(stmt).await? {
            present.extend(
                row.cursor().text()?.strip_prefix("events_d").and_then(|number| number.parse::<i64>().ok()),
            );
        }
        // Rows of today may be in the table of the rest, which then has to keep the whole day.
        let missing: Vec<i64> =
            (day(wall) + 1..=day(wall) + DAYS_AHEAD).filter(|number| !present.contains(number)).collect();
        let oldest = day(wall.saturating_sub(self.keep).unwrap_or(Timestamp::MIN));
        let over: Vec<i64> = present.into_iter().filter(|number| *number < oldest).collect();
        if missing.is_empty() && over.is_empty() {
            return Ok(0);
        }
        // Both need the whole table for a moment; units are not to wait for longer.
        tx.conn.plain("set local lock_timeout = '1s'").await?;
        for number in missing {
            let (from, to) = (number * 86_400_000_000, (number + 1) * 86_400_000_000);
            let name = format!("events_d{number}");
            let stmt = tx.conn.stmt(&format!(
                "create table if not exists {name} partition of events for values from ({from}) to ({to})"
            ));
            tx.conn.run(stmt).await?;
        }
        for number in &over {
            let stmt = tx.conn.stmt(&format!("drop table if exists events_d{number}"));
            tx.conn.run(stmt).await?;
        }
        Ok(over.len())
    }
}

struct LearnKeys {
    checks: Vec<String>,
}

#[async_trait]
impl Work for LearnKeys {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        let stmt = tx.conn.stmt("select name from settings where name like 'key.%'");
        let mut known = Vec::new();
        for row in tx.conn.fetch(stmt).await? {
            known.push(row.cursor().text()?);
        }
        let given: Vec<String> = self.checks.iter().map(|check| format!("key.{check}")).collect();
        // Another secret would find no identity, and so no suppression: every old one must still be given.
        if let Some(missing) = known.iter().find(|name| !given.contains(name)) {
            let short = missing.trim_start_matches("key.").get(..8).unwrap_or_default();
            let text = format!(
                "the store hashed identities with a secret ({short}…) that is not among [security] keys: without it every \
                 suppression under it would be void; add the former key to the list again"
            );
            return Err(StoreError::Inconsistent(text).into());
        }
        for name in given.iter().filter(|name| !known.contains(name)) {
            let stmt = tx
                .conn
                .stmt("insert into settings (name, value) values (")
                .bind(name.as_str())
                .sql(", '') on conflict do nothing");
            tx.conn.run(stmt).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Notes the secrets of the configuration at first use; refuses when one that the store hashed with is missing.
    pub(crate) async fn learn_keys(&self) -> StoreResult<()> {
        let work = LearnKeys { checks: self.keys.check_values() };
        self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)
    }
}

#[async_trait]
impl Housekeeping for Store {
    async fn expire(&self, slice: usize) -> StoreResult<usize> {
        let limit = i64::try_from(slice).unwrap_or(i64::MAX);
        let postgres = self.database.dialect() == Dialect::Postgres;
        // Days that are over are dropped whole; what lies in no day goes row by row.
        let (place, events) = if postgres { ("ctid", "events_rest") } else { ("rowid", "events") };
        let tables = [
            (("id", "commands", "done_at is not null and done_at"), COMMANDS_FOR, Which::Wall),
            (("id", "asides", "at"), ASIDES_FOR, Which::Wall),
            (("workspace, budget", "budgets", "forget_after"), DAY, Which::Business),
            ((place, events, "received_at"), self.keep_for, Which::Wall),
            (("identity, key", "strays", "at"), self.keep_for, Which::Wall),
        ];
        // What a person asked for comes before what only takes room.
        let mut gone = self.purge().await?;
        if postgres {
            let days = Days { keep: self.keep_for };
            // There is a week's reserve and a table for the rest, so the next call will do.
            if let Err(fail) = self.database.transact(Arc::new(days)).await {
                tracing::warn!(reason = %fail.into_error(), "the tables of the coming days were not made");
            }
        }
        let digests = (("ctid", "dedupe", "seen_at"), self.dedupe_for, Which::Wall);
        for (rows, keep, clock) in tables.into_iter().chain(postgres.then_some(digests)) {
            let work = Expire { rows, keep, clock, slice: limit };
            gone += self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)?;
        }
        let decisions = (("id", "decisions", "at"), self.keep_for, Which::Business);
        // PostgreSQL finds old digests by where they lie. SQLite keeps no other order of them than that of their rows.
        let in_order: &[_] = if postgres {
            &[decisions]
        } else {
            &[decisions, (("rowid", "dedupe", "seen_at"), self.dedupe_for, Which::Wall)]
        };
        for &(rows, keep, clock) in in_order {
            let work = Forget { rows, keep, clock, slice: limit };
            gone += self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)?;
        }
        // A repeated event must not find its enrollment gone.
        let ended = Sweep { keep: self.keep_for.max(self.dedupe_for), slice: limit };
        gone += self.database.transact(Arc::new(ended)).await.map_err(Fail::into_error)?;
        Ok(gone)
    }

    async fn check_keys(&self) -> StoreResult<()> {
        self.learn_keys().await
    }
}
