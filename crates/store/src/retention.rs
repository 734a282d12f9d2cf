//! What ended long ago: the touches of ended enrollments with all that hangs on them, and decisions.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Fail;
use crate::housekeeping::Which;
use crate::session::{Tx, Work};
use crate::sql::{Conn, RowSet, micros};

/// How many ended enrollments go in one transaction for each hundred rows of a slice: each has several touches.
const ENROLLMENTS_A_HUNDRED: i64 = 5;

/// Takes away what enrollments left that ended before the horizon.
///
/// Left alone are those with an attempt in flight or a task that is still to be taken back. Of each contact and cadence
/// the last enrollment that ended stays, without its touches: the rules of re-entry look at it.
pub(crate) struct Sweep {
    pub(crate) keep: Duration,
    pub(crate) slice: i64,
}

#[async_trait]
impl Work for Sweep {
    type Out = usize;

    async fn run(&self, tx: &mut Tx) -> Result<usize, Fail> {
        let before = micros(tx.now().await?.saturating_sub(self.keep).unwrap_or(Timestamp::MIN));
        let most = (self.slice / 100).saturating_mul(ENROLLMENTS_A_HUNDRED).max(1);
        let conn = &mut tx.conn;
        let stmt = conn
            .stmt(
                "select e.id from enrollments e where e.ended_at is not null and e.swept is null and e.ended_at < ",
            )
            .bind(before)
            .sql(" order by e.ended_at limit ")
            .bind(most)
            .lock_free("e");
        let mut ended = ids(conn.fetch(stmt).await?)?;
        let full = i64::try_from(ended.len()).is_ok_and(|found| found == most);
        if ended.is_empty() {
            return Ok(0);
        }
        let (touches, busy) = touches(conn, &ended).await?;
        ended.retain(|id| !busy.contains(id));
        let gone = self.remove(conn, &ended, &touches).await?;
        // Where the slice was full there is more to do, however little hung on these.
        Ok(if full && busy.is_empty() {
            gone.max(usize::try_from(self.slice).unwrap_or(usize::MAX))
        } else {
            gone
        })
    }
}

/// A touch that goes, with what it is looked up by elsewhere.
struct Going {
    id: i64,
    enrollment: i64,
    workspace: String,
    remote_id: Option<String>,
}

fn ids(rows: Vec<crate::sql::Row>) -> Result<BTreeSet<i64>, Fail> {
    let mut ids = BTreeSet::new();
    for row in rows {
        ids.insert(row.cursor().int()?);
    }
    Ok(ids)
}

/// Locks the touches of enrollments; and says which enrollments have something under way.
async fn touches(conn: &mut Conn, ended: &BTreeSet<i64>) -> Result<(Vec<Going>, BTreeSet<i64>), Fail> {
    let stmt = conn.stmt("select t.id from touches t where t.enrollment").any(ended.iter().copied());
    let found = ids(conn.fetch(stmt).await?)?;
    let stmt = conn
        .stmt("select t.id, t.enrollment, t.workspace, t.remote_id from touches t where t.id")
        .any(found.iter().copied())
        .sql(" order by t.id")
        .lock("t");
    let mut touches = Vec::with_capacity(found.len());
    for row in conn.fetch(stmt).await? {
        let mut row = row.cursor();
        touches.push(Going {
            id: row.int()?,
            enrollment: row.int()?,
            workspace: row.text()?,
            remote_id: row.opt_text()?,
        });
    }
    let stmt = conn
        .stmt("select f.touch from in_flight f where f.touch")
        .any(found.iter().copied())
        .sql(" union select c.touch from commands c where c.done_at is null and c.touch")
        .any(found.iter().copied());
    let under_way = ids(conn.fetch(stmt).await?)?;
    let busy: BTreeSet<i64> =
        touches.iter().filter(|one| under_way.contains(&one.id)).map(|one| one.enrollment).collect();
    touches.retain(|one| !busy.contains(&one.enrollment));
    Ok((touches, busy))
}

impl Sweep {
    async fn remove(&self, conn: &mut Conn, ended: &BTreeSet<i64>, touches: &[Going]) -> Result<usize, Fail> {
        let keys = || touches.iter().map(|one| one.id);
        let mut gone = 0;
        for table in ["attempts", "results", "commands"] {
            let stmt = conn.stmt(&format!("delete from {table} where touch")).any(keys());
            gone += conn.run(stmt).await?;
        }
        let remote: Vec<&Going> = touches.iter().filter(|one| one.remote_id.is_some()).collect();
        if !remote.is_empty() {
            let set = RowSet::new(remote.len())
                .text("workspace", remote.iter().map(|one| one.workspace.as_str()))
                .opt_text("remote_id", remote.iter().map(|one| one.remote_id.as_deref()))
                .int("touch", remote.iter().map(|one| one.id));
            let stmt = conn.stmt("delete from remotes where exists (select 1 from ").rows(set).sql(
                " where v.workspace = remotes.workspace and v.remote_id = remotes.remote_id and v.touch = remotes.touch)",
            );
            // Found by workspace and id at the CRM, the beginning of the key; the touches' numbers are its end.
            let workspaces: BTreeSet<&str> = remote.iter().map(|one| one.workspace.as_str()).collect();
            let stmt = stmt
                .sql(" and remotes.workspace")
                .any_text(workspaces.into_iter().map(str::to_owned))
                .sql(" and remotes.remote_id")
                .any_text(remote.iter().filter_map(|one| one.remote_id.clone()));
            gone += conn.run(stmt).await?;
        }
        let stmt = conn.stmt("delete from touches where id").any(keys());
        gone += conn.run(stmt).await?;
        let stmt = conn
            .stmt("delete from enrollments where id")
            .any(ended.iter().copied())
            .sql(
                " and exists (select 1 from enrollments n where n.contact = enrollments.contact \
                 and n.cadence = enrollments.cadence and n.ended_at is not null \
                 and (n.ended_at > enrollments.ended_at or (n.ended_at = enrollments.ended_at and n.id > enrollments.id)))",
            );
        gone += conn.run(stmt).await?;
        let stmt = conn.stmt("update enrollments set swept = 1 where id").any(ended.iter().copied());
        conn.run(stmt).await?;
        Ok(usize::try_from(gone).unwrap_or(usize::MAX))
    }
}

/// Takes away the oldest rows of a table whose rows are numbered as they come: those with the lowest numbers.
pub(crate) struct Forget {
    /// The number, the table, and the moment of a row.
    pub(crate) rows: (&'static str, &'static str, &'static str),
    pub(crate) keep: Duration,
    pub(crate) clock: Which,
    pub(crate) slice: i64,
}

#[async_trait]
impl Work for Forget {
    type Out = usize;

    async fn run(&self, tx: &mut Tx) -> Result<usize, Fail> {
        let now = self.clock.now(tx).await?;
        let before = micros(now.saturating_sub(self.keep).unwrap_or(Timestamp::MIN));
        let (number, table, at) = self.rows;
        let stmt = tx
            .conn
            .stmt(&format!(
                "delete from {table} where {number} in (select x.number from \
                 (select d.{number} as number, d.{at} as at from {table} d order by d.{number} limit "
            ))
            .bind(self.slice)
            .sql(") x where x.at < ")
            .bind(before)
            .sql(")");
        Ok(usize::try_from(tx.conn.run(stmt).await?).unwrap_or(usize::MAX))
    }
}
