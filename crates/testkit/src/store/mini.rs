//! A small fold: a form enrolls and schedules a touch at once, an opt-out ends, a settled touch is done.

use std::sync::{Arc, Mutex};

use domain::attributes::Attributes;
use domain::cadence::Outcome as End;
use domain::catalog::{Catalog, Defaults};
use domain::contact::Contact;
use domain::decision::{Cause, CommandAction, Decision, DecisionRecord, NewCommand, Outcome};
use domain::enrollment::{Enrollment, EnrollmentState, EntryEvent, Place, Progress};
use domain::event::EventKind;
use domain::id::{
    CadenceName, ConnectorName, ContactId, EnrollmentId, EnrollmentUid, OwnerName, StepId, TouchId, TouchKey,
    VersionId,
};
use domain::identity::{IdentityKind, IdentityOwner};
use domain::input::{EventInput, Input, TouchInput, TouchReport};

use domain::touch::{AttemptResult, Channel, Lane, Note, Timer, TimerKind, Touch, TouchState};
use domain::world::World;
use jiff::Timestamp;
use ports::unit::{Admitted, Fold, FoldError, Reach, Standing};

/// See the module. What it saw can be asked for afterwards.
#[derive(Debug, Default)]
pub struct Mini {
    /// Standings of the last run, in order.
    pub standings: Mutex<Vec<Standing>>,
    /// The events of the last run, as the fold was given them.
    pub events: Mutex<Vec<EventInput>>,
    /// What the last run held.
    pub held: Mutex<Closure>,
    /// Whether events reach for their account.
    pub wide: bool,
    /// The fold panics at an event with this id.
    pub poison: Option<String>,
    /// Ids taken from the sequence beside those of rows, for each event.
    pub extra_ids: usize,
    /// When touches come due, after now.
    pub due_in: std::time::Duration,
    /// The kind of timer that an enrollment begins with, if it is not that of a touch.
    pub other_timer: Option<TimerKind>,
    /// The version that enrollments are of.
    pub version: i64,
    /// The ids of all rows made, for telling whether ids meet.
    pub ids: Mutex<Vec<i64>>,
}

/// How much a world held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Closure {
    /// Contacts.
    pub contacts: usize,
    /// Identities.
    pub identities: usize,
    /// Accounts.
    pub accounts: usize,
    /// Enrollments.
    pub enrollments: usize,
    /// Touches.
    pub touches: usize,
}

impl Mini {
    /// The usual one.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// What the last run saw of its inputs.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        self.standings.lock().expect("a test's lock").clone()
    }

    /// What the last run held.
    #[must_use]
    pub fn held(&self) -> Closure {
        *self.held.lock().expect("a test's lock")
    }
}

fn name<T: TryFrom<String>>(text: &str) -> T
where
    T::Error: std::fmt::Debug,
{
    T::try_from(text.to_owned()).expect("a test's name")
}

/// The lane of all touches of the suite.
#[must_use]
pub(super) fn lane() -> Lane {
    Lane { connector: name::<ConnectorName>("crm"), priority: 50 }
}

/// The cadence of all enrollments of the suite.
#[must_use]
pub(super) fn cadence() -> CadenceName {
    name("inbound")
}

/// The owner of all touches of the suite.
#[must_use]
pub(super) fn owner() -> OwnerName {
    name("rep@ours.example")
}

/// A catalog without content.
#[must_use]
pub(super) fn catalog() -> Arc<Catalog> {
    let defaults = Defaults {
        zone: jiff::tz::TimeZone::UTC,
        window: domain::time::Window::Any,
        per_contact: Vec::new(),
        per_owner: Vec::new(),
        delivers: std::collections::HashMap::new(),
    };
    Arc::new(Catalog::empty(defaults))
}

/// The report that an attempt ended.
#[must_use]
pub fn settle(touch: TouchId, attempt: i32, result: AttemptResult, at: Timestamp) -> Input {
    Input::Touch(TouchInput { touch, at, report: TouchReport::Attempt { attempt, result } })
}

/// The enrollment of an event, as [`Mini`] names it.
#[must_use]
pub fn enrolled(event: &domain::event::Event) -> EnrollmentUid {
    let who = event.subject.email.as_ref().map_or("", |email| email.as_str());
    EnrollmentUid::derive(&event.workspace, &cadence(), event.digest, who)
}

impl Fold for Mini {
    fn catalog(&self) -> Arc<Catalog> {
        catalog()
    }

    fn reach(&self, _event: &EventInput) -> Reach {
        if self.wide { Reach::Account } else { Reach::Contact }
    }

    fn fold(&self, world: &mut World, inputs: &[Admitted]) -> Result<(), FoldError> {
        *self.standings.lock().expect("a test's lock") = inputs.iter().map(|one| one.standing).collect();
        let events = inputs.iter().filter_map(|one| match &one.input {
            Input::Event(event) => Some(event.clone()),
            Input::Timer(_) | Input::Touch(_) => None,
        });
        *self.events.lock().expect("a test's lock") = events.collect();
        *self.held.lock().expect("a test's lock") = Closure {
            contacts: world.contacts.len(),
            identities: world.identities.len(),
            accounts: world.accounts.len(),
            enrollments: world.enrollments.len(),
            touches: world.touches.len(),
        };
        for one in inputs.iter().filter(|one| one.standing == Standing::Fresh) {
            match &one.input {
                Input::Event(event) => self.event(world, event).map_err(|_| FoldError::OutOfIds)?,
                Input::Timer(timer) => fire(world, timer.enrollment),
                Input::Touch(touch) => report(world, touch),
            }
        }
        Ok(())
    }
}

type OutOfIds = domain::world::OutOfIds;

impl Mini {
    fn event(&self, world: &mut World, input: &EventInput) -> Result<(), OutOfIds> {
        let event = &input.event;
        assert!(self.poison.as_deref() != Some(event.id.as_str()), "the suite's poison");
        for _ in 0..self.extra_ids {
            world.fresh_id()?;
        }
        let Some(contact) = contact(world, input)? else { return Ok(()) };
        match event.kind {
            EventKind::FormSubmitted => self.enroll(world, input, contact)?,
            EventKind::Unsubscribed => end_all(world, contact, EnrollmentState::Exited),
            _ => {}
        }
        let cause = Cause::of(event);
        let what = Decision::Noted { what: Note::new("seen", "an event of the suite") };
        let at = world.now;
        world.decisions.push(DecisionRecord {
            workspace: event.workspace.clone(),
            cause,
            contact: Some(contact),
            at,
            items: vec![what.clone()],
        });
        world.outbox.push(Outcome {
            workspace: event.workspace.clone(),
            key: contact.to_string(),
            at,
            what,
            contact: Some(contact),
            enrollment: None,
            event: Some(event.id.clone()),
            trace: None,
        });
        Ok(())
    }

    fn enroll(&self, world: &mut World, input: &EventInput, contact: ContactId) -> Result<(), OutOfIds> {
        let event = &input.event;
        let uid = enrolled(event);
        let (id, touch) = (EnrollmentId(world.fresh_id()?), TouchId(world.fresh_id()?));
        self.ids.lock().expect("a test's lock").extend([id.0, touch.0]);
        let step: StepId = name("call");
        let due_at = world.now.saturating_add(self.due_in).expect("tests stay within the calendar");
        let owner = world.contacts.get(&contact).and_then(|contact| contact.owner.clone());
        let enrollment = Enrollment {
            id,
            uid,
            workspace: event.workspace.clone(),
            contact,
            account: None,
            cadence: cadence(),
            version: VersionId(self.version),
            class: None,
            priority: 50,
            state: EnrollmentState::Live,
            entered_at: world.now,
            ended_at: None,
            outcome: None,
            ended_by: None,
            entry: entry(event),
            progress: progress(step.clone(), touch, world.now),
            trace: None,
        };
        let shard = enrollment.shard();
        world.touches.put(
            touch,
            Touch {
                id: touch,
                key: TouchKey::derive(&event.workspace, uid, &step, 1, None),
                workspace: event.workspace.clone(),
                enrollment: id,
                contact,
                owner,
                step,
                visit: 1,
                part: None,
                variant: None,
                channel: Channel::Call,
                lane: lane(),
                state: TouchState::Scheduled,
                fence: 0,
                due_at,
                due_by: None,
                attempt: 0,
                reserved: Vec::new(),
                remote_id: None,
                sent_at: None,
                completed_at: None,
                outcome: None,
                note: None,
                trace: None,
            },
        );
        world.enrollments.put(id, enrollment);
        let kind = self.other_timer.unwrap_or(TimerKind::Touch);
        world.timers.put(
            id,
            Timer {
                owner: id.0,
                workspace: event.workspace.clone(),
                kind,
                touch: Some(touch),
                lane: (kind == TimerKind::Touch).then(lane),
                shard,
                due_at,
                held: None,
            },
        );
        Ok(())
    }
}

/// The contact behind an event's address, made when there is none; a domain gets an account.
fn contact(world: &mut World, input: &EventInput) -> Result<Option<ContactId>, OutOfIds> {
    let event = &input.event;
    let Some(email) = &event.subject.email else { return Ok(None) };
    let key = world.identity_key(&event.workspace, IdentityKind::Email, email.as_str());
    if let Some(IdentityOwner::Contact(id)) = world.identities.get(&key).and_then(|one| one.owner) {
        let stayed = world.contacts.get(&id).and_then(|contact| contact.merged_into);
        return Ok(Some(stayed.unwrap_or(id)));
    }
    let id = ContactId(world.fresh_id()?);
    let mut contact = Contact::new(id, event.workspace.clone(), world.now);
    contact.email = Some(email.clone());
    contact.phone = event.subject.phone.clone();
    contact.crm_ids = event.subject.crm_ids.clone();
    contact.owner = Some(owner());
    contact.account = account(world, input)?;
    for (kind, value) in contact.keys().iter() {
        let key = world.identity_key(&event.workspace, kind, value);
        world.identity_mut(&key).owner = Some(IdentityOwner::Contact(id));
    }
    world.contacts.put(id, contact);
    Ok(Some(id))
}

fn account(world: &mut World, input: &EventInput) -> Result<Option<domain::id::AccountId>, OutOfIds> {
    let event = &input.event;
    let Some(domain) = event.subject.email.as_ref().map(domain::identity::Email::domain) else {
        return Ok(None);
    };
    if domain::identity::is_free_mail(&domain) {
        return Ok(None);
    }
    let key = world.identity_key(&event.workspace, IdentityKind::AccountDomain, domain.as_str());
    if let Some(IdentityOwner::Account(id)) = world.identities.get(&key).and_then(|one| one.owner) {
        return Ok(Some(id));
    }
    let id = domain::id::AccountId(world.fresh_id()?);
    world.accounts.put(
        id,
        domain::account::Account {
            id,
            workspace: event.workspace.clone(),
            domain: Some(domain),
            crm_id: None,
            attributes: Attributes::new().with("tier", "a"),
            attributes_at: None,
            created_at: world.now,
        },
    );
    world.identity_mut(&key).owner = Some(IdentityOwner::Account(id));
    Ok(Some(id))
}

fn entry(event: &domain::event::Event) -> EntryEvent {
    EntryEvent {
        digest: event.digest,
        kind: event.kind,
        source: event.source.clone(),
        occurred_at: event.occurred_at,
        channel: None,
        classification: None,
        data: Attributes::new().with("form", "demo"),
        actor: None,
    }
}

fn progress(step: StepId, touch: TouchId, now: Timestamp) -> Progress {
    serde_json::from_value(serde_json::json!({
        "day_one": "2026-03-02",
        "place": Place::Touch { step, touch, day: 1 },
        "previous_completed": now,
    }))
    .expect("the other fields have defaults")
}

/// Ends all live enrollments of a contact: their touches are withdrawn where they are not on their way.
fn end_all(world: &mut World, contact: ContactId, state: EnrollmentState) {
    let live: Vec<EnrollmentId> = world
        .enrollments
        .iter()
        .filter(|(_, one)| one.contact == contact && one.state.is_live())
        .map(|(id, _)| *id)
        .collect();
    for id in live {
        end(world, id, state);
    }
}

fn end(world: &mut World, id: EnrollmentId, state: EnrollmentState) {
    let now = world.now;
    if let Some(enrollment) = world.enrollments.get_mut(&id) {
        enrollment.state = state;
        enrollment.ended_at = Some(now);
        enrollment.outcome = Some(End::Stopped);
        enrollment.ended_by = Some("the suite".to_owned());
        enrollment.progress.place = Place::Over;
    }
    world.timers.remove(&id);
    let touches: Vec<TouchId> =
        world.touches.iter().filter(|(_, touch)| touch.enrollment == id).map(|(id, _)| *id).collect();
    for touch in touches {
        let Some(row) = world.touches.get_mut(&touch) else { continue };
        row.fence += 1;
        match row.state {
            TouchState::Scheduled | TouchState::Held => {
                row.state = TouchState::Withdrawn;
                row.reserved.clear();
            }
            TouchState::Sending | TouchState::Open => {
                let command = NewCommand {
                    workspace: row.workspace.clone(),
                    lane: row.lane.clone(),
                    touch,
                    channel: row.channel,
                    action: CommandAction::Withdraw { reason: "ended".to_owned() },
                };
                world.commands.push(command);
            }
            _ => {}
        }
    }
}

fn fire(world: &mut World, enrollment: EnrollmentId) {
    let Some(workspace) = world.enrollments.get(&enrollment).map(|one| one.workspace.clone()) else { return };
    end(world, enrollment, EnrollmentState::Finished);
    let at = world.now;
    let what = Decision::Noted { what: Note::new("fired", "a timer of the suite") };
    world.decisions.push(DecisionRecord {
        workspace,
        cause: Cause::Timer { enrollment },
        contact: None,
        at,
        items: vec![what],
    });
}

fn report(world: &mut World, input: &TouchInput) {
    let TouchReport::Attempt { attempt, result } = &input.report else { return };
    let now = world.now;
    let Some(touch) = world.touches.get_mut(&input.touch) else { return };
    if touch.attempt != *attempt || !matches!(touch.state, TouchState::Sending | TouchState::Unknown) {
        return;
    }
    let timer = match result {
        AttemptResult::Sent { remote_id, .. } => {
            touch.state = TouchState::Open;
            touch.remote_id.clone_from(remote_id);
            touch.sent_at = Some(now);
            Timer { kind: TimerKind::Overdue, lane: None, ..timer_of(touch, now) }
        }
        AttemptResult::Unknown { .. } => {
            touch.state = TouchState::Unknown;
            timer_of(touch, now)
        }
        AttemptResult::Void | AttemptResult::Retry { .. } => {
            touch.state = TouchState::Scheduled;
            if *result == AttemptResult::Void {
                touch.reserved.clear();
            }
            timer_of(touch, now)
        }
        AttemptResult::Rejected(note) | AttemptResult::Exhausted(note) => {
            touch.state = TouchState::Failed;
            touch.note = Some(note.clone());
            touch.reserved.clear();
            Timer { held: Some(domain::touch::HeldReason::Failed), ..timer_of(touch, now) }
        }
    };
    let enrollment = touch.enrollment;
    let Some((live, shard)) =
        world.enrollments.get(&enrollment).map(|one| (one.state.is_live(), one.shard()))
    else {
        return;
    };
    if live {
        world.timers.put(enrollment, Timer { shard, ..timer });
    }
}

fn timer_of(touch: &Touch, now: Timestamp) -> Timer {
    Timer {
        owner: touch.enrollment.0,
        workspace: touch.workspace.clone(),
        kind: TimerKind::Touch,
        touch: Some(touch.id),
        lane: Some(touch.lane.clone()),
        shard: domain::id::Shard(0),
        due_at: now,
        held: None,
    }
}
