//! The person that a cadence is about.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;
pub use crate::id::ContactId;
use crate::id::{AccountId, OwnerName, Workspace};
use crate::identity::{CrmId, Email, Phone, SubjectKeys};
use crate::suppression::{StopReason, Suppressions};
use crate::touch::Channel;

/// A person. The clear values of their identities are here and nowhere else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// The row.
    pub id: ContactId,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// The current address.
    pub email: Option<Email>,
    /// The current number.
    pub phone: Option<Phone>,
    /// Ids in outside systems, the one of the CRM first.
    pub crm_ids: Vec<CrmId>,
    /// Where they work.
    pub account: Option<AccountId>,
    /// Who works them.
    pub owner: Option<OwnerName>,
    /// Everything else that is known: built-in fields of the cadence language (`first_name`, `country`, `zone`, …) and custom ones.
    pub attributes: Attributes,
    /// The occurred_at of the event that last set attributes; an older event only fills gaps.
    pub attributes_at: Option<Timestamp>,
    /// Person-wide stops. Those of the addresses are on their identities.
    pub suppressions: Suppressions,
    /// The contact that this one was merged into; such a row is only an alias.
    pub merged_into: Option<ContactId>,
    /// When the person was erased.
    pub erased_at: Option<Timestamp>,
    /// When we first heard of them.
    pub created_at: Timestamp,
    /// Their last event of their own.
    pub last_inbound_at: Option<Timestamp>,
    /// The later of sent and completed of their last touch, of any cadence.
    pub last_touch_at: Option<Timestamp>,
}

impl Contact {
    /// A contact of whom nothing is known yet.
    #[must_use]
    pub fn new(id: ContactId, workspace: Workspace, created_at: Timestamp) -> Self {
        Self {
            id,
            workspace,
            email: None,
            phone: None,
            crm_ids: Vec::new(),
            account: None,
            owner: None,
            attributes: Attributes::new(),
            attributes_at: None,
            suppressions: Suppressions::default(),
            merged_into: None,
            erased_at: None,
            created_at,
            last_inbound_at: None,
            last_touch_at: None,
        }
    }

    /// The current keys.
    #[must_use]
    pub fn keys(&self) -> SubjectKeys {
        SubjectKeys { email: self.email.clone(), phone: self.phone.clone(), crm_ids: self.crm_ids.clone() }
    }

    /// The key that decides when keys disagree, as text: CRM id, else e-mail, else phone.
    #[must_use]
    pub fn deciding_key(&self) -> String {
        self.keys()
            .iter()
            .next()
            .map_or_else(|| format!("row:{}", self.id), |(kind, value)| format!("{kind:?}:{value}"))
    }
}

/// Whether a contact can be reached on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reachable {
    /// Yes.
    Yes,
    /// Stopped, for the reason given.
    Stopped(StopReason),
    /// There is no address for it.
    NoAddress,
}

/// The identity whose stops bind a channel, beside the contact's own.
#[must_use]
pub fn address_kind(channel: Channel) -> Option<crate::identity::IdentityKind> {
    use crate::identity::IdentityKind;
    match channel {
        Channel::Email => Some(IdentityKind::Email),
        Channel::Call | Channel::Voicemail | Channel::Sms => Some(IdentityKind::Phone),
        _ => None,
    }
}
