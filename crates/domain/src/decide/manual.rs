//! What a person does with enrollments and touches: pause, resume, remove, skip, re-drive.

use crate::cadence::Outcome;
use crate::decision::Decision;
use crate::enrollment::{EnrollmentState, HoldReason, StepResult};
use crate::event::{Event, EventKind};
use crate::id::{EnrollmentId, TouchId};
use crate::time::{Shift, Why};
use crate::touch::{Note, TouchState};
use crate::world::OutOfIds;

use super::complete::{self, Completed};
use super::folding::Folding;
use super::stop::{self, Ending};
use super::subject::{Subject, named_enrollment, named_touch};
use super::{advance, attempts, pause, timers};

/// Whether a kind is a person's act on what runs already.
pub(super) fn is_act(kind: EventKind) -> bool {
    !kind.is_external() && kind != EventKind::ManualEnroll
}

/// Does what a person asks, to the enrollment or touch that they name, else to all live ones of the contact.
pub(super) fn act(f: &mut Folding<'_>, event: &Event, subject: &Subject) -> Result<(), OutOfIds> {
    let targets = targets(f, event, subject);
    if targets.is_empty() {
        f.ignore("nothing_live", "there is no live enrollment that it names");
    }
    for id in targets {
        match event.kind {
            EventKind::ManualPause => {
                let until = event.detail.until.map(|until| f.world.clock.business(until));
                pause::hold(f, id, HoldReason::Manual, until);
            }
            EventKind::ManualResume => pause::lift(f, id, |_| true)?,
            EventKind::ManualRemove => {
                let rule = event.actor.clone().unwrap_or_else(|| "a person".to_owned());
                let ending = Ending { state: EnrollmentState::Removed, rule, outcome: Outcome::Stopped };
                stop::end(f, id, ending);
            }
            EventKind::ManualSkip => skip(f, event, id)?,
            EventKind::ManualRedrive => redrive(f, event, id)?,
            _ => {}
        }
    }
    Ok(())
}

fn targets(f: &Folding<'_>, event: &Event, subject: &Subject) -> Vec<EnrollmentId> {
    if let Some(uid) = named_enrollment(event) {
        return f.live(|one| one.uid == uid);
    }
    if event.detail.task.is_some() {
        let enrollment =
            named_touch(f, event).and_then(|id| f.world.touches.get(&id)).map(|touch| touch.enrollment);
        return f.live(|one| Some(one.id) == enrollment);
    }
    subject.contact.map(|contact| f.live_of(contact)).unwrap_or_default()
}

/// The touch that is meant: the one named, else the current one.
fn touch_of(f: &Folding<'_>, event: &Event, id: EnrollmentId) -> Option<TouchId> {
    if event.detail.task.is_some() {
        return named_touch(f, event);
    }
    f.enrollment(id)?.progress.touch()
}

/// A person's skip counts as completed at that moment.
fn skip(f: &mut Folding<'_>, event: &Event, id: EnrollmentId) -> Result<(), OutOfIds> {
    let Some(touch) = touch_of(f, event, id) else {
        f.ignore_of(id, "no_touch", "it is at no touch");
        return Ok(());
    };
    let state = f.world.touches.get(&touch).map(|row| row.state);
    match state {
        Some(TouchState::Sending) => {
            f.ignore_of(id, "sending", "its request is under way: try again when it is out");
            Ok(())
        }
        Some(state) if !state.is_final() => {
            let why = Note::new("skipped", by(event));
            timers::leave_out(f, touch, &why);
            let at = f.now;
            complete::leave(f, &Completed { touch, at, outcome: None, result: StepResult::Skipped, why })
        }
        _ => {
            f.ignore_of(id, "not_open", "the touch is over already");
            Ok(())
        }
    }
}

fn by(event: &Event) -> String {
    event.actor.as_ref().map_or_else(|| "by a person".to_owned(), |actor| format!("by {actor}"))
}

/// Sends a failed or unknown touch again: as a new visit after a definite refusal, with its own key when nobody knows.
fn redrive(f: &mut Folding<'_>, event: &Event, id: EnrollmentId) -> Result<(), OutOfIds> {
    let row = touch_of(f, event, id).and_then(|touch| f.world.touches.get(&touch));
    let Some((touch, state, attempt)) = row.map(|row| (row.id, row.state, row.attempt)) else {
        f.ignore_of(id, "no_touch", "it is at no touch");
        return Ok(());
    };
    if attempts::standing(f, touch) != attempts::Standing::Current {
        f.ignore_of(id, "not_current", "the enrollment is paused, or went on");
        return Ok(());
    }
    let now = f.now;
    match state {
        TouchState::Failed if attempt > 0 => again(f, id, (touch, event)),
        TouchState::Failed | TouchState::Unknown | TouchState::Held => {
            place_now(f, id, touch, now);
            Ok(())
        }
        _ => {
            f.ignore_of(id, "not_failed", format!("the touch is {state}"));
            Ok(())
        }
    }
}

/// Definitely refused: the step is visited anew, under a new key.
fn again(f: &mut Folding<'_>, id: EnrollmentId, (touch, event): (TouchId, &Event)) -> Result<(), OutOfIds> {
    let Some(step) = f.world.touches.get(&touch).map(|row| row.step.clone()) else { return Ok(()) };
    let why = Note::new("redriven", by(event));
    stop::take_back(f, touch, &why);
    let now = f.now;
    if let Some(progress) = f.progress_mut(id) {
        progress.previous_completed = progress.previous_completed.max(now);
    }
    advance::again(f, id, &step)
}

fn place_now(f: &mut Folding<'_>, id: EnrollmentId, touch: TouchId, now: jiff::Timestamp) {
    let Some(from) = f.world.touches.get(&touch).map(|row| row.due_at) else { return };
    if let Some(row) = f.world.touches.get_mut(&touch)
        && row.state == TouchState::Unknown
    {
        row.note = Some(Note::new("unknown", "repeated with its key"));
    }
    advance::reschedule(f, id, Shift { from, to: now, why: Why::Previous });
    let Some(row) = f.world.touches.get(&touch) else { return };
    let (key, step, due_at) = (row.key, row.step.clone(), row.due_at);
    let shifts = vec![Note::new("redriven", "tried again")];
    f.say_of(id, Decision::Scheduled { key, step, due_at, shifts });
}

/// A touch that failed for a missing field is tried again when the event brought facts of its contact or account.
pub(super) fn redrive_missing(f: &mut Folding<'_>, event: &Event, subject: &Subject) {
    let brings =
        !event.detail.contact.is_empty() || !event.detail.account.is_empty() || !event.subject.is_empty();
    let Some(contact) = subject.contact.filter(|_| brings) else { return };
    for id in f.live_of(contact) {
        let Some(touch) = f.enrollment(id).and_then(|one| one.progress.touch()) else { continue };
        let missing = f.world.touches.get(&touch).is_some_and(|row| {
            row.state == TouchState::Failed
                && row.note.as_ref().is_some_and(|note| note.code == "missing_field")
        });
        let is_live = f.enrollment(id).is_some_and(|one| one.state == EnrollmentState::Live);
        // Only where it would render now: else it would fail once more at each event.
        if missing && is_live && super::task::task(f.world, touch).is_ok() {
            let now = f.now;
            place_now(f, id, touch, now);
        }
    }
}
