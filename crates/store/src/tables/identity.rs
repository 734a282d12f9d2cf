//! Identities: keyed hashes with whose they are and what may not be sent there.

use domain::identity::{Identity, IdentityHash, IdentityKey, IdentityKind, IdentityOwner};
use ports::StoreResult;

use crate::error::known;
use crate::sql::{Row, RowSet, from_json, micros, to_json};
use crate::tables::{opt_moment, workspace};

pub(crate) const COLUMNS: &str = "workspace, kind, hash, owner, suppressions, erased_at";

pub(crate) fn read(row: &Row) -> StoreResult<Identity> {
    let mut row = row.cursor();
    let workspace = workspace(row.text()?)?;
    let kind = known(IdentityKind::from_number(row.small()?), "kind of identity")?;
    let key = IdentityKey { workspace, kind, hash: IdentityHash(row.half()?) };
    let owner = row.opt_int()?.map(|owner| IdentityOwner::of(kind, owner));
    let suppressions =
        row.opt_text()?.map(|text| from_json(&text, "suppression")).transpose()?.unwrap_or_default();
    Ok(Identity { key, owner, suppressions, erased_at: opt_moment(row.opt_int()?) })
}

/// Keys as a set to look up or insert by.
pub(crate) fn keys<'a>(keys: impl Iterator<Item = &'a IdentityKey> + Clone) -> RowSet {
    RowSet::new(keys.clone().count())
        .text("workspace", keys.clone().map(|key| key.workspace.as_str()))
        .int("kind", keys.clone().map(|key| i64::from(key.kind as i16)))
        .bytes("hash", keys.map(|key| key.hash.0.to_vec()))
}

pub(crate) fn rows(identities: &[&Identity]) -> StoreResult<RowSet> {
    let mut suppressions = Vec::with_capacity(identities.len());
    for identity in identities {
        let none = identity.suppressions.is_empty();
        suppressions.push(if none { None } else { Some(to_json(&identity.suppressions)?) });
    }
    Ok(keys(identities.iter().map(|identity| &identity.key))
        .opt_int("owner", identities.iter().map(|identity| identity.owner.map(IdentityOwner::row)))
        .opt_text("suppressions", suppressions.into_iter())
        .opt_int("erased_at", identities.iter().map(|identity| identity.erased_at.map(micros))))
}
