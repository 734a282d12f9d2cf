//! The closure of a unit's inputs: whom and what they touch, found without locks, and checked once those are held.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::TaskRef;
use domain::id::{AccountId, ContactId, EnrollmentId, TouchId, TouchKey, Workspace};
use domain::identity::{HashKeys, IdentityKey, IdentityKind, IdentityOwner, is_free_mail};
use domain::input::{EventInput, Input};
use domain::world::World;
use ports::StoreResult;
use ports::unit::{Admitted, Fold, Reach, Standing};
use uuid::Uuid;

use crate::error::Fail;
use crate::sql::{Conn, RowSet};
use crate::tables::contact::Reached;
use crate::tables::{contact, enrollment, identity, select};

/// What is to be locked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Closure {
    /// Identities that must have a row: those of events.
    pub(super) needed: BTreeSet<IdentityKey>,
    /// Identities that have one, which is never taken away.
    pub(super) present: BTreeSet<IdentityKey>,
    /// All identities.
    pub(super) identities: BTreeSet<IdentityKey>,
    /// Identities of accounts whose account was known when found: a share lock will do.
    pub(super) settled: BTreeSet<IdentityKey>,
    pub(super) accounts: BTreeSet<AccountId>,
    /// Whether accounts may be changed, or are to be kept from gaining enrollments.
    pub(super) holds_accounts: bool,
    /// The accounts all of whose contacts with live enrollments are needed.
    pub(super) whole: BTreeSet<AccountId>,
    pub(super) contacts: BTreeSet<ContactId>,
    /// What inputs name, live or not.
    pub(super) enrollments: BTreeSet<EnrollmentId>,
    pub(super) touches: BTreeSet<TouchId>,
}

/// An event's identities: by value, under every secret, the current one first.
type Values = Vec<Vec<IdentityKey>>;

impl Closure {
    /// Finds what the inputs touch, beside what is known already.
    pub(super) async fn find(
        &mut self,
        conn: &mut Conn,
        admitted: &[Admitted],
        fold: &dyn Fold,
        keys: &HashKeys,
    ) -> Result<(), Fail> {
        self.find_named(conn, admitted).await?;
        let events: Vec<(&EventInput, Reach)> = admitted
            .iter()
            .filter(|one| one.standing != Standing::Duplicate)
            .filter_map(|one| match &one.input {
                Input::Event(event) => Some((event, fold.reach(event))),
                Input::Timer(_) | Input::Touch(_) => None,
            })
            .collect();
        self.holds_accounts |=
            events.iter().any(|(event, reach)| *reach == Reach::Account || changes_account(event));
        let values: Vec<Values> = events.iter().map(|(event, _)| values(event, keys)).collect();
        let found = self.find_identities(conn, &values).await?;
        self.find_contacts(conn, keys).await?;

        let mut wide = BTreeSet::new();
        for ((_, reach), values) in events.iter().zip(&values) {
            if *reach == Reach::Account {
                wide.extend(values.iter().flatten().filter_map(|key| found.get(key).copied()));
            }
        }
        self.find_siblings(conn, &wide, keys).await
    }

    /// Touches and enrollments that inputs name, and whose they are.
    async fn find_named(&mut self, conn: &mut Conn, admitted: &[Admitted]) -> Result<(), Fail> {
        let mut by_key: Vec<(&Workspace, TouchKey)> = Vec::new();
        let mut by_remote: Vec<(&Workspace, &str)> = Vec::new();
        let mut by_uid: Vec<(&Workspace, Uuid)> = Vec::new();
        for one in admitted.iter().filter(|one| one.standing != Standing::Duplicate) {
            match &one.input {
                Input::Timer(timer) => drop(self.enrollments.insert(timer.enrollment)),
                Input::Touch(touch) => drop(self.touches.insert(touch.touch)),
                Input::Event(event) => {
                    let event = &event.event;
                    match &event.detail.task {
                        Some(TaskRef::Key(key)) => by_key.push((&event.workspace, *key)),
                        Some(TaskRef::Remote(id)) => by_remote.push((&event.workspace, id)),
                        None => {}
                    }
                    // People name enrollments by their uid; no other event may.
                    if !event.kind.is_external()
                        && let Some(uid) =
                            event.detail.data.text("enrollment").and_then(|text| text.parse().ok())
                    {
                        by_uid.push((&event.workspace, uid));
                    }
                }
            }
        }
        if !by_uid.is_empty() {
            let uids = RowSet::new(by_uid.len())
                .text("workspace", by_uid.iter().map(|(workspace, _)| workspace.as_str()))
                .uuid("uid", by_uid.iter().map(|(_, uid)| *uid));
            let stmt = conn
                .stmt("select e.id from ")
                .rows(uids)
                .sql(" cross join enrollments e where e.uid = v.uid and e.workspace = v.workspace");
            for row in conn.fetch(stmt).await? {
                self.enrollments.insert(EnrollmentId(row.cursor().int()?));
            }
        }
        if !by_key.is_empty() || !by_remote.is_empty() {
            let keys = RowSet::new(by_key.len())
                .text("workspace", by_key.iter().map(|(workspace, _)| workspace.as_str()))
                .uuid("uid", by_key.iter().map(|(_, key)| key.0));
            let remotes = RowSet::new(by_remote.len())
                .text("workspace", by_remote.iter().map(|(workspace, _)| workspace.as_str()))
                .text("remote_id", by_remote.iter().map(|(_, id)| *id));
            let stmt = conn
                .stmt("select t.id from ")
                .rows(keys)
                .sql(" cross join touches t where t.uid = v.uid and t.workspace = v.workspace union select r.touch from ")
                .rows(remotes)
                .sql(" cross join remotes r where r.workspace = v.workspace and r.remote_id = v.remote_id");
            for row in conn.fetch(stmt).await? {
                self.touches.insert(TouchId(row.cursor().int()?));
            }
        }
        if self.touches.is_empty() && self.enrollments.is_empty() {
            return Ok(());
        }
        let stmt = conn
            .stmt("select e.id, e.contact, cast(null as bigint) from enrollments e where e.id")
            .any(self.enrollments.iter().map(|id| id.0))
            .sql(" union select t.enrollment, t.contact, t.id from touches t where t.id")
            .any(self.touches.iter().map(|id| id.0));
        // What an input names and is not there is nobody's.
        self.enrollments.clear();
        self.touches.clear();
        for row in conn.fetch(stmt).await? {
            let mut row = row.cursor();
            self.enrollments.insert(EnrollmentId(row.int()?));
            self.contacts.insert(ContactId(row.int()?));
            self.touches.extend(row.opt_int()?.map(TouchId));
        }
        Ok(())
    }

    /// The rows of the events' identities as they are now, and under which secret each value is to be held.
    async fn find_identities(
        &mut self,
        conn: &mut Conn,
        values: &[Values],
    ) -> Result<BTreeMap<IdentityKey, IdentityOwner>, Fail> {
        let all: BTreeSet<&IdentityKey> = values.iter().flatten().flatten().collect();
        if all.is_empty() {
            return Ok(BTreeMap::new());
        }
        let stmt = conn
            .stmt("select i.hash, i.owner from ")
            .rows(identity::keys(all.iter().copied()))
            .sql(" cross join identities i where i.hash = v.hash");
        let asked = identity::Asked::new(all.iter().copied());
        let rows = conn.fetch(stmt).await?;
        let rows = rows.iter().map(|row| asked.owner(&mut row.cursor())).collect::<StoreResult<Vec<_>>>()?;
        let present: BTreeSet<&IdentityKey> = rows.iter().map(|(key, _)| *key).collect();
        self.present.extend(present.iter().copied().cloned());
        for value in values.iter().flatten() {
            match value.iter().find(|key| present.contains(key)) {
                Some(_) => self.identities.extend(value.iter().filter(|key| present.contains(key)).cloned()),
                None => self.needed.extend(value.first().cloned()),
            }
        }
        self.identities.extend(self.needed.iter().cloned());
        let mut owners = BTreeMap::new();
        for (key, owner) in rows {
            let Some(owner) = owner else { continue };
            match owner {
                IdentityOwner::Contact(id) => drop(self.contacts.insert(id)),
                IdentityOwner::Account(id) => {
                    self.accounts.insert(id);
                    self.settled.insert(key.clone());
                }
            }
            owners.insert(key.clone(), owner);
        }
        Ok(owners)
    }

    /// The contacts' aliases, accounts and current identities.
    async fn find_contacts(&mut self, conn: &mut Conn, keys: &HashKeys) -> Result<(), Fail> {
        if self.contacts.is_empty() {
            return Ok(());
        }
        let mut unread = self.contacts.clone();
        while !unread.is_empty() {
            let stmt = conn
                .stmt(&format!("select {} from contacts c where c.id", select(contact::REACH, "c")))
                .any(std::mem::take(&mut unread).into_iter().map(|id| id.0));
            for row in conn.fetch(stmt).await? {
                let contact = Reached::read(&row)?;
                self.take_contact(&contact, keys);
                // An alias, which few are, leads to the contact that stayed, which may have been merged in turn.
                unread.extend(contact.merged_into.filter(|into| self.contacts.insert(*into)));
            }
        }
        Ok(())
    }

    fn take_contact(&mut self, contact: &Reached, keys: &HashKeys) {
        self.contacts.insert(contact.id);
        self.accounts.extend(contact.account);
        self.identities.extend(contact.identities(keys));
    }

    /// The other contacts of accounts whose live enrollments a rule looks at.
    async fn find_siblings(
        &mut self,
        conn: &mut Conn,
        wide: &BTreeSet<IdentityOwner>,
        keys: &HashKeys,
    ) -> Result<(), Fail> {
        if wide.is_empty() {
            return Ok(());
        }
        let contacts = wide.iter().filter_map(|owner| match owner {
            IdentityOwner::Contact(id) => Some(id.0),
            IdentityOwner::Account(_) => None,
        });
        let accounts = wide.iter().filter_map(|owner| match owner {
            IdentityOwner::Account(id) => Some(id.0),
            IdentityOwner::Contact(_) => None,
        });
        let known = accounts.clone().collect::<Vec<_>>();
        let stmt = conn
            .stmt("select account from contacts where account is not null and id")
            .any(contacts)
            .sql(" union select id from accounts where id")
            .any(accounts);
        self.whole.extend(known.into_iter().map(AccountId));
        for row in conn.fetch(stmt).await? {
            self.whole.insert(AccountId(row.cursor().int()?));
        }
        self.accounts.extend(self.whole.iter().copied());
        for contact in siblings(conn, &self.whole).await? {
            self.take_contact(&contact, keys);
        }
        Ok(())
    }

    /// What the locked rows lead to beyond what was locked: `None` when all of it is held.
    pub(super) fn growth(&self, siblings: &[Reached], world: &World, keys: &HashKeys) -> Option<Self> {
        let mut grown = self.clone();
        for (_, identity) in world.identities.iter() {
            match identity.owner {
                Some(IdentityOwner::Contact(id)) => drop(grown.contacts.insert(id)),
                Some(IdentityOwner::Account(id)) => drop(grown.accounts.insert(id)),
                None => {}
            }
        }
        for (_, contact) in world.contacts.iter() {
            grown.contacts.extend(contact.merged_into);
            grown.accounts.extend(contact.account);
        }
        for contact in siblings {
            grown.contacts.insert(contact.id);
        }
        // A contact's identities are under one secret each: any of them being held is enough.
        let missing = world.contacts.iter().flat_map(|(_, contact)| unheld(contact, world, keys));
        let missing: Vec<IdentityKey> = missing.filter(|key| !self.identities.contains(key)).collect();
        grown.identities.extend(missing);
        (grown != *self).then_some(grown)
    }
}

/// The identities of a contact's keys, unless those of the same value were looked for.
fn unheld<'a>(
    contact: &'a domain::contact::Contact,
    world: &'a World,
    keys: &'a HashKeys,
) -> impl Iterator<Item = IdentityKey> + 'a {
    contact::identities(contact, keys).into_iter().filter(move |key| world.identities.get(key).is_none())
}

/// The contacts of accounts that have live enrollments.
pub(super) async fn siblings(conn: &mut Conn, accounts: &BTreeSet<AccountId>) -> Result<Vec<Reached>, Fail> {
    let stmt = conn
        .stmt(&format!("select {} from contacts c where c.account", select(contact::REACH, "c")))
        .any(accounts.iter().map(|id| id.0))
        .sql(&format!(
            " and exists (select 1 from enrollments e where e.contact = c.id and e.{}) order by c.id",
            enrollment::LIVE
        ));
    Ok(conn.fetch(stmt).await?.iter().map(Reached::read).collect::<StoreResult<_>>()?)
}

/// The identities that an event names: its subject's, its account's, and its address's domain.
fn values(event: &EventInput, keys: &HashKeys) -> Values {
    let event = &event.event;
    let all = |kind: IdentityKind, value: &str| keys.all(&event.workspace, kind, value).collect::<Vec<_>>();
    let mut values: Values = event.subject.iter().map(|(kind, value)| all(kind, value)).collect();
    if let Some(id) = &event.account.id {
        values.push(all(IdentityKind::AccountId, id));
    }
    let named = event.account.domain.clone();
    let mailed = event.subject.email.as_ref().map(domain::identity::Email::domain);
    for domain in named.into_iter().chain(mailed) {
        if !is_free_mail(&domain) {
            values.push(all(IdentityKind::AccountDomain, domain.as_str()));
        }
    }
    values
}

/// Whether an event may change its account's row.
fn changes_account(event: &EventInput) -> bool {
    let event = &event.event;
    !event.detail.account.is_empty() || (event.account.id.is_some() && event.account.domain.is_some())
}
