//! What the dispatcher reports of a touch, folded into the enrollment as it now is.

use jiff::Timestamp;

use crate::cadence::{Completion, Step, TouchSpec};
use crate::contact::Contact;
use crate::decision::Cause;
use crate::enrollment::{EnrollmentState, StepRecord, StepResult};
use crate::id::TouchId;
use crate::input::{TouchInput, TouchReport};
use crate::time::{Shift, Taken, Why};
use crate::touch::{AttemptResult, Delivery, HeldReason, Note, TouchState};
use crate::world::{OutOfIds, World};

use super::complete::{self, Completed};
use super::folding::{Alarm, Folding};
use super::schedule::Times;
use super::{advance, dispatch, stop, timers};

/// Folds a report. One of an overtaken fence or attempt changes nothing.
pub(super) fn fold(world: &mut World, input: &TouchInput) -> Result<(), OutOfIds> {
    let Some(touch) = world.touches.get(&input.touch) else { return Ok(()) };
    let (workspace, contact, trace) = (touch.workspace.clone(), touch.contact, touch.trace.clone());
    let mut f = Folding::at(world, workspace, input.at);
    f.contact = Some(contact);
    f.trace = trace;
    report(&mut f, input)?;
    f.finish(Cause::Touch { touch: input.touch });
    Ok(())
}

fn report(f: &mut Folding<'_>, input: &TouchInput) -> Result<(), OutOfIds> {
    let id = input.touch;
    match &input.report {
        TouchReport::Attempt { attempt, result } if is_current_attempt(f, id, *attempt) => {
            return settle(f, id, result);
        }
        TouchReport::Attempt { attempt, result: AttemptResult::Sent { remote_id: Some(remote_id), .. } }
            if is_taken_back(f, id, *attempt) =>
        {
            found_out(f, id, remote_id);
        }
        TouchReport::Judge { fence } if is_current_fence(f, id, *fence) => return dispatch::act(f, id),
        TouchReport::Defer { fence, until, note } if is_current_fence(f, id, *fence) => {
            defer(f, id, *until, note);
        }
        TouchReport::Unrenderable { fence, note } if is_current_fence(f, id, *fence) => fail(f, id, note),
        _ => overtaken(f, id),
    }
    Ok(())
}

fn is_current_fence(f: &Folding<'_>, id: TouchId, fence: i32) -> bool {
    f.world.touches.get(&id).is_some_and(|touch| {
        let live = f.enrollment(touch.enrollment).is_some_and(|one| one.state == EnrollmentState::Live);
        live && touch.state == TouchState::Scheduled && touch.fence == fence
    })
}

/// An attempt counts while it is the last one and its result is not known for sure. A task that a person completed before
/// its request was settled is taken down too: its id in the CRM is news.
fn is_current_attempt(f: &Folding<'_>, id: TouchId, attempt: i32) -> bool {
    f.world.touches.get(&id).is_some_and(|touch| {
        let unsettled = match touch.state {
            TouchState::Sending | TouchState::Unknown => true,
            TouchState::Scheduled | TouchState::Held => stop::is_unknown(touch),
            TouchState::Done => touch.sent_at.is_none() || touch.remote_id.is_none(),
            _ => false,
        };
        unsettled && touch.attempt == attempt
    })
}

/// Whether a touch was taken back while nobody knew of its last attempt, nor the task's id.
fn is_taken_back(f: &Folding<'_>, id: TouchId, attempt: i32) -> bool {
    f.world.touches.get(&id).is_some_and(|touch| {
        let is_over = matches!(touch.state, TouchState::Withdrawn | TouchState::Skipped);
        is_over && touch.remote_id.is_none() && touch.attempt == attempt
    })
}

/// Its task is in the CRM after all: it was taken back without an id, and now has one.
fn found_out(f: &mut Folding<'_>, id: TouchId, remote_id: &str) {
    let now = f.now;
    let Some(touch) = f.world.touches.get_mut(&id) else { return };
    touch.remote_id = Some(remote_id.to_owned());
    touch.sent_at = touch.sent_at.or(Some(now));
    let contact = touch.contact;
    touched(f, contact, now);
    f.say_touch(id, "crossed", "its request had left; its answer came after it was taken back");
    f.withdraw_task(id, "the contact's cadence stopped or went on meanwhile");
}

fn overtaken(f: &mut Folding<'_>, id: TouchId) {
    let Some(touch) = f.world.touches.get(&id) else { return };
    let (enrollment, state) = (touch.enrollment, touch.state);
    f.ignore_of(enrollment, "overtaken", format!("the touch is {state} by now, or was re-timed"));
}

fn settle(f: &mut Folding<'_>, id: TouchId, result: &AttemptResult) -> Result<(), OutOfIds> {
    // That a repeat did not go says nothing of the attempt before it, which may have reached the CRM.
    let doubt = f.world.touches.get(&id).is_some_and(|touch| touch.attempt > 1 && stop::is_unknown(touch));
    match result {
        AttemptResult::Sent { remote_id, delivery } => return sent(f, id, remote_id.clone(), *delivery),
        _ if is_done(f, id) => overtaken(f, id),
        AttemptResult::Rejected(note) if doubt && standing(f, id) == Standing::Gone => {
            unknown(f, id, None, note);
        }
        AttemptResult::Exhausted(note) if doubt => unknown(f, id, None, note),
        AttemptResult::Retry { at, note } if doubt => unknown(f, id, Some(*at), note),
        AttemptResult::Void if doubt => {
            let now = f.world.clock.wall(f.now);
            unknown(f, id, Some(now), &Note::new("void", "the request did not start in time after its mark"));
        }
        AttemptResult::Rejected(note) | AttemptResult::Exhausted(note) => {
            release(f, id);
            fail(f, id, note);
        }
        AttemptResult::Retry { at, note } => {
            let at = f.world.clock.business(*at);
            retry(f, id, at, note);
        }
        AttemptResult::Unknown { again_at, note } => unknown(f, id, *again_at, note),
        AttemptResult::Void => {
            release(f, id);
            let now = f.now;
            retry(f, id, now, &Note::new("void", "the request did not start in time after its mark"));
        }
    }
    Ok(())
}

fn is_done(f: &Folding<'_>, id: TouchId) -> bool {
    f.world.touches.get(&id).is_some_and(|touch| touch.state == TouchState::Done)
}

/// The budgets that its mark reserved are free again; the store releases what leaves the row.
fn release(f: &mut Folding<'_>, id: TouchId) {
    if let Some(touch) = f.world.touches.get_mut(&id) {
        touch.reserved.clear();
    }
}

/// Where a touch's enrollment is, seen from the touch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Live, and at this touch.
    Current,
    /// Paused, and at this touch.
    Paused,
    /// It went on, or is over.
    Gone,
}

pub(super) fn standing(f: &Folding<'_>, id: TouchId) -> Standing {
    let enrollment = f.world.touches.get(&id).and_then(|touch| f.enrollment(touch.enrollment));
    match enrollment {
        Some(one) if one.progress.touch() == Some(id) => match one.state {
            EnrollmentState::Live => Standing::Current,
            EnrollmentState::Paused => Standing::Paused,
            _ => Standing::Gone,
        },
        _ => Standing::Gone,
    }
}

// It went out.

fn sent(
    f: &mut Folding<'_>,
    id: TouchId,
    remote_id: Option<String>,
    delivery: Delivery,
) -> Result<(), OutOfIds> {
    let now = f.now;
    let was_done = is_done(f, id);
    let standing = standing(f, id);
    let Some(touch) = f.world.touches.get_mut(&id) else { return Ok(()) };
    touch.remote_id = remote_id.or(touch.remote_id.take());
    touch.sent_at = touch.sent_at.or(Some(now));
    touch.note = None;
    let (enrollment, contact) = (touch.enrollment, touch.contact);
    touched(f, contact, now);
    if was_done {
        f.say_touch(id, "sent", "it was completed before its request was settled");
        return Ok(());
    }
    record_sent(f, id);
    if standing == Standing::Gone {
        f.say_touch(id, "crossed", "its request left before the stop was known");
        stop::withdraw_out(
            f,
            id,
            &Note::new("crossed", "the contact's cadence stopped or went on meanwhile"),
        );
        return Ok(());
    }
    f.say_touch(id, "sent", "the task is out");
    match completion(f, id, delivery) {
        Completion::Automatic => {
            let delivered = delivery == Delivery::Delivered;
            if let Some(touch) = f.world.touches.get_mut(&id) {
                touch.state = if delivered { TouchState::Done } else { TouchState::Open };
                touch.completed_at = delivered.then_some(now);
                touch.outcome = delivered.then(|| "done".to_owned());
            }
            let result = if delivered { StepResult::Done } else { StepResult::Out };
            complete::leave(
                f,
                &Completed {
                    touch: id,
                    at: now,
                    outcome: None,
                    result,
                    why: Note::new("sent", "it goes on once the task is out"),
                },
            )
        }
        Completion::Manual => {
            if let Some(touch) = f.world.touches.get_mut(&id) {
                touch.state = TouchState::Open;
            }
            match standing {
                Standing::Paused => stop::withdraw_out(f, id, &Note::new("paused", "the cadence is paused")),
                _ => timers::set_overdue(f, enrollment, id),
            }
            Ok(())
        }
    }
}

/// When the cadence goes on: as the step says, else once it is out where the connector itself delivers it.
fn completion(f: &Folding<'_>, id: TouchId, delivery: Delivery) -> Completion {
    let says = f.world.touches.get(&id).and_then(|touch| {
        let (_, spec) = spec_of(f, id)?;
        let delivers = f.world.catalog.defaults.delivers.get(&touch.lane.connector);
        let delivered =
            delivery == Delivery::Delivered || delivers.is_some_and(|all| all.contains(&touch.channel));
        Some(spec.completion.unwrap_or(if delivered { Completion::Automatic } else { Completion::Manual }))
    });
    says.unwrap_or(Completion::Manual)
}

/// The step of a touch and what it says of it.
pub(super) fn spec_of(f: &Folding<'_>, id: TouchId) -> Option<(Step, TouchSpec)> {
    let touch = f.world.touches.get(&id)?;
    let cadence = f.cadence_of(touch.enrollment)?;
    let (_, step) = cadence.step(&touch.step)?;
    Some((step.clone(), step.touch()?.clone()))
}

/// Takes the visit down, with the date that it takes.
pub(super) fn record_sent(f: &mut Folding<'_>, id: TouchId) {
    let Some(touch) = f.world.touches.get(&id) else { return };
    let (enrollment, at) = (touch.enrollment, touch.sent_at);
    let mut record = StepRecord::new(touch.step.clone(), touch.visit, StepResult::Out, at.unwrap_or(f.now));
    record.touch = Some(id);
    record.key = Some(touch.key);
    record.channel = Some(touch.channel);
    record.sent_at = at;
    record.took = at.and_then(|at| date_taken(f, id, at)).into_iter().collect();
    let Some(progress) = f.progress_mut(enrollment) else { return };
    if progress.record_of(id).is_none() {
        progress.history.push(record);
    }
}

/// The local date that a touch takes at a moment, with its day number.
pub(super) fn date_taken(f: &Folding<'_>, id: TouchId, at: Timestamp) -> Option<Taken> {
    let touch = f.world.touches.get(&id)?;
    let enrollment = f.enrollment(touch.enrollment)?;
    let cadence = f.cadence_of(touch.enrollment)?;
    let times = Times::of(f.world, &cadence, f.world.contacts.get(&enrollment.contact)?);
    let day = match enrollment.progress.place {
        crate::enrollment::Place::Touch { touch, day, .. } if touch == id => day,
        // It went on already: the number under which its date was taken when it went out.
        _ => enrollment.progress.record_of(id)?.took.first()?.day,
    };
    Some(Taken { date: times.cadence.date(at), day })
}

/// The contact was touched.
pub(super) fn touched(f: &mut Folding<'_>, contact: crate::id::ContactId, at: Timestamp) {
    let earlier = |contact: &Contact| contact.last_touch_at.is_none_or(|last| last < at);
    if f.world.contacts.get(&contact).is_some_and(earlier)
        && let Some(row) = f.world.contacts.get_mut(&contact)
    {
        row.last_touch_at = Some(at);
    }
}

// It did not, or nobody knows.

/// Holds its step, visibly, until it is re-driven or skipped.
fn fail(f: &mut Folding<'_>, id: TouchId, note: &Note) {
    let standing = standing(f, id);
    let Some(touch) = f.world.touches.get_mut(&id) else { return };
    let enrollment = touch.enrollment;
    touch.fence += 1;
    if standing == Standing::Gone {
        touch.state = TouchState::Withdrawn;
        f.say_touch(id, "withdrawn", "it failed, and the cadence stopped or went on meanwhile");
        return;
    }
    touch.state = TouchState::Failed;
    touch.note = Some(note.clone());
    if standing == Standing::Current {
        f.clear_timer(enrollment);
    }
    f.say_touch(id, "failed", format!("{}: {}", note.code, note.text));
}

/// Certainly not done: again at that moment (business time), with the same bytes.
fn retry(f: &mut Folding<'_>, id: TouchId, at: Timestamp, note: &Note) {
    let standing = standing(f, id);
    let Some(touch) = f.world.touches.get_mut(&id) else { return };
    touch.fence += 1;
    touch.note = Some(note.clone());
    match standing {
        Standing::Gone => {
            touch.state = TouchState::Withdrawn;
            touch.reserved.clear();
            f.say_touch(id, "withdrawn", "it did not go, and the cadence stopped or went on meanwhile");
        }
        Standing::Paused => {
            touch.state = TouchState::Held;
            f.say_touch(id, "retry", "once the pause is over");
        }
        Standing::Current => {
            touch.state = TouchState::Scheduled;
            let (enrollment, alarm) = (touch.enrollment, Alarm::touch(touch, at));
            f.set_timer(enrollment, alarm);
            f.say_touch(id, "retry", format!("{}: {}", note.code, note.text));
        }
    }
}

/// Perhaps done: repeated with its key where the connector allows, else listed for a person.
fn unknown(f: &mut Folding<'_>, id: TouchId, again_at: Option<Timestamp>, note: &Note) {
    let standing = standing(f, id);
    let clock = f.world.clock;
    let Some(touch) = f.world.touches.get_mut(&id) else { return };
    touch.fence += 1;
    // The code says to everything that comes later that the CRM may have the task.
    touch.note = Some(Note::new("unknown", format!("{}: {}", note.code, note.text)));
    let enrollment = touch.enrollment;
    match (standing, again_at) {
        (Standing::Gone, _) => {
            let why =
                Note::new("crossed", "the cadence stopped or went on; looked up, and withdrawn if found");
            stop::withdraw_out(f, id, &why);
            return;
        }
        (Standing::Paused, Some(_)) => touch.state = TouchState::Held,
        (Standing::Current, Some(again_at)) => {
            touch.state = TouchState::Scheduled;
            let alarm = Alarm::touch(touch, clock.business(again_at));
            f.set_timer(enrollment, alarm);
        }
        (Standing::Current, None) => {
            touch.state = TouchState::Unknown;
            f.clear_timer(enrollment);
        }
        (Standing::Paused, None) => touch.state = TouchState::Unknown,
    }
    f.say_touch(id, "unknown", note.text.clone());
}

/// Its due time stays: only the look at it is put off.
fn look_again(f: &mut Folding<'_>, id: TouchId, until: Timestamp, note: &Note) {
    let Some(touch) = f.world.touches.get_mut(&id) else { return };
    touch.fence += 1;
    touch.note = Some(note.clone());
    let (enrollment, alarm) = (touch.enrollment, Alarm::touch(touch, until.max(f.now)));
    f.set_timer(enrollment, alarm);
    f.say_touch(id, "deferred", note.text.clone());
}

/// Moves a touch on to a moment or the next opening after it, for a gap, a cap or a closed window.
fn defer(f: &mut Folding<'_>, id: TouchId, until: Timestamp, note: &Note) {
    if note.code == dispatch::UNREADABLE {
        return look_again(f, id, until, note);
    }
    let Some(touch) = f.world.touches.get(&id) else { return };
    let (enrollment_id, from) = (touch.enrollment, touch.due_at);
    let why = if note.code == "gap" { Why::Gap } else { Why::Cap { limit: note.code.clone() } };
    advance::reschedule(f, enrollment_id, Shift { from, to: until.max(f.now), why });
    let Some(touch) = f.world.touches.get(&id) else { return };
    let held = touch.state == TouchState::Held;
    let text = if held { "the window never opens".to_owned() } else { note.text.clone() };
    f.say_touch(id, if held { HeldReason::NoOpening.as_str() } else { "deferred" }, text);
}
