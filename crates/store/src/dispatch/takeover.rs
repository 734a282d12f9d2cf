//! Taking over attempts of workers that are gone or hung.
//!
//! The row of an attempt stays until its outcome is settled, so that a process that dies between taking over and settling
//! leaves nothing behind: the next sweep finds the attempt again.

use std::time::Duration;

use async_trait::async_trait;
use domain::id::TouchId;
use domain::touch::{Lane, TouchState};
use ports::dispatch::TakenOver;

use crate::error::{Fail, known};
use crate::session::{Tx, Work};
use crate::sql::{RowSet, micros};

/// After how long an attempt that was taken over and not settled is given out again.
const AGAIN: Duration = Duration::from_secs(10);
/// How many are taken at once.
const SLICE: i64 = 500;

pub(super) struct TakeOver {
    pub(super) older_than: Duration,
}

#[async_trait]
impl Work for TakeOver {
    type Out = Vec<TakenOver>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<TakenOver>, Fail> {
        let now = tx.wall().await?;
        let before = |ago: Duration| micros(now.saturating_sub(ago).unwrap_or(jiff::Timestamp::MIN));
        let stmt = tx
            .conn
            .stmt("select f.touch, f.no from in_flight f where (f.at <= ")
            .bind(before(self.older_than))
            .sql(" or not exists (select 1 from workers w where w.id = f.worker)) and (f.taken_at is null or f.taken_at <= ")
            .bind(before(AGAIN))
            .sql(") order by f.touch limit ")
            .bind(SLICE);
        let mut found: Vec<(i64, i64)> = Vec::new();
        for row in tx.conn.fetch(stmt).await? {
            let mut row = row.cursor();
            found.push((row.int()?, row.int()?));
        }
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let lock = tx
            .conn
            .stmt("select t.id from touches t where t.id")
            .any(found.iter().map(|(touch, _)| *touch))
            .sql(" order by t.id")
            .lock_free("t");
        let mut locked = Vec::new();
        for row in tx.conn.fetch(lock).await? {
            locked.push(row.cursor().int()?);
        }
        // A new statement: what the locks waited for is seen. A touch that was taken back meanwhile has an attempt to settle too:
        // its row would stay for good.
        let set = RowSet::new(found.len())
            .int("touch", found.iter().map(|(touch, _)| *touch))
            .int("no", found.iter().map(|(_, no)| *no));
        let stmt = tx
            .conn
            .stmt("select t.id, t.attempt, t.lane, t.state from ")
            .rows(set)
            .sql(" cross join touches t join in_flight f on f.touch = t.id where t.id = v.touch and t.attempt = v.no ")
            .sql("and f.no = v.no and t.id")
            .any(locked)
            .sql(" order by t.id");
        let (mut taken, mut sending) = (Vec::new(), Vec::new());
        for row in tx.conn.fetch(stmt).await? {
            let mut row = row.cursor();
            let (touch, attempt) = (TouchId(row.int()?), row.small()?);
            let connector = known(Lane::from_text(&row.text()?), "lane")?.connector;
            if row.text()? == TouchState::Sending.as_str() {
                sending.push(touch.0);
            }
            taken.push(TakenOver { touch, attempt, connector });
        }
        if taken.is_empty() {
            return Ok(taken);
        }
        let ids = || taken.iter().map(|one| one.touch.0);
        if !sending.is_empty() {
            let count = sending.len();
            let stmt = tx.conn.stmt("update touches set state = 'unknown' where id").any(sending);
            tx.conn.run_exactly(stmt, count, "touches").await?;
        }
        let stmt =
            tx.conn.stmt("update in_flight set taken_at = ").bind(micros(now)).sql(" where touch").any(ids());
        tx.conn.run_exactly(stmt, taken.len(), "in_flight").await?;
        Ok(taken)
    }
}
