//! Tasks that people complete, and where their outcomes lead.

use jiff::Timestamp;

use crate::cadence::Target;
use crate::enrollment::StepResult;
use crate::event::{Classification, Detail, Event, EventKind};
use crate::id::{Digest, EnrollmentId, EventId, TouchId};
use crate::input::EventInput;
use crate::touch::{Channel, Note, TouchState};
use crate::world::OutOfIds;

use super::attempts::{Standing, date_taken, record_sent, spec_of, standing, touched};
use super::folding::Folding;
use super::subject::{Subject, named_touch};
use super::{advance, jumps};

/// A touch that is done, one way or another.
#[derive(Debug, Clone)]
pub(super) struct Completed {
    pub(super) touch: TouchId,
    /// From when the next step counts.
    pub(super) at: Timestamp,
    pub(super) outcome: Option<String>,
    pub(super) result: StepResult,
    pub(super) why: Note,
}

/// What a completion still has to lead to, once the exits of its event are judged.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    /// The step is left.
    Leave(Completed),
    /// The cadence went on already: the outcome's target is a jump.
    Jump(EnrollmentId, Target, Note),
}

/// An event that an outcome also is.
pub(super) struct Raised {
    pub(super) kind: EventKind,
    pub(super) classification: Option<Classification>,
}

/// Whether events of a kind carry a task's outcome.
pub(super) fn may_raise(kind: EventKind) -> bool {
    matches!(kind, EventKind::TaskCompleted | EventKind::CallCompleted)
}

/// What an outcome says beside that the task is done.
pub(super) fn raised(outcome: &str) -> Option<Raised> {
    let plain = |kind| Some(Raised { kind, classification: None });
    match outcome {
        "not_a_fit" => plain(EventKind::NotAFit),
        "left_company" => plain(EventKind::LeftCompany),
        "meeting_booked" => plain(EventKind::MeetingBooked),
        "meeting_held" => plain(EventKind::MeetingHeld),
        "do_not_contact" => plain(EventKind::Unsubscribed),
        "not_now" => Some(Raised { kind: EventKind::Replied, classification: Some(Classification::NotNow) }),
        _ => None,
    }
}

/// The event that the outcome of this one also is: of the same contact, at the same time.
pub(super) fn raised_event(input: &EventInput) -> Option<EventInput> {
    let event = &input.event;
    let outcome = event.detail.outcome.as_deref().filter(|_| may_raise(event.kind))?;
    let raised = raised(outcome)?;
    let mut next = Event::clone(event);
    next.kind = raised.kind;
    next.digest = Digest::of(&[&event.digest.0, raised.kind.as_str().as_bytes()]);
    next.id = EventId::new(format!("{}:{}", next.digest.to_hex(), raised.kind))
        .unwrap_or_else(|_| event.id.clone());
    next.detail = Detail {
        classification: raised.classification,
        reason: event.detail.reason.clone(),
        data: event.detail.data.clone(),
        ..Detail::default()
    };
    Some(EventInput { event: next.into(), ..input.clone() })
}

/// Completes the task that an event names, or that it must mean.
pub(super) fn by_event(f: &mut Folding<'_>, subject: &Subject) -> Option<Pending> {
    let input = f.event.clone()?;
    let event = &*input.event;
    let completes =
        may_raise(event.kind) || matches!(event.kind, EventKind::TaskDeleted | EventKind::EmailSent);
    if !completes {
        return None;
    }
    let Some(touch) = named_touch(f, event).or_else(|| meant(f, event, subject)) else {
        if event.detail.task.is_some() && event.kind != EventKind::EmailSent {
            f.ignore("unknown_task", "no task of ours has that key or id");
        }
        return None;
    };
    let sent_by_us =
        event.kind == EventKind::EmailSent && f.world.touches.get(&touch)?.state != TouchState::Open;
    if sent_by_us {
        return None;
    }
    let at = input.occurred_at.min(f.now);
    if event.kind == EventKind::TaskDeleted {
        return deleted(f, touch, at);
    }
    let outcome = event.detail.outcome.clone().unwrap_or_else(|| "done".to_owned());
    mark_done(f, touch, at, outcome)
}

/// The open task that an event without a key must mean: an e-mail from its owner's mailbox, an outgoing call.
fn meant(f: &Folding<'_>, event: &Event, subject: &Subject) -> Option<TouchId> {
    let channel = match event.kind {
        EventKind::EmailSent => Channel::Email,
        EventKind::CallCompleted if event.detail.data.text("direction") != Some("inbound") => Channel::Call,
        _ => return None,
    };
    if event.detail.task.is_some() {
        return None;
    }
    let contact = subject.contact?;
    let mailbox = event.detail.owner.as_ref();
    let open = f.world.touches.iter().filter(|(_, touch)| {
        let same_owner = match (mailbox, &touch.owner) {
            (Some(mailbox), Some(owner)) => mailbox == owner,
            _ => true,
        };
        touch.contact == contact && touch.channel == channel && touch.state == TouchState::Open && same_owner
    });
    // The oldest: it waits for this longest.
    open.min_by_key(|(id, touch)| (touch.sent_at, **id)).map(|(id, _)| *id)
}

/// Someone deleted the task in the CRM: a person's skip.
fn deleted(f: &mut Folding<'_>, id: TouchId, at: Timestamp) -> Option<Pending> {
    let touch = f.world.touches.get_mut(&id)?;
    if touch.state != TouchState::Open {
        f.say_touch(id, "ignored", "a deleted task that was no longer open");
        return None;
    }
    touch.state = TouchState::Skipped;
    touch.note = Some(Note::new("task_deleted", "the task was deleted in the CRM"));
    f.say_touch(id, "skipped", "the task was deleted in the CRM");
    let why = Note::new("skipped", "the task was deleted in the CRM");
    pending(f, Completed { touch: id, at, outcome: None, result: StepResult::Skipped, why })
}

fn mark_done(f: &mut Folding<'_>, id: TouchId, at: Timestamp, outcome: String) -> Option<Pending> {
    let standing = standing(f, id);
    let touch = f.world.touches.get_mut(&id)?;
    let earlier = touch.state;
    if matches!(earlier, TouchState::Done | TouchState::Skipped) {
        f.say_touch(id, "ignored", format!("it was {earlier} already"));
        return None;
    }
    let at = touch.sent_at.map_or(at, |sent| at.max(sent));
    touch.completed_at = Some(at);
    touch.outcome = Some(outcome.clone());
    let (enrollment, contact) = (touch.enrollment, touch.contact);
    let connected = outcome == "connected" && touch.channel == Channel::Call;
    if earlier == TouchState::Withdrawn && standing != Standing::Paused {
        f.say_touch(id, "ignored", format!("completed ({outcome}) after it was taken back"));
        return None;
    }
    touch.state = TouchState::Done;
    touch.fence += 1;
    touch.note = None;
    touch.sent_at = touch.sent_at.or(Some(at));
    record_sent(f, id);
    touched(f, contact, at);
    if connected && let Some(progress) = f.progress_mut(enrollment) {
        progress.connected = true;
    }
    f.say_touch(id, "done", outcome.clone());
    if standing == Standing::Current {
        f.clear_timer(enrollment);
    }
    let why = Note::new("outcome", outcome.clone());
    pending(f, Completed { touch: id, at, outcome: Some(outcome), result: StepResult::Done, why })
}

/// What a completed touch leads to. The visit is taken down at once, so that the exits see it.
fn pending(f: &mut Folding<'_>, done: Completed) -> Option<Pending> {
    record(f, &done);
    if standing(f, done.touch) != Standing::Gone {
        return Some(Pending::Leave(done));
    }
    let enrollment = f.world.touches.get(&done.touch)?.enrollment;
    if !f.enrollment(enrollment)?.state.is_live() {
        f.ignore_of(enrollment, "late", "the enrollment is over");
        return None;
    }
    let (_, spec) = spec_of(f, done.touch)?;
    let target = spec.outcomes.get(done.outcome.as_deref()?)?.clone();
    Some(Pending::Jump(enrollment, target, done.why))
}

fn record(f: &mut Folding<'_>, done: &Completed) {
    let takes = if done.result == StepResult::Done { date_taken(f, done.touch, done.at) } else { None };
    super::stop::remember(f, done.touch, done.result, done.at);
    let Some(enrollment) = f.world.touches.get(&done.touch).map(|touch| touch.enrollment) else { return };
    let Some(record) = f.progress_mut(enrollment).and_then(|progress| progress.record_mut(done.touch)) else {
        return;
    };
    if done.outcome.is_some() {
        record.outcome.clone_from(&done.outcome);
    }
    match done.result {
        // A skipped one takes no date.
        StepResult::Skipped => record.took.clear(),
        _ => record
            .took
            .extend(takes.filter(|taken| !record.took.contains(taken)).into_iter().collect::<Vec<_>>()),
    }
}

/// Leads on from a completion, if its step is still the current one.
pub(super) fn follow(f: &mut Folding<'_>, pending: Pending) -> Result<(), OutOfIds> {
    match pending {
        Pending::Leave(done) => leave(f, &done),
        Pending::Jump(enrollment, target, why) => jumps::jump(f, enrollment, &target, why),
    }
}

/// Leaves the step of a completed touch: to its outcome's target, else to what follows.
pub(super) fn leave(f: &mut Folding<'_>, done: &Completed) -> Result<(), OutOfIds> {
    record(f, done);
    if standing(f, done.touch) == Standing::Gone {
        return Ok(());
    }
    let Some((step, spec)) = spec_of(f, done.touch) else { return Ok(()) };
    let Some(enrollment) = f.world.touches.get(&done.touch).map(|touch| touch.enrollment) else {
        return Ok(());
    };
    let target =
        done.outcome.as_ref().and_then(|outcome| spec.outcomes.get(outcome)).unwrap_or(&step.next).clone();
    if let Some(progress) = f.progress_mut(enrollment) {
        progress.previous_completed = done.at;
    }
    if standing(f, done.touch) == Standing::Current {
        f.clear_timer(enrollment);
    }
    advance::go(f, enrollment, Some(&step.id), &target, done.why.clone())
}
