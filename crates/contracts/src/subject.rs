//! Who and which account.

use domain::identity::{AccountKeys, CrmId, Domain, Email, Phone, SubjectKeys};

use crate::error::{DecodeError, read};
use crate::wire;

pub(crate) fn subject_to_wire(subject: &SubjectKeys) -> Option<wire::Subject> {
    (!subject.is_empty()).then(|| wire::Subject {
        email: subject.email.as_ref().map(|email| email.as_str().to_owned()),
        phone: subject.phone.as_ref().map(|phone| phone.as_str().to_owned()),
        crm_ids: subject.crm_ids.iter().map(|id| id.as_str().to_owned()).collect(),
    })
}

pub(crate) fn subject_from_wire(subject: Option<wire::Subject>) -> Result<SubjectKeys, DecodeError> {
    let wire::Subject { email, phone, crm_ids } = subject.unwrap_or_default();
    Ok(SubjectKeys {
        email: read("subject.email", email.map(Email::try_from).transpose())?,
        phone: read("subject.phone", phone.map(Phone::try_from).transpose())?,
        crm_ids: read("subject.crm_ids", crm_ids.iter().map(|id| CrmId::new(id)).collect::<Result<_, _>>())?,
    })
}

pub(crate) fn account_to_wire(account: &AccountKeys) -> Option<wire::Account> {
    (!account.is_empty()).then(|| wire::Account {
        id: account.id.clone(),
        domain: account.domain.as_ref().map(|domain| domain.as_str().to_owned()),
    })
}

pub(crate) fn account_from_wire(account: Option<wire::Account>) -> Result<AccountKeys, DecodeError> {
    let wire::Account { id, domain } = account.unwrap_or_default();
    Ok(AccountKeys { id, domain: read("account.domain", domain.map(Domain::try_from).transpose())? })
}
