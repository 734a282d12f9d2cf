//! Touches.

use domain::id::{ContactId, EnrollmentId, OwnerName, StepId, TouchId, TouchKey, VariantName};
use domain::touch::{Channel, Lane, Touch, TouchState};
use ports::StoreResult;

use crate::error::known;
use crate::sql::{Row, RowSet, from_json, micros, moment, to_json};
use crate::tables::{name, opt_moment, opt_name, workspace};

pub(crate) const COLUMNS: &str = "id, uid, workspace, enrollment, contact, owner, step, visit, part, variant, channel, \
                                  lane, state, fence, due_at, due_by, attempt, reserved, remote_id, sent_at, \
                                  completed_at, outcome, note, trace";

/// "Final", as a literal.
pub(crate) const FINAL: &str = "state in ('done', 'skipped', 'withdrawn')";

pub(crate) fn read(row: &Row) -> StoreResult<Touch> {
    let mut row = row.cursor();
    Ok(Touch {
        id: TouchId(row.int()?),
        key: TouchKey(row.uuid()?),
        workspace: workspace(row.text()?)?,
        enrollment: EnrollmentId(row.int()?),
        contact: ContactId(row.int()?),
        owner: opt_name(row.opt_text()?, "owner")?,
        step: name(row.text()?, "step")?,
        visit: row.small()?,
        part: opt_name(row.opt_text()?, "part")?,
        variant: opt_name(row.opt_text()?, "variant")?,
        channel: known(Channel::parse(&row.text()?), "channel")?,
        lane: known(Lane::from_text(&row.text()?), "lane")?,
        state: known(TouchState::parse(&row.text()?), "state of a touch")?,
        fence: row.small()?,
        due_at: moment(row.int()?),
        due_by: opt_moment(row.opt_int()?),
        attempt: row.small()?,
        reserved: reserved(row.opt_text()?)?,
        remote_id: row.opt_text()?,
        sent_at: opt_moment(row.opt_int()?),
        completed_at: opt_moment(row.opt_int()?),
        outcome: row.opt_text()?,
        note: row.opt_text()?.map(|text| from_json(&text, "note")).transpose()?,
        trace: row.opt_text()?,
    })
}

/// The budgets that a touch has reserved, from the column.
pub(crate) fn reserved(text: Option<String>) -> StoreResult<Vec<String>> {
    text.map(|text| from_json(&text, "reservation")).transpose().map(Option::unwrap_or_default)
}

/// The same for the column.
pub(crate) fn reserved_text(budgets: &[String]) -> StoreResult<Option<String>> {
    if budgets.is_empty() { Ok(None) } else { to_json(budgets).map(Some) }
}

/// New touches, each with the name of its cadence.
pub(crate) fn rows(touches: &[(&Touch, &str)]) -> StoreResult<RowSet> {
    let all = touches.iter().map(|(touch, _)| *touch);
    let changing = changed(&all.clone().collect::<Vec<_>>())?;
    Ok(changing
        .uuid("uid", all.clone().map(|one| one.key.0))
        .text("workspace", all.clone().map(|one| one.workspace.as_str()))
        .int("enrollment", all.clone().map(|one| one.enrollment.0))
        .text("cadence", touches.iter().map(|(_, cadence)| *cadence))
        .text("step", all.clone().map(|one| one.step.as_str()))
        .int("visit", all.clone().map(|one| i64::from(one.visit)))
        .opt_text("part", all.map(|one| one.part.as_ref().map(StepId::as_str))))
}

/// What of a touch may change once it is there.
pub(crate) fn changed(touches: &[&Touch]) -> StoreResult<RowSet> {
    let (mut reserved, mut notes) = (Vec::with_capacity(touches.len()), Vec::with_capacity(touches.len()));
    for touch in touches {
        reserved.push(reserved_text(&touch.reserved)?);
        notes.push(touch.note.as_ref().map(to_json).transpose()?);
    }
    let all = touches.iter();
    Ok(RowSet::new(touches.len())
        .int("id", all.clone().map(|one| one.id.0))
        .int("contact", all.clone().map(|one| one.contact.0))
        .opt_text("owner", all.clone().map(|one| one.owner.as_ref().map(OwnerName::as_str)))
        .opt_text("variant", all.clone().map(|one| one.variant.as_ref().map(VariantName::as_str)))
        .text("channel", all.clone().map(|one| one.channel.as_str()))
        .text("lane", all.clone().map(|one| one.lane.to_text()))
        .text("state", all.clone().map(|one| one.state.as_str()))
        .int("fence", all.clone().map(|one| i64::from(one.fence)))
        .int("due_at", all.clone().map(|one| micros(one.due_at)))
        .opt_int("due_by", all.clone().map(|one| one.due_by.map(micros)))
        .int("attempt", all.clone().map(|one| i64::from(one.attempt)))
        .opt_text("reserved", reserved.into_iter())
        .opt_text("remote_id", all.clone().map(|one| one.remote_id.as_deref()))
        .opt_int("sent_at", all.clone().map(|one| one.sent_at.map(micros)))
        .opt_int("completed_at", all.clone().map(|one| one.completed_at.map(micros)))
        .opt_text("outcome", all.clone().map(|one| one.outcome.as_deref()))
        .opt_text("note", notes.into_iter())
        .opt_text("trace", all.map(|one| one.trace.as_deref())))
}
