//! What one input's folding holds: the world, the moment, the event, and what was decided so far.

use jiff::Timestamp;

use crate::cadence::SharedCadence;
use crate::catalog::WorkspaceContent;
use crate::decision::{Cause, CommandAction, Decision, DecisionRecord, NewCommand, Outcome};
use crate::enrollment::{Enrollment, Progress};
use crate::id::{ContactId, EnrollmentId, EnrollmentUid, TouchId, Workspace};
use crate::input::EventInput;
use crate::touch::{HeldReason, Lane, Note, Timer, TimerKind, Touch};
use crate::world::World;

use super::binding::View;

/// See the module.
pub(super) struct Folding<'w> {
    pub(super) world: &'w mut World,
    pub(super) workspace: Workspace,
    /// As of when it is decided, in business time.
    pub(super) now: Timestamp,
    /// The event at hand.
    pub(super) event: Option<EventInput>,
    /// Whom it is about.
    pub(super) contact: Option<ContactId>,
    pub(super) trace: Option<String>,
    items: Vec<Decision>,
}

impl<'w> Folding<'w> {
    pub(super) fn of_event(world: &'w mut World, event: &EventInput) -> Self {
        Self {
            world,
            workspace: event.event.workspace.clone(),
            now: event.received_at,
            event: Some(event.clone()),
            contact: None,
            trace: event.trace.clone(),
            items: Vec::new(),
        }
    }

    /// Of something that befell an enrollment or touch.
    pub(super) fn at(world: &'w mut World, workspace: Workspace, now: Timestamp) -> Self {
        Self { world, workspace, now, event: None, contact: None, trace: None, items: Vec::new() }
    }

    /// Writes the record of the input.
    pub(super) fn finish(self, cause: Cause) {
        self.world.decisions.push(DecisionRecord {
            workspace: self.workspace,
            cause,
            contact: self.contact,
            at: self.now,
            items: self.items,
        });
    }

    // What is said.

    /// Says something about the contact or event; what changes nothing stays in the record and is not told to the world.
    pub(super) fn say(&mut self, what: Decision) {
        self.tell(what, None, self.contact);
    }

    /// Says something about an enrollment.
    pub(super) fn say_of(&mut self, id: EnrollmentId, what: Decision) {
        let (uid, contact) = match self.world.enrollments.get(&id) {
            Some(enrollment) => (Some(enrollment.uid), Some(enrollment.contact)),
            None => (None, self.contact),
        };
        self.tell(what, uid, contact);
    }

    fn tell(&mut self, what: Decision, enrollment: Option<EnrollmentUid>, contact: Option<ContactId>) {
        if !is_told(&what) {
            self.items.push(what);
            return;
        }
        self.items.push(what.clone());
        let event = self.event.as_ref().map(|input| input.event.id.clone());
        let key = enrollment
            .map(|uid| uid.to_string())
            .or_else(|| contact.map(|id| id.to_string()))
            .or_else(|| event.as_ref().map(|id| id.as_str().to_owned()))
            .unwrap_or_default();
        self.world.outbox.push(Outcome {
            workspace: self.workspace.clone(),
            key,
            at: self.now,
            what,
            contact,
            enrollment,
            event,
            trace: self.trace.clone(),
        });
    }

    pub(super) fn ignore(&mut self, code: &str, text: impl Into<String>) {
        self.say(Decision::Ignored { why: Note::new(code, text) });
    }

    pub(super) fn ignore_of(&mut self, id: EnrollmentId, code: &str, text: impl Into<String>) {
        self.say_of(id, Decision::Ignored { why: Note::new(code, text) });
    }

    pub(super) fn note(&mut self, code: &str, text: impl Into<String>) {
        self.say(Decision::Noted { what: Note::new(code, text) });
    }

    /// Says what became of a touch.
    pub(super) fn say_touch(&mut self, touch: TouchId, code: &str, text: impl Into<String>) {
        let Some(row) = self.world.touches.get(&touch) else { return };
        let (key, step, enrollment) = (row.key, row.step.clone(), row.enrollment);
        self.say_of(enrollment, Decision::Touched { key, step, what: Note::new(code, text) });
    }

    // What is there.

    pub(super) fn content(&self) -> Option<&WorkspaceContent> {
        self.world.catalog.content(&self.workspace)
    }

    pub(super) fn enrollment(&self, id: EnrollmentId) -> Option<&Enrollment> {
        self.world.enrollments.get(&id)
    }

    pub(super) fn progress_mut(&mut self, id: EnrollmentId) -> Option<&mut Progress> {
        self.world.enrollments.get_mut(&id).map(|enrollment| &mut enrollment.progress)
    }

    /// The version that an enrollment runs.
    pub(super) fn cadence_of(&self, id: EnrollmentId) -> Option<SharedCadence> {
        let enrollment = self.enrollment(id)?;
        self.world.catalog.cadence(&enrollment.workspace, enrollment.version).cloned()
    }

    /// The live enrollments of a contact, in row order.
    pub(super) fn live_of(&self, contact: ContactId) -> Vec<EnrollmentId> {
        let live = self.world.enrollments_of(contact).filter(|one| one.state.is_live());
        live.map(|enrollment| enrollment.id).collect()
    }

    /// The live enrollments of all contacts held, for which a test is true.
    pub(super) fn live(&self, which: impl Fn(&Enrollment) -> bool) -> Vec<EnrollmentId> {
        self.world
            .enrollments
            .iter()
            .filter(|(_, enrollment)| {
                enrollment.state.is_live() && enrollment.workspace == self.workspace && which(enrollment)
            })
            .map(|(id, _)| *id)
            .collect()
    }

    /// The touches of an enrollment, in row order.
    pub(super) fn touches_of(&self, id: EnrollmentId, which: impl Fn(&Touch) -> bool) -> Vec<TouchId> {
        self.world.touches_of(id).filter(|touch| which(touch)).map(|touch| touch.id).collect()
    }

    /// The facts as seen from an enrollment, with the event at hand.
    pub(super) fn view(&self, id: EnrollmentId) -> View<'_> {
        View::of_enrollment(self.world, id, self.now).with_event(self.event.as_ref())
    }

    // What is to be done.

    /// Sets the one timer of an enrollment.
    pub(super) fn set_timer(&mut self, id: EnrollmentId, alarm: Alarm) {
        let Some(enrollment) = self.world.enrollments.get(&id) else { return };
        let timer = Timer {
            owner: id.0,
            workspace: enrollment.workspace.clone(),
            kind: alarm.kind,
            touch: alarm.touch,
            lane: alarm.lane,
            shard: enrollment.shard(),
            due_at: alarm.due_at,
            held: alarm.held,
        };
        self.world.timers.put(id, timer);
    }

    pub(super) fn clear_timer(&mut self, id: EnrollmentId) {
        self.world.timers.remove(&id);
    }

    /// Queues that an open task is taken back. The built-in inbox needs none: there the row is the task.
    pub(super) fn withdraw_task(&mut self, touch: TouchId, reason: &str) {
        let Some(row) = self.world.touches.get(&touch) else { return };
        if row.lane.connector.is_inbox() {
            return;
        }
        let command = NewCommand {
            workspace: row.workspace.clone(),
            lane: row.lane.clone(),
            touch,
            channel: row.channel,
            action: CommandAction::Withdraw { reason: reason.to_owned() },
        };
        self.world.commands.push(command);
    }
}

/// Whether the world hears of it: not of what changed nothing.
fn is_told(what: &Decision) -> bool {
    !matches!(what, Decision::Ignored { .. } | Decision::Refused { .. })
}

/// A timer to set.
pub(super) struct Alarm {
    pub(super) kind: TimerKind,
    pub(super) due_at: Timestamp,
    pub(super) touch: Option<TouchId>,
    pub(super) lane: Option<Lane>,
    pub(super) held: Option<HeldReason>,
}

impl Alarm {
    /// Of a kind without a touch.
    pub(super) fn new(kind: TimerKind, due_at: Timestamp) -> Self {
        Self { kind, due_at, touch: None, lane: None, held: None }
    }

    /// A touch is due: the dispatcher takes it.
    pub(super) fn touch(touch: &Touch, due_at: Timestamp) -> Self {
        Self {
            kind: TimerKind::Touch,
            due_at,
            touch: Some(touch.id),
            lane: Some(touch.lane.clone()),
            held: None,
        }
    }
}
