//! What an event does inside a live enrollment: `on` jumps, and the end of waits.

use crate::cadence::{Jump, SharedCadence, StepBody, Target, WaitSpec};
use crate::enrollment::{EnrollmentState, Place, Seen, StepRecord, StepResult};
use crate::event::Event;
use crate::id::{ContactId, EnrollmentId, StepId, TouchId};
use crate::touch::Note;
use crate::world::OutOfIds;

use super::folding::Folding;
use super::{advance, engage, stop};

/// Jumps and waits of the contact's live enrollments.
pub(super) fn by_event(f: &mut Folding<'_>, event: &Event, contact: ContactId) -> Result<(), OutOfIds> {
    for id in f.live_of(contact) {
        let Some(cadence) = f.cadence_of(id) else { continue };
        let Some(enrollment) = f.enrollment(id) else { continue };
        if event.occurred_at < enrollment.entry.occurred_at {
            continue;
        }
        match found(f, id, &cadence, event) {
            Some(found) => {
                let why = Note::new("on", event.kind.as_str());
                jump(f, id, &found.goto, why)?;
            }
            None => end_wait(f, id, &cadence, event)?,
        }
    }
    Ok(())
}

/// The first jump that matches: of the current step, then of the cadence.
fn found(f: &Folding<'_>, id: EnrollmentId, cadence: &SharedCadence, event: &Event) -> Option<Jump> {
    let progress = &f.enrollment(id)?.progress;
    let of_step = progress.step().and_then(|step| cadence.step(step)).map(|(_, step)| step.on.as_slice());
    let view = f.view(id);
    of_step
        .into_iter()
        .flatten()
        .chain(&cadence.on)
        .find(|jump| jump.event == event.kind && view.allows(jump.when.as_ref()))
        .cloned()
}

/// Goes to a target from wherever the enrollment is; what was under way there is taken back.
pub(super) fn jump(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    target: &Target,
    why: Note,
) -> Result<(), OutOfIds> {
    let Some(enrollment) = f.enrollment(id) else { return Ok(()) };
    if enrollment.state == EnrollmentState::Paused {
        f.ignore_of(id, "paused", format!("{}: jumps lapse while paused", why.text));
        return Ok(());
    }
    let from = enrollment.progress.step().cloned();
    let touch = enrollment.progress.touch();
    if let Some(refused) = refused(f, id, target, from.as_ref()) {
        f.ignore_of(id, &refused.code, refused.text);
        return Ok(());
    }
    if let Some(touch) = touch {
        take_back(f, touch, &why);
    }
    let now = f.now;
    if let Some(progress) = f.progress_mut(id) {
        progress.previous_completed = progress.previous_completed.max(now);
    }
    f.clear_timer(id);
    advance::go(f, id, from.as_ref(), target, why)
}

/// Why a jump is not taken, if so.
fn refused(f: &Folding<'_>, id: EnrollmentId, target: &Target, from: Option<&StepId>) -> Option<Note> {
    let enrollment = f.enrollment(id)?;
    let Target::Step(step) = target else {
        // `next` of an outcome that came late: the cadence went on already.
        return (*target == Target::Next && from.is_none())
            .then(|| Note::new("moved_on", "there is no next step"));
    };
    if from == Some(step) {
        return Some(Note::new("already_there", format!("{step} is the current step")));
    }
    let cadence = f.cadence_of(id)?;
    let visits = enrollment.progress.visits.get(step).copied().unwrap_or(0);
    let (_, spec) = cadence.step(step)?;
    (visits >= spec.max_visits).then(|| Note::new("max_visits", format!("{step} had its {visits} visits")))
}

fn take_back(f: &mut Folding<'_>, touch: TouchId, why: &Note) {
    let at = f.now;
    stop::take_back(f, touch, why);
    stop::remember(f, touch, StepResult::Withdrawn, at);
}

// Waits.

/// Ends the wait at which the enrollment is, if the event is the awaited one.
fn end_wait(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    cadence: &SharedCadence,
    event: &Event,
) -> Result<(), OutOfIds> {
    let Some(enrollment) = f.enrollment(id) else { return Ok(()) };
    let Place::Wait { step, until, .. } = enrollment.progress.place.clone() else { return Ok(()) };
    let Some((_, waiting)) = cadence.step(&step) else { return Ok(()) };
    let StepBody::Wait(spec) = &waiting.body else { return Ok(()) };
    let awaited =
        spec.event == event.kind && f.view(id).allows(spec.when.as_ref()) && is_about(f, id, spec, event);
    if !awaited {
        return Ok(());
    }
    if enrollment.state == EnrollmentState::Paused {
        if let Some(frozen) = f.progress_mut(id).and_then(|progress| progress.frozen.as_mut()) {
            frozen.came = true;
        }
        return Ok(());
    }
    if f.now >= until {
        f.ignore_of(id, "wait_over", format!("{} came after the wait ran out", event.kind));
        return Ok(());
    }
    let why = Note::new("wait", format!("{} came", event.kind));
    came(f, id, &step, (&spec.then.clone(), why))
}

/// The awaited event came.
pub(super) fn came(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    step: &StepId,
    (then, why): (&Target, Note),
) -> Result<(), OutOfIds> {
    leave_wait(f, id, step, StepResult::Came);
    advance::go(f, id, Some(step), then, why)
}

/// Leaves a wait as of now.
pub(super) fn leave_wait(f: &mut Folding<'_>, id: EnrollmentId, step: &StepId, result: StepResult) {
    let now = f.now;
    f.clear_timer(id);
    let Some(progress) = f.progress_mut(id) else { return };
    let visit = progress.visits.get(step).copied().unwrap_or(1);
    progress.history.push(StepRecord::new(step.clone(), visit, result, now));
    progress.previous_completed = now;
}

/// Whether an event is about the touch that a wait is about: one that names another touch does not count.
fn is_about(f: &Folding<'_>, id: EnrollmentId, spec: &WaitSpec, event: &Event) -> bool {
    let Some(enrollment) = f.enrollment(id) else { return false };
    let Some((_, named)) = engage::about(f, event, enrollment.contact) else { return true };
    let progress = &enrollment.progress;
    let awaited = match &spec.of {
        Some(of) => progress.last_sent(of),
        None => progress.history.iter().rev().find(|record| record.sent_at.is_some()),
    };
    awaited.is_none_or(|record| record.touch == Some(named))
}

/// Notes an event for waits that are not reached yet.
pub(super) fn notice(f: &mut Folding<'_>, event: &Event, contact: ContactId) {
    for id in f.live_of(contact) {
        let Some(cadence) = f.cadence_of(id) else { continue };
        let waits: Vec<StepId> = cadence
            .steps
            .iter()
            .filter_map(|step| match &step.body {
                StepBody::Wait(spec) if spec.event == event.kind && f.view(id).allows(spec.when.as_ref()) => {
                    Some(step.id.clone())
                }
                _ => None,
            })
            .collect();
        if waits.is_empty() {
            continue;
        }
        let about = engage::about(f, event, contact).map(|(_, touch)| touch);
        let at = f.event.as_ref().map_or(f.now, |input| input.occurred_at);
        let Some(progress) = f.progress_mut(id) else { continue };
        for wait in waits {
            progress.seen.retain(|seen| seen.wait != wait || seen.about != about);
            progress.seen.push(Seen { wait, at, about });
        }
    }
}
