//! The facts that expressions and templates name, read from the world when they are asked for.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::account::Account;
use crate::attributes::Attributes;
use crate::cadence::Cadence;
use crate::catalog::WorkspaceContent;
use crate::contact::Contact;
use crate::enrollment::{Enrollment, EntryEvent};
use crate::event::Event;
use crate::expr::{Expression, Facts, FieldRef, Value, Variable};
use crate::id::EnrollmentId;
use crate::input::EventInput;
use crate::time::BusinessClock;
use crate::world::World;

use super::schedule;

/// What is known of a contact, their account, an event and an enrollment at one moment.
#[derive(Clone, Copy)]
pub struct View<'a> {
    world: &'a World,
    now: Timestamp,
    content: Option<&'a WorkspaceContent>,
    contact: Option<&'a Contact>,
    account: Option<&'a Account>,
    event: Option<&'a EventInput>,
    entry: Option<&'a EntryEvent>,
    enrollment: Option<&'a Enrollment>,
}

impl<'a> View<'a> {
    /// Of an enrollment: its contact, their account, the event that enrolled them.
    #[must_use]
    pub fn of_enrollment(world: &'a World, id: EnrollmentId, now: Timestamp) -> Self {
        let enrollment = world.enrollments.get(&id);
        let contact = enrollment.and_then(|enrollment| world.contacts.get(&enrollment.contact));
        let content = enrollment.and_then(|enrollment| world.catalog.content(&enrollment.workspace));
        Self {
            world,
            now,
            content,
            contact,
            account: contact.and_then(|contact| world.accounts.get(&contact.account?)),
            event: None,
            entry: enrollment.map(|enrollment| &enrollment.entry),
            enrollment,
        }
    }

    /// Of a contact who may enter.
    #[must_use]
    pub fn of_contact(world: &'a World, contact: &'a Contact, now: Timestamp) -> Self {
        Self {
            world,
            now,
            content: world.catalog.content(&contact.workspace),
            contact: Some(contact),
            account: contact.account.and_then(|id| world.accounts.get(&id)),
            event: None,
            entry: None,
            enrollment: None,
        }
    }

    /// With the event at hand.
    #[must_use]
    pub fn with_event(mut self, event: Option<&'a EventInput>) -> Self {
        self.event = event;
        self
    }

    /// With the event that enrolls.
    #[must_use]
    pub fn with_entry(mut self, entry: &'a EntryEvent) -> Self {
        self.entry = Some(entry);
        self
    }

    /// With the account as it was.
    #[must_use]
    pub fn with_account(mut self, account: Option<&'a Account>) -> Self {
        self.account = account;
        self
    }

    /// The contact.
    #[must_use]
    pub fn contact(&self) -> Option<&'a Contact> {
        self.contact
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> Option<&'a Account> {
        self.account
    }

    /// Whether a condition is true. What cannot be judged counts as false.
    #[must_use]
    pub fn holds(&self, when: &Expression) -> bool {
        when.evaluate(self).is_true()
    }

    /// Whether a condition is true, or there is none.
    #[must_use]
    pub fn allows(&self, when: Option<&Expression>) -> bool {
        when.is_none_or(|when| self.holds(when))
    }

    /// What the fields of an expression held, for the record of a refusal.
    #[must_use]
    pub fn seen(&self, when: &Expression) -> Json {
        let fields = when.variables().filter_map(|field| {
            let value = self.field(field)?;
            Some((field.to_string(), value.to_json()))
        });
        Json::Object(fields.collect())
    }

    fn contact_field(&self, name: &str) -> Option<Value> {
        let contact = self.contact?;
        let given = |name| of_attribute(&contact.attributes, name);
        match name {
            "email" => contact.email.as_ref().map(|email| Value::text(email.as_str())),
            "phone" => contact.phone.as_ref().map(|phone| Value::text(phone.as_str())),
            "crm_id" => contact.crm_ids.first().map(|id| Value::text(id.as_str())),
            "owner" => contact.owner.as_ref().map(|owner| Value::text(owner.as_str())),
            "created_at" => Some(contact.created_at.into()),
            "last_inbound_at" => contact.last_inbound_at.map(Value::from),
            "last_touch_at" => contact.last_touch_at.map(Value::from),
            "name" => given("name").or_else(|| full_name(contact).map(|name| Value::text(&name))),
            _ => given(name),
        }
    }

    fn account_field(&self, name: &str) -> Option<Value> {
        let account = self.account?;
        match name {
            "id" => account.crm_id.as_deref().map(Value::text),
            "domain" => account.domain.as_ref().map(|domain| Value::text(domain.as_str())),
            _ => of_attribute(&account.attributes, name),
        }
    }

    fn enrollment_field(&self, name: &str) -> Option<Value> {
        let enrollment = self.enrollment?;
        let progress = &enrollment.progress;
        match name {
            "day" => Some(self.day(enrollment)?.into()),
            "visit" => {
                let visits = progress.step().and_then(|step| progress.visits.get(step));
                Some(visits.copied().unwrap_or(1).into())
            }
            "opened" => Some(progress.opened.into()),
            "clicked" => Some(progress.clicked.into()),
            "replied" => Some(progress.replied.into()),
            "connected" => Some(progress.connected.into()),
            _ => None,
        }
    }

    fn day(&self, enrollment: &Enrollment) -> Option<u32> {
        let cadence = self.cadence(enrollment)?;
        let times = schedule::Times::of(self.world, cadence, self.contact?);
        Some(times.day_number(self.now, enrollment.progress.day_one))
    }

    fn cadence(&self, enrollment: &Enrollment) -> Option<&'a Cadence> {
        self.content?.cadences.get(&enrollment.version).map(|cadence| &**cadence)
    }

    fn step_field(&self, step: &str, name: &str) -> Option<Value> {
        let history = &self.enrollment?.progress.history;
        let record = history.iter().rev().find(|record| record.step.as_str() == step)?;
        match name {
            "outcome" => record.outcome.as_deref().map(Value::text),
            "sent_at" => record.sent_at.map(Value::from),
            "opened" => Some(record.opened.into()),
            "clicked" => Some(record.clicked.into()),
            "replied" => Some(record.replied.into()),
            _ => None,
        }
    }

    fn deal_field(&self, name: &str) -> Option<Value> {
        let of_event = self.event.and_then(|input| of_attribute(&input.event.detail.deal, name));
        of_event.or_else(|| {
            let deal = self.contact?.attributes.get("deal")?;
            Value::from_json(deal.get(name)?)
        })
    }
}

impl Facts for View<'_> {
    fn field(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        let name = field.name.as_ref();
        let value = match field.of {
            Variable::Contact => self.contact_field(name),
            Variable::Account => self.account_field(name),
            Variable::Event => self.event.and_then(|input| event_field(input, name, self.world.clock)),
            Variable::Entry => self.entry.and_then(|entry| entry_field(entry, name, self.world.clock)),
            Variable::Enrollment => self.enrollment_field(name),
            Variable::Steps => self.step_field(field.step.as_deref()?, name),
            Variable::Deal => self.deal_field(name),
            Variable::Now => Some(self.now.into()),
        };
        value.map(Cow::Owned)
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn segment(&self, name: &str) -> Option<&Expression> {
        self.content?.segments.get(name)
    }
}

fn of_attribute(attributes: &Attributes, name: &str) -> Option<Value> {
    attributes.get(name).and_then(Value::from_json)
}

fn of_map(attributes: &Attributes) -> Option<Value> {
    Value::from_json(&Json::Object(
        attributes.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
    ))
}

/// First and last name, where the whole is not known.
pub(super) fn full_name(contact: &Contact) -> Option<String> {
    if let Some(name) = contact.attributes.text("name") {
        return Some(name.to_owned());
    }
    let parts: Vec<_> =
        ["first_name", "last_name"].iter().filter_map(|name| contact.attributes.text(name)).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn event_field(input: &EventInput, name: &str, clock: BusinessClock) -> Option<Value> {
    let event = &input.event;
    let detail = &event.detail;
    match name {
        "kind" => Some(Value::text(event.kind.as_str())),
        "source" => Some(Value::text(event.source.as_str())),
        "channel" => detail.channel.map(|channel| Value::text(channel.as_str())),
        "classification" => detail.classification.map(|meant| Value::text(meant.as_str())),
        "occurred_at" => Some(input.occurred_at.into()),
        "until" => detail.until.map(|until| clock.business(until).into()),
        "data" => of_map(&detail.data),
        _ => of_attribute(&detail.data, name).or_else(|| said(event, name)),
    }
}

/// What an event says beside its data, under the names of the mapping targets.
fn said(event: &Event, name: &str) -> Option<Value> {
    let detail = &event.detail;
    match name {
        "name" => detail.name.as_deref().map(Value::text),
        "outcome" => detail.outcome.as_deref().map(Value::text),
        "bounce" => detail.bounce.map(|bounce| Value::text(bounce.as_str())),
        "score" => detail.score.map(Value::from),
        "reason" => detail.reason.as_deref().map(Value::text),
        "owner" => detail.owner.as_ref().map(|owner| Value::text(owner.as_str())),
        _ => None,
    }
}

fn entry_field(entry: &EntryEvent, name: &str, clock: BusinessClock) -> Option<Value> {
    match name {
        "kind" => Some(Value::text(entry.kind.as_str())),
        "source" => Some(Value::text(entry.source.as_str())),
        "channel" => entry.channel.map(|channel| Value::text(channel.as_str())),
        "classification" => entry.classification.map(|meant| Value::text(meant.as_str())),
        "occurred_at" => Some(clock.business(entry.occurred_at).into()),
        "data" => of_map(&entry.data),
        _ => of_attribute(&entry.data, name),
    }
}

/// What is kept of an event that enrolls; what it says beside its data is kept among the data.
pub(super) fn entry_of(input: &EventInput) -> EntryEvent {
    let event = &input.event;
    let mut data = event.detail.data.clone();
    for name in ["name", "outcome", "bounce", "score", "reason"] {
        if let (None, Some(value)) = (data.get(name), said(event, name)) {
            data.set(name, value.to_json());
        }
    }
    EntryEvent {
        digest: event.digest,
        kind: event.kind,
        source: event.source.clone(),
        occurred_at: event.occurred_at,
        channel: event.detail.channel,
        classification: event.detail.classification,
        data,
        actor: event.actor.clone(),
    }
}
