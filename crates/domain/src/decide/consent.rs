//! What may not be sent: opt-outs, complaints, bounces, erasure and renewed consent.
//!
//! What a person says holds for the person: it is kept on their contact and on each of their keys, so that it outlives
//! every one of them. A hard bounce is of the address alone. Statements commute, so that the order in which events arrive
//! does not matter.

use jiff::Timestamp;

use crate::attributes::Attributes;
use crate::contact::{Contact, Reachable, address_kind};
use crate::event::{Bounce, Classification, Event, EventKind, StopClass};
use crate::id::ContactId;
use crate::identity::{IdentityKey, IdentityKind, IdentityOwner};
use crate::suppression::{Changed, Consent, Reach, Statement, StopReason, Suppressions};
use crate::touch::Channel;
use crate::world::World;

use super::folding::Folding;
use super::subject::Subject;

/// Whether an event stops whenever it arrives: opt-outs, complaints and erasure, and a reply that asks to be left alone.
#[must_use]
pub fn class(event: &Event) -> StopClass {
    match event.detail.classification {
        Some(Classification::Unsubscribe) if event.kind == EventKind::Replied => StopClass::Always,
        _ => event.kind.stop_class(),
    }
}

/// What an event says about consent.
fn statement(event: &Event) -> Option<(Reach, Consent)> {
    let of_channel = Reach::from(event.detail.channel);
    match event.kind {
        EventKind::Unsubscribed => Some((of_channel, Consent::Stopped(by(event)))),
        EventKind::Replied if class(event) == StopClass::Always => {
            Some((Reach::All, Consent::Stopped(StopReason::OptOut)))
        }
        EventKind::Complained => Some((Reach::All, Consent::Stopped(StopReason::Complaint))),
        EventKind::ContactDeleted => Some((Reach::All, Consent::Stopped(StopReason::Erased))),
        EventKind::Resubscribed => Some((of_channel, Consent::Given)),
        EventKind::Bounced if event.detail.bounce == Some(Bounce::Hard) => {
            let channel = event.detail.channel.unwrap_or(Channel::Email);
            Some((Reach::Channel(channel), Consent::Stopped(StopReason::HardBounce)))
        }
        _ => None,
    }
}

/// Whether an event says anything about consent.
pub(super) fn speaks(event: &Event) -> bool {
    statement(event).is_some()
}

fn by(event: &Event) -> StopReason {
    if event.actor.is_some() { StopReason::Manual } else { StopReason::OptOut }
}

/// Takes down what the event says about consent.
pub(super) fn learn(f: &mut Folding<'_>, event: &Event, subject: &Subject) {
    let Some((reach, consent)) = statement(event) else { return };
    let statement = Statement { consent, at: event.occurred_at };
    if consent == Consent::Stopped(StopReason::HardBounce) {
        bounce(f, subject, (reach, statement));
        return;
    }
    let mut changed = Changed::No;
    for key in &subject.identities {
        changed = either(changed, say_of_key(f, key, reach, statement));
    }
    for contact in &subject.matched {
        changed = either(changed, say_of_contact(f, *contact, reach, statement));
        share(f, *contact);
    }
    let on = Option::<Channel>::from(reach).map_or("all channels", Channel::as_str);
    match (changed, consent) {
        (Changed::No, _) => f.ignore("superseded", format!("something later, or the same, was said of {on}")),
        (Changed::Yes, Consent::Given) => f.note("resubscribed", format!("may be contacted again on {on}")),
        (Changed::Yes, Consent::Stopped(reason)) => {
            f.note("suppressed", format!("{on}: {}", reason_name(reason)));
        }
    }
    if event.kind == EventKind::ContactDeleted {
        erase(f, event.occurred_at, subject);
    }
}

/// A hard bounce is of the address that bounced: the one that the event names, else the contact's current one.
fn bounce(f: &mut Folding<'_>, subject: &Subject, (reach, statement): (Reach, Statement)) {
    let channel = Option::<Channel>::from(reach).unwrap_or(Channel::Email);
    let kind = address_kind(channel);
    let mut keys: Vec<IdentityKey> =
        subject.identities.iter().filter(|key| Some(key.kind) == kind).cloned().collect();
    if keys.is_empty() {
        let current = subject
            .contact
            .and_then(|id| f.world.contacts.get(&id))
            .and_then(|row| address(f.world, row, channel));
        keys.extend(current);
    }
    let mut changed = Changed::No;
    for key in &keys {
        changed = either(changed, say_of_key(f, key, reach, statement));
    }
    match changed {
        Changed::Yes => f.note("suppressed", format!("{channel}: the address bounced")),
        Changed::No => f.ignore("superseded", "the bounce is known, or names no address"),
    }
}

fn either(one: Changed, other: Changed) -> Changed {
    if one == Changed::Yes { one } else { other }
}

fn say_of_key(f: &mut Folding<'_>, key: &IdentityKey, reach: Reach, statement: Statement) -> Changed {
    let known = f.world.identities.get(key).map(|identity| identity.suppressions.clone());
    let mut next = known.clone().unwrap_or_default();
    let changed = next.state(reach, statement);
    if known.as_ref() != Some(&next) {
        f.world.identity_mut(key).suppressions = next;
    }
    changed
}

fn say_of_contact(f: &mut Folding<'_>, id: ContactId, reach: Reach, statement: Statement) -> Changed {
    let Some(row) = f.world.contacts.get(&id) else { return Changed::No };
    let mut next = row.suppressions.clone();
    let changed = next.state(reach, statement);
    if changed == Changed::Yes
        && let Some(row) = f.world.contacts.get_mut(&id)
    {
        row.suppressions = next;
    }
    changed
}

/// What was said of a person or of any of their keys holds for all of them; bounces stay where they are.
pub(super) fn share(f: &mut Folding<'_>, contact: ContactId) {
    let Some(row) = f.world.contacts.get(&contact) else { return };
    if row.suppressions.is_empty() && current_keys(f.world, row).all(|key| is_silent(f.world, &key)) {
        // Earlier keys say nothing either: what they say is the contact's already.
        return;
    }
    let keys = keys_of(f.world, contact);
    let Some(row) = f.world.contacts.get(&contact) else { return };
    let mut said = personal(&row.suppressions);
    for key in &keys {
        if let Some(identity) = f.world.identities.get(key) {
            said.merge(&personal(&identity.suppressions));
        }
    }
    for (reach, statement) in said.iter() {
        say_of_contact(f, contact, reach, *statement);
        for key in &keys {
            say_of_key(f, key, reach, *statement);
        }
    }
}

/// Statements that are the person's, not the address's.
fn personal(suppressions: &Suppressions) -> Suppressions {
    let mut personal = Suppressions::default();
    for (reach, statement) in suppressions.iter() {
        if statement.consent != Consent::Stopped(StopReason::HardBounce) {
            personal.state(reach, *statement);
        }
    }
    personal
}

/// The identities of what a contact has now.
fn current_keys<'a>(world: &'a World, row: &'a Contact) -> impl Iterator<Item = IdentityKey> + 'a {
    let key = |kind, value| world.identity_key(&row.workspace, kind, value);
    let crm = row.crm_ids.iter().map(move |id| key(IdentityKind::Crm, id.as_str()));
    let email = row.email.iter().map(move |email| key(IdentityKind::Email, email.as_str()));
    let phone = row.phone.iter().map(move |phone| key(IdentityKind::Phone, phone.as_str()));
    crm.chain(email).chain(phone)
}

/// Whether nothing was ever said of an identity.
fn is_silent(world: &World, key: &IdentityKey) -> bool {
    world.identities.get(key).is_none_or(|identity| identity.suppressions.is_empty())
}

/// The keys of a contact: the current ones, and earlier ones that still lead to it.
pub(super) fn keys_of(world: &World, id: ContactId) -> Vec<IdentityKey> {
    let Some(row) = world.contacts.get(&id) else { return Vec::new() };
    let mut keys: Vec<IdentityKey> = current_keys(world, row).collect();
    let earlier =
        world.identities.iter().filter(|(_, identity)| identity.owner == Some(IdentityOwner::Contact(id)));
    for (key, _) in earlier {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    keys
}

/// The tombstone: the keys stay as hashes, with what was said of them and when they were erased; nothing else does.
fn erase(f: &mut Folding<'_>, at: Timestamp, subject: &Subject) {
    let mut keys = subject.identities.clone();
    for contact in &subject.matched {
        keys.extend(keys_of(f.world, *contact));
    }
    keys.sort();
    keys.dedup();
    for key in &keys {
        let identity = f.world.identity_mut(key);
        identity.erased_at = identity.erased_at.max(Some(at));
        identity.owner = None;
    }
    for contact in &subject.matched {
        let Some(row) = f.world.contacts.get_mut(contact) else { continue };
        row.email = None;
        row.phone = None;
        row.crm_ids.clear();
        row.attributes = Attributes::new();
        row.owner = None;
        row.account = None;
        row.erased_at = row.erased_at.max(Some(at));
    }
    forget_entries(f, subject);
    f.note("erased", "only keyed hashes of the addresses and the stops are kept");
}

/// What the events that enrolled a person said, and the ids of messages to them, go too.
fn forget_entries(f: &mut Folding<'_>, subject: &Subject) {
    let of_them = subject.matched.iter().flat_map(|contact| f.world.enrollments_of(*contact));
    let enrollments: Vec<_> = of_them.map(|row| row.id).collect();
    for id in enrollments {
        let Some(row) = f.world.enrollments.get_mut(&id) else { continue };
        row.entry.data = Attributes::new();
        for record in &mut row.progress.history {
            record.message_id = None;
        }
    }
}

// Who can be reached.

fn address(world: &World, contact: &Contact, channel: Channel) -> Option<IdentityKey> {
    let kind = address_kind(channel)?;
    let keys = contact.keys();
    let (_, value) = keys.iter().find(|(one, _)| *one == kind)?;
    Some(world.identity_key(&contact.workspace, kind, value))
}

/// Whether a contact can be reached on a channel.
pub(super) fn reachable(world: &World, contact: &Contact, channel: Channel) -> Reachable {
    if contact.erased_at.is_some() {
        return Reachable::Stopped(StopReason::Erased);
    }
    let address = address(world, contact, channel);
    let of_address = address
        .as_ref()
        .and_then(|key| world.identities.get(key))
        .and_then(|one| one.suppressions.stop(channel));
    match contact.suppressions.stop(channel).or(of_address) {
        Some(reason) => Reachable::Stopped(reason),
        None if address.is_none() && address_kind(channel).is_some() => Reachable::NoAddress,
        None => Reachable::Yes,
    }
}

/// Why a contact may not be contacted at all.
pub(super) fn stopped(contact: &Contact) -> Option<StopReason> {
    if contact.erased_at.is_some() { Some(StopReason::Erased) } else { contact.suppressions.stop_all() }
}

/// A reason's name in records.
pub(super) fn reason_name(reason: StopReason) -> &'static str {
    match reason {
        StopReason::HardBounce => "hard_bounce",
        StopReason::OptOut => "opt_out",
        StopReason::Complaint => "complaint",
        StopReason::Manual => "manual",
        StopReason::Erased => "erased",
    }
}
