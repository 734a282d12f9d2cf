//! What stops or pauses a live enrollment: the cadence's rules in order, then its goal, then the built-in ones. Opt-out,
//! complaint and erasure stop whatever the rules say.

use jiff::Timestamp;

use crate::cadence::{Cadence, ExitEffect, ExitRule, ExitScope, Outcome, PauseLength, PausePolicy, StepBody};
use crate::contact::Reachable;
use crate::enrollment::{HoldReason, Place, StepResult};
use crate::event::{Classification, Event, EventKind, StopClass};
use crate::expr::Facts;
use crate::id::{ContactId, EnrollmentId};
use crate::touch::{Note, TouchState};
use crate::world::{OutOfIds, World};

use super::binding::View;
use super::complete::{self, Completed};
use super::folding::Folding;
use super::schedule::Times;
use super::stop::{self, Ending};
use super::subject::Subject;
use super::{consent, pause};

/// Whose event it is, seen from an enrollment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// Its contact's.
    Own,
    /// Someone else's at the account, or the account's.
    Others,
}

/// Judges the event for every live enrollment that it may concern.
pub(super) fn by_event(f: &mut Folding<'_>, event: &Event, subject: &Subject) -> Result<(), OutOfIds> {
    for (id, relation) in concerned(f, event, subject) {
        of_enrollment(f, id, (event, relation));
    }
    for contact in &subject.matched {
        let speaks = consent::speaks(event);
        let stopped = f.world.contacts.get(contact).is_some_and(|row| !row.suppressions.is_empty());
        if speaks || stopped {
            stopped_channels(f, *contact, event.kind)?;
        }
    }
    Ok(())
}

fn concerned(f: &Folding<'_>, event: &Event, subject: &Subject) -> Vec<(EnrollmentId, Relation)> {
    // An opt-out applies to everyone whom a key of it names; anything else to the one that decides.
    let own: Vec<ContactId> = match consent::class(event) {
        StopClass::Always => subject.matched.clone(),
        StopClass::Ordinary => subject.contact.into_iter().collect(),
    };
    let mut concerned: Vec<_> =
        own.iter().flat_map(|id| f.live_of(*id)).map(|id| (id, Relation::Own)).collect();
    let watched = f.content().is_some_and(|content| content.watches_account(event.kind));
    if let Some(account) = subject.account.filter(|_| watched) {
        let others = f.live(|enrollment| {
            let contact = f.world.contacts.get(&enrollment.contact);
            contact.is_some_and(|contact| contact.account == Some(account))
                && !own.contains(&enrollment.contact)
        });
        concerned.extend(others.into_iter().map(|id| (id, Relation::Others)));
    }
    concerned
}

fn of_enrollment(f: &mut Folding<'_>, id: EnrollmentId, (event, relation): (&Event, Relation)) {
    let Some(enrollment) = f.enrollment(id) else { return };
    let must_stop = relation == Relation::Own
        && consent::class(event) == StopClass::Always
        && f.world
            .contacts
            .get(&enrollment.contact)
            .is_some_and(|contact| consent::stopped(contact).is_some());
    let late = event.occurred_at < enrollment.entry.occurred_at;
    let Some((rule, effect)) = matching(f, id, (event, relation)) else {
        if must_stop {
            stop::end(f, id, Ending::exit(event.kind.as_str(), Outcome::Stopped));
        }
        return;
    };
    if late && !must_stop {
        f.ignore_of(id, "late", format!("{rule}: it happened before the event that enrolled"));
        return;
    }
    match effect {
        ExitEffect::Exit { outcome } => stop::end(f, id, Ending::exit(rule, outcome)),
        _ if must_stop => stop::end(f, id, Ending::exit(event.kind.as_str(), Outcome::Stopped)),
        ExitEffect::Pause(length) => pause_by_rule(f, id, &rule, &length),
        ExitEffect::Ignore => {
            f.ignore_of(id, "switched_off", format!("{rule}: a rule of the cadence says ignore"));
        }
    }
}

/// The first rule that matches: of the cadence, the goal, built in.
fn matching(
    f: &Folding<'_>,
    id: EnrollmentId,
    (event, relation): (&Event, Relation),
) -> Option<(String, ExitEffect)> {
    let cadence = f.cadence_of(id);
    let view = f.view(id);
    if let Some(cadence) = &cadence {
        let of_cadence = cadence.exit.iter().find(|rule| {
            rule.on.is_none_or(|on| on == event.kind)
                && in_scope(rule.scope, relation)
                && view.allows(rule.when.as_ref())
        });
        if let Some(rule) = of_cadence {
            return Some((name_of(rule), rule.effect.clone()));
        }
    }
    if relation == Relation::Others {
        return None;
    }
    let reached = cadence
        .iter()
        .filter_map(|cadence| cadence.goal.as_ref())
        .any(|goal| goal.on == event.kind && view.allows(goal.when.as_ref()));
    if reached {
        return Some(("goal".to_owned(), ExitEffect::Exit { outcome: Outcome::Success }));
    }
    let (rule, effect) = built_in(event)?;
    let effect = match effect {
        BuiltIn::Exit(outcome) => ExitEffect::Exit { outcome },
        BuiltIn::OutOfOffice => ExitEffect::Pause(PauseLength::UntilEvent),
    };
    Some((rule.to_owned(), effect))
}

fn in_scope(scope: ExitScope, relation: Relation) -> bool {
    match scope {
        ExitScope::Contact => relation == Relation::Own,
        ExitScope::Others => relation == Relation::Others,
        ExitScope::Account => true,
    }
}

fn name_of(rule: &ExitRule) -> String {
    match (&rule.on, &rule.when) {
        (Some(on), _) => on.as_str().to_owned(),
        (None, Some(when)) => when.source().to_owned(),
        (None, None) => "always".to_owned(),
    }
}

enum BuiltIn {
    Exit(Outcome),
    OutOfOffice,
}

/// The rules that every cadence has. Those of opt-out, complaint and erasure act through what is suppressed.
fn built_in(event: &Event) -> Option<(&'static str, BuiltIn)> {
    let exit = |outcome| Some((event.kind.as_str(), BuiltIn::Exit(outcome)));
    match event.kind {
        EventKind::Replied => match event.detail.classification {
            Some(Classification::OutOfOffice) => Some(("out_of_office", BuiltIn::OutOfOffice)),
            Some(Classification::Unsubscribe) => None,
            _ => exit(Outcome::Stopped),
        },
        EventKind::MeetingBooked | EventKind::DealOpened | EventKind::DealWon => exit(Outcome::Success),
        EventKind::LeftCompany | EventKind::NotAFit => exit(Outcome::Disqualify),
        _ => None,
    }
}

fn pause_by_rule(f: &mut Folding<'_>, id: EnrollmentId, rule: &str, length: &PauseLength) {
    let until = until(f, id, length);
    let reason = if rule == "out_of_office" { HoldReason::OutOfOffice } else { HoldReason::Rule };
    match until {
        Some(until) if until <= f.now => {
            f.ignore_of(id, "past", format!("{rule}: the pause would be over already"));
        }
        until => pause::hold(f, id, reason, until),
    }
}

/// When a pause ends; an event that names no date pauses for as long as an absence without one.
fn until(f: &Folding<'_>, id: EnrollmentId, length: &PauseLength) -> Option<Timestamp> {
    let cadence = f.cadence_of(id);
    let span = match length {
        PauseLength::Until(at) => return Some(f.world.clock.business(*at)),
        PauseLength::For(span) => *span,
        PauseLength::UntilEvent => match f.event.as_ref().and_then(|input| input.event.detail.until) {
            Some(until) => return Some(f.world.clock.business(until)),
            None => cadence.as_ref().map_or_else(PausePolicy::default, |one| one.pause.clone()).out_of_office,
        },
    };
    let contact = f.world.contacts.get(&f.enrollment(id)?.contact)?;
    let times = Times::of(f.world, cadence.as_ref()?, contact);
    Some(span.after(f.now, &times.cadence).unwrap_or(f.now))
}

/// The rule without an event that is true now, if one is: judged before each touch.
pub(super) fn standing_rule(world: &World, view: &View<'_>, cadence: &Cadence) -> Option<ExitRule> {
    // A rule that would do nothing must not keep the touch from going, again and again.
    let acts = |effect: &ExitEffect| match effect {
        ExitEffect::Exit { .. } => true,
        ExitEffect::Ignore | ExitEffect::Pause(PauseLength::UntilEvent) => false,
        ExitEffect::Pause(PauseLength::For(span)) => !span.is_zero(),
        ExitEffect::Pause(PauseLength::Until(at)) => world.clock.business(*at) > view.now(),
    };
    let mut standing = cadence.exit.iter().filter(|rule| rule.on.is_none());
    standing.find(|rule| view.allows(rule.when.as_ref())).filter(|rule| acts(&rule.effect)).cloned()
}

/// Applies a rule without an event.
pub(super) fn apply_standing(f: &mut Folding<'_>, id: EnrollmentId, rule: &ExitRule) {
    let name = name_of(rule);
    match &rule.effect {
        ExitEffect::Exit { outcome } => stop::end(f, id, Ending::exit(name, *outcome)),
        ExitEffect::Pause(length) => pause_by_rule(f, id, &name, length),
        ExitEffect::Ignore => {}
    }
}

// Channels that are stopped.

/// Takes open tasks of stopped channels back; where no touch on a reachable channel is left, the enrollment exits.
fn stopped_channels(f: &mut Folding<'_>, contact: ContactId, kind: EventKind) -> Result<(), OutOfIds> {
    for id in f.live_of(contact) {
        let stopped = |channel| {
            f.world
                .contacts
                .get(&contact)
                .is_some_and(|row| matches!(consent::reachable(f.world, row, channel), Reachable::Stopped(_)))
        };
        let Some(cadence) = f.cadence_of(id) else { continue };
        if !cadence.steps.iter().filter_map(|step| step.touch()).any(|spec| stopped(spec.channel)) {
            continue;
        }
        let open = f.touches_of(id, |touch| touch.state == TouchState::Open && stopped(touch.channel));
        if nothing_left(f, id, (&cadence, &stopped)) {
            stop::end(f, id, Ending::exit(kind.as_str(), Outcome::Stopped));
            continue;
        }
        for touch in open {
            let is_current = f.enrollment(id).and_then(|one| one.progress.touch()) == Some(touch);
            let why = Note::new("suppressed", format!("{kind}: the channel is stopped"));
            stop::withdraw_out(f, touch, &why);
            if is_current {
                let done = Completed { touch, at: f.now, outcome: None, result: StepResult::Skipped, why };
                complete::leave(f, &done)?;
            }
        }
    }
    Ok(())
}

/// Whether every touch from the current step on is of a stopped channel, and there is one.
fn nothing_left(
    f: &Folding<'_>,
    id: EnrollmentId,
    (cadence, stopped): (&Cadence, &dyn Fn(crate::touch::Channel) -> bool),
) -> bool {
    let Some(enrollment) = f.enrollment(id) else { return false };
    let step = match &enrollment.progress.place {
        Place::Touch { step, .. } | Place::Wait { step, .. } => step,
        Place::Ending { .. } | Place::Over => return false,
    };
    let Some((index, _)) = cadence.step(step) else { return false };
    let mut ahead = cadence.steps[index..].iter().filter_map(|step| match &step.body {
        StepBody::Touch(spec) => Some(spec.channel),
        StepBody::Wait(_) | StepBody::Branch(_) => None,
    });
    let Some(first) = ahead.next() else { return false };
    stopped(first) && ahead.all(stopped)
}
