//! The company that a contact works for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;
pub use crate::id::AccountId;
use crate::id::Workspace;
use crate::identity::Domain;

/// A company, known by its domain, its CRM id, or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The row.
    pub id: AccountId,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// Its domain.
    pub domain: Option<Domain>,
    /// Its id in the CRM.
    pub crm_id: Option<String>,
    /// Everything else that is known (`industry`, `size`, `tier`, …).
    pub attributes: Attributes,
    /// The occurred_at of the event that last set attributes; an older event only fills gaps.
    pub attributes_at: Option<Timestamp>,
    /// When we first heard of it.
    pub created_at: Timestamp,
}
