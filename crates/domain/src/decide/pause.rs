//! Pauses: a set of holders. The first freezes what is left of the delay, the last one thaws it; day numbers move by the
//! local midnights that passed.

use jiff::{SignedDuration, Timestamp};

use crate::decision::Decision;
use crate::enrollment::{EnrollmentState, Frozen, Hold, HoldReason, Place};
use crate::id::{EnrollmentId, StepId, TouchId};
use crate::time::kept;
use crate::touch::{Note, TimerKind, TouchState};
use crate::world::OutOfIds;

use super::folding::{Alarm, Folding};
use super::schedule::Times;
use super::{advance, jumps, stop};

/// Adds a holder; of one that holds already the later end counts.
pub(super) fn hold(f: &mut Folding<'_>, id: EnrollmentId, reason: HoldReason, until: Option<Timestamp>) {
    let now = f.now;
    // The timer is kept in microseconds: an end between two of them would still lie ahead when its timer fires.
    let until = until.map(kept);
    let Some(enrollment) = f.world.enrollments.get_mut(&id) else { return };
    if !enrollment.state.is_live() {
        return;
    }
    let was_live = enrollment.state == EnrollmentState::Live;
    enrollment.state = EnrollmentState::Paused;
    let holds = &mut enrollment.progress.holds;
    match holds.iter_mut().find(|hold| hold.reason == reason) {
        Some(held) => held.until = held.until.zip(until).map(|(one, two)| one.max(two)),
        None => holds.push(Hold { reason, since: now, until }),
    }
    let uid = enrollment.uid;
    if was_live {
        enrollment.progress.frozen = Some(Frozen { since: now, remaining: None, came: false });
        freeze(f, id);
    }
    set_resume(f, id);
    f.say_of(id, Decision::Paused { enrollment: uid, by: reason.as_str().to_owned(), until });
}

/// Freezes what an advance while paused has scheduled.
pub(super) fn freeze_again(f: &mut Folding<'_>, id: EnrollmentId) {
    freeze(f, id);
    set_resume(f, id);
}

/// Takes the timer away and remembers what was left of it; the current touch is held, or taken back out of the CRM.
fn freeze(f: &mut Folding<'_>, id: EnrollmentId) {
    let now = f.now;
    let timer = f.world.timers.get(&id).filter(|timer| timer.kind != TimerKind::Resume).cloned();
    f.clear_timer(id);
    let Some(progress) = f.progress_mut(id) else { return };
    let touch = progress.touch();
    if let (Some(frozen), Some(timer)) = (progress.frozen.as_mut(), &timer) {
        frozen.remaining = Some(timer.due_at.duration_since(now).as_secs().max(0));
    }
    if let Some(touch) = touch {
        hold_touch(f, touch);
    }
    let paused = Note::new("paused", "the cadence is paused");
    for open in f.touches_of(id, |touch| touch.state == TouchState::Open) {
        stop::take_back(f, open, &paused);
    }
}

fn hold_touch(f: &mut Folding<'_>, id: TouchId) {
    let Some(touch) = f.world.touches.get_mut(&id) else { return };
    match touch.state {
        TouchState::Scheduled => {
            touch.state = TouchState::Held;
            touch.fence += 1;
            if !stop::is_unknown(touch) {
                touch.note = Some(Note::new("paused", "the cadence is paused"));
            }
        }
        TouchState::Sending => touch.fence += 1,
        _ => {}
    }
}

/// The next holder whose end is known wakes the enrollment; without one a person does.
fn set_resume(f: &mut Folding<'_>, id: EnrollmentId) {
    let Some(enrollment) = f.enrollment(id) else { return };
    match enrollment.progress.holds.iter().filter_map(|hold| hold.until).min() {
        Some(until) => f.set_timer(id, Alarm::new(TimerKind::Resume, until)),
        None => f.clear_timer(id),
    }
}

/// Lifts the holders that a test names; the last one to go thaws the enrollment.
pub(super) fn lift(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    lifted: impl Fn(&Hold) -> bool,
) -> Result<(), OutOfIds> {
    let Some(enrollment) = f.enrollment(id) else { return Ok(()) };
    if enrollment.state != EnrollmentState::Paused {
        f.ignore_of(id, "not_paused", "it is not paused");
        return Ok(());
    }
    let uid = enrollment.uid;
    let by: Vec<&str> = enrollment
        .progress
        .holds
        .iter()
        .filter(|hold| lifted(hold))
        .map(|hold| hold.reason.as_str())
        .collect();
    let by = by.join(", ");
    let Some(progress) = f.progress_mut(id) else { return Ok(()) };
    progress.holds.retain(|hold| !lifted(hold));
    if !progress.holds.is_empty() {
        set_resume(f, id);
        f.ignore_of(id, "still_held", format!("{by} is over, others still hold it"));
        return Ok(());
    }
    f.say_of(id, Decision::Resumed { enrollment: uid, by });
    thaw(f, id)
}

fn thaw(f: &mut Folding<'_>, id: EnrollmentId) -> Result<(), OutOfIds> {
    let now = f.now;
    f.clear_timer(id);
    let Some(frozen) = f.progress_mut(id).and_then(|progress| progress.frozen.take()) else {
        set_live(f, id);
        return Ok(());
    };
    shift_day_one(f, id, frozen.since);
    set_live(f, id);
    let left = SignedDuration::from_secs(frozen.remaining.unwrap_or(0));
    let due = now.checked_add(left).unwrap_or(Timestamp::MAX);
    let Some(place) = f.enrollment(id).map(|one| one.progress.place.clone()) else { return Ok(()) };
    match place {
        Place::Touch { step, touch, .. } => thaw_touch(f, id, (&step, touch, due))?,
        Place::Wait { step, since, .. } => thaw_wait(f, id, (step, since), (due, frozen.came))?,
        Place::Ending { .. } => {
            if let Some(progress) = f.progress_mut(id) {
                progress.place = Place::Ending { until: due };
            }
            f.set_timer(id, Alarm::new(TimerKind::End, due));
        }
        Place::Over => {}
    }
    Ok(())
}

fn set_live(f: &mut Folding<'_>, id: EnrollmentId) {
    if let Some(enrollment) = f.world.enrollments.get_mut(&id) {
        enrollment.state = EnrollmentState::Live;
    }
}

/// Day 1 moves by as many days as there were local midnights in the pause.
fn shift_day_one(f: &mut Folding<'_>, id: EnrollmentId, since: Timestamp) {
    let now = f.now;
    let Some(cadence) = f.cadence_of(id) else { return };
    let Some(contact) = f.enrollment(id).and_then(|one| f.world.contacts.get(&one.contact)) else { return };
    let schedule = Times::of(f.world, &cadence, contact).cadence;
    let nights = schedule.date(now).duration_since(schedule.date(since)).as_hours() / 24;
    let Some(progress) = f.progress_mut(id) else { return };
    if let Ok(moved) = progress.day_one.checked_add(SignedDuration::from_hours(24 * nights.max(0))) {
        progress.day_one = moved;
    }
}

/// A held touch is due when its delay is over, or on its day; one that was taken back comes as a new visit.
fn thaw_touch(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    (step, touch, due): (&StepId, TouchId, Timestamp),
) -> Result<(), OutOfIds> {
    let state = f.world.touches.get(&touch).map(|touch| touch.state);
    match state {
        Some(TouchState::Held) => {
            let by_delay = super::attempts::spec_of(f, touch)
                .is_none_or(|(_, spec)| spec.timing.day.is_none() || spec.timing.after.is_some());
            let earliest = if by_delay { due } else { f.now };
            advance::reschedule_thawed(f, id, earliest);
            say_rescheduled(f, id, touch);
        }
        Some(TouchState::Withdrawn) | None => {
            let now = f.now;
            if let Some(progress) = f.progress_mut(id) {
                progress.previous_completed = progress.previous_completed.max(now);
            }
            advance::again(f, id, step)?;
        }
        // Under way, failed or unknown: it goes on from its result, or a person.
        Some(_) => {}
    }
    Ok(())
}

fn say_rescheduled(f: &mut Folding<'_>, id: EnrollmentId, touch: TouchId) {
    let Some(row) = f.world.touches.get(&touch) else { return };
    let (key, step, due_at) = (row.key, row.step.clone(), row.due_at);
    let shifts = vec![Note::new("pause", "moved by the pause")];
    f.say_of(id, Decision::Scheduled { key, step, due_at, shifts });
}

fn thaw_wait(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    (step, since): (StepId, Timestamp),
    (until, came): (Timestamp, bool),
) -> Result<(), OutOfIds> {
    if came {
        let then = f.cadence_of(id).and_then(|cadence| match &cadence.step(&step)?.1.body {
            crate::cadence::StepBody::Wait(spec) => Some(spec.then.clone()),
            _ => None,
        });
        let then = then.unwrap_or(crate::cadence::Target::Next);
        return jumps::came(f, id, &step, (&then, Note::new("wait", "it came during the pause")));
    }
    if let Some(progress) = f.progress_mut(id) {
        progress.place = Place::Wait { step, since, until };
    }
    f.set_timer(id, Alarm::new(TimerKind::Wait, until));
    Ok(())
}
