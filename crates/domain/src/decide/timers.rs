//! Timers that fire: waits that run out, tasks that nobody works, pauses that end, the end itself.

use jiff::{SignedDuration, Timestamp};

use crate::attributes::Attributes;
use crate::cadence::{Cadence, Completion, Outcome, Overdue, OverdueAction, Step, StepBody, Target};
use crate::decision::Cause;
use crate::enrollment::{EnrollmentState, Place, StepResult};
use crate::event::{Detail, Event, EventKind, TaskRef};
use crate::id::{Digest, EnrollmentId, EventId, SourceName, TouchId};
use crate::identity::AccountKeys;
use crate::input::{EventInput, Origin, TimerInput};
use crate::time::{Span, Unit};
use crate::touch::{Note, TimerKind, TouchState};
use crate::world::{OutOfIds, World};

use super::complete::{self, Completed};
use super::folding::{Alarm, Folding};
use super::schedule::Times;
use super::stop::{self, Ending};
use super::{advance, event, jumps, pause};

/// When a timer of a cadence that cannot be read is looked at again.
const UNREADABLE_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// Folds a fired timer, as of its due time. One that was overtaken changes nothing.
pub(super) fn fold(world: &mut World, input: &TimerInput) -> Result<(), OutOfIds> {
    let id = input.enrollment;
    let Some(timer) = world.timers.get(&id) else { return Ok(()) };
    if timer.kind != input.kind || timer.due_at != input.due_at || timer.held.is_some() {
        return Ok(());
    }
    let Some(enrollment) = world.enrollments.get(&id) else { return Ok(()) };
    let (workspace, contact, trace) =
        (enrollment.workspace.clone(), enrollment.contact, enrollment.trace.clone());
    let touch = timer.touch;
    if world.catalog.cadence(&workspace, enrollment.version).is_none() {
        // Its text cannot be read by this release: nothing can be decided, and nothing may be lost.
        let later = world.now.saturating_add(UNREADABLE_PAUSE).unwrap_or(world.now);
        if let Some(timer) = world.timers.get_mut(&id) {
            timer.due_at = later;
        }
        return Ok(());
    }
    let mut f = Folding::at(world, workspace, input.due_at);
    f.contact = Some(contact);
    f.trace = trace;
    match input.kind {
        // The dispatcher's.
        TimerKind::Touch => return Ok(()),
        TimerKind::Wait => wait_over(&mut f, id)?,
        TimerKind::Overdue => overdue(&mut f, id, touch)?,
        TimerKind::Resume => {
            let now = f.now;
            f.clear_timer(id);
            pause::lift(&mut f, id, |hold| hold.until.is_some_and(|until| until <= now))?;
        }
        TimerKind::End => {
            f.clear_timer(id);
            let outcome = f.cadence_of(id).map_or(Outcome::Stopped, |cadence| cadence.end.outcome);
            stop::finish(&mut f, id, outcome);
        }
    }
    f.finish(Cause::Timer { enrollment: id });
    Ok(())
}

fn wait_over(f: &mut Folding<'_>, id: EnrollmentId) -> Result<(), OutOfIds> {
    let Some(Place::Wait { step, .. }) = f.enrollment(id).map(|one| one.progress.place.clone()) else {
        return Ok(());
    };
    let otherwise = f.cadence_of(id).and_then(|cadence| match &cadence.step(&step)?.1.body {
        StepBody::Wait(spec) => Some(spec.otherwise.clone()),
        _ => None,
    });
    jumps::leave_wait(f, id, &step, StepResult::TimedOut);
    let why = Note::new("timeout", format!("{step} ran out"));
    advance::go(f, id, Some(&step), &otherwise.unwrap_or(Target::Next), why)
}

// Overdue.

/// Sets the timer of an open task that somebody should work; none where nothing would happen.
pub(super) fn set_overdue(f: &mut Folding<'_>, id: EnrollmentId, touch: TouchId) {
    match overdue_at(f, id, touch) {
        Some(due_at) => {
            let mut alarm = Alarm::new(TimerKind::Overdue, due_at);
            alarm.touch = Some(touch);
            f.set_timer(id, alarm);
        }
        None => f.clear_timer(id),
    }
}

fn overdue_at(f: &Folding<'_>, id: EnrollmentId, touch: TouchId) -> Option<Timestamp> {
    let cadence = f.cadence_of(id)?;
    let row = f.world.touches.get(&touch)?;
    let (_, step) = cadence.step(&row.step)?;
    let spec = step.touch()?;
    if spec.completion == Some(Completion::Automatic) {
        return None;
    }
    let contact = f.world.contacts.get(&row.contact)?;
    let schedule = Times::of(f.world, &cadence, contact).step(spec);
    let after = match rule(&cadence, step) {
        Rule::Given(overdue) | Rule::Skip(overdue) => overdue.after,
        // Nothing happens, but a promise that was not kept is told.
        Rule::Wait => Span::ZERO,
    };
    let base = match (row.due_by, rule(&cadence, step)) {
        (Some(due_by), _) => due_by,
        (None, Rule::Wait) => return None,
        (None, _) => row.due_at,
    };
    let at = after.after(base, &schedule).ok()?;
    schedule.next_opening(at).ok()
}

enum Rule {
    /// The step's, or the cadence's.
    Given(Overdue),
    /// The default where the next touch has a day of its own.
    Skip(Overdue),
    /// The default elsewhere.
    Wait,
}

fn rule(cadence: &Cadence, step: &Step) -> Rule {
    let given = step.touch().and_then(|spec| spec.overdue.clone()).or_else(|| cadence.overdue.clone());
    match given {
        Some(given) => Rule::Given(given),
        None if next_has_day(cadence, step) => {
            let after = Span::new(2, Unit::BusinessDays).unwrap_or(Span::ZERO);
            Rule::Skip(Overdue { after, then: OverdueAction::Skip })
        }
        None => Rule::Wait,
    }
}

/// Whether the next touch after a step, by its `next`, has a day number.
fn next_has_day(cadence: &Cadence, step: &Step) -> bool {
    let mut at = step;
    for _ in 0..=cadence.steps.len() {
        let next = match &at.next {
            Target::End => return false,
            Target::Step(id) => cadence.step(id).map(|(_, step)| step),
            Target::Next => cadence.step(&at.id).and_then(|(index, _)| cadence.steps.get(index + 1)),
        };
        let Some(next) = next else { return false };
        if let Some(spec) = next.touch() {
            return spec.timing.day.is_some();
        }
        at = next;
    }
    false
}

/// Nobody worked the task in time: told as `touch_overdue`, and what the rule says.
fn overdue(f: &mut Folding<'_>, id: EnrollmentId, touch: Option<TouchId>) -> Result<(), OutOfIds> {
    f.clear_timer(id);
    let Some(touch) = touch else { return Ok(()) };
    let is_open = f.world.touches.get(&touch).is_some_and(|row| row.state == TouchState::Open);
    if !is_open || f.enrollment(id).is_none_or(|one| one.state != EnrollmentState::Live) {
        return Ok(());
    }
    f.say_touch(touch, "touch_overdue", "nobody worked it in time");
    if let Some(raised) = raised(f, touch) {
        f.event = Some(raised);
        event::happen(f)?;
        f.event = None;
    }
    // The event may have moved the enrollment on, or ended it.
    if f.enrollment(id)
        .is_some_and(|one| one.progress.touch() == Some(touch) && one.state == EnrollmentState::Live)
    {
        act(f, id, touch)?;
    }
    Ok(())
}

fn act(f: &mut Folding<'_>, id: EnrollmentId, touch: TouchId) -> Result<(), OutOfIds> {
    let Some(cadence) = f.cadence_of(id) else { return Ok(()) };
    let Some(step) =
        f.world.touches.get(&touch).and_then(|row| cadence.step(&row.step)).map(|(_, step)| step.clone())
    else {
        return Ok(());
    };
    let then = match rule(&cadence, &step) {
        Rule::Given(overdue) | Rule::Skip(overdue) => overdue.then,
        Rule::Wait => OverdueAction::Wait,
    };
    match then {
        OverdueAction::Wait => Ok(()),
        OverdueAction::Exit => {
            stop::end(f, id, Ending::exit("overdue", Outcome::Stopped));
            Ok(())
        }
        OverdueAction::Skip => skip(f, touch, None),
        OverdueAction::Goto(target) => skip(f, touch, Some((id, step.id.clone(), target))),
    }
}

/// Skips the task as of now, and goes on: by default to what follows.
fn skip(
    f: &mut Folding<'_>,
    touch: TouchId,
    to: Option<(EnrollmentId, crate::id::StepId, Target)>,
) -> Result<(), OutOfIds> {
    let why = Note::new("overdue", "nobody worked it in time");
    leave_out(f, touch, &why);
    let at = f.now;
    match to {
        None => complete::leave(f, &Completed { touch, at, outcome: None, result: StepResult::Skipped, why }),
        Some((id, step, target)) => {
            stop::remember(f, touch, StepResult::Skipped, at);
            if let Some(progress) = f.progress_mut(id) {
                progress.previous_completed = at;
            }
            advance::go(f, id, Some(&step), &target, why)
        }
    }
}

/// Marks a touch skipped; a task that is out is taken back.
pub(super) fn leave_out(f: &mut Folding<'_>, touch: TouchId, why: &Note) {
    let Some(row) = f.world.touches.get_mut(&touch) else { return };
    let was_out = matches!(row.state, TouchState::Open | TouchState::Unknown) || stop::is_unknown(row);
    row.state = TouchState::Skipped;
    row.fence += 1;
    row.note = Some(why.clone());
    if was_out {
        f.withdraw_task(touch, &why.text);
    } else {
        // Nothing of it left, though a retried attempt may have reserved budgets.
        row.reserved.clear();
    }
    f.say_touch(touch, "skipped", why.text.clone());
}

/// The event that an overdue touch is, so that jumps, exits and triggers can listen to it.
fn raised(f: &Folding<'_>, touch: TouchId) -> Option<EventInput> {
    let row = f.world.touches.get(&touch)?;
    let contact = f.world.contacts.get(&row.contact)?;
    let digest = Digest::of(&[row.key.0.as_bytes(), b"overdue"]);
    let mut data = Attributes::new();
    data.set("step", row.step.as_str());
    let event = Event {
        id: EventId::new(format!("{}:overdue", row.key)).ok()?,
        digest,
        workspace: row.workspace.clone(),
        source: SourceName::new("engine").ok()?,
        kind: EventKind::TouchOverdue,
        occurred_at: f.world.clock.wall(f.now),
        received_at: f.world.clock.wall(f.now),
        subject: contact.keys(),
        account: AccountKeys::default(),
        detail: Detail {
            task: Some(TaskRef::Key(row.key)),
            channel: Some(row.channel),
            data,
            ..Detail::default()
        },
        actor: None,
    };
    Some(EventInput {
        event: event.into(),
        occurred_at: f.now,
        received_at: f.now,
        origin: Origin::Live,
        trace: f.trace.clone(),
    })
}
