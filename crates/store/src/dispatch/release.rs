//! Holding due touches that no dispatcher could send, and releasing those whose reason is gone, in slices.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use domain::id::{CadenceName, ConnectorName, OwnerName, Workspace};
use domain::touch::{HeldReason, Lane};
use ports::dispatch::{FlagKeys, HeldTouches};

use crate::Store;
use crate::error::{Fail, known};
use crate::flags;
use crate::session::{Tx, Work};
use crate::sql::micros;
use crate::tables::{name, opt_name, workspace};

pub(super) struct Release {
    pub(super) slice: usize,
    /// The connectors that are configured.
    pub(super) known: Vec<ConnectorName>,
    /// The enrollment after which to look: a sweep goes on where the last one ended, else what is still stopped, and
    /// comes first, would hide what is free for ever.
    pub(super) cursor: Arc<AtomicI64>,
}

/// What a sweep may release.
const REASONS: [HeldReason; 6] = [
    HeldReason::Cadence,
    HeldReason::Owner,
    HeldReason::Connector,
    HeldReason::NoConnector,
    HeldReason::Workspace,
    HeldReason::All,
];

/// A timer that a flag, or the want of its connector, holds.
struct Candidate {
    touch: i64,
    enrollment: i64,
    reason: HeldReason,
    keys: FlagKeys,
}

#[async_trait]
impl Work for Release {
    type Out = usize;

    async fn run(&self, tx: &mut Tx) -> Result<usize, Fail> {
        let stops = flags::stops(&mut tx.conn).await?;
        let mut free: Vec<Candidate> = Vec::new();
        let mut after = self.cursor.load(Ordering::Relaxed);
        // What is still stopped is walked over, at most a few slices at a time.
        for _ in 0..8 {
            let found = self.held(tx, after).await?;
            after = match found.last() {
                Some(last) if found.len() >= self.slice => last.enrollment,
                // That was the end: the next sweep begins anew.
                _ => 0,
            };
            free.extend(found.into_iter().filter(|one| self.is_free(one, &stops)));
            if free.len() >= self.slice || after == 0 {
                break;
            }
        }
        if free.len() > self.slice {
            free.truncate(self.slice);
            after = free.last().map_or(0, |last| last.enrollment);
        }
        self.cursor.store(after, Ordering::Relaxed);
        if free.is_empty() {
            return Ok(0);
        }
        let lock = tx
            .conn
            .stmt("select t.id from touches t where t.id")
            .any(free.iter().map(|one| one.touch))
            .sql(" order by t.id")
            .lock_free("t");
        let mut locked = Vec::new();
        for row in tx.conn.fetch(lock).await? {
            locked.push(row.cursor().int()?);
        }
        free.retain(|one| locked.contains(&one.touch));
        let lock = tx
            .conn
            .stmt("select m.enrollment from timers m where m.enrollment")
            .any(free.iter().map(|one| one.enrollment))
            .sql(" and m.held")
            .any_text(REASONS.iter().map(|reason| reason.as_str().to_owned()))
            .sql(" order by m.enrollment")
            .lock_free("m");
        let mut timers = Vec::new();
        for row in tx.conn.fetch(lock).await? {
            timers.push(row.cursor().int()?);
        }
        free.retain(|one| timers.contains(&one.enrollment));
        let stmt = tx
            .conn
            .stmt("update touches set state = 'scheduled' where state = 'held' and id")
            .any(free.iter().map(|one| one.touch));
        tx.conn.run(stmt).await?;
        let stmt = tx.conn.stmt("update timers set held = null where enrollment").any(timers.iter().copied());
        tx.conn.run_exactly(stmt, timers.len(), "timers").await?;
        Ok(timers.len())
    }
}

impl Release {
    fn is_free(&self, one: &Candidate, stops: &flags::Stops) -> bool {
        let is_there = one.reason != HeldReason::NoConnector || self.known.contains(&one.keys.connector);
        is_there && stops.reason(&one.keys).is_none()
    }

    async fn held(&self, tx: &mut Tx, after: i64) -> Result<Vec<Candidate>, Fail> {
        let stmt = tx
            .conn
            .stmt("select m.enrollment, m.held, t.id, t.workspace, t.cadence, t.owner, t.lane from timers m ")
            .sql("join touches t on t.id = m.touch where m.held is not null and m.held")
            .any_text(REASONS.iter().map(|reason| reason.as_str().to_owned()))
            .sql(" and m.enrollment > ")
            .bind(after)
            .sql(" order by m.enrollment limit ")
            .bind(i64::try_from(self.slice).unwrap_or(i64::MAX));
        let mut found = Vec::new();
        for row in tx.conn.fetch(stmt).await? {
            let mut row = row.cursor();
            let enrollment = row.int()?;
            let reason = known(HeldReason::parse(&row.text()?), "reason")?;
            let touch = row.int()?;
            let workspace: Workspace = workspace(row.text()?)?;
            let cadence: CadenceName = name(row.text()?, "cadence")?;
            let owner: Option<OwnerName> = opt_name(row.opt_text()?, "owner")?;
            let connector: ConnectorName = known(Lane::from_text(&row.text()?), "lane")?.connector;
            found.push(Candidate {
                touch,
                enrollment,
                reason,
                keys: FlagKeys { workspace, cadence, owner, connector },
            });
        }
        Ok(found)
    }
}

/// Due touches of connectors that are not configured: they are taken out of the index of what may go, with the reason.
pub(super) struct HoldStrays {
    pub(super) lanes: Vec<Lane>,
    pub(super) slice: usize,
}

impl HoldStrays {
    fn lanes(&self) -> impl Iterator<Item = String> + '_ {
        self.lanes.iter().map(Lane::to_text)
    }
}

#[async_trait]
impl Work for HoldStrays {
    type Out = usize;

    async fn run(&self, tx: &mut Tx) -> Result<usize, Fail> {
        let now = micros(tx.now().await?);
        let slice = i64::try_from(self.slice).unwrap_or(i64::MAX);
        let due = tx
            .conn
            .stmt("select m.touch from timers m where m.held is null and m.lane is not null and m.lane")
            .any_text(self.lanes())
            .sql(" and m.due_at <= ")
            .bind(now)
            .sql(" limit ")
            .bind(slice);
        let touches = tx.conn.ids(due).await?;
        if touches.is_empty() {
            return Ok(0);
        }
        let lock = tx
            .conn
            .stmt("select t.id from touches t where t.id")
            .any(touches.iter().copied())
            .sql(" order by t.id")
            .lock_free("t");
        let touches = tx.conn.ids(lock).await?;
        let lock = tx
            .conn
            .stmt("select m.enrollment from timers m where m.touch")
            .any(touches.iter().copied())
            .sql(" and m.enrollment in (select t.enrollment from touches t where t.id")
            .any(touches.iter().copied())
            .sql(") and m.kind = 'touch' and m.held is null and m.lane")
            .any_text(self.lanes())
            .sql(" order by m.enrollment")
            .lock_free("m");
        let timers = tx.conn.ids(lock).await?;
        // An unknown touch stays unknown.
        let stmt = tx
            .conn
            .stmt("update touches set state = 'held' where state = 'scheduled' and id")
            .any(touches.iter().copied())
            .sql(" and enrollment")
            .any(timers.iter().copied());
        tx.conn.run(stmt).await?;
        let stmt = tx
            .conn
            .stmt("update timers set held = ")
            .bind(HeldReason::NoConnector.as_str())
            .sql(" where enrollment")
            .any(timers.iter().copied());
        tx.conn.run_exactly(stmt, timers.len(), "timers").await?;
        Ok(timers.len())
    }
}

/// Counts what is held.
pub(super) async fn held(store: &Store) -> Result<Vec<HeldTouches>, Fail> {
    let mut conn = store.database.reader().await?;
    let stmt = conn
        .stmt(
            "select m.held, m.lane, count(*) from timers m where m.held is not null and m.lane is not null ",
        )
        .sql("group by m.held, m.lane order by m.held, m.lane");
    let mut held = Vec::new();
    for row in conn.fetch(stmt).await? {
        let mut row = row.cursor();
        held.push(HeldTouches {
            reason: known(HeldReason::parse(&row.text()?), "reason")?,
            lane: known(Lane::from_text(&row.text()?), "lane")?,
            touches: u64::try_from(row.int()?).unwrap_or_default(),
        });
    }
    Ok(held)
}
