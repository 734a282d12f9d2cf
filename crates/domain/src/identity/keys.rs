//! Keyed hashes of identities: what the store keeps, so that an erased address can still be recognised.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::id::Workspace;

/// What sort of value an identity is. Values are stored; never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i16)]
pub enum IdentityKind {
    /// An id in an outside system.
    Crm = 1,
    /// An e-mail address.
    Email = 2,
    /// A phone number.
    Phone = 3,
    /// An account's id in an outside system.
    AccountId = 4,
    /// An account's domain.
    AccountDomain = 5,
}

impl IdentityKind {
    /// Reads a stored number.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        [Self::Crm, Self::Email, Self::Phone, Self::AccountId, Self::AccountDomain]
            .into_iter()
            .find(|kind| *kind as i16 == number)
    }
}

/// First half of `HMAC-SHA-256(key, workspace | kind | value)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityHash(pub [u8; 16]);

impl fmt::Debug for IdentityHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// An identity's place in the store, and among its like in the lock order: by its hash, which no two share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityKey {
    /// The value, hashed with what follows.
    pub hash: IdentityHash,
    /// To whom it belongs.
    pub workspace: Workspace,
    /// What sort of value.
    pub kind: IdentityKind,
}

/// A secret of 32 bytes.
#[derive(Clone)]
pub struct HashKey {
    secret: [u8; 32],
    /// Begun with the secret, which is most of the work of a short value.
    begun: Hmac<Sha256>,
}

impl HashKey {
    /// Takes a secret.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        // HMAC pads its key to the block with zeros (RFC 2104), so the padded key is the same key.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&secret);
        Self { secret, begun: <Hmac<Sha256> as KeyInit>::new(&block.into()) }
    }

    /// The bytes, for the adapter that seals with the same key.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.secret
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.begun.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// The deployment's secrets: the first hashes new identities, look-ups try all.
#[derive(Debug, Clone)]
pub struct HashKeys {
    first: HashKey,
    older: Vec<HashKey>,
}

impl HashKeys {
    /// The current secret and the ones before it.
    #[must_use]
    pub fn new(first: HashKey, older: Vec<HashKey>) -> Self {
        Self { first, older }
    }

    /// The current secret.
    #[must_use]
    pub fn current(&self) -> &HashKey {
        &self.first
    }

    /// The key of an identity under the current secret.
    #[must_use]
    pub fn key(&self, workspace: &Workspace, kind: IdentityKind, value: &str) -> IdentityKey {
        Self::under(&self.first, workspace, kind, value)
    }

    /// The keys of an identity under every secret, the current one first.
    pub fn all<'a>(
        &'a self,
        workspace: &'a Workspace,
        kind: IdentityKind,
        value: &'a str,
    ) -> impl Iterator<Item = IdentityKey> + 'a {
        std::iter::once(&self.first)
            .chain(&self.older)
            .map(move |key| Self::under(key, workspace, kind, value))
    }

    /// What the store keeps to recognise its secrets: a hash of a constant under each.
    #[must_use]
    pub fn check_values(&self) -> Vec<String> {
        std::iter::once(&self.first)
            .chain(&self.older)
            .map(|key| hex::encode(key.mac(&[b"drumbeat check value"])))
            .collect()
    }

    fn under(key: &HashKey, workspace: &Workspace, kind: IdentityKind, value: &str) -> IdentityKey {
        let full = key.mac(&[workspace.as_str().as_bytes(), &(kind as i16).to_be_bytes(), value.as_bytes()]);
        let mut half = [0; 16];
        half.copy_from_slice(&full[..16]);
        IdentityKey { workspace: workspace.clone(), kind, hash: IdentityHash(half) }
    }
}
