//! One event, in the order of language §5.

use crate::decision::Cause;
use crate::event::{Event, EventKind};
use crate::input::EventInput;
use crate::world::{OutOfIds, World};

use super::complete;
use super::folding::Folding;
use super::guards::{self, Before};
use super::subject::{self, Subject};
use super::{consent, engage, enter, exits, jumps, learn, manual, merge};

/// Folds an event and writes its record.
pub(super) fn fold(world: &mut World, input: &EventInput) -> Result<(), OutOfIds> {
    let mut f = Folding::of_event(world, input);
    happen(&mut f)?;
    let event = &input.event;
    f.finish(Cause::of(event));
    Ok(())
}

/// Lets the event at hand happen: facts, exits, jumps and waits, entries.
pub(super) fn happen(f: &mut Folding<'_>) -> Result<(), OutOfIds> {
    let Some(input) = f.event.clone() else { return Ok(()) };
    let event = &*input.event;
    let Some(subject) = subject::resolve(f)? else { return Ok(()) };
    f.contact = subject.contact.or(f.contact);
    let before = before(f, event, &subject);

    facts(f, event, &subject);
    if is_machine(event) {
        return Ok(());
    }
    if manual::is_act(event.kind) {
        return manual::act(f, event, &subject);
    }
    let pending = complete::by_event(f, &subject);
    exits::by_event(f, event, &subject)?;
    if let Some(raised) = complete::raised_event(&input) {
        let contact = f.contact;
        f.event = Some(about_the_same(f, raised, &subject));
        happen(f)?;
        f.event = Some(input.clone());
        f.contact = contact;
    }
    if let Some(contact) = subject.contact {
        jumps::notice(f, event, contact);
        jumps::by_event(f, event, contact)?;
    }
    if let Some(pending) = pending {
        complete::follow(f, pending)?;
    }
    manual::redrive_missing(f, event, &subject);
    entries(f, &subject, &before)
}

fn entries(f: &mut Folding<'_>, subject: &Subject, before: &Before) -> Result<(), OutOfIds> {
    let Some(input) = f.event.clone() else { return Ok(()) };
    match subject.contact {
        Some(contact) if input.event.kind == EventKind::ManualEnroll => {
            enter::by_hand(f, &input.event, contact)
        }
        Some(contact) => enter::by_event(f, contact, before),
        // About an account and nobody: the account's contacts, of whom only the account changed.
        None => {
            for contact in enter::of_account(f, subject.account) {
                f.contact = Some(contact);
                let row = f.world.contacts.get(&contact).cloned();
                enter::by_event(f, contact, &Before { contact: row, account: before.account.clone() })?;
            }
            Ok(())
        }
    }
}

fn is_machine(event: &Event) -> bool {
    event.detail.machine && matches!(event.kind, EventKind::EmailOpened | EventKind::EmailClicked)
}

/// Suppression, erasure, merge, attributes, engagement.
fn facts(f: &mut Folding<'_>, event: &Event, subject: &Subject) {
    consent::learn(f, event, subject);
    if event.kind == EventKind::ContactMerged {
        merge::merge(f, event, subject);
    }
    learn::learn(f, event, subject);
    if let Some(contact) = subject.contact {
        engage::learn(f, event, contact);
    }
}

/// What an outcome raises is about the contact of the task, whom the event itself may not name.
fn about_the_same(f: &Folding<'_>, raised: EventInput, subject: &Subject) -> EventInput {
    if !raised.event.subject.is_empty() {
        return raised;
    }
    let Some(contact) = subject.contact.and_then(|id| f.world.contacts.get(&id)) else { return raised };
    let event = Event { subject: contact.keys(), ..Event::clone(&raised.event) };
    EventInput { event: event.into(), ..raised }
}

/// The contact and account before the facts, for triggers that fire on a change.
fn before(f: &Folding<'_>, event: &Event, subject: &Subject) -> Before {
    if !guards::fires_on_change(event.kind) {
        return Before::default();
    }
    let contact = subject.contact.filter(|_| !subject.is_new).and_then(|id| f.world.contacts.get(&id));
    Before {
        contact: contact.cloned(),
        account: subject.account.and_then(|id| f.world.accounts.get(&id)).cloned(),
    }
}
