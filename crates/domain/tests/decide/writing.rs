//! Cadences in few words.

use std::collections::BTreeMap;

use domain::cadence::{
    Branch, Cadence, Completion, End, Entry, ExitEffect, ExitRule, ExitScope, Goal, Guards, Jump, Limits,
    OnConflict, Outcome, Overdue, OverdueAction, PausePolicy, Reentry, Step, StepBody, Target, TouchSpec,
    Trigger, WaitSpec, ZoneRule,
};
use domain::event::EventKind;
use domain::expr::{Expression, Position, Scope};
use domain::id::{CadenceName, Class, ConnectorName, StepId, TemplateName, VersionId};
use domain::time::{Days, Slot, Span, TimeOfDay, Timing, Window};
use domain::touch::Channel;

pub(crate) fn span(text: &str) -> Span {
    Span::parse(text).unwrap()
}

pub(crate) fn office() -> Window {
    let slot =
        Slot::new(Days::WORKING, TimeOfDay::parse("09:00").unwrap(), TimeOfDay::parse_end("17:30").unwrap());
    Window::weekly(vec![slot.unwrap()]).unwrap()
}

pub(crate) fn id(name: &str) -> StepId {
    StepId::new(name).unwrap()
}

pub(crate) fn to(step: &str) -> Target {
    Target::Step(id(step))
}

fn expr(source: &str, position: Position) -> Expression {
    Expression::compile(source, &Scope::new(position)).unwrap()
}

pub(crate) fn guard(source: &str) -> Expression {
    expr(source, Position::Guard)
}

/// A cadence of the class `default`, priority 50, in office hours, that a filled form starts.
pub(crate) fn cadence(name: &str, steps: Vec<Step>) -> Cadence {
    Cadence {
        version: VersionId(0),
        number: 1,
        name: CadenceName::new(name).unwrap(),
        labels: BTreeMap::new(),
        reason: None,
        goal: None,
        priority: 50,
        class: Some(Class::default_class()),
        connector: ConnectorName::new("crm").unwrap(),
        zone: ZoneRule::Contact,
        window: Some(office()),
        holidays: Vec::new(),
        days: domain::time::DayCounting::Calendar,
        entry: Some(Entry {
            triggers: vec![Trigger { on: EventKind::FormSubmitted, when: None }],
            audience: None,
            reentry: Reentry::Never,
            on_conflict: OnConflict::Preempt,
        }),
        guards: Guards::default(),
        exit: Vec::new(),
        on: Vec::new(),
        steps,
        end: End { wait: span("0d"), outcome: Outcome::Stopped },
        overdue: None,
        limits: Limits::default(),
        pause: PausePolicy::default(),
    }
}

/// Changes of a cadence, for tests that read from left to right.
pub(crate) trait Writing: Sized {
    fn with(self, change: impl FnOnce(&mut Cadence)) -> Self;

    fn trigger(self, on: EventKind, when: &str) -> Self {
        self.with(|cadence| {
            let when = (!when.is_empty()).then(|| expr(when, Position::Trigger));
            cadence.entry.as_mut().unwrap().triggers = vec![Trigger { on, when }];
        })
    }

    fn audience(self, when: &str) -> Self {
        self.with(|cadence| cadence.entry.as_mut().unwrap().audience = Some(expr(when, Position::Audience)))
    }

    fn reentry(self, reentry: Reentry) -> Self {
        self.with(|cadence| cadence.entry.as_mut().unwrap().reentry = reentry)
    }

    fn priority(self, priority: u8) -> Self {
        self.with(|cadence| cadence.priority = priority)
    }

    fn class(self, class: Option<&str>) -> Self {
        self.with(|cadence| cadence.class = class.map(|name| Class::new(name).unwrap()))
    }

    fn goal(self, on: EventKind) -> Self {
        self.with(|cadence| cadence.goal = Some(Goal { on, when: None }))
    }

    fn exit(self, rule: ExitRule) -> Self {
        self.with(|cadence| cadence.exit.push(rule))
    }

    fn on(self, event: EventKind, goto: Target) -> Self {
        self.with(|cadence| cadence.on.push(Jump { event, when: None, goto }))
    }

    fn end_after(self, wait: &str, outcome: Outcome) -> Self {
        self.with(|cadence| cadence.end = End { wait: span(wait), outcome })
    }
}

impl Writing for Cadence {
    fn with(mut self, change: impl FnOnce(&mut Cadence)) -> Self {
        change(&mut self);
        self
    }
}

pub(crate) fn rule(on: Option<EventKind>, when: &str, effect: ExitEffect) -> ExitRule {
    let position = if on.is_some() { Position::OnEvent } else { Position::Guard };
    ExitRule { on, when: (!when.is_empty()).then(|| expr(when, position)), scope: ExitScope::Contact, effect }
}

pub(crate) fn of_scope(scope: ExitScope, rule: ExitRule) -> ExitRule {
    ExitRule { scope, ..rule }
}

pub(crate) fn exits(outcome: Outcome) -> ExitEffect {
    ExitEffect::Exit { outcome }
}

/// A step that is a touch, at once.
pub(crate) fn touch(name: &str, channel: Channel) -> Step {
    let spec = TouchSpec {
        channel,
        timing: Timing::default(),
        window: None,
        purpose: None,
        cta: None,
        template: None,
        variants: BTreeMap::new(),
        reply_to: None,
        due_within: None,
        completion: None,
        outcomes: BTreeMap::new(),
        overdue: None,
    };
    step(name, StepBody::Touch(Box::new(spec)))
}

pub(crate) fn call(name: &str) -> Step {
    touch(name, Channel::Call)
}

pub(crate) fn email(name: &str) -> Step {
    touch(name, Channel::Email)
}

pub(crate) fn wait_for(
    name: &str,
    event: EventKind,
    (of, up_to): (Option<&str>, &str),
    (then, otherwise): (Target, Target),
) -> Step {
    let spec = WaitSpec { event, when: None, of: of.map(id), up_to: span(up_to), then, otherwise };
    step(name, StepBody::Wait(spec))
}

pub(crate) fn branch(name: &str, ways: &[(&str, Target)]) -> Step {
    let ways = ways.iter().map(|(when, goto)| Branch { when: guard(when), goto: goto.clone() });
    step(name, StepBody::Branch(ways.collect()))
}

fn step(name: &str, body: StepBody) -> Step {
    Step { id: id(name), when: None, next: Target::Next, max_visits: 3, on: Vec::new(), body }
}

/// Changes of a touch step.
pub(crate) trait Planning: Sized {
    fn spec(self, change: impl FnOnce(&mut TouchSpec)) -> Self;
    fn when(self, when: &str) -> Self;
    fn next(self, next: Target) -> Self;

    fn after(self, after: &str) -> Self {
        self.spec(|spec| spec.timing.after = Some(span(after)))
    }

    fn day(self, day: u32) -> Self {
        self.spec(|spec| spec.timing.day = Some(day))
    }

    fn automatic(self) -> Self {
        self.spec(|spec| spec.completion = Some(Completion::Automatic))
    }

    fn template(self, name: &str) -> Self {
        self.spec(|spec| spec.template = Some(TemplateName::new(name).unwrap()))
    }

    fn outcome(self, outcome: &str, target: Target) -> Self {
        self.spec(|spec| {
            spec.outcomes.insert(outcome.to_owned(), target);
        })
    }

    fn overdue(self, after: &str, then: OverdueAction) -> Self {
        self.spec(|spec| spec.overdue = Some(Overdue { after: span(after), then }))
    }

    fn any_time(self) -> Self {
        self.spec(|spec| spec.window = Some(domain::time::WindowPatch::Replace(Window::Any)))
    }
}

impl Planning for Step {
    fn spec(mut self, change: impl FnOnce(&mut TouchSpec)) -> Self {
        if let StepBody::Touch(spec) = &mut self.body {
            change(spec);
        }
        self
    }

    fn when(mut self, when: &str) -> Self {
        self.when = Some(guard(when));
        self
    }

    fn next(mut self, next: Target) -> Self {
        self.next = next;
        self
    }
}
