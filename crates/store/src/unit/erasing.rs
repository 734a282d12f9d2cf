//! Whom a unit erases: what they were called is noted in the same transaction, so that what other tables hold of them can
//! be found and removed right after.

use std::collections::{BTreeMap, BTreeSet};

use domain::contact::Contact;
use domain::decision::{Cause, Decision, DecisionRecord};
use domain::event::{Event, EventKind};
use domain::id::{ContactId, Digest, SourceName, Workspace};
use domain::identity::{HashKeys, IdentityKey, SubjectKeys};
use domain::input::Input;
use domain::world::World;
use jiff::Timestamp;
use ports::unit::{Admitted, Standing};

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
pub(super) fn forgotten(decisions: &[DecisionRecord]) -> BTreeSet<(SourceName, Digest)> {
    let erased = |record: &&DecisionRecord| {
        record.items.iter().any(|item| matches!(item, Decision::Ignored { why } if why.code == "erased"))
    };
    decisions.iter().filter(erased).filter_map(cause).collect()
}

/// A decision without the provider's name for the event, which may hold an address.
pub(crate) fn nameless(record: &DecisionRecord) -> DecisionRecord {
    record.clone().without_id()
}

fn cause(record: &DecisionRecord) -> Option<(SourceName, Digest)> {
    match &record.cause {
        Cause::Event { digest, source, .. } => Some((source.clone(), *digest)),
        Cause::Timer { .. } | Cause::Touch { .. } => None,
    }
}

/// Events that name somebody whose contact does not lead to their decision: nobody's yet, or those whose keys disagreed.
pub(super) fn strays<'e>(
    decisions: &[DecisionRecord],
    events: impl Iterator<Item = &'e Event>,
    keys: &HashKeys,
) -> Vec<(IdentityKey, &'e Event)> {
    let conflict = |record: &DecisionRecord| {
        record
            .items
            .iter()
            .any(|item| matches!(item, Decision::Noted { what } if what.code == "identity_conflict"))
    };
    let stray: BTreeSet<(SourceName, Digest)> = decisions
        .iter()
        .filter(|record| record.contact.is_none() || conflict(record))
        .filter_map(cause)
        .collect();
    if stray.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for event in events.filter(|event| stray.contains(&(event.source.clone(), event.digest))) {
        for (kind, value) in event.subject.iter() {
            // Looked for under every secret, kept under the current one.
            found.push((keys.key(&event.workspace, kind, value), event));
        }
    }
    found.sort_by(|(a, x), (b, y)| (a, &x.source, x.digest).cmp(&(b, &y.source, y.digest)));
    found.dedup_by(|(a, x), (b, y)| a == b && x.source == y.source && x.digest == y.digest);
    found
}
