//! Whether a candidate cadence accepts a contact: triggers, suppression, audience, re-entry and the guards, in the order
//! of [`RefusalRule`].

use std::sync::Arc;

use serde_json::{Value, json};

use crate::account::Account;
use crate::cadence::{Cadence, Entry, Guard, OnConflict, Outcome, Reentry, SharedCadence, Trigger};
use crate::contact::{Contact, Reachable};
use crate::decision::{Refusal, RefusalRule};
use crate::enrollment::{Enrollment, EnrollmentState, EntryEvent};
use crate::event::EventKind;
use crate::expr::Expression;
use crate::id::EnrollmentId;
use crate::touch::Channel;

use super::binding::View;
use super::consent;
use super::folding::Folding;
use super::learn::account_owner;
use super::schedule::Times;

/// The contact and their account before the event, for triggers that fire on a change.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    pub(super) contact: Option<Contact>,
    pub(super) account: Option<Account>,
}

/// Who asks for the entry, and which guards they pass over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// A trigger.
    ByTrigger,
    /// A person, passing over these guards.
    ByHand(Vec<String>),
}

impl Asked {
    fn judges(&self, cadence: &Cadence, guard: Guard) -> bool {
        let overridden = matches!(self, Self::ByHand(over) if over.iter().any(|name| name == guard.as_str()));
        cadence.guards.has(guard) && !overridden
    }
}

fn refuse(
    rule: RefusalRule,
    expected: impl Into<Arc<str>>,
    seen: impl Into<Arc<Value>>,
) -> Result<(), Refusal> {
    Err(Refusal { rule, expected: expected.into(), seen: seen.into() })
}

/// What the last condition that was false looked at: the candidates of one event mostly look at the same fields.
#[derive(Default)]
pub(super) struct Sight(Option<(Expression, Arc<Value>)>);

impl Sight {
    fn of(&mut self, when: &Expression, view: &View<'_>) -> Arc<Value> {
        if let Some((_, seen)) = self.0.as_ref().filter(|(last, _)| last.looks_at_the_same(when)) {
            return Arc::clone(seen);
        }
        let seen = Arc::new(view.seen(when));
        self.0 = Some((when.clone(), Arc::clone(&seen)));
        seen
    }

    /// Something happened since.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// Whether a trigger of the cadence fires on the event at hand.
pub(super) fn triggered(
    f: &Folding<'_>,
    cadence: &Cadence,
    contact: &Contact,
    (before, sight): (&Before, &mut Sight),
) -> Result<(), Refusal> {
    let Some(input) = &f.event else { return Ok(()) };
    let kind = input.event.kind;
    let triggers =
        cadence.entry.iter().flat_map(|entry| &entry.triggers).filter(|trigger| trigger.on == kind);
    let now = View::of_contact(f.world, contact, f.now).with_event(Some(input));
    let mut refused = None;
    for trigger in triggers {
        match fires(f, trigger, (&now, before), sight) {
            Ok(()) => return Ok(()),
            Err(why) => refused = Some(why),
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Whether triggers on a kind fire when their condition turns true, not while it stays true.
pub(super) fn fires_on_change(kind: EventKind) -> bool {
    matches!(kind, EventKind::ScoreChanged | EventKind::ContactUpdated | EventKind::AccountUpdated)
}

fn fires(
    f: &Folding<'_>,
    trigger: &Trigger,
    (now, before): (&View<'_>, &Before),
    sight: &mut Sight,
) -> Result<(), Refusal> {
    let Some(when) = &trigger.when else { return Ok(()) };
    if !now.holds(when) {
        return refuse(RefusalRule::Trigger, when.shared_source(), sight.of(when, now));
    }
    let on_change = fires_on_change(trigger.on);
    let Some(contact) = before.contact.as_ref().filter(|_| on_change) else { return Ok(()) };
    let was = View::of_contact(f.world, contact, f.now)
        .with_event(f.event.as_ref())
        .with_account(before.account.as_ref());
    if was.holds(when) {
        return refuse(
            RefusalRule::Trigger,
            format!("{} turns true", when.source()),
            json!("it was true before"),
        );
    }
    Ok(())
}

/// Everything but triggers and the class.
pub(super) fn accepts(
    f: &Folding<'_>,
    cadence: &SharedCadence,
    contact: &Contact,
    (entry, asked): (&EntryEvent, &Asked),
) -> Result<(), Refusal> {
    suppressed(f, cadence, contact)?;
    if *asked == Asked::ByTrigger {
        audience(f, cadence, contact, entry)?;
    }
    already_live(f, cadence, contact)?;
    if asked.judges(cadence, Guard::Reentry) {
        reentry(f, cadence, contact, asked)?;
    }
    let has_mail =
        || cadence.steps.iter().filter_map(|step| step.touch()).any(|spec| spec.channel == Channel::Email);
    if asked.judges(cadence, Guard::Email) && has_mail() && contact.email.is_none() {
        refuse(RefusalRule::Email, "an e-mail address", Value::Null)?;
    }
    if asked.judges(cadence, Guard::Phone) && contact.phone.is_none() {
        refuse(RefusalRule::Phone, "a phone number", Value::Null)?;
    }
    if asked.judges(cadence, Guard::Owner)
        && contact.owner.is_none()
        && account_owner(f.world, contact).is_none()
    {
        refuse(RefusalRule::Owner, "an owner", Value::Null)?;
    }
    for (guard, rule, name, expected) in [
        (Guard::Customer, RefusalRule::Customer, "customer", "no customer"),
        (Guard::OpenDeal, RefusalRule::OpenDeal, "open_deal", "no open deal"),
    ] {
        if asked.judges(cadence, guard) && is_set(f, contact, name) {
            refuse(rule, expected, json!(true))?;
        }
    }
    Ok(())
}

/// Whether the contact, or their account, has a mark.
fn is_set(f: &Folding<'_>, contact: &Contact, name: &str) -> bool {
    let account = contact.account.and_then(|id| f.world.accounts.get(&id));
    let of_account = account.and_then(|account| account.attributes.get(name));
    [contact.attributes.get(name), of_account].into_iter().flatten().any(|value| value == &Value::Bool(true))
}

/// Stopped altogether, or on every channel of the cadence.
fn suppressed(f: &Folding<'_>, cadence: &Cadence, contact: &Contact) -> Result<(), Refusal> {
    if let Some(reason) = consent::stopped(contact) {
        return refuse(RefusalRule::Suppressed, "not stopped", json!(consent::reason_name(reason)));
    }
    let mut reason = None;
    for spec in cadence.steps.iter().filter_map(|step| step.touch()) {
        match consent::reachable(f.world, contact, spec.channel) {
            Reachable::Stopped(why) => reason = Some(why),
            Reachable::Yes | Reachable::NoAddress => return Ok(()),
        }
    }
    match reason {
        Some(why) => {
            refuse(RefusalRule::Suppressed, "a channel that is not stopped", json!(consent::reason_name(why)))
        }
        None => Ok(()),
    }
}

fn audience(
    f: &Folding<'_>,
    cadence: &Cadence,
    contact: &Contact,
    entry: &EntryEvent,
) -> Result<(), Refusal> {
    let Some(audience) = cadence.entry.as_ref().and_then(|entry| entry.audience.as_ref()) else {
        return Ok(());
    };
    let view = View::of_contact(f.world, contact, f.now).with_event(f.event.as_ref()).with_entry(entry);
    if view.holds(audience) {
        return Ok(());
    }
    refuse(RefusalRule::Audience, audience.shared_source(), view.seen(audience))
}

fn already_live(f: &Folding<'_>, cadence: &Cadence, contact: &Contact) -> Result<(), Refusal> {
    match f.world.enrollments_of(contact.id).find(|one| one.cadence == cadence.name && one.state.is_live()) {
        Some(live) => refuse(RefusalRule::AlreadyLive, "not live in it", json!(live.uid.to_string())),
        None => Ok(()),
    }
}

/// Counts from the end of the last enrollment in the cadence.
fn reentry(f: &Folding<'_>, cadence: &Cadence, contact: &Contact, asked: &Asked) -> Result<(), Refusal> {
    let last = f
        .world
        .enrollments_of(contact.id)
        .filter(|one| one.cadence == cadence.name && !one.state.is_live())
        .max_by_key(|one| (one.ended_at, one.id));
    let Some(last) = last else { return Ok(()) };
    let rule = cadence.entry.as_ref().map_or(Reentry::Never, |entry: &Entry| entry.reentry);
    let seen = json!({"state": last.state, "outcome": last.outcome, "ended_at": last.ended_at});
    if last.outcome == Some(Outcome::Disqualify) {
        return refuse(RefusalRule::Reentry, "not disqualified", seen);
    }
    match (last.state, asked) {
        (EnrollmentState::Preempted, _) | (EnrollmentState::Removed, Asked::ByHand(_)) => return Ok(()),
        (EnrollmentState::Removed, Asked::ByTrigger) => {
            return refuse(RefusalRule::Reentry, "not removed by a person", seen);
        }
        _ => {}
    }
    match rule {
        Reentry::Always => Ok(()),
        Reentry::Never => refuse(RefusalRule::Reentry, "never twice", seen),
        Reentry::After(span) => {
            let times = Times::of(f.world, cadence, contact);
            let ended = last.ended_at.unwrap_or(last.entered_at);
            let again = span.after(ended, &times.cadence).unwrap_or(jiff::Timestamp::MAX);
            if f.now >= again {
                Ok(())
            } else {
                refuse(RefusalRule::Reentry, format!("{span} since its end"), seen)
            }
        }
    }
}

/// The live enrollments that have to give way, if the class lets the newcomer in.
pub(super) fn gives_way(
    f: &Folding<'_>,
    cadence: &Cadence,
    contact: &Contact,
    asked: &Asked,
) -> Result<Vec<EnrollmentId>, Refusal> {
    if cadence.class.is_none() || !asked.judges(cadence, Guard::Exclusive) {
        return Ok(Vec::new());
    }
    let holders: Vec<&Enrollment> = f
        .world
        .enrollments_of(contact.id)
        .filter(|one| one.state.is_live() && one.class == cadence.class)
        .collect();
    let conflict = cadence.entry.as_ref().map_or(OnConflict::Preempt, |entry| entry.on_conflict);
    let blocks = |one: &&&Enrollment| conflict == OnConflict::Refuse || one.priority >= cadence.priority;
    match holders.iter().find(blocks) {
        Some(holder) => Err(Refusal {
            rule: RefusalRule::Exclusive,
            expected: match conflict {
                OnConflict::Refuse => "a free class".into(),
                OnConflict::Preempt => format!("a priority below {}", cadence.priority).into(),
            },
            seen: json!({"cadence": holder.cadence, "priority": holder.priority}).into(),
        }),
        None => Ok(holders.iter().map(|one| one.id).collect()),
    }
}
