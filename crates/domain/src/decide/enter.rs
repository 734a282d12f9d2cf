//! Entries: which cadences an event enrolls its contact in.

use std::collections::BTreeSet;

use serde_json::json;

use crate::cadence::{Outcome, SharedCadence, Target};
use crate::contact::Contact;
use crate::decision::{Decision, Refusal, RefusalRule};
use crate::enrollment::{Enrollment, EnrollmentState, EntryEvent, Progress};
use crate::event::Event;
use crate::id::{AccountId, CadenceName, Class, ContactId, EnrollmentId, EnrollmentUid};
use crate::time;
use crate::touch::Note;
use crate::world::OutOfIds;

use super::advance;
use super::binding::entry_of;
use super::folding::Folding;
use super::guards::{self, Asked, Before, Sight};
use super::schedule::Times;
use super::stop::{self, Ending};

/// Judges every cadence that listens to the event, for one contact.
pub(super) fn by_event(f: &mut Folding<'_>, contact: ContactId, before: &Before) -> Result<(), OutOfIds> {
    let Some(input) = f.event.clone() else { return Ok(()) };
    let candidates =
        f.content().map(|content| content.listeners(input.event.kind).to_vec()).unwrap_or_default();
    if candidates.is_empty() {
        return Ok(());
    }
    let entry = entry_of(&input);
    let mut taken: BTreeSet<Class> = BTreeSet::new();
    let mut sight = Sight::default();
    for cadence in candidates {
        match judged(f, &cadence, contact, (&entry, before, &taken), &mut sight) {
            Ok(give_way) => {
                sight.forget();
                if enter(f, (&cadence, contact), &entry, give_way)? == Entered::Yes {
                    taken.extend(cadence.class.clone());
                }
            }
            Err(refusal) => refuse(f, &cadence.name, refusal),
        }
    }
    Ok(())
}

fn judged(
    f: &Folding<'_>,
    cadence: &SharedCadence,
    contact: ContactId,
    (entry, before, taken): (&EntryEvent, &Before, &BTreeSet<Class>),
    sight: &mut Sight,
) -> Result<Vec<EnrollmentId>, Refusal> {
    let Some(row) = f.world.contacts.get(&contact) else { return Ok(Vec::new()) };
    guards::triggered(f, cadence, row, (before, sight))?;
    guards::accepts(f, cadence, row, (entry, &Asked::ByTrigger))?;
    if let Some(class) = cadence.class.as_ref().filter(|class| taken.contains(*class)) {
        return Err(Refusal {
            rule: RefusalRule::Outranked,
            expected: "the highest priority of its class".into(),
            seen: json!({"class": class, "priority": cadence.priority}).into(),
        });
    }
    guards::gives_way(f, cadence, row, &Asked::ByTrigger)
}

fn refuse(f: &mut Folding<'_>, cadence: &CadenceName, refusal: Refusal) {
    f.say(Decision::Refused { cadence: cadence.clone(), refusal });
}

/// A person's entry: triggers and audience are skipped, suppression never; other guards only when named.
pub(super) fn by_hand(f: &mut Folding<'_>, event: &Event, contact: ContactId) -> Result<(), OutOfIds> {
    let Some(input) = f.event.clone() else { return Ok(()) };
    let Some(name) = event.detail.name.as_deref().and_then(|name| CadenceName::new(name).ok()) else {
        f.ignore("no_cadence", "it names no cadence");
        return Ok(());
    };
    let Some(cadence) = f.content().and_then(|content| content.current(&name)).cloned() else {
        let expected = "a cadence that takes entries".into();
        refuse(f, &name, Refusal { rule: RefusalRule::Closed, expected, seen: json!(name).into() });
        return Ok(());
    };
    let overridden = overrides(event);
    if !overridden.is_empty() {
        let by = event.actor.as_deref().unwrap_or("nobody named");
        f.note("override", format!("{by} passes over {}", overridden.join(", ")));
    }
    let entry = entry_of(&input);
    let asked = Asked::ByHand(overridden);
    let Some(row) = f.world.contacts.get(&contact) else { return Ok(()) };
    let judged = guards::accepts(f, &cadence, row, (&entry, &asked))
        .and_then(|()| guards::gives_way(f, &cadence, row, &asked));
    match judged {
        Ok(give_way) => enter(f, (&cadence, contact), &entry, give_way).map(|_| ()),
        Err(refusal) => {
            refuse(f, &name, refusal);
            Ok(())
        }
    }
}

/// The guards that a person names, as a list or as one text.
fn overrides(event: &Event) -> Vec<String> {
    use serde_json::Value;
    match event.detail.data.get("override") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(names)) => names.split(',').map(|name| name.trim().to_owned()).collect(),
        _ => Vec::new(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Entered {
    Yes,
    No,
}

/// Makes the enrollment and goes to its first step.
fn enter(
    f: &mut Folding<'_>,
    (cadence, contact): (&SharedCadence, ContactId),
    entry: &EntryEvent,
    give_way: Vec<EnrollmentId>,
) -> Result<Entered, OutOfIds> {
    let Some(row) = f.world.contacts.get(&contact) else { return Ok(Entered::No) };
    let times = Times::of(f.world, cadence, row);
    let Ok(day_one) = time::day_one(f.now, &times.cadence) else {
        let seen = json!(times.cadence.window().to_string()).into();
        let expected = "a window that opens within a year".into();
        refuse(f, &cadence.name, Refusal { rule: RefusalRule::NeverOpens, expected, seen });
        return Ok(Entered::No);
    };
    let uid = EnrollmentUid::derive(&f.workspace, &cadence.name, entry.digest, &row.deciding_key());
    let account = row.account;
    for loser in give_way {
        let rule = format!("preempted by {}", cadence.name);
        stop::end(f, loser, Ending { state: EnrollmentState::Preempted, rule, outcome: Outcome::Stopped });
    }
    let id = EnrollmentId(f.world.fresh_id()?);
    let enrollment = Enrollment {
        id,
        uid,
        workspace: f.workspace.clone(),
        contact,
        account,
        cadence: cadence.name.clone(),
        version: cadence.version,
        class: cadence.class.clone(),
        priority: cadence.priority,
        state: EnrollmentState::Live,
        entered_at: f.now,
        ended_at: None,
        outcome: None,
        ended_by: None,
        entry: entry.clone(),
        progress: Progress::new(day_one, f.now),
        trace: f.trace.clone(),
    };
    f.world.add_enrollment(enrollment);
    let enrolled =
        Decision::Enrolled { cadence: cadence.name.clone(), version: cadence.number, enrollment: uid };
    f.say_of(id, enrolled);
    advance::go(f, id, None, &Target::Next, Note::new("entry", entry.kind.as_str()))?;
    Ok(Entered::Yes)
}

/// The contacts of an account, whom an event about it and nobody may enroll.
pub(super) fn of_account(f: &Folding<'_>, account: Option<AccountId>) -> Vec<ContactId> {
    let Some(account) = account else { return Vec::new() };
    let works_there =
        |row: &Contact| row.account == Some(account) && row.merged_into.is_none() && row.erased_at.is_none();
    f.world.contacts.iter().filter(|(_, row)| works_there(row)).map(|(id, _)| *id).collect()
}
