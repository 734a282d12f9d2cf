//! Walking an enrollment from one step to the next.

use jiff::Timestamp;

use crate::cadence::{Branch, Cadence, SharedCadence, Step, StepBody, Target, TouchSpec, WaitSpec};
use crate::decision::Decision;
use crate::enrollment::{EnrollmentState, Place, Seen, StepRecord, StepResult};
use crate::id::{Digest, EnrollmentId, StepId, TouchId, TouchKey, VariantName};
use crate::time::{self, Due, NeverOpens};
use crate::touch::{HeldReason, Lane, Note, TimerKind, Touch, TouchState};
use crate::world::OutOfIds;

use super::folding::{Alarm, Folding};
use super::schedule::{Times, note_of};
use super::{pause, stop};

/// Goes to a target: walks through branches and satisfied waits to the next touch, wait or the end, and sets its timer.
/// The step before completed at `progress.previous_completed`.
pub(super) fn go(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    from: Option<&StepId>,
    target: &Target,
    why: Note,
) -> Result<(), OutOfIds> {
    let Some(cadence) = f.cadence_of(id) else {
        f.ignore_of(id, "unknown_version", "the cadence version is not in force any more");
        return Ok(());
    };
    let from = from.and_then(|step| cadence.step(step)).map(|(index, _)| index);
    let mut way = Way { from, to: resolve(&cadence, from, target), why };
    // Each turn counts a visit or goes on to a later step, so that it ends: visits are limited.
    while let Some(next) = arrive(f, id, &cadence, &way)? {
        way = next;
    }
    if f.enrollment(id).is_some_and(|enrollment| enrollment.state == EnrollmentState::Paused) {
        pause::freeze_again(f, id);
    }
    Ok(())
}

/// One move from a step to another.
struct Way {
    from: Option<usize>,
    to: usize,
    why: Note,
}

/// `next` is where the step's own `next` leads, by default the following step.
fn resolve(cadence: &Cadence, from: Option<usize>, target: &Target) -> usize {
    let following = from.map_or(0, |index| index + 1);
    let own = from.and_then(|index| cadence.steps.get(index)).map(|step| &step.next);
    match (target, own) {
        (Target::Next, Some(own)) if *own != Target::Next => resolve(cadence, from, own),
        (Target::Next, _) => following,
        (Target::End, _) => cadence.steps.len(),
        // Lint refuses unknown ids.
        (Target::Step(id), _) => cadence.step(id).map_or(following, |(index, _)| index),
    }
}

/// Arrives at a step; says where to go on at once, if so.
fn arrive(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    cadence: &SharedCadence,
    way: &Way,
) -> Result<Option<Way>, OutOfIds> {
    let from = way.from.and_then(|index| cadence.steps.get(index)).map(|step| step.id.clone());
    let Some(step) = cadence.steps.get(way.to) else {
        moved(f, id, (from, None), &way.why);
        begin_end(f, id, cadence);
        return Ok(None);
    };
    if visits(f, id, &step.id) >= step.max_visits {
        return Ok(Some(pass_by(f, id, step, way)));
    }
    count_visit(f, id, &step.id);
    moved(f, id, (from, Some(step.id.clone())), &way.why);
    let target = match &step.body {
        StepBody::Touch(spec) => {
            schedule(f, id, (cadence, step, spec))?;
            None
        }
        StepBody::Wait(spec) => wait(f, id, (cadence, step, spec)),
        StepBody::Branch(ways) => Some(branch(f, id, step, ways)),
    };
    Ok(target.map(|(target, why)| Way {
        from: Some(way.to),
        to: resolve(cadence, Some(way.to), &target),
        why,
    }))
}

/// The step had its visits: the jump to it is ignored, and the step after the jumping one, or after it, comes.
fn pass_by(f: &mut Folding<'_>, id: EnrollmentId, step: &Step, way: &Way) -> Way {
    let text = format!("{} had its {} visits", step.id, step.max_visits);
    f.ignore_of(id, "max_visits", text);
    let following = way.from.map_or(0, |index| index + 1);
    let why = Note::new("max_visits", "the jump was ignored");
    if way.to == following {
        Way { from: Some(way.to), to: way.to + 1, why }
    } else {
        Way { from: way.from, to: following, why }
    }
}

fn visits(f: &Folding<'_>, id: EnrollmentId, step: &StepId) -> u32 {
    f.enrollment(id).and_then(|enrollment| enrollment.progress.visits.get(step)).copied().unwrap_or(0)
}

fn count_visit(f: &mut Folding<'_>, id: EnrollmentId, step: &StepId) {
    if let Some(progress) = f.progress_mut(id) {
        *progress.visits.entry(step.clone()).or_insert(0) += 1;
    }
}

fn moved(f: &mut Folding<'_>, id: EnrollmentId, (from, to): (Option<StepId>, Option<StepId>), why: &Note) {
    let Some(enrollment) = f.enrollment(id) else { return };
    let enrollment = enrollment.uid;
    f.say_of(id, Decision::Advanced { enrollment, from, to, why: why.clone() });
}

// Branches and waits.

/// The first way whose condition is true; none: next.
fn branch(f: &mut Folding<'_>, id: EnrollmentId, step: &Step, ways: &[Branch]) -> (Target, Note) {
    let taken = f.view(id);
    let target = match step.when.as_ref().is_none_or(|when| taken.holds(when)) {
        true => ways.iter().find(|way| taken.holds(&way.when)).map(|way| way.goto.clone()),
        false => None,
    };
    remember(f, id, step, StepResult::Branched);
    let none = || (step.next.clone(), Note::new("branch", "no way of the branch was true"));
    target.map_or_else(none, |target| (target, Note::new("branch", format!("{} took a way", step.id))))
}

/// Starts to wait, unless a guard is false or the event came already.
fn wait(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    (cadence, step, spec): (&Cadence, &Step, &WaitSpec),
) -> Option<(Target, Note)> {
    if !f.view(id).allows(step.when.as_ref()) {
        remember(f, id, step, StepResult::Skipped);
        return Some((step.next.clone(), Note::new("skipped", format!("{}: its guard was false", step.id))));
    }
    if came_already(f, id, step, spec) {
        remember(f, id, step, StepResult::Came);
        let why = Note::new("wait", format!("{} came before the wait was reached", spec.event));
        return Some((spec.then.clone(), why));
    }
    let enrollment = f.enrollment(id)?;
    let since = enrollment.progress.previous_completed;
    let contact = f.world.contacts.get(&enrollment.contact)?;
    let times = Times::of(f.world, cadence, contact);
    let until = spec.up_to.after(since, &times.cadence).unwrap_or(since);
    let place = Place::Wait { step: step.id.clone(), since, until };
    f.progress_mut(id)?.place = place;
    f.set_timer(id, Alarm::new(TimerKind::Wait, until));
    None
}

/// Whether the awaited event came since the touch that it is about went out.
fn came_already(f: &Folding<'_>, id: EnrollmentId, step: &Step, spec: &WaitSpec) -> bool {
    let Some(enrollment) = f.enrollment(id) else { return false };
    let progress = &enrollment.progress;
    let about = match &spec.of {
        Some(of) => progress.last_sent(of),
        None => progress.history.iter().rev().find(|record| record.sent_at.is_some()),
    };
    let Some((about, sent_at)) = about.and_then(|record| Some((record, record.sent_at?))) else {
        return false;
    };
    progress.seen.iter().any(|seen: &Seen| {
        seen.wait == step.id && seen.at >= sent_at && (seen.about.is_none() || seen.about == about.touch)
    })
}

/// Notes what became of a step without a touch.
fn remember(f: &mut Folding<'_>, id: EnrollmentId, step: &Step, result: StepResult) {
    let visit = visits(f, id, &step.id);
    if let Some(progress) = f.progress_mut(id) {
        let at = progress.previous_completed;
        progress.history.push(StepRecord::new(step.id.clone(), visit, result, at));
    }
}

// The end.

/// Past the last step: waits for late answers, or is over.
fn begin_end(f: &mut Folding<'_>, id: EnrollmentId, cadence: &Cadence) {
    let Some(enrollment) = f.enrollment(id) else { return };
    let since = enrollment.progress.previous_completed;
    let Some(contact) = f.world.contacts.get(&enrollment.contact) else { return };
    let times = Times::of(f.world, cadence, contact);
    let until = cadence.end.wait.after(since, &times.cadence).unwrap_or(since);
    if cadence.end.wait.is_zero() {
        stop::finish(f, id, cadence.end.outcome);
        return;
    }
    if let Some(progress) = f.progress_mut(id) {
        progress.place = Place::Ending { until };
    }
    f.set_timer(id, Alarm::new(TimerKind::End, until));
}

// Touches.

/// Makes the touch of a step's visit and sets its timer.
fn schedule(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    (cadence, step, spec): (&Cadence, &Step, &TouchSpec),
) -> Result<(), OutOfIds> {
    let touch_id = TouchId(f.world.fresh_id()?);
    let variant = variant(f, id, (cadence, step, spec));
    let visit = visits(f, id, &step.id);
    let Some(enrollment) = f.world.enrollments.get(&id) else { return Ok(()) };
    let Some(contact) = f.world.contacts.get(&enrollment.contact) else { return Ok(()) };
    let times = Times::of(f.world, cadence, contact);
    let due = times.due(spec, enrollment);
    let slot = Slot::of(&due, enrollment.progress.previous_completed);
    let schedule = times.step(spec);
    let account_owner = || super::learn::account_owner(f.world, contact);
    let touch = Touch {
        id: touch_id,
        key: TouchKey::derive(&enrollment.workspace, enrollment.uid, &step.id, visit, None),
        workspace: enrollment.workspace.clone(),
        enrollment: id,
        contact: enrollment.contact,
        owner: contact.owner.clone().or_else(account_owner),
        step: step.id.clone(),
        visit,
        part: None,
        variant,
        channel: spec.channel,
        lane: Lane { connector: cadence.connector.clone(), priority: cadence.priority },
        state: slot.state,
        fence: 0,
        due_at: slot.at,
        due_by: spec.due_within.and_then(|within| time::due_by(slot.at, within, &schedule).ok()),
        attempt: 0,
        reserved: Vec::new(),
        remote_id: None,
        sent_at: None,
        completed_at: None,
        outcome: None,
        note: slot.note.clone(),
        trace: f.trace.clone(),
    };
    let mut alarm = Alarm::touch(&touch, slot.at);
    alarm.held = slot.held;
    let mut shifts = times.notes;
    shifts.extend(due.iter().flat_map(|due| due.shifts.iter().map(note_of)));
    shifts.extend(slot.note);
    shifts.extend(new_thread(f, id, spec));
    let (key, due_at) = (touch.key, touch.due_at);
    f.world.add_touch(touch);
    if let Some(progress) = f.progress_mut(id) {
        progress.place = Place::Touch { step: step.id.clone(), touch: touch_id, day: slot.day };
    }
    f.set_timer(id, alarm);
    f.say_of(id, Decision::Scheduled { key, step: step.id.clone(), due_at, shifts });
    Ok(())
}

/// The step whose thread it would continue never went out: it begins a new one.
fn new_thread(f: &Folding<'_>, id: EnrollmentId, spec: &TouchSpec) -> Option<Note> {
    let of = spec.reply_to.as_ref()?;
    let went_out = f.enrollment(id)?.progress.last_sent(of).is_some();
    (!went_out).then(|| Note::new("new_thread", format!("{of} did not go out: a new thread")))
}

/// Where a touch stands in time.
struct Slot {
    at: Timestamp,
    day: u32,
    state: TouchState,
    held: Option<HeldReason>,
    note: Option<Note>,
}

impl Slot {
    fn of(due: &Result<Due, NeverOpens>, since: Timestamp) -> Self {
        match due {
            Ok(due) => {
                Self { at: due.at, day: due.day, state: TouchState::Scheduled, held: None, note: None }
            }
            Err(never) => Self {
                at: since,
                day: 1,
                state: TouchState::Held,
                held: Some(HeldReason::NoOpening),
                note: Some(Note::new("no_opening", never.to_string())),
            },
        }
    }
}

/// Visits a step again as a new touch, whatever its number of visits: a withdrawn or refused one comes back.
pub(super) fn again(f: &mut Folding<'_>, id: EnrollmentId, step: &StepId) -> Result<(), OutOfIds> {
    let Some(cadence) = f.cadence_of(id) else { return Ok(()) };
    let Some((_, step)) = cadence.step(step) else { return Ok(()) };
    let Some(spec) = step.touch() else { return Ok(()) };
    count_visit(f, id, &step.id);
    schedule(f, id, (&cadence, step, spec))
}

/// The arm of a step's variants: the one of the first visit, of this or an earlier enrollment, while it exists; else by a
/// hash, so that the same contact meets the same arm.
fn variant(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    (cadence, step, spec): (&Cadence, &Step, &TouchSpec),
) -> Option<VariantName> {
    if spec.variants.is_empty() {
        return None;
    }
    let enrollment = f.enrollment(id)?;
    let earlier = f
        .world
        .enrollments_of(enrollment.contact)
        .filter(|other| other.cadence == enrollment.cadence && other.id != id);
    let kept = std::iter::once(enrollment)
        .chain(earlier)
        .filter_map(|one| one.progress.variants.get(&step.id))
        .find(|arm| spec.variants.contains_key(*arm))
        .cloned();
    let chosen = kept.or_else(|| {
        let key = f.world.contacts.get(&enrollment.contact)?.deciding_key();
        let hash = Digest::of(&[
            enrollment.workspace.as_str().as_bytes(),
            key.as_bytes(),
            cadence.name.as_str().as_bytes(),
            step.id.as_str().as_bytes(),
        ]);
        weighted(spec, hash)
    })?;
    f.progress_mut(id)?.variants.insert(step.id.clone(), chosen.clone());
    Some(chosen)
}

fn weighted(spec: &TouchSpec, hash: Digest) -> Option<VariantName> {
    let total: u64 = spec.variants.values().map(|arm| u64::from(arm.weight)).sum();
    let mut eight = [0; 8];
    eight.copy_from_slice(&hash.0[..8]);
    let mut left = u64::from_be_bytes(eight).checked_rem(total)?;
    for (name, arm) in &spec.variants {
        if left < u64::from(arm.weight) {
            return Some(name.clone());
        }
        left -= u64::from(arm.weight);
    }
    None
}

/// Places the current touch of an enrollment anew, not before a moment, and sets its timer. The fence is raised.
pub(super) fn reschedule(f: &mut Folding<'_>, id: EnrollmentId, shift: time::Shift) {
    let to = shift.to;
    replace(f, id, to, |times, spec, enrollment| times.moved(spec, enrollment, shift));
}

/// The same for a touch that thaws: its own day, where it has one, and not before a moment.
pub(super) fn reschedule_thawed(f: &mut Folding<'_>, id: EnrollmentId, earliest: Timestamp) {
    replace(f, id, earliest, |times, spec, enrollment| times.thawed(spec, enrollment, earliest));
}

fn replace(
    f: &mut Folding<'_>,
    id: EnrollmentId,
    since: Timestamp,
    find: impl FnOnce(&Times, &TouchSpec, &crate::enrollment::Enrollment) -> Result<Due, NeverOpens>,
) {
    let Some(cadence) = f.cadence_of(id) else { return };
    let Some(enrollment) = f.enrollment(id) else { return };
    let Place::Touch { step, touch, .. } = enrollment.progress.place.clone() else { return };
    let Some(spec) = cadence.step(&step).and_then(|(_, step)| step.touch()) else { return };
    let Some(contact) = f.world.contacts.get(&enrollment.contact) else { return };
    let times = Times::of(f.world, &cadence, contact);
    let due = find(&times, spec, enrollment);
    let slot = Slot::of(&due, since);
    let due_by = spec.due_within.and_then(|within| time::due_by(slot.at, within, &times.step(spec)).ok());
    let Some(row) = f.world.touches.get_mut(&touch) else { return };
    let unknown = stop::is_unknown(row);
    row.fence += 1;
    row.state = slot.state;
    row.due_at = slot.at;
    row.due_by = due_by;
    if !unknown || slot.note.is_some() {
        row.note.clone_from(&slot.note);
    }
    let mut alarm = Alarm::touch(row, slot.at);
    alarm.held = slot.held;
    if let Some(progress) = f.progress_mut(id) {
        progress.place = Place::Touch { step, touch, day: slot.day };
    }
    f.set_timer(id, alarm);
}
