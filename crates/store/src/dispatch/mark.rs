//! The mark: the linearisation point between sending and every stop.
//!
//! In this order: the epoch locks, shared; the touches, in id order, leaving out what others hold; missing budgets, sorted;
//! the budgets, in key order; then, with a fresh snapshot, the checks, and the writing. Whatever stops a touch has
//! either committed before, and is seen, or waits for the touch's row or the epoch lock, and comes after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::id::{EnrollmentId, TouchId, Workspace};
use domain::touch::HeldReason;
use jiff::Timestamp;
use ports::clock::Clock;
use ports::dispatch::{MarkRequest, Marked, WorkerId};

use crate::budgets::Budgets;
use crate::error::Fail;
use crate::flags::{self, Stops};
use crate::session::{Turn, Tx, Work};
use crate::sql::{RowSet, micros, moment};
use crate::tables::touch::{reserved, reserved_text};

pub(super) struct Mark {
    pub(super) worker: WorkerId,
    pub(super) row: WorkerRow,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) requests: Vec<MarkRequest>,
}

/// Whether the worker must still have the row of its heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkerRow {
    /// It was announced: without its row it was taken for dead, and what it marked now would be taken over at once.
    Needed,
    /// Nothing beats here.
    NotNeeded,
}

/// A touch under lock.
#[derive(Debug)]
struct Locked {
    enrollment: EnrollmentId,
    fence: i32,
    attempt: i32,
    reserved: Vec<String>,
}

/// The bytes of the first attempt that was not void, and when it was marked.
type Stored = (Bytes, Timestamp);

/// A touch that goes.
struct Going<'a> {
    request: &'a MarkRequest,
    enrollment: EnrollmentId,
    attempt: i32,
    /// What is to be stored: nothing when an earlier attempt's bytes are repeated.
    body: Option<&'a Bytes>,
    reserved: Vec<String>,
}

#[async_trait]
impl Work for Mark {
    type Out = Vec<Marked>;

    fn turn(&self) -> Turn {
        Turn::Last
    }

    async fn run(&self, tx: &mut Tx) -> Result<Vec<Marked>, Fail> {
        let workspaces: BTreeSet<&Workspace> = self.requests.iter().map(|one| &one.flags.workspace).collect();
        flags::share_epochs(&mut tx.conn, &workspaces).await?;
        if self.row == WorkerRow::Needed && !self.lock_worker(tx).await? {
            return Ok(vec![Marked::Lost; self.requests.len()]);
        }
        let locked = self.lock_touches(tx).await?;
        let mut budgets = self.lock_budgets(tx, &locked).await?;
        // What follows reads with a snapshot that is younger than all of these locks.
        let wall = tx.wall().await?;
        let now = tx.now().await?;
        let ready = self.ready(tx, &locked).await?;
        let stops = flags::stops(&mut tx.conn).await?;
        let stored = self.stored(tx, &locked).await?;

        let mut going: Vec<Going<'_>> = Vec::new();
        let mut held: Vec<(TouchId, EnrollmentId, HeldReason)> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut answers = Vec::with_capacity(self.requests.len());
        for request in &self.requests {
            let answer = match locked.get(&request.touch) {
                Some(row)
                    if row.fence == request.fence
                        && ready.contains(&request.touch)
                        && seen.insert(request.touch) =>
                {
                    judge((request, row), &stops, &mut budgets, now)
                }
                _ => Verdict::Lost,
            };
            answers.push(match answer {
                Verdict::Lost => Marked::Lost,
                Verdict::Held(reason, enrollment) => {
                    held.push((request.touch, enrollment, reason));
                    Marked::Held(reason)
                }
                Verdict::Full(key, uses) => Marked::Full { key, uses },
                Verdict::Goes { enrollment, attempt, reserved } => {
                    let earlier = stored.get(&request.touch);
                    let body = earlier.map_or(&request.body, |(body, _)| body).clone();
                    let since = earlier.map_or(wall, |(_, since)| *since);
                    let new = earlier.is_none().then_some(&request.body);
                    going.push(Going { request, enrollment, attempt, body: new, reserved });
                    Marked::Yes { attempt, body, since, committing_at: Duration::ZERO }
                }
            });
        }
        budgets.write(&mut tx.conn).await?;
        self.write(tx, &going).await?;
        hold(tx, &held).await?;
        // The last thing before the COMMIT: on SQLite too, where marks come last in their group.
        let now = self.clock.monotonic();
        for answer in &mut answers {
            if let Marked::Yes { committing_at, .. } = answer {
                *committing_at = now;
            }
        }
        fail::fail_point!("store.mark.uncommitted");
        Ok(answers)
    }
}

/// What is to become of a request.
enum Verdict {
    Lost,
    Held(HeldReason, EnrollmentId),
    Full(String, Vec<Timestamp>),
    Goes { enrollment: EnrollmentId, attempt: i32, reserved: Vec<String> },
}

impl Mark {
    fn ids(&self) -> impl Iterator<Item = i64> + '_ {
        self.requests.iter().map(|one| one.touch.0)
    }

    /// Whether the worker's row is there, and keeps it there until the COMMIT: whoever removes it waits, while a heartbeat
    /// does not.
    async fn lock_worker(&self, tx: &mut Tx) -> Result<bool, Fail> {
        let stmt =
            tx.conn.stmt("select 1 from workers w where w.id = ").bind(self.worker.0).sql(" for key share");
        Ok(tx.conn.first(stmt).await?.is_some())
    }

    async fn lock_touches(&self, tx: &mut Tx) -> Result<BTreeMap<TouchId, Locked>, Fail> {
        let stmt = tx
            .conn
            .stmt("select t.id, t.enrollment, t.fence, t.attempt, t.reserved from touches t where t.id")
            .any(self.ids())
            .sql(" and t.state in ('scheduled', 'unknown') order by t.id")
            .lock_free("t");
        let mut locked = BTreeMap::new();
        for row in tx.conn.fetch(stmt).await? {
            let mut row = row.cursor();
            let id = TouchId(row.int()?);
            let enrollment = EnrollmentId(row.int()?);
            let (fence, attempt) = (row.small()?, row.small()?);
            locked.insert(id, Locked { enrollment, fence, attempt, reserved: reserved(row.opt_text()?)? });
        }
        Ok(locked)
    }

    async fn lock_budgets(&self, tx: &mut Tx, locked: &BTreeMap<TouchId, Locked>) -> Result<Budgets, Fail> {
        let mut wanted: BTreeMap<(Workspace, String), Timestamp> = BTreeMap::new();
        let first =
            |request: &&MarkRequest| locked.get(&request.touch).is_some_and(|row| row.reserved.is_empty());
        for request in self.requests.iter().filter(first) {
            for one in &request.reservations {
                let key = (request.flags.workspace.clone(), one.key.clone());
                let forget = wanted.entry(key).or_insert(one.forget_after);
                *forget = (*forget).max(one.forget_after);
            }
        }
        Budgets::lock(&mut tx.conn, &wanted).await
    }

    /// The touches, of those locked, whose enrollment is live and whose timer is there and not held.
    async fn ready(
        &self,
        tx: &mut Tx,
        locked: &BTreeMap<TouchId, Locked>,
    ) -> Result<BTreeSet<TouchId>, Fail> {
        let stmt = tx
            .conn
            .stmt("select m.touch from timers m join enrollments e on e.id = m.enrollment where m.enrollment")
            .any(locked.values().map(|row| row.enrollment.0))
            .sql(" and m.kind = 'touch' and m.touch is not null and m.held is null ")
            // Of an exited enrollment an unknown attempt is only looked up, which needs no mark.
            .sql("and e.state = 'live'");
        Ok(tx.conn.ids(stmt).await?.into_iter().map(TouchId).collect())
    }

    /// What repeated touches sent the first time.
    async fn stored(
        &self,
        tx: &mut Tx,
        locked: &BTreeMap<TouchId, Locked>,
    ) -> Result<BTreeMap<TouchId, Stored>, Fail> {
        let repeats: Vec<i64> =
            locked.iter().filter(|(_, row)| row.attempt > 0).map(|(id, _)| id.0).collect();
        if repeats.is_empty() {
            return Ok(BTreeMap::new());
        }
        // A void attempt never left, so its bytes bind nobody, unless it was thought unknown for a while and they were
        // repeated meanwhile.
        let stmt = tx
            .conn
            .stmt("select a.touch, a.body, a.at from attempts a where a.body is not null and a.touch")
            .any(repeats)
            .sql(" and (not exists (select 1 from results r where r.touch = a.touch and r.no = a.no and r.result = '\"void\"')")
            .sql(" or exists (select 1 from attempts b where b.touch = a.touch and b.no = a.no + 1 and b.body is null))")
            .sql(" order by a.touch, a.no");
        let mut stored = BTreeMap::new();
        for row in tx.conn.fetch(stmt).await? {
            let mut row = row.cursor();
            let touch = TouchId(row.int()?);
            let body = Bytes::from(row.bytes()?);
            let since = moment(row.int()?);
            stored.entry(touch).or_insert((body, since));
        }
        Ok(stored)
    }
}

/// Whether a touch whose row is held may go.
fn judge(
    (request, row): (&MarkRequest, &Locked),
    stops: &Stops,
    budgets: &mut Budgets,
    now: Timestamp,
) -> Verdict {
    if let Some(reason) = stops.reason(&request.flags) {
        return Verdict::Held(reason, row.enrollment);
    }
    let mut reserved = row.reserved.clone();
    if reserved.is_empty() {
        let owner = (&request.flags.workspace, request.touch);
        if let Err(full) = budgets.reserve(owner, &request.reservations, now) {
            return Verdict::Full(full.key, full.uses);
        }
        reserved = request.reservations.iter().map(|one| one.key.clone()).collect();
    }
    Verdict::Goes { enrollment: row.enrollment, attempt: row.attempt + 1, reserved }
}

impl Mark {
    async fn write(&self, tx: &mut Tx, going: &[Going<'_>]) -> Result<(), Fail> {
        if going.is_empty() {
            return Ok(());
        }
        let wall = micros(tx.wall().await?);
        let conn = &mut tx.conn;
        let count = going.len();
        let stmt =
            conn.stmt("delete from timers where enrollment").any(going.iter().map(|one| one.enrollment.0));
        conn.run_exactly(stmt, count, "timers").await?;

        let attempt = || {
            RowSet::new(count)
                .int("touch", going.iter().map(|one| one.request.touch.0))
                .int("no", going.iter().map(|one| i64::from(one.attempt)))
                .uuid("worker", going.iter().map(|_| self.worker.0))
                .int("at", going.iter().map(|_| wall))
        };
        let bodies = going.iter().map(|one| one.body.map(|body| body.to_vec()));
        crate::tables::insert(conn, "attempts", attempt().opt_bytes("body", bodies)).await?;
        // A taken-over attempt that is repeated leaves its row to its successor.
        let stmt = crate::tables::insert_from(conn, "in_flight", attempt()).sql(
            " on conflict (touch) do update set no = excluded.no, worker = excluded.worker, at = excluded.at, \
             taken_at = null",
        );
        conn.run_exactly(stmt, count, "in_flight").await?;

        let mut reserved = Vec::with_capacity(count);
        for one in going {
            reserved.push(reserved_text(&one.reserved)?);
        }
        let set = RowSet::new(count)
            .int("id", going.iter().map(|one| one.request.touch.0))
            .int("attempt", going.iter().map(|one| i64::from(one.attempt)))
            .opt_text("reserved", reserved.into_iter());
        let stmt = conn
            .stmt("update touches set state = 'sending', attempt = v.attempt, reserved = v.reserved from ")
            .rows(set)
            .sql(" where touches.id = v.id");
        conn.run_exactly(stmt, count, "touches").await
    }
}

/// Takes touches out of the index of due ones, with the reason. An unknown touch stays unknown.
async fn hold(tx: &mut Tx, held: &[(TouchId, EnrollmentId, HeldReason)]) -> Result<(), Fail> {
    if held.is_empty() {
        return Ok(());
    }
    let conn = &mut tx.conn;
    let stmt = conn
        .stmt("update touches set state = 'held' where state = 'scheduled' and id")
        .any(held.iter().map(|(touch, _, _)| touch.0));
    conn.run(stmt).await?;
    let set = RowSet::new(held.len())
        .int("enrollment", held.iter().map(|(_, enrollment, _)| enrollment.0))
        .text("held", held.iter().map(|(_, _, reason)| reason.as_str()));
    let stmt = conn
        .stmt("update timers set held = v.held from ")
        .rows(set)
        .sql(" where timers.enrollment = v.enrollment");
    conn.run_exactly(stmt, held.len(), "timers").await
}
