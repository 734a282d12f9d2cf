//! Timers.

use domain::id::{EnrollmentId, Shard, TouchId};
use domain::touch::{HeldReason, Lane, Timer, TimerKind};
use ports::StoreResult;

use crate::error::known;
use crate::sql::{Row, RowSet, micros, moment};
use crate::tables::workspace;

pub(crate) const COLUMNS: &str = "enrollment, workspace, kind, touch, lane, shard, due_at, held";

pub(crate) fn read(row: &Row) -> StoreResult<Timer> {
    let mut row = row.cursor();
    Ok(Timer {
        owner: row.int()?,
        workspace: workspace(row.text()?)?,
        kind: known(TimerKind::parse(&row.text()?), "kind of timer")?,
        touch: row.opt_int()?.map(TouchId),
        lane: row.opt_text()?.map(|text| known(Lane::from_text(&text), "lane")).transpose()?,
        shard: Shard(row.small()?),
        due_at: moment(row.int()?),
        held: row.opt_text()?.map(|text| known(HeldReason::parse(&text), "reason")).transpose()?,
    })
}

pub(crate) fn rows(timers: &[(&EnrollmentId, &Timer)]) -> RowSet {
    let all = timers.iter().map(|(_, timer)| *timer);
    RowSet::new(timers.len())
        .int("enrollment", timers.iter().map(|(enrollment, _)| enrollment.0))
        .text("workspace", all.clone().map(|one| one.workspace.as_str()))
        .text("kind", all.clone().map(|one| one.kind.as_str()))
        .opt_int("touch", all.clone().map(|one| one.touch.map(|touch| touch.0)))
        // Touches are picked by lane; other kinds have none, whatever the value says.
        .opt_text("lane", all.clone().map(|one| lane(one).map(Lane::to_text)))
        .int("shard", all.clone().map(|one| i64::from(one.shard.0)))
        .int("due_at", all.clone().map(|one| micros(one.due_at)))
        .opt_text("held", all.map(|one| one.held.map(HeldReason::as_str)))
}

fn lane(timer: &Timer) -> Option<&Lane> {
    timer.lane.as_ref().filter(|_| timer.kind == TimerKind::Touch)
}
