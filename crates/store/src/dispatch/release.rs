//! Releasing touches whose flag was lifted, in slices.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use domain::id::{CadenceName, ConnectorName, OwnerName, Workspace};
use domain::touch::{HeldReason, Lane};
use ports::dispatch::FlagKeys;

use crate::error::{Fail, known};
use crate::flags;
use crate::session::{Tx, Work};
use crate::tables::{name, opt_name, workspace};

pub(super) struct Release {
    pub(super) slice: usize,
    /// The enrollment after which to look: a sweep goes on where the last one ended, else what is still stopped, and
    /// comes first, would hide what is free for ever.
    pub(super) cursor: Arc<AtomicI64>,
}

/// A timer that a flag holds.
struct Candidate {
    touch: i64,
    enrollment: i64,
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
            free.extend(found.into_iter().filter(|one| stops.reason(&one.keys).is_none()));
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
            .sql(" and m.held in ('cadence', 'owner', 'connector', 'workspace', 'all') order by m.enrollment")
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
    async fn held(&self, tx: &mut Tx, after: i64) -> Result<Vec<Candidate>, Fail> {
        let reasons = [
            HeldReason::Cadence,
            HeldReason::Owner,
            HeldReason::Connector,
            HeldReason::Workspace,
            HeldReason::All,
        ];
        let stmt = tx
            .conn
            .stmt("select m.enrollment, t.id, t.workspace, t.cadence, t.owner, t.lane from timers m ")
            .sql("join touches t on t.id = m.touch where m.held is not null and m.held")
            .any_text(reasons.iter().map(|reason| reason.as_str().to_owned()))
            .sql(" and m.enrollment > ")
            .bind(after)
            .sql(" order by m.enrollment limit ")
            .bind(i64::try_from(self.slice).unwrap_or(i64::MAX));
        let mut found = Vec::new();
        for row in tx.conn.fetch(stmt).await? {
            let mut row = row.cursor();
            let (enrollment, touch) = (row.int()?, row.int()?);
            let workspace: Workspace = workspace(row.text()?)?;
            let cadence: CadenceName = name(row.text()?, "cadence")?;
            let owner: Option<OwnerName> = opt_name(row.opt_text()?, "owner")?;
            let connector: ConnectorName = known(Lane::from_text(&row.text()?), "lane")?.connector;
            found.push(Candidate {
                touch,
                enrollment,
                keys: FlagKeys { workspace, cadence, owner, connector },
            });
        }
        Ok(found)
    }
}
