//! Who an event is about: keys to contacts and accounts, and the rows that are made for new ones.

use crate::account::Account;
use crate::attributes::Attributes;
use crate::contact::Contact;
use crate::event::{Event, EventKind, StopClass};
use crate::id::{AccountId, ContactId, EnrollmentUid, TouchId};
use crate::identity::{AccountKeys, IdentityKey, IdentityKind, IdentityOwner, is_free_mail};
use crate::world::{OutOfIds, World};

use super::consent;
use super::folding::Folding;

/// Whom an event is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Subject {
    /// The person that decides.
    pub(super) contact: Option<ContactId>,
    /// Everyone whom a key of it names, that person first.
    pub(super) matched: Vec<ContactId>,
    /// Their account, or the one that it names.
    pub(super) account: Option<AccountId>,
    /// Whether the person was unknown.
    pub(super) is_new: bool,
    /// The identities of its keys.
    pub(super) identities: Vec<IdentityKey>,
}

/// Finds or makes whom the event is about; none: it is ignored, and the record says why.
pub(super) fn resolve(f: &mut Folding<'_>) -> Result<Option<Subject>, OutOfIds> {
    let Some(input) = f.event.clone() else { return Ok(None) };
    let event = &*input.event;
    let mut subject = matched(f, event);
    let stops = consent::class(event) == StopClass::Always;
    if !stops && is_erased(f, event, &subject) {
        f.ignore("erased", "it happened before the person was erased");
        return Ok(None);
    }
    if subject.contact.is_none() {
        subject.contact = by_reference(f, event);
        subject.matched.extend(subject.contact);
    }
    if subject.contact.is_none() && makes_contact(f, event) {
        let contact = make_contact(f)?;
        subject.contact = Some(contact);
        subject.is_new = true;
        subject.matched.push(contact);
    }
    subject.account = account(f, event, subject.contact)?;
    if let Some(contact) = subject.contact {
        if event.kind != EventKind::ContactDeleted {
            attach(f, event, (contact, &subject.identities));
        }
        let row = f.world.contacts.get(&contact);
        subject.account = row.and_then(|row| row.account).or(subject.account);
    }
    let nobody = subject.contact.is_none() && subject.account.is_none();
    let is_statement = stops || matches!(event.kind, EventKind::Resubscribed | EventKind::Bounced);
    if nobody && (!is_statement || subject.identities.is_empty()) {
        let code =
            if event.subject.is_empty() && event.detail.task.is_none() { "no_subject" } else { "unknown" };
        f.ignore(code, "it is about nobody that we know");
        return Ok(None);
    }
    Ok(Some(subject))
}

/// The contact that a row id leads to, merged ones followed.
pub(super) fn survivor(world: &World, id: ContactId) -> Option<ContactId> {
    let mut at = id;
    // A chain of merges is short; the bound only keeps a broken one from turning forever.
    for _ in 0..16 {
        match world.contacts.get(&at)?.merged_into {
            Some(next) => at = next,
            None => return Some(at),
        }
    }
    None
}

/// CRM id, else e-mail, else phone decides; that others say otherwise is noted.
fn matched(f: &mut Folding<'_>, event: &Event) -> Subject {
    let mut subject = Subject::default();
    for (kind, value) in event.subject.iter() {
        let key = f.world.identity_key(&f.workspace, kind, value);
        let owner = f.world.identities.get(&key).and_then(|identity| identity.owner);
        if let Some(IdentityOwner::Contact(id)) = owner
            && let Some(id) = survivor(f.world, id)
            && !subject.matched.contains(&id)
        {
            subject.matched.push(id);
        }
        subject.identities.push(key);
    }
    subject.contact = subject.matched.first().copied();
    if subject.matched.len() > 1 && event.kind != EventKind::ContactMerged {
        f.note("identity_conflict", "its keys name different contacts: the strongest decides");
    }
    subject
}

fn is_erased(f: &Folding<'_>, event: &Event, subject: &Subject) -> bool {
    subject.identities.iter().any(|key| {
        let erased = f.world.identities.get(key).and_then(|identity| identity.erased_at);
        erased.is_some_and(|at| event.occurred_at <= at)
    })
}

/// By the task or enrollment that it names.
fn by_reference(f: &Folding<'_>, event: &Event) -> Option<ContactId> {
    let of_task = named_touch(f, event).and_then(|id| f.world.touches.get(&id)).map(|touch| touch.contact);
    let of_enrollment = || {
        let uid = named_enrollment(event)?;
        f.world.enrollments.iter().find(|(_, row)| row.uid == uid).map(|(_, row)| row.contact)
    };
    survivor(f.world, of_task.or_else(of_enrollment)?)
}

/// The touch that an event names by our key or by the CRM's id.
pub(super) fn named_touch(f: &Folding<'_>, event: &Event) -> Option<TouchId> {
    use crate::event::TaskRef;
    match event.detail.task.as_ref()? {
        TaskRef::Key(key) => {
            f.world.touch_by_key(*key).filter(|touch| touch.workspace == f.workspace).map(|touch| touch.id)
        }
        TaskRef::Remote(remote) => {
            let ours = f.world.touches.iter().filter(|(_, touch)| touch.workspace == f.workspace);
            let mut found = ours.filter(|(_, touch)| touch.remote_id.as_deref() == Some(remote));
            found.next().map(|(id, _)| *id)
        }
    }
}

/// The enrollment that a person's act names.
pub(super) fn named_enrollment(event: &Event) -> Option<EnrollmentUid> {
    let text = event.detail.data.text("enrollment")?;
    uuid::Uuid::try_parse(text).ok().map(EnrollmentUid)
}

/// Whether an event of an unknown person makes a contact: not what only says what became of our own touches, and not what
/// only stops them; a stop is kept on the address.
fn makes_contact(f: &Folding<'_>, event: &Event) -> bool {
    use EventKind as K;
    if event.subject.is_empty() || consent::class(event) == StopClass::Always {
        return false;
    }
    let passive = matches!(
        event.kind,
        K::EmailSent
            | K::EmailDelivered
            | K::EmailOpened
            | K::EmailClicked
            | K::Bounced
            | K::Resubscribed
            | K::TaskCompleted
            | K::TaskDeleted
            | K::TouchOverdue
            | K::CallCompleted
            | K::ManualPause
            | K::ManualResume
            | K::ManualRemove
            | K::ManualRedrive
            | K::ManualSkip
    );
    !passive || f.content().is_some_and(|content| !content.listeners(event.kind).is_empty())
}

fn make_contact(f: &mut Folding<'_>) -> Result<ContactId, OutOfIds> {
    let id = ContactId(f.world.fresh_id()?);
    let contact = Contact::new(id, f.workspace.clone(), f.now);
    f.world.contacts.put(id, contact);
    Ok(id)
}

// Keys of a contact.

/// Gives the contact the keys that are nobody else's, and lets what was said of them hold for the whole person.
fn attach(f: &mut Folding<'_>, event: &Event, (contact, keys): (ContactId, &[IdentityKey])) {
    // The keys are those of the subject, in its order.
    let mut keys = keys.iter();
    let mut gained = Gained::Nothing;
    let mut next = |f: &mut Folding<'_>| {
        let claim = keys.next().map_or(Claim::Taken, |key| claim(f, key, contact));
        if claim == Claim::Fresh {
            gained = Gained::Something;
        }
        claim != Claim::Taken
    };
    for id in &event.subject.crm_ids {
        let known = f.world.contacts.get(&contact).is_some_and(|row| row.crm_ids.contains(id));
        if next(f)
            && !known
            && let Some(row) = f.world.contacts.get_mut(&contact)
        {
            row.crm_ids.push(id.clone());
        }
    }
    if let Some(email) = &event.subject.email
        && next(f)
        && f.world.contacts.get(&contact).is_some_and(|row| replaces(row, row.email.as_ref(), (email, event)))
        && let Some(row) = f.world.contacts.get_mut(&contact)
    {
        row.email = Some(email.clone());
        row.attributes_at = row.attributes_at.max(Some(event.occurred_at));
    }
    if let Some(phone) = &event.subject.phone
        && next(f)
        && f.world.contacts.get(&contact).is_some_and(|row| replaces(row, row.phone.as_ref(), (phone, event)))
        && let Some(row) = f.world.contacts.get_mut(&contact)
    {
        row.phone = Some(phone.clone());
        row.attributes_at = row.attributes_at.max(Some(event.occurred_at));
    }
    if gained == Gained::Something {
        consent::share(f, contact);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gained {
    Something,
    Nothing,
}

/// What comes of claiming a key for a contact.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// It was nobody's.
    Fresh,
    /// It is the contact's already.
    Own,
    /// It is someone else's.
    Taken,
}

fn claim(f: &mut Folding<'_>, key: &IdentityKey, contact: ContactId) -> Claim {
    match f.world.identities.get(key).and_then(|identity| identity.owner) {
        None => {
            f.world.identity_mut(key).owner = Some(IdentityOwner::Contact(contact));
            Claim::Fresh
        }
        Some(IdentityOwner::Contact(id)) if survivor(f.world, id) == Some(contact) => Claim::Own,
        Some(_) => Claim::Taken,
    }
}

/// Whether an address of an event becomes the contact's: there is none, or the event is newer than what is known.
fn replaces<T: PartialEq>(row: &Contact, held: Option<&T>, (given, event): (&T, &Event)) -> bool {
    let newer = row.attributes_at.is_none_or(|at| event.occurred_at >= at);
    held.is_none_or(|held| newer && held != given)
}

// Accounts.

/// The account that an event names, else that of its contact, else the one of the e-mail's domain, never a free-mail one.
fn account(
    f: &mut Folding<'_>,
    event: &Event,
    contact: Option<ContactId>,
) -> Result<Option<AccountId>, OutOfIds> {
    let current = contact.and_then(|id| f.world.contacts.get(&id)).and_then(|row| row.account);
    let keys = if event.account.is_empty() {
        match (&event.subject.email, contact, current) {
            (Some(email), Some(_), None) if !is_free_mail(&email.domain()) => {
                AccountKeys { id: None, domain: Some(email.domain()) }
            }
            _ => return Ok(current),
        }
    } else {
        event.account.clone()
    };
    let account = find_or_make(f, &keys)?;
    let newer = |row: &Contact| row.attributes_at.is_none_or(|at| event.occurred_at >= at);
    if let Some(id) = contact
        && let Some(row) = f.world.contacts.get(&id)
        && row.account != Some(account)
        && (row.account.is_none() || newer(row))
        && let Some(row) = f.world.contacts.get_mut(&id)
    {
        row.account = Some(account);
    }
    Ok(Some(account))
}

fn find_or_make(f: &mut Folding<'_>, keys: &AccountKeys) -> Result<AccountId, OutOfIds> {
    let mut named = Vec::new();
    if let Some(id) = &keys.id {
        named.push(f.world.identity_key(&f.workspace, IdentityKind::AccountId, id));
    }
    if let Some(domain) = &keys.domain {
        named.push(f.world.identity_key(&f.workspace, IdentityKind::AccountDomain, domain.as_str()));
    }
    let found = named.iter().find_map(|key| match f.world.identities.get(key)?.owner? {
        IdentityOwner::Account(id) => Some(id),
        IdentityOwner::Contact(_) => None,
    });
    let id = match found {
        Some(id) => id,
        None => {
            let id = AccountId(f.world.fresh_id()?);
            let account = Account {
                id,
                workspace: f.workspace.clone(),
                domain: None,
                crm_id: None,
                attributes: Attributes::new(),
                attributes_at: None,
                created_at: f.now,
            };
            f.world.accounts.put(id, account);
            id
        }
    };
    for key in named {
        if f.world.identities.get(&key).is_none_or(|identity| identity.owner.is_none()) {
            f.world.identity_mut(&key).owner = Some(IdentityOwner::Account(id));
        }
    }
    if let Some(row) = f.world.accounts.get(&id)
        && ((row.domain.is_none() && keys.domain.is_some()) || (row.crm_id.is_none() && keys.id.is_some()))
        && let Some(row) = f.world.accounts.get_mut(&id)
    {
        row.domain = row.domain.take().or_else(|| keys.domain.clone());
        row.crm_id = row.crm_id.take().or_else(|| keys.id.clone());
    }
    Ok(id)
}
