//! Why a contact is, or is not, where they are: read from what was recorded, never worked out again.

use domain::id::Workspace;
use domain::identity::{CrmId, Email, HashKeys, IdentityKind, Phone};
use domain::suppression::{Consent, Suppressions};
use domain::touch::Channel;
use jiff::Timestamp;
use ports::StoreResult;
use ports::queries::{ContactView, Queries};
use serde::Serialize;

/// Everything recorded of one person.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The contact with enrollments, touches, timers, decisions and events; `None` when only stops are known.
    pub view: Option<ContactView>,
    /// What may not be sent, and since when.
    pub stops: Vec<Stop>,
}

/// A stop, of an identity or of the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stop {
    /// `email`, `phone`, `crm` or `person`.
    pub of: String,
    /// The channel; absent: all.
    pub channel: Option<Channel>,
    /// Why.
    pub reason: String,
    /// When it was said.
    pub at: Timestamp,
}

/// Before a CRM id where a person writes one that nobody is known by yet.
pub const CRM_ID: &str = "crm:";

/// Finds a person by e-mail address, phone number or CRM id, in that order of likelihood, and reads what is recorded.
///
/// # Errors
/// When the store cannot be read. `None`: nothing at all is known of them.
pub async fn explain(
    queries: &dyn Queries,
    keys: &HashKeys,
    workspace: &Workspace,
    who: &str,
) -> StoreResult<Option<Explanation>> {
    let mut stops = Vec::new();
    let mut contact = None;
    for (kind, value) in readings(who) {
        let identities: Vec<_> = keys.all(workspace, kind, &value).collect();
        for (key, suppressions) in queries.suppressions(&identities).await? {
            stops.extend(stops_of(kind_name(key.kind), &suppressions));
        }
        for key in &identities {
            if contact.is_none() {
                contact = queries.contact_by_identity(key).await?;
            }
        }
    }
    let view = match contact {
        Some(contact) => queries.contact(workspace, contact).await?,
        None => None,
    };
    if let Some(view) = &view {
        stops.extend(stops_of("person", &view.contact.suppressions));
        for (key, suppressions) in &view.suppressions {
            stops.extend(stops_of(kind_name(key.kind), suppressions));
        }
        stops.sort_by(|a, b| (a.at, &a.of, a.channel).cmp(&(b.at, &b.of, b.channel)));
        stops.dedup();
    }
    Ok((view.is_some() || !stops.is_empty()).then_some(Explanation { view, stops }))
}

fn readings(who: &str) -> Vec<(IdentityKind, String)> {
    let mut readings = Vec::new();
    if let Some(id) = who.strip_prefix(CRM_ID).and_then(|id| CrmId::new(id).ok()) {
        readings.push((IdentityKind::Crm, id.as_str().to_owned()));
    }
    if let Ok(email) = Email::parse(who) {
        readings.push((IdentityKind::Email, email.as_str().to_owned()));
    }
    if let Ok(phone) = Phone::parse(who) {
        readings.push((IdentityKind::Phone, phone.as_str().to_owned()));
    }
    if let Ok(id) = CrmId::new(who) {
        readings.push((IdentityKind::Crm, id.as_str().to_owned()));
    }
    readings
}

fn kind_name(kind: IdentityKind) -> &'static str {
    match kind {
        IdentityKind::Email => "email",
        IdentityKind::Phone => "phone",
        IdentityKind::Crm => "crm",
        IdentityKind::AccountId | IdentityKind::AccountDomain => "account",
    }
}

fn stops_of(of: &str, suppressions: &Suppressions) -> Vec<Stop> {
    suppressions
        .iter()
        .filter_map(|(reach, statement)| match statement.consent {
            Consent::Stopped(reason) => Some(Stop {
                of: of.to_owned(),
                channel: reach.into(),
                reason: serde_json::to_value(reason).ok()?.as_str()?.to_owned(),
                at: statement.at,
            }),
            Consent::Given => None,
        })
        .collect()
}
