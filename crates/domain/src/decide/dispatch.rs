//! What the dispatcher asks before it sends: may this touch go now?

use jiff::{SignedDuration, Timestamp};

use crate::cadence::{Cadence, ExitRule, TouchSpec};
use crate::contact::{Contact, Reachable};
use crate::enrollment::{Enrollment, EnrollmentState, StepResult};
use crate::id::TouchId;
use crate::time::{self, Admission, Shift, Why};
use crate::touch::{Note, Touch, TouchState};
use crate::world::{OutOfIds, World};

use super::binding::View;
use super::complete::{self, Completed};
use super::folding::Folding;
use super::schedule::{Times, note_of};
use super::{consent, exits, stop, timers};

/// What is to be done with a due touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Render and mark it.
    Go,
    /// Its guard is false, its channel stopped, or an exit rule true: report [`crate::input::TouchReport::Judge`].
    Act,
    /// Not before that moment: report [`crate::input::TouchReport::Defer`].
    Wait {
        /// The first moment at which it may go (business time).
        until: Timestamp,
        /// Why.
        note: Note,
    },
    /// It is not due any more: leave it alone.
    Gone,
}

/// Judges a due touch against what was read without locks; the mark and the fold check again.
#[must_use]
pub fn judge(world: &World, touch: TouchId, now: Timestamp) -> Judgement {
    let Some(at) = Standing::of(world, touch) else {
        return unreadable(world, touch, now).unwrap_or(Judgement::Gone);
    };
    if stop::is_unknown(at.touch) {
        // The CRM may have it: only a repeat with the same key can tell.
        return Judgement::Go;
    }
    if at.obstacle(world, now).is_some() {
        return Judgement::Act;
    }
    match at.not_before(world, now) {
        Some((until, note)) => Judgement::Wait { until, note },
        None => Judgement::Go,
    }
}

/// The code of a touch whose cadence's text cannot be read any more.
pub(super) const UNREADABLE: &str = "unreadable_content";

/// A due touch of a cadence that does not compile, after an upgrade perhaps, is looked at again later: it must not stand in
/// front of the others of its lane.
fn unreadable(world: &World, touch: TouchId, now: Timestamp) -> Option<Judgement> {
    let touch = world.touches.get(&touch).filter(|touch| touch.state == TouchState::Scheduled)?;
    let enrollment = world.enrollments.get(&touch.enrollment)?;
    let is_current =
        enrollment.state == EnrollmentState::Live && enrollment.progress.touch() == Some(touch.id);
    if !is_current || world.catalog.cadence(&touch.workspace, enrollment.version).is_some() {
        return None;
    }
    let until = now.saturating_add(SignedDuration::from_mins(5)).unwrap_or(now);
    let text = format!("the text of {} cannot be read by this release; apply it again", enrollment.cadence);
    Some(Judgement::Wait { until, note: Note::new(UNREADABLE, text) })
}

/// A scheduled touch of a live enrollment, with what it belongs to.
struct Standing<'a> {
    touch: &'a Touch,
    enrollment: &'a Enrollment,
    contact: &'a Contact,
    cadence: &'a Cadence,
    spec: &'a TouchSpec,
}

/// Why a touch does not go at all.
enum Obstacle {
    Exit(ExitRule),
    Suppressed(crate::suppression::StopReason),
    Guard(String),
}

impl<'a> Standing<'a> {
    fn of(world: &'a World, id: TouchId) -> Option<Self> {
        let touch = world.touches.get(&id).filter(|touch| touch.state == TouchState::Scheduled)?;
        let enrollment = world.enrollments.get(&touch.enrollment)?;
        if enrollment.state != EnrollmentState::Live || enrollment.progress.touch() != Some(id) {
            return None;
        }
        let contact = world.contacts.get(&enrollment.contact)?;
        let cadence = world.catalog.cadence(&touch.workspace, enrollment.version)?;
        let (_, step) = cadence.step(&touch.step)?;
        Some(Self { touch, enrollment, contact, cadence, spec: step.touch()? })
    }

    fn obstacle(&self, world: &World, now: Timestamp) -> Option<Obstacle> {
        let view = View::of_enrollment(world, self.enrollment.id, now);
        if let Some(rule) = exits::standing_rule(world, &view, self.cadence) {
            return Some(Obstacle::Exit(rule));
        }
        if let Reachable::Stopped(reason) = consent::reachable(world, self.contact, self.touch.channel) {
            return Some(Obstacle::Suppressed(reason));
        }
        let (_, step) = self.cadence.step(&self.touch.step)?;
        let guard = step.when.as_ref().filter(|when| !view.holds(when))?;
        Some(Obstacle::Guard(guard.source().to_owned()))
    }

    /// The window, the dates of other days, and the gap, as of now: it may be late.
    fn not_before(&self, world: &World, now: Timestamp) -> Option<(Timestamp, Note)> {
        let times = Times::of(world, self.cadence, self.contact);
        let shift = Shift { from: self.touch.due_at, to: now, why: Why::Previous };
        match times.moved(self.spec, self.enrollment, shift) {
            Ok(due) if due.at > now => {
                let why =
                    due.shifts.last().map_or_else(|| Note::new("window", "the window is closed"), note_of);
                return Some((due.at, why));
            }
            Ok(_) => {}
            Err(never) => return Some((now, Note::new("no_opening", never.to_string()))),
        }
        let (gap, last) = (self.cadence.limits.gap?, self.contact.last_touch_at?);
        match time::gap(last, gap, now, &times.cadence) {
            Ok(Admission::Now) => None,
            Ok(Admission::Until(until)) => {
                Some((until, Note::new("gap", format!("{gap} since the contact's last touch"))))
            }
            Err(never) => Some((now, Note::new("no_opening", never.to_string()))),
        }
    }
}

/// Acts on a touch that must not go, judged again under lock.
pub(super) fn act(f: &mut Folding<'_>, id: TouchId) -> Result<(), OutOfIds> {
    let now = f.now;
    let Some(at) = Standing::of(f.world, id) else { return Ok(()) };
    let (enrollment, slot) = (at.enrollment.id, at.touch.due_at);
    let (code, text) = match at.obstacle(f.world, now) {
        None => {
            f.ignore_of(enrollment, "overtaken", "nothing stands in its way any more");
            return Ok(());
        }
        Some(Obstacle::Exit(rule)) => {
            exits::apply_standing(f, enrollment, &rule);
            return Ok(());
        }
        Some(Obstacle::Suppressed(reason)) => ("suppressed", consent::reason_name(reason).to_owned()),
        Some(Obstacle::Guard(source)) => ("guard", source),
    };
    let why = Note::new(code, text);
    timers::leave_out(f, id, &why);
    // It counts as completed at its slot.
    complete::leave(f, &Completed { touch: id, at: slot, outcome: None, result: StepResult::Skipped, why })
}
