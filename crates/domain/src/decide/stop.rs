//! Ending enrollments and taking touches back. Final: nothing that comes later reopens what ended here.

use crate::cadence::Outcome;
use crate::decision::Decision;
use crate::enrollment::{EnrollmentState, Place, StepRecord, StepResult};
use crate::id::{EnrollmentId, TouchId};
use crate::touch::{Note, Touch, TouchState};

use super::folding::Folding;

/// How an enrollment ends.
pub(super) struct Ending {
    pub(super) state: EnrollmentState,
    pub(super) rule: String,
    pub(super) outcome: Outcome,
}

impl Ending {
    /// By a rule.
    pub(super) fn exit(rule: impl Into<String>, outcome: Outcome) -> Self {
        Self { state: EnrollmentState::Exited, rule: rule.into(), outcome }
    }
}

/// Ends an enrollment: its touches are taken back, its timer goes.
pub(super) fn end(f: &mut Folding<'_>, id: EnrollmentId, ending: Ending) {
    if !f.enrollment(id).is_some_and(|enrollment| enrollment.state.is_live()) {
        return;
    }
    let why = Note::new(ending.state.as_str(), ending.rule.clone());
    close(f, id, ending);
    for touch in f.touches_of(id, |touch| !touch.state.is_final()) {
        take_back(f, touch, &why);
    }
}

/// Ends an enrollment that ran its course: what is still open behind automatic steps stays with its rep.
pub(super) fn finish(f: &mut Folding<'_>, id: EnrollmentId, outcome: Outcome) {
    close(f, id, Ending { state: EnrollmentState::Finished, rule: "end".to_owned(), outcome });
}

fn close(f: &mut Folding<'_>, id: EnrollmentId, ending: Ending) {
    let now = f.now;
    let Some(enrollment) = f.world.enrollments.get_mut(&id) else { return };
    enrollment.state = ending.state;
    enrollment.ended_at = Some(now.max(enrollment.entered_at));
    enrollment.outcome = Some(ending.outcome);
    enrollment.ended_by = Some(ending.rule.clone());
    enrollment.progress.place = Place::Over;
    enrollment.progress.holds.clear();
    enrollment.progress.frozen = None;
    enrollment.progress.seen.clear();
    let said = Decision::Ended {
        enrollment: enrollment.uid,
        cadence: enrollment.cadence.clone(),
        state: ending.state,
        rule: ending.rule,
        outcome: ending.outcome,
    };
    f.clear_timer(id);
    f.say_of(id, said);
}

/// Takes a touch back, wherever it is: before it went, out of the CRM, or, when its request is under way, as soon as that
/// is settled. The fence is raised in any case, so that no mark of an older reading goes through.
pub(super) fn take_back(f: &mut Folding<'_>, id: TouchId, why: &Note) {
    let Some(touch) = f.world.touches.get_mut(&id) else { return };
    touch.fence += 1;
    let perhaps_out = is_unknown(touch);
    // While it is under way the note still has to say that an attempt before may have got through.
    touch.note = Some(match touch.state {
        TouchState::Sending if perhaps_out => Note::new("unknown", why.text.clone()),
        _ => why.clone(),
    });
    match touch.state {
        TouchState::Scheduled | TouchState::Held if perhaps_out => withdraw_out(f, id, why),
        TouchState::Scheduled | TouchState::Held | TouchState::Failed => {
            touch.state = TouchState::Withdrawn;
            // Nothing of it left, though a retried attempt may have reserved budgets.
            touch.reserved.clear();
            f.say_touch(id, "withdrawn", why.text.clone());
        }
        TouchState::Open | TouchState::Unknown => withdraw_out(f, id, why),
        TouchState::Sending => {
            f.say_touch(id, "crossing", "its request is under way: taken back once settled");
        }
        TouchState::Done | TouchState::Skipped | TouchState::Withdrawn => {}
    }
}

/// Whether an attempt of it may have reached the CRM though it waits to be repeated.
pub(super) fn is_unknown(touch: &Touch) -> bool {
    touch.attempt > 0 && touch.note.as_ref().is_some_and(|note| note.code == "unknown")
}

/// Takes back a task that is, or may be, in the CRM.
pub(super) fn withdraw_out(f: &mut Folding<'_>, id: TouchId, why: &Note) {
    let now = f.now;
    let Some(touch) = f.world.touches.get_mut(&id) else { return };
    touch.state = TouchState::Withdrawn;
    touch.note = Some(why.clone());
    let enrollment = touch.enrollment;
    if let Some(record) = f.progress_mut(enrollment).and_then(|progress| progress.record_mut(id)) {
        record.result = StepResult::Withdrawn;
        record.at = now;
    }
    f.withdraw_task(id, &why.text);
    f.say_touch(id, "withdrawn", why.text.clone());
}

/// Notes a visit that went no further: skipped or withdrawn before it went out.
pub(super) fn remember(f: &mut Folding<'_>, id: TouchId, result: StepResult, at: jiff::Timestamp) {
    let Some(touch) = f.world.touches.get(&id) else { return };
    let (enrollment, step, visit) = (touch.enrollment, touch.step.clone(), touch.visit);
    let (key, channel) = (touch.key, touch.channel);
    let Some(progress) = f.progress_mut(enrollment) else { return };
    if let Some(record) = progress.record_mut(id) {
        record.result = result;
        record.at = at;
        return;
    }
    let mut record = StepRecord::new(step, visit, result, at);
    record.touch = Some(id);
    record.key = Some(key);
    record.channel = Some(channel);
    progress.history.push(record);
}
