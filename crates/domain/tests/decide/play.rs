//! A stage for the decisions: a world of one workspace, a clock that is moved, and a dispatcher that sends what is due.

use std::sync::Arc;

use domain::cadence::{Cadence, Outcome};
use domain::catalog::{Catalog, Defaults, Standing, TemplateSpec};
use domain::contact::Contact;
use domain::decide::{self, Judgement};
use domain::decision::DecisionRecord;
use domain::enrollment::{Enrollment, EnrollmentState, Place};
use domain::event::{Detail, Event, EventKind, TaskRef};
use domain::id::{Digest, EventId, OwnerName, SourceName, TemplateName, TouchId, VersionId, Workspace};
use domain::identity::{AccountKeys, CrmId, Domain, Email, HashKey, HashKeys, SubjectKeys};
use domain::input::{EventInput, Input, Origin, TimerInput, TouchInput, TouchReport};
use domain::template::{Format, Template};
use domain::touch::{AttemptResult, Channel, Delivery, TimerKind, Touch, TouchState};
use domain::world::{Ids, World};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::writing::office;

pub(crate) const HOME: &str = "America/New_York";

/// A local time in New York, `2026-03-06 17:20`.
pub(crate) fn at(text: &str) -> Timestamp {
    local(HOME, text)
}

pub(crate) fn local(zone: &str, text: &str) -> Timestamp {
    TimeZone::get(zone).unwrap().to_timestamp(text.parse::<DateTime>().unwrap()).unwrap()
}

pub(crate) fn shown(at: Timestamp) -> String {
    TimeZone::get(HOME).unwrap().to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string()
}

// Events.

/// Who an event is about.
pub(crate) fn ada() -> SubjectKeys {
    SubjectKeys {
        email: Some(Email::parse("ada@acme.com").unwrap()),
        phone: None,
        crm_ids: vec![CrmId::new("101").unwrap()],
    }
}

pub(crate) fn bob() -> SubjectKeys {
    SubjectKeys { email: Some(Email::parse("bob@acme.com").unwrap()), ..SubjectKeys::default() }
}

/// An event to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) kind: EventKind,
    pub(crate) subject: SubjectKeys,
    pub(crate) account: AccountKeys,
    pub(crate) detail: Detail,
    pub(crate) occurred_at: Option<Timestamp>,
    pub(crate) actor: Option<String>,
}

pub(crate) fn event(kind: EventKind) -> Sent {
    Sent {
        kind,
        subject: ada(),
        account: AccountKeys::default(),
        detail: Detail::default(),
        occurred_at: None,
        actor: None,
    }
}

pub(crate) fn form() -> Sent {
    event(EventKind::FormSubmitted)
}

impl Sent {
    pub(crate) fn of(mut self, subject: SubjectKeys) -> Self {
        self.subject = subject;
        self
    }

    pub(crate) fn detail(mut self, change: impl FnOnce(&mut Detail)) -> Self {
        change(&mut self.detail);
        self
    }

    pub(crate) fn data(self, name: &str, value: &str) -> Self {
        self.detail(|detail| detail.data.set(name, value))
    }

    pub(crate) fn contact(self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.detail(|detail| detail.contact.set(name, value))
    }

    pub(crate) fn outcome(self, outcome: &str) -> Self {
        self.detail(|detail| detail.outcome = Some(outcome.to_owned()))
    }

    pub(crate) fn about(self, touch: &Touch) -> Self {
        self.detail(|detail| detail.task = Some(TaskRef::Key(touch.key)))
    }

    pub(crate) fn occurred(mut self, at: Timestamp) -> Self {
        self.occurred_at = Some(at);
        self
    }

    pub(crate) fn by(mut self, actor: &str) -> Self {
        self.actor = Some(actor.to_owned());
        self
    }

    pub(crate) fn account_domain(mut self, domain: &str) -> Self {
        self.account.domain = Some(Domain::parse(domain).unwrap());
        self
    }
}

// The stage.

pub(crate) struct Play {
    pub(crate) world: World,
    pub(crate) now: Timestamp,
    /// What the dispatcher's requests come to.
    pub(crate) delivery: Delivery,
    sent: u32,
    /// Touches that went out, as step and local time.
    pub(crate) log: Vec<(String, String)>,
}

impl Play {
    pub(crate) fn new(cadences: Vec<Cadence>) -> Self {
        Self::in_catalog(cadences, |_| {})
    }

    pub(crate) fn in_catalog(cadences: Vec<Cadence>, change: impl FnOnce(&mut Catalog)) -> Self {
        let defaults = Defaults {
            zone: TimeZone::get(HOME).unwrap(),
            window: office(),
            per_contact: Vec::new(),
            per_owner: Vec::new(),
            delivers: std::collections::HashMap::new(),
        };
        let mut catalog = Catalog::empty(defaults);
        let content = catalog.workspaces.entry(Workspace::main()).or_default();
        for (index, mut cadence) in cadences.into_iter().enumerate() {
            cadence.version = VersionId(i64::try_from(index).unwrap() + 1);
            content.add_cadence(cadence, Standing::Active);
        }
        change(&mut catalog);
        let keys = HashKeys::new(HashKey::new([7; 32]), Vec::new());
        let now = at("2026-03-02 10:00");
        let world = World::new(now, Arc::new(catalog), Arc::new(keys), Ids::new(1, 1_000_000));
        Self { world, now, delivery: Delivery::Task, sent: 0, log: Vec::new() }
    }

    /// The clock stands at that local time; what was due until then has happened.
    pub(crate) fn at(&mut self, text: &str) -> &mut Self {
        let until = at(text);
        self.run_until(until);
        self
    }

    pub(crate) fn send(&mut self, sent: Sent) -> DecisionRecord {
        let input = self.input(sent);
        self.fold(&Input::Event(input))
    }

    pub(crate) fn input(&mut self, sent: Sent) -> EventInput {
        self.sent += 1;
        let occurred_at = sent.occurred_at.unwrap_or(self.now);
        let event = Event {
            id: EventId::new(format!("e{}", self.sent)).unwrap(),
            digest: Digest::of(&[&self.sent.to_be_bytes()]),
            workspace: Workspace::main(),
            source: SourceName::new("test").unwrap(),
            kind: sent.kind,
            occurred_at,
            received_at: self.now,
            subject: sent.subject,
            account: sent.account,
            detail: sent.detail,
            actor: sent.actor,
        };
        EventInput {
            event: Arc::new(event),
            occurred_at,
            received_at: self.now,
            origin: Origin::Live,
            trace: None,
        }
    }

    pub(crate) fn fold(&mut self, input: &Input) -> DecisionRecord {
        let before = self.world.decisions.len();
        self.world.now = self.now;
        decide::fold(&mut self.world, input).unwrap();
        self.check();
        assert!(self.world.decisions.len() <= before + 1, "one record an input");
        self.world.decisions.get(before).cloned().unwrap_or_else(|| panic!("no record of {input:?}"))
    }

    /// Every live enrollment has one timer, or waits for something named.
    pub(crate) fn check(&self) {
        for (id, enrollment) in self.world.enrollments.iter() {
            let timer = self.world.timers.get(id);
            if !enrollment.state.is_live() {
                assert!(timer.is_none(), "an ended enrollment has a timer: {enrollment:?}");
                continue;
            }
            let touch = enrollment.progress.touch().and_then(|touch| self.world.touches.get(&touch));
            let state = touch.map(|touch| touch.state);
            let waits = match enrollment.state {
                EnrollmentState::Paused => enrollment.progress.holds.iter().all(|hold| hold.until.is_none()),
                _ => matches!(
                    state,
                    Some(TouchState::Open | TouchState::Failed | TouchState::Unknown | TouchState::Sending)
                ),
            };
            assert!(timer.is_some() || waits, "nothing wakes {enrollment:?}, its touch {touch:?}");
            assert_ne!(enrollment.progress.place, Place::Over, "a live enrollment is nowhere");
        }
    }

    // The dispatcher and the timers.

    /// Lets everything happen that is due until then.
    pub(crate) fn run_until(&mut self, until: Timestamp) {
        for _ in 0..10_000 {
            let next = self
                .world
                .timers
                .iter()
                .filter(|(_, timer)| timer.held.is_none() && timer.due_at <= until)
                .min_by_key(|(id, timer)| (timer.due_at, **id))
                .map(|(id, timer)| (*id, timer.clone()));
            let Some((id, timer)) = next else {
                self.now = self.now.max(until);
                return;
            };
            self.now = self.now.max(timer.due_at);
            match timer.kind {
                TimerKind::Touch => self.dispatch(timer.touch.unwrap()),
                kind => {
                    let input = TimerInput { enrollment: id, kind, due_at: timer.due_at };
                    self.fold(&Input::Timer(input));
                }
            }
        }
        panic!("it never comes to rest");
    }

    pub(crate) fn dispatch(&mut self, touch: TouchId) {
        let fence = self.world.touches.get(&touch).unwrap().fence;
        match decide::judge(&self.world, touch, self.now) {
            Judgement::Go => match decide::task(&self.world, touch) {
                Ok(_) => {
                    self.mark(touch);
                    let delivery = self.delivery;
                    self.settle(
                        touch,
                        AttemptResult::Sent { remote_id: Some(format!("task-{touch}")), delivery },
                    );
                }
                Err(note) => {
                    self.report(touch, TouchReport::Unrenderable { fence, note });
                }
            },
            Judgement::Act => {
                self.report(touch, TouchReport::Judge { fence });
            }
            Judgement::Wait { until, note } => {
                self.report(touch, TouchReport::Defer { fence, until, note });
            }
            Judgement::Gone => panic!("a due touch is gone"),
        }
    }

    /// What the store does at the mark.
    pub(crate) fn mark(&mut self, touch: TouchId) {
        let row = self.world.touches.get_mut(&touch).unwrap();
        assert_eq!(row.state, TouchState::Scheduled, "only scheduled touches are marked");
        row.state = TouchState::Sending;
        row.attempt += 1;
        let (enrollment, step) = (row.enrollment, row.step.to_string());
        self.world.timers.remove(&enrollment);
        self.log.push((step, shown(self.now)));
    }

    pub(crate) fn settle(&mut self, touch: TouchId, result: AttemptResult) -> DecisionRecord {
        let attempt = self.world.touches.get(&touch).unwrap().attempt;
        self.report(touch, TouchReport::Attempt { attempt, result })
    }

    pub(crate) fn report(&mut self, touch: TouchId, report: TouchReport) -> DecisionRecord {
        let input = TouchInput { touch, at: self.now, report };
        self.fold(&Input::Touch(input))
    }

    // What is there.

    pub(crate) fn contact(&self, subject: &SubjectKeys) -> &Contact {
        let email = subject.email.as_ref();
        self.world
            .contacts
            .iter()
            .map(|(_, row)| row)
            .find(|row| row.email.as_ref() == email)
            .expect("the contact")
    }

    /// The last enrollment in a cadence.
    pub(crate) fn enrollment(&self, cadence: &str) -> &Enrollment {
        self.enrollments(cadence).last().copied().unwrap_or_else(|| panic!("no enrollment in {cadence}"))
    }

    pub(crate) fn enrollments(&self, cadence: &str) -> Vec<&Enrollment> {
        self.world
            .enrollments
            .iter()
            .map(|(_, row)| row)
            .filter(|row| row.cadence.as_str() == cadence)
            .collect()
    }

    pub(crate) fn state(&self, cadence: &str) -> EnrollmentState {
        self.enrollment(cadence).state
    }

    /// How it ended: state, rule, outcome.
    pub(crate) fn ending(&self, cadence: &str) -> (EnrollmentState, String, Outcome) {
        let row = self.enrollment(cadence);
        (row.state, row.ended_by.clone().unwrap_or_default(), row.outcome.expect("an outcome"))
    }

    /// The last touch of a step.
    pub(crate) fn touch(&self, step: &str) -> &Touch {
        self.touches(step).last().copied().unwrap_or_else(|| panic!("no touch of {step}"))
    }

    pub(crate) fn touches(&self, step: &str) -> Vec<&Touch> {
        self.world.touches.iter().map(|(_, row)| row).filter(|row| row.step.as_str() == step).collect()
    }

    pub(crate) fn due(&self, step: &str) -> String {
        shown(self.touch(step).due_at)
    }

    pub(crate) fn timer(&self, cadence: &str) -> Option<(TimerKind, String)> {
        let timer = self.world.timers.get(&self.enrollment(cadence).id)?;
        Some((timer.kind, shown(timer.due_at)))
    }

    /// The step at which the enrollment is.
    pub(crate) fn step(&self, cadence: &str) -> String {
        self.enrollment(cadence).progress.step().map_or_else(|| "-".to_owned(), ToString::to_string)
    }

    /// Completes the open task of a step.
    pub(crate) fn complete(&mut self, step: &str, outcome: &str) -> DecisionRecord {
        let touch = self.touch(step).clone();
        self.send(event(EventKind::TaskCompleted).about(&touch).outcome(outcome))
    }

    /// The steps that went out, with their local times.
    pub(crate) fn went_out(&self) -> Vec<(&str, &str)> {
        self.log.iter().map(|(step, at)| (step.as_str(), at.as_str())).collect()
    }

    pub(crate) fn withdrawals(&self) -> Vec<TouchId> {
        self.world.commands.iter().map(|command| command.touch).collect()
    }

    pub(crate) fn later(&mut self, seconds: i64) -> Timestamp {
        let until = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        self.run_until(until);
        self.now
    }
}

/// A plain-text template with a subject.
pub(crate) fn template(name: &str, subject: &str, text: &str) -> TemplateSpec {
    TemplateSpec {
        name: TemplateName::new(name).unwrap(),
        version: VersionId(1),
        channel: Channel::Email,
        subject: Some(Template::compile("subject", subject, Format::Line).unwrap()),
        text: Some(Template::compile("text", text, Format::Text).unwrap()),
        html: None,
        requires: Vec::new(),
    }
}

pub(crate) fn owner(name: &str) -> OwnerName {
    OwnerName::new(name).unwrap()
}
