//! Identities: keyed hashes with whose they are and what may not be sent there.

use std::collections::HashMap;

use domain::identity::{Identity, IdentityHash, IdentityKey, IdentityOwner};
use ports::{StoreError, StoreResult};
use uuid::Uuid;

use crate::sql::{Cursor, Row, RowSet, from_json, micros, to_json};
use crate::tables::opt_moment;

/// The hash alone names the row: of which identity it is, its reader knows.
pub(crate) const COLUMNS: &str = "hash, owner, suppressions, erased_at";

/// Which identities were asked for, by the hash that a row names them by.
pub(crate) struct Asked<'k>(HashMap<IdentityHash, &'k IdentityKey>);

impl<'k> Asked<'k> {
    pub(crate) fn new(keys: impl Iterator<Item = &'k IdentityKey>) -> Self {
        Self(keys.map(|key| (key.hash, key)).collect())
    }

    /// Reads whose row it is, its first column, and the row of whom that is, its second.
    pub(crate) fn owner(
        &self,
        row: &mut Cursor<'_>,
    ) -> StoreResult<(&'k IdentityKey, Option<IdentityOwner>)> {
        let hash = IdentityHash(row.uuid()?.into_bytes());
        let key = self.0.get(&hash).copied();
        let key =
            key.ok_or_else(|| StoreError::Damaged("an identity came that was not asked for".to_owned()))?;
        Ok((key, row.opt_int()?.map(|owner| IdentityOwner::of(key.kind, owner))))
    }

    /// Reads a row.
    pub(crate) fn read(&self, row: &Row) -> StoreResult<Identity> {
        let mut row = row.cursor();
        let (key, owner) = self.owner(&mut row)?;
        let suppressions =
            row.opt_text()?.map(|text| from_json(&text, "suppression")).transpose()?.unwrap_or_default();
        Ok(Identity { key: key.clone(), owner, suppressions, erased_at: opt_moment(row.opt_int()?) })
    }
}

fn hash(key: &IdentityKey) -> Uuid {
    Uuid::from_bytes(key.hash.0)
}

/// Keys as a set to look up by.
pub(crate) fn keys<'a>(keys: impl Iterator<Item = &'a IdentityKey> + Clone) -> RowSet {
    RowSet::new(keys.clone().count()).uuid("hash", keys.map(hash))
}

/// Keys as a set to insert.
pub(crate) fn names<'a>(keys: impl Iterator<Item = &'a IdentityKey> + Clone) -> RowSet {
    self::keys(keys.clone())
        .text("workspace", keys.clone().map(|key| key.workspace.as_str()))
        .int("kind", keys.map(|key| i64::from(key.kind as i16)))
}

/// What may change of identities, after their keys.
pub(crate) fn rows(keys: RowSet, identities: &[&Identity]) -> StoreResult<RowSet> {
    let mut suppressions = Vec::with_capacity(identities.len());
    for identity in identities {
        let none = identity.suppressions.is_empty();
        suppressions.push(if none { None } else { Some(to_json(&identity.suppressions)?) });
    }
    Ok(keys
        .opt_int("owner", identities.iter().map(|identity| identity.owner.map(IdentityOwner::row)))
        .opt_text("suppressions", suppressions.into_iter())
        .opt_int("erased_at", identities.iter().map(|identity| identity.erased_at.map(micros))))
}
