//! Who an event is about: normalised addresses and record ids, and their keyed hashes.

mod keys;
mod normalise;

pub use keys::{HashKey, HashKeys, IdentityHash, IdentityKey, IdentityKind};
pub use normalise::{Domain, Email, IdentityError, Phone, is_free_mail};

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, ContactId};
use crate::suppression::Suppressions;

/// A contact's id in an outside system, such as `hubspot:101`; without a system it is the deployment's CRM.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CrmId(String);

impl CrmId {
    /// Trims and keeps an id.
    ///
    /// # Errors
    /// When nothing is left, or more than 255 bytes.
    pub fn new(id: &str) -> Result<Self, IdentityError> {
        let id = id.trim();
        if id.is_empty() || id.len() > 255 || id.chars().any(char::is_control) {
            return Err(IdentityError::CrmId);
        }
        Ok(Self(id.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The keys by which an event names a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectKeys {
    /// E-mail address, normalised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Phone number in E.164.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// Ids in outside systems, the strongest first. In `contact_merged` the first one survives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crm_ids: Vec<CrmId>,
}

impl SubjectKeys {
    /// Whether nobody is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.email.is_none() && self.phone.is_none() && self.crm_ids.is_empty()
    }

    /// Kinds and values, in the order that decides when they disagree: CRM id, e-mail, phone.
    pub fn iter(&self) -> impl Iterator<Item = (IdentityKind, &str)> {
        let crm = self.crm_ids.iter().map(|id| (IdentityKind::Crm, id.as_str()));
        let email = self.email.iter().map(|email| (IdentityKind::Email, email.as_str()));
        let phone = self.phone.iter().map(|phone| (IdentityKind::Phone, phone.as_str()));
        crm.chain(email).chain(phone)
    }
}

/// The keys by which an event names an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountKeys {
    /// The CRM's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The company's domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
}

impl AccountKeys {
    /// Whether no account is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id.is_none() && self.domain.is_none()
    }
}

/// A row of the identity table: one address or id of one workspace, with its contact or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Workspace, kind and keyed hash.
    pub key: IdentityKey,
    /// Whose it is; `None` before any contact, and after erasure.
    pub owner: Option<IdentityOwner>,
    /// What may not be sent to it. Outlives the contact.
    pub suppressions: Suppressions,
    /// When the person behind it was erased; older events are ignored.
    pub erased_at: Option<jiff::Timestamp>,
}

/// Whose an identity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdentityOwner {
    /// A person, of the kinds CRM id, e-mail and phone.
    Contact(ContactId),
    /// A company, of the account kinds.
    Account(AccountId),
}

impl IdentityOwner {
    /// The row id, for storage beside the kind.
    #[must_use]
    pub fn row(self) -> i64 {
        match self {
            Self::Contact(ContactId(row)) | Self::Account(AccountId(row)) => row,
        }
    }

    /// The owner of an identity of `kind` whose row id is `row`.
    #[must_use]
    pub fn of(kind: IdentityKind, row: i64) -> Self {
        match kind {
            IdentityKind::Crm | IdentityKind::Email | IdentityKind::Phone => Self::Contact(ContactId(row)),
            IdentityKind::AccountId | IdentityKind::AccountDomain => Self::Account(AccountId(row)),
        }
    }
}
