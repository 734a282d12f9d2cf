//! Whom a unit erases: what they were called is noted in the same transaction, so that what other tables hold of them can
//! be found and removed right after.

use std::collections::{BTreeMap, BTreeSet};

use domain::contact::Contact;
use domain::decision::{Cause, Decision, DecisionRecord};
use domain::event::{Event, EventKind};
use domain::id::{ContactId, Workspace};
use domain::identity::{HashKeys, IdentityKey, SubjectKeys};
use domain::input::Input;
use domain::world::World;
use jiff::Timestamp;
use ports::unit::{Admitted, Standing};
use uuid::Uuid;

use super::dedupe::{Place, place};

/// Somebody erased.
pub(super) struct Erased {
    pub(super) workspace: Workspace,
    /// The contact; `None`: the names that the event used.
    pub(super) contact: Option<ContactId>,
    pub(super) names: SubjectKeys,
}

/// Contacts as they are before a fold that may erase some.
pub(super) struct Before {
    names: Vec<Erased>,
    contacts: BTreeMap<ContactId, (SubjectKeys, Option<Timestamp>)>,
}

impl Before {
    /// Looks, when there is an erasure among the inputs.
    pub(super) fn look(world: &World, admitted: &[Admitted]) -> Option<Self> {
        let erasing = |one: &Admitted| match &one.input {
            Input::Event(event)
                if one.standing != Standing::Duplicate && event.event.kind == EventKind::ContactDeleted =>
            {
                let event = &event.event;
                let (workspace, names) = (event.workspace.clone(), event.subject.clone());
                Some(Erased { workspace, contact: None, names })
            }
            _ => None,
        };
        let names: Vec<Erased> = admitted.iter().filter_map(erasing).collect();
        if names.is_empty() {
            return None;
        }
        let keys = |(id, contact): (&ContactId, &Contact)| (*id, (contact.keys(), contact.erased_at));
        Some(Self { names, contacts: world.contacts.iter().map(keys).collect() })
    }

    /// Whom the fold erased, and under which names.
    pub(super) fn erased(self, world: &World) -> Vec<Erased> {
        let mut erased: Vec<Erased> = self.names.into_iter().filter(|one| !one.names.is_empty()).collect();
        for (id, contact) in world.contacts.iter() {
            let before = self.contacts.get(id);
            if contact.erased_at.is_some() && before.is_none_or(|(_, at)| *at != contact.erased_at) {
                let names = before.map(|(names, _)| names.clone()).unwrap_or_default();
                erased.push(Erased { workspace: contact.workspace.clone(), contact: Some(*id), names });
            }
        }
        erased
    }
}

/// Events of which nothing may be kept: they came after the erasure of whom they are about, and are older.
pub(super) fn forgotten(decisions: &[DecisionRecord]) -> BTreeSet<Place<'_>> {
    let erased = |record: &&DecisionRecord| {
        record.items.iter().any(|item| matches!(item, Decision::Ignored { why } if why.code == "erased"))
    };
    decisions.iter().filter(erased).filter_map(cause).collect()
}

/// A decision without the provider's name for the event, which may hold an address.
pub(crate) fn nameless(record: &DecisionRecord) -> DecisionRecord {
    record.clone().without_id()
}

/// The place of the event that a decision is about.
pub(super) fn cause(record: &DecisionRecord) -> Option<Place<'_>> {
    match &record.cause {
        Cause::Event { digest, source, .. } => Some((&record.workspace, source, *digest)),
        Cause::Timer { .. } | Cause::Touch { .. } => None,
    }
}

/// An event under a name by which no contact leads to it.
pub(super) struct Stray<'e> {
    pub(super) identity: IdentityKey,
    pub(super) event: &'e Event,
    pub(super) key: Uuid,
    /// Under which contact it is found; `None`: nobody's.
    pub(super) contact: Option<ContactId>,
}

/// Events, with their keys and contacts, that name somebody whose contact does not lead to them: nobody's yet, or those
/// whose keys disagreed.
pub(super) fn strays<'e>(
    decisions: &[DecisionRecord],
    events: impl Iterator<Item = (&'e Event, Uuid, Option<ContactId>)>,
    keys: &HashKeys,
) -> Vec<Stray<'e>> {
    let conflict = |record: &&DecisionRecord| {
        record
            .items
            .iter()
            .any(|item| matches!(item, Decision::Noted { what } if what.code == "identity_conflict"))
    };
    let disagreed: BTreeSet<Place<'_>> = decisions.iter().filter(conflict).filter_map(cause).collect();
    let mut found = Vec::new();
    for (event, key, contact) in events {
        if contact.is_some() && !disagreed.contains(&place(event)) {
            continue;
        }
        for (kind, value) in event.subject.iter() {
            // Looked for under every secret, kept under the current one.
            let identity = keys.key(&event.workspace, kind, value);
            found.push(Stray { identity, event, key, contact });
        }
    }
    found.sort_by(|a, b| (&a.identity, a.key).cmp(&(&b.identity, b.key)));
    found.dedup_by(|a, b| a.identity == b.identity && a.key == b.key);
    found
}
