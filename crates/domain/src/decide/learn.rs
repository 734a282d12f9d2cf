//! Facts about contacts and accounts: attributes, scores, lists, deals, owners. Of two events the later one decides; an
//! older one that arrives late only fills gaps.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::attributes::Attributes;
use crate::contact::Contact;
use crate::event::{Event, EventKind};
use crate::id::{AccountId, ContactId, OwnerName};
use crate::touch::TouchState;
use crate::world::World;

use super::folding::Folding;
use super::subject::Subject;

/// Takes down what an event says of its contact and account.
pub(super) fn learn(f: &mut Folding<'_>, event: &Event, subject: &Subject) {
    if let Some(contact) = subject.contact {
        of_contact(f, event, contact);
        owner(f, event, contact);
    }
    if let Some(account) = subject.account {
        of_account(f, event, account);
    }
}

fn of_contact(f: &mut Folding<'_>, event: &Event, id: ContactId) {
    let occurred_at = f.event.as_ref().map(|input| input.occurred_at);
    let Some(row) = f.world.contacts.get(&id) else { return };
    if row.erased_at.is_some() {
        return;
    }
    let inbound = event.kind.is_inbound() && !event.detail.machine && row.last_inbound_at < occurred_at;
    let given = contact_facts(event, &row.attributes);
    let teaches = teaches(&given, (&row.attributes, row.attributes_at), event.occurred_at);
    if (inbound || teaches)
        && let Some(row) = f.world.contacts.get_mut(&id)
    {
        if inbound {
            row.last_inbound_at = occurred_at;
        }
        learn_into(&mut row.attributes, &mut row.attributes_at, &given, event.occurred_at);
    }
}

/// What an event says of its contact's attributes, beside what it says outright.
fn contact_facts(event: &Event, held: &Attributes) -> Attributes {
    let detail = &event.detail;
    let mut given = detail.contact.clone();
    match event.kind {
        EventKind::ScoreChanged => {
            if let Some(score) = detail.score {
                given.set("score", score);
                if let Some(card) = &detail.name {
                    let mut scores =
                        held.get("scores").and_then(Value::as_object).cloned().unwrap_or_default();
                    scores.insert(card.clone(), score.into());
                    given.set("scores", Value::Object(scores));
                }
            }
        }
        EventKind::ListAdded | EventKind::ListRemoved => {
            if let Some(list) = &detail.name {
                given.set("lists", listed(held.get("lists"), list, event.kind == EventKind::ListAdded));
            }
        }
        EventKind::DealOpened => given.set("open_deal", true),
        EventKind::DealWon => {
            given.set("open_deal", false);
            given.set("customer", true);
        }
        EventKind::DealLost => given.set("open_deal", false),
        _ => {}
    }
    if !detail.deal.is_empty() {
        let mut deal: Map<String, Value> =
            held.get("deal").and_then(Value::as_object).cloned().unwrap_or_default();
        deal.extend(detail.deal.iter().map(|(name, value)| (name.clone(), value.clone())));
        given.set("deal", Value::Object(deal));
    }
    given
}

fn of_account(f: &mut Folding<'_>, event: &Event, id: AccountId) {
    let Some(row) = f.world.accounts.get(&id) else { return };
    let mut given = event.detail.account.clone();
    match event.kind {
        EventKind::SignalDetected => {
            if let Some(signal) = &event.detail.name {
                given.set("signals", listed(row.attributes.get("signals"), signal, true));
            }
        }
        EventKind::DealOpened => given.set("open_deal", true),
        EventKind::DealWon => {
            given.set("open_deal", false);
            given.set("customer", true);
        }
        EventKind::DealLost => {
            given.set("open_deal", false);
            let lost = row.attributes.get("lost_deals").and_then(Value::as_i64).unwrap_or(0);
            given.set("lost_deals", lost + 1);
        }
        _ => {}
    }
    if teaches(&given, (&row.attributes, row.attributes_at), event.occurred_at)
        && let Some(row) = f.world.accounts.get_mut(&id)
    {
        learn_into(&mut row.attributes, &mut row.attributes_at, &given, event.occurred_at);
    }
}

/// A list with a name in it or not.
fn listed(held: Option<&Value>, name: &str, present: bool) -> Value {
    let mut names: Vec<Value> = held.and_then(Value::as_array).cloned().unwrap_or_default();
    names.retain(|one| one != name);
    if present {
        names.push(name.into());
    }
    Value::Array(names)
}

/// Whether something given would change what is held: rows that stay the same are not written.
fn teaches(given: &Attributes, (held, held_at): (&Attributes, Option<Timestamp>), at: Timestamp) -> bool {
    let newer = held_at.is_none_or(|held_at| at >= held_at);
    let moves = newer && held_at != Some(at) && !given.is_empty();
    moves
        || given
            .iter()
            .any(|(name, value)| if newer { held.get(name) != Some(value) } else { held.get(name).is_none() })
}

fn learn_into(held: &mut Attributes, held_at: &mut Option<Timestamp>, given: &Attributes, at: Timestamp) {
    if given.is_empty() {
        return;
    }
    let newer = held_at.is_none_or(|held_at| at >= held_at);
    for (name, value) in given.iter() {
        if newer || held.get(name).is_none() {
            held.set(name.clone(), value.clone());
        }
    }
    if newer {
        *held_at = Some(at);
    }
}

// Owners.

/// The owner that an event names becomes the contact's, and works their touches that have not gone out.
fn owner(f: &mut Folding<'_>, event: &Event, id: ContactId) {
    let Some(owner) = event.detail.owner.clone().filter(|_| names_owner(event.kind)) else { return };
    let Some(row) = f.world.contacts.get(&id) else { return };
    let newer = row.attributes_at.is_none_or(|at| event.occurred_at >= at);
    if row.erased_at.is_some() || row.owner.as_ref() == Some(&owner) || (row.owner.is_some() && !newer) {
        return;
    }
    if let Some(row) = f.world.contacts.get_mut(&id) {
        row.owner = Some(owner.clone());
        row.attributes_at = row.attributes_at.max(Some(event.occurred_at));
    }
    f.note("owner", "someone else works the contact now");
    for enrollment in f.live_of(id) {
        for touch in
            f.touches_of(enrollment, |touch| matches!(touch.state, TouchState::Scheduled | TouchState::Held))
        {
            if let Some(touch) = f.world.touches.get_mut(&touch)
                && touch.attempt == 0
            {
                touch.owner = Some(owner.clone());
                touch.fence += 1;
            }
        }
    }
}

/// In events of mails, calls and tasks the owner is who did it, not who works the contact.
fn names_owner(kind: EventKind) -> bool {
    use EventKind as K;
    !matches!(
        kind,
        K::EmailSent
            | K::EmailDelivered
            | K::EmailOpened
            | K::EmailClicked
            | K::Replied
            | K::Bounced
            | K::CallCompleted
            | K::TaskCompleted
            | K::TaskDeleted
            | K::TouchOverdue
    )
}

/// The owner of a contact's account.
pub(super) fn account_owner(world: &World, contact: &Contact) -> Option<OwnerName> {
    let account = world.accounts.get(&contact.account?)?;
    OwnerName::new(account.attributes.text("owner")?).ok()
}
