//! Newtypes for everything that is named or numbered.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?} is not a name: use 1 to {max} of {allowed}")]
pub struct NameError {
    what: &'static str,
    given: String,
    max: usize,
    allowed: &'static str,
}

const PLAIN: &str = "a-z, A-Z, 0-9, '-', '_' and '.', starting with a letter or digit";

fn check_plain(what: &'static str, given: &str, max: usize) -> Result<(), NameError> {
    let first_is_fine = given.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest_is_fine = given.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if first_is_fine && rest_is_fine && given.len() <= max {
        return Ok(());
    }
    Err(NameError { what, given: given.chars().take(80).collect(), max, allowed: PLAIN })
}

fn check_free(what: &'static str, given: &str, max: usize) -> Result<(), NameError> {
    if !given.trim().is_empty() && given.len() <= max && !given.chars().any(char::is_control) {
        return Ok(());
    }
    Err(NameError {
        what,
        given: given.chars().take(80).collect(),
        max,
        allowed: "printable characters, not blank",
    })
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $max:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and keeps the name.
            ///
            /// # Errors
            /// When it is empty, too long or holds a character that the name may not have.
            pub fn new(name: impl AsRef<str>) -> Result<Self, NameError> {
                let name = name.as_ref();
                $check($what, name, $max)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    };
}

name! {
    /// A brand, region, customer or sandbox. Everything belongs to one; no query works without it.
    Workspace, "workspace", 63, check_plain
}
name! {
    /// The name of a cadence, unique in its workspace.
    CadenceName, "cadence", 120, check_plain
}
name! {
    /// The id of a step or of a part of a composite touch, unique in its cadence.
    StepId, "step", 80, check_plain
}
name! {
    /// The name of a template, unique in its workspace.
    TemplateName, "template", 120, check_plain
}
name! {
    /// The name of a segment, unique in its workspace.
    SegmentName, "segment", 120, check_plain
}
name! {
    /// The name of a calendar, unique in its workspace.
    CalendarName, "calendar", 120, check_plain
}
name! {
    /// The name of a webhook source, unique in the deployment.
    SourceName, "source", 63, check_plain
}
name! {
    /// The name of a connector, unique in the deployment; `inbox` is built in.
    ConnectorName, "connector", 63, check_plain
}
name! {
    /// An exclusivity class: a contact has at most one live enrollment in it.
    Class, "class", 63, check_plain
}
name! {
    /// The arm of a variant.
    VariantName, "variant", 63, check_plain
}
name! {
    /// Who works a contact, as the CRM names them: mostly an e-mail address.
    OwnerName, "owner", 254, check_free
}
name! {
    /// The provider's id of an event, else one made of its [`Digest`]. Not unique by itself.
    EventId, "event id", 255, check_free
}

impl Workspace {
    /// The workspace that need never be named.
    #[must_use]
    pub fn main() -> Self {
        Self("main".into())
    }
}

impl ConnectorName {
    /// The built-in inbox, where the touch row is the task.
    #[must_use]
    pub fn inbox() -> Self {
        Self("inbox".into())
    }

    /// Whether tasks stay in the built-in inbox.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "inbox"
    }
}

impl Class {
    /// The class of a cadence that names none.
    #[must_use]
    pub fn default_class() -> Self {
        Self("default".into())
    }
}

macro_rules! row_id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub i64);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

row_id! {
    /// A contact's row. Row ids of all kinds come from one sequence and never meet.
    ContactId
}
row_id! {
    /// An account's row.
    AccountId
}
row_id! {
    /// An enrollment's row; [`EnrollmentUid`] is its name outside.
    EnrollmentId
}
row_id! {
    /// A touch's row; [`TouchKey`] is its name outside.
    TouchId
}
row_id! {
    /// One version of one cadence (the row of its stored text).
    VersionId
}

/// First half of a SHA-256: what makes an event the same event, however often it is delivered.
///
/// Of (source, the provider's item id), else of (message id, index), else of the item's raw bytes, plus an ordinal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of a list of parts; each part's length enters, so that parts never run together.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        use sha2::Digest as _;
        let mut hash = sha2::Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let full = hash.finalize();
        let mut half = [0; 16];
        half.copy_from_slice(&full[..16]);
        Self(half)
    }

    /// Lower-case hexadecimal.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_hex()
    }
}

impl TryFrom<String> for Digest {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, hex::FromHexError> {
        let mut half = [0; 16];
        hex::decode_to_slice(text, &mut half)?;
        Ok(Self(half))
    }
}

/// The namespace under which enrollment uids and touch keys are derived.
const NAMESPACE: Uuid = Uuid::from_u128(0x8f1d_60c2_5b0e_4d53_9a77_c1f0_2d6e_8a41);

/// An enrollment's name outside: derived, so that a replay after a restore makes the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnrollmentUid(pub Uuid);

impl EnrollmentUid {
    /// `UUIDv5(workspace | cadence | digest of the enrolling event | the contact's deciding key)`.
    #[must_use]
    pub fn derive(workspace: &Workspace, cadence: &CadenceName, entry: Digest, contact_key: &str) -> Self {
        let name = format!("enrollment|{workspace}|{cadence}|{}|{contact_key}", entry.to_hex());
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// The shard (0–31) whose dispatcher works this enrollment's touches.
    #[must_use]
    pub fn shard(self) -> Shard {
        Shard(self.0.as_bytes()[15] % Shard::COUNT)
    }
}

impl fmt::Display for EnrollmentUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One of the 32 parts into which touches are dealt among dispatchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(pub u8);

impl Shard {
    /// How many there are.
    pub const COUNT: u8 = 32;

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }
}

/// The idempotency key of a touch: the CRM sees the same one on every attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TouchKey(pub Uuid);

impl TouchKey {
    /// `UUIDv5(workspace | enrollment | step | visit | part)`. Made once, when the touch is scheduled.
    #[must_use]
    pub fn derive(
        workspace: &Workspace,
        enrollment: EnrollmentUid,
        step: &StepId,
        visit: u32,
        part: Option<&StepId>,
    ) -> Self {
        let part = part.map_or("", StepId::as_str);
        let name = format!("touch|{workspace}|{enrollment}|{step}|{visit}|{part}");
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

impl fmt::Display for TouchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
