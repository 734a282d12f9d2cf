//! Accounts.

use domain::account::Account;
use domain::id::AccountId;
use domain::identity::Domain;
use ports::StoreResult;

use crate::sql::{Row, RowSet, from_json, micros, moment, to_json};
use crate::tables::{opt_moment, workspace};

pub(crate) const COLUMNS: &str = "id, workspace, domain, crm_id, attributes, attributes_at, created_at";

pub(crate) fn read(row: &Row) -> StoreResult<Account> {
    let mut row = row.cursor();
    Ok(Account {
        id: AccountId(row.int()?),
        workspace: workspace(row.text()?)?,
        domain: row.opt_text()?.map(|text| stored_text::<Domain>(text, "domain")).transpose()?,
        crm_id: row.opt_text()?,
        attributes: from_json(&row.text()?, "account's attribute")?,
        attributes_at: opt_moment(row.opt_int()?),
        created_at: moment(row.int()?),
    })
}

/// A value that is stored as its own text.
pub(crate) fn stored_text<T: TryFrom<String>>(text: String, what: &'static str) -> StoreResult<T> {
    T::try_from(text).map_err(|_| ports::StoreError::Damaged(format!("its {what} cannot be read")))
}

pub(crate) fn rows(accounts: &[&Account]) -> StoreResult<RowSet> {
    let mut attributes = Vec::with_capacity(accounts.len());
    for account in accounts {
        attributes.push(to_json(&account.attributes)?);
    }
    let all = accounts.iter();
    Ok(RowSet::new(accounts.len())
        .int("id", all.clone().map(|one| one.id.0))
        .text("workspace", all.clone().map(|one| one.workspace.as_str()))
        .opt_text("domain", all.clone().map(|one| one.domain.as_ref().map(Domain::as_str)))
        .opt_text("crm_id", all.clone().map(|one| one.crm_id.as_deref()))
        .text("attributes", attributes.into_iter())
        .opt_int("attributes_at", all.clone().map(|one| one.attributes_at.map(micros)))
        .int("created_at", all.map(|one| micros(one.created_at))))
}
