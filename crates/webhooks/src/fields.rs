//! What was found in an item, by mapping target, before anything is checked.

use std::collections::BTreeMap;
use std::fmt;

use domain::attributes::Attributes;
use serde_json::Value;

macro_rules! targets {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What a mapping can fill with one value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Target {
            $($(#[$doc])* $variant,)*
        }

        impl Target {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in a mapping.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Reads a name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

targets! {
    /// The canonical kind.
    Kind = "kind",
    /// The provider's id of the item.
    Id = "id",
    /// When it happened.
    OccurredAt = "occurred_at",
    /// The person's e-mail address.
    Email = "email",
    /// The person's phone number.
    Phone = "phone",
    /// The person's id in the CRM, or a list of ids.
    CrmId = "crm_id",
    /// The company's domain.
    AccountDomain = "account_domain",
    /// The company's id in the CRM.
    AccountId = "account_id",
    /// Who works the contact now.
    Owner = "owner",
    /// The task that it answers.
    Task = "task",
    /// The CRM record, as `{type, id}` or `type:id`.
    Record = "record",
    /// The name of a custom event, signal or list.
    Name = "name",
    /// The channel that it concerns.
    Channel = "channel",
    /// What a reply means.
    Classification = "classification",
    /// When an absence ends.
    Until = "until",
    /// The outcome of a task or call.
    Outcome = "outcome",
    /// `hard` or `soft`.
    Bounce = "bounce",
    /// A new score.
    Score = "score",
    /// An open or click of a machine.
    Machine = "machine",
    /// Why, in the provider's words.
    Reason = "reason",
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a mapping can fill with named values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Attributes of the contact.
    Contact,
    /// Attributes of the account.
    Account,
    /// Attributes of the deal.
    Deal,
    /// Data of the event.
    Data,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Contact, Self::Account, Self::Deal, Self::Data];

    /// Its name in a mapping.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Account => "account",
            Self::Deal => "deal",
            Self::Data => "data",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.as_str() == name)
    }
}

/// What was found in an item. Nothing is checked or normalised yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields {
    values: BTreeMap<Target, Value>,
    groups: BTreeMap<Group, Attributes>,
    /// The text from which no table of the mapping makes a kind.
    pub(crate) unlisted_kind: Option<String>,
}

impl Fields {
    /// Nothing found.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a target; `null` and blank text leave it as it is.
    pub fn set(&mut self, target: Target, value: impl Into<Value>) {
        let value = value.into();
        if !is_blank(&value) {
            self.values.insert(target, value);
        }
    }

    /// Sets a target to a copy of what was found, if anything was.
    pub fn copy(&mut self, target: Target, value: Option<&Value>) {
        if let Some(value) = value {
            self.set(target, value.clone());
        }
    }

    /// Sets a name of a group; `null` leaves it as it is.
    pub fn put(&mut self, group: Group, name: impl Into<String>, value: impl Into<Value>) {
        let value = value.into();
        if !value.is_null() {
            self.groups.entry(group).or_default().set(name, value);
        }
    }

    /// Sets a name of a group to a copy of what was found, if anything was.
    pub fn put_copy(&mut self, group: Group, name: impl Into<String>, value: Option<&Value>) {
        if let Some(value) = value {
            self.put(group, name, value.clone());
        }
    }

    /// The value of a target.
    #[must_use]
    pub fn get(&self, target: Target) -> Option<&Value> {
        self.values.get(&target)
    }

    /// Removes the value of a name of a group.
    pub(crate) fn take(&mut self, group: Group, name: &str) -> Option<Value> {
        self.groups.get_mut(&group)?.0.remove(name)
    }

    pub(crate) fn take_group(&mut self, group: Group) -> Attributes {
        self.groups.remove(&group).unwrap_or_default()
    }
}

/// Whether a value says nothing: `null`, or text of spaces, as empty form fields are sent.
pub(crate) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}
