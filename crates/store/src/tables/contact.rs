//! Contacts: the only place of clear addresses.

use domain::contact::Contact;
use domain::id::{AccountId, ContactId, OwnerName, Workspace};
use domain::identity::{CrmId, Email, HashKeys, IdentityKey, Phone, SubjectKeys};
use ports::{StoreError, StoreResult};

use super::account::stored_text;
use crate::sql::{Row, RowSet, from_json, micros, moment, to_json};
use crate::tables::{opt_moment, opt_name, workspace};

pub(crate) const COLUMNS: &str = "id, workspace, email, phone, crm_ids, account, owner, attributes, attributes_at, \
                                  suppressions, merged_into, erased_at, created_at, last_inbound_at, last_touch_at";

/// What of a contact leads on to others: its account and keys.
pub(crate) const REACH: &str = "id, workspace, email, phone, crm_ids, account, merged_into";

/// A contact as far as it leads on.
pub(crate) struct Reached {
    pub(crate) id: ContactId,
    pub(crate) account: Option<AccountId>,
    pub(crate) merged_into: Option<ContactId>,
    workspace: Workspace,
    keys: SubjectKeys,
}

impl Reached {
    pub(crate) fn read(row: &Row) -> StoreResult<Self> {
        let mut row = row.cursor();
        Ok(Self {
            id: ContactId(row.int()?),
            workspace: workspace(row.text()?)?,
            keys: SubjectKeys {
                email: email(row.opt_text()?)?,
                phone: phone(row.opt_text()?)?,
                crm_ids: crm_ids(&row.text()?)?,
            },
            account: row.opt_int()?.map(AccountId),
            merged_into: row.opt_int()?.map(ContactId),
        })
    }

    /// The identities of its current keys, under every secret.
    pub(crate) fn identities(&self, keys: &HashKeys) -> Vec<IdentityKey> {
        under(&self.workspace, &self.keys, keys)
    }
}

fn email(text: Option<String>) -> StoreResult<Option<Email>> {
    text.map(|text| stored_text(text, "address")).transpose()
}

fn phone(text: Option<String>) -> StoreResult<Option<Phone>> {
    let kept =
        |text| Phone::kept(text).map_err(|_| StoreError::Damaged("its number cannot be read".to_owned()));
    text.map(kept).transpose()
}

fn crm_ids(text: &str) -> StoreResult<Vec<CrmId>> {
    if text == NO_LIST { Ok(Vec::new()) } else { from_json(text, "CRM id") }
}

/// An empty list, which most are.
const NO_LIST: &str = "[]";

pub(crate) fn read(row: &Row) -> StoreResult<Contact> {
    let mut row = row.cursor();
    Ok(Contact {
        id: ContactId(row.int()?),
        workspace: workspace(row.text()?)?,
        email: email(row.opt_text()?)?,
        phone: phone(row.opt_text()?)?,
        crm_ids: crm_ids(&row.text()?)?,
        account: row.opt_int()?.map(AccountId),
        owner: opt_name(row.opt_text()?, "owner")?,
        attributes: from_json(&row.text()?, "contact's attribute")?,
        attributes_at: opt_moment(row.opt_int()?),
        suppressions: from_json(&row.text()?, "suppression")?,
        merged_into: row.opt_int()?.map(ContactId),
        erased_at: opt_moment(row.opt_int()?),
        created_at: moment(row.int()?),
        last_inbound_at: opt_moment(row.opt_int()?),
        last_touch_at: opt_moment(row.opt_int()?),
    })
}

/// The identities of a contact's current keys, under every secret.
pub(crate) fn identities(contact: &Contact, keys: &HashKeys) -> Vec<IdentityKey> {
    under(&contact.workspace, &contact.keys(), keys)
}

fn under(workspace: &Workspace, subject: &SubjectKeys, keys: &HashKeys) -> Vec<IdentityKey> {
    let values = subject.iter();
    values.flat_map(|(kind, value)| keys.all(workspace, kind, value).collect::<Vec<_>>()).collect()
}

pub(crate) fn rows(contacts: &[&Contact]) -> StoreResult<RowSet> {
    let length = contacts.len();
    let (mut crm_ids, mut attributes, mut suppressions) =
        (Vec::with_capacity(length), Vec::with_capacity(length), Vec::with_capacity(length));
    for contact in contacts {
        crm_ids.push(to_json(&contact.crm_ids)?);
        attributes.push(to_json(&contact.attributes)?);
        suppressions.push(to_json(&contact.suppressions)?);
    }
    let all = contacts.iter();
    Ok(RowSet::new(length)
        .int("id", all.clone().map(|one| one.id.0))
        .text("workspace", all.clone().map(|one| one.workspace.as_str()))
        .opt_text("email", all.clone().map(|one| one.email.as_ref().map(Email::as_str)))
        .opt_text("phone", all.clone().map(|one| one.phone.as_ref().map(Phone::as_str)))
        .text("crm_ids", crm_ids.into_iter())
        .opt_int("account", all.clone().map(|one| one.account.map(|account| account.0)))
        .opt_text("owner", all.clone().map(|one| one.owner.as_ref().map(OwnerName::as_str)))
        .text("attributes", attributes.into_iter())
        .opt_int("attributes_at", all.clone().map(|one| one.attributes_at.map(micros)))
        .text("suppressions", suppressions.into_iter())
        .opt_int("merged_into", all.clone().map(|one| one.merged_into.map(|into| into.0)))
        .opt_int("erased_at", all.clone().map(|one| one.erased_at.map(micros)))
        .int("created_at", all.clone().map(|one| micros(one.created_at)))
        .opt_int("last_inbound_at", all.clone().map(|one| one.last_inbound_at.map(micros)))
        .opt_int("last_touch_at", all.map(|one| one.last_touch_at.map(micros))))
}
