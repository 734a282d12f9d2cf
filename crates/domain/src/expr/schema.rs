//! The fields that expressions and templates may name, as data: for checks, near names and documentation.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A variable of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variable {
    /// The person.
    Contact,
    /// Where they work.
    Account,
    /// The event at hand.
    Event,
    /// The event that enrolled.
    Entry,
    /// The enrollment.
    Enrollment,
    /// Earlier steps, by id.
    Steps,
    /// The deal that the enrollment is about.
    Deal,
    /// The current time.
    Now,
}

impl Variable {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Contact,
        Self::Account,
        Self::Event,
        Self::Entry,
        Self::Enrollment,
        Self::Steps,
        Self::Deal,
        Self::Now,
    ];

    /// Its name in expressions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Account => "account",
            Self::Event => "event",
            Self::Entry => "entry",
            Self::Enrollment => "enrollment",
            Self::Steps => "steps",
            Self::Deal => "deal",
            Self::Now => "now",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.as_str() == name)
    }

    /// Its built-in fields. For `steps`, those of a step.
    #[must_use]
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Contact => CONTACT,
            Self::Account => ACCOUNT,
            Self::Event | Self::Entry => EVENT,
            Self::Enrollment => ENROLLMENT,
            Self::Steps => STEP,
            Self::Deal | Self::Now => &[],
        }
    }

    /// A built-in field of it.
    #[must_use]
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// What may stand beside the built-in fields.
    #[must_use]
    pub fn others(self) -> Others {
        match self {
            Self::Contact | Self::Account => Others::Declared,
            Self::Event | Self::Entry | Self::Deal => Others::Free,
            Self::Enrollment | Self::Steps | Self::Now => Others::None,
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a variable has fields beside the built-in ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// None: another name is an error.
    None,
    /// Custom ones, which a `Fields` file declares; others are warned about.
    Declared,
    /// Whatever the source sends.
    Free,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text; absent: `""`.
    String,
    /// A whole number; absent: an error in a comparison.
    Int,
    /// Any number; absent: an error in a comparison.
    Float,
    /// True or false; absent: false.
    Bool,
    /// A moment; absent: an error in a comparison.
    Timestamp,
    /// Several texts; absent: empty.
    List,
    /// Named values (in `contact.scores` numbers); absent: empty.
    Map,
}

impl FieldType {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::String, Self::Int, Self::Float, Self::Bool, Self::Timestamp, Self::List, Self::Map];

    /// Its name in a `Fields` file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Timestamp => "timestamp",
            Self::List => "list",
            Self::Map => "map",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// A built-in field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: FieldType,
    /// The texts that it can be; empty: any.
    pub one_of: &'static [&'static str],
}

const fn field(name: &'static str, holds: FieldType) -> Field {
    Field { name, holds, one_of: &[] }
}

const fn one_of(name: &'static str, one_of: &'static [&'static str]) -> Field {
    Field { name, holds: FieldType::String, one_of }
}

const CLASSIFICATIONS: &[&str] =
    &["positive", "negative", "not_now", "out_of_office", "wrong_person", "unsubscribe", "unknown"];

const CHANNELS: &[&str] = &[
    "email",
    "call",
    "voicemail",
    "linkedin_view",
    "linkedin_connect",
    "linkedin_message",
    "social",
    "sms",
    "video",
    "direct_mail",
    "task",
];

/// Fields of `contact`; a `Fields` file declares more.
pub const CONTACT: &[Field] = &[
    field("email", FieldType::String),
    field("phone", FieldType::String),
    field("crm_id", FieldType::String),
    field("first_name", FieldType::String),
    field("last_name", FieldType::String),
    field("name", FieldType::String),
    field("title", FieldType::String),
    field("seniority", FieldType::String),
    field("role", FieldType::String),
    field("department", FieldType::String),
    field("country", FieldType::String),
    field("region", FieldType::String),
    field("city", FieldType::String),
    field("zone", FieldType::String),
    field("language", FieldType::String),
    field("stage", FieldType::String),
    field("lead_source", FieldType::String),
    field("score", FieldType::Float),
    field("scores", FieldType::Map),
    field("customer", FieldType::Bool),
    field("open_deal", FieldType::Bool),
    field("owner", FieldType::String),
    field("lists", FieldType::List),
    field("tags", FieldType::List),
    field("created_at", FieldType::Timestamp),
    field("last_inbound_at", FieldType::Timestamp),
    field("last_touch_at", FieldType::Timestamp),
];

/// Fields of `account`; a `Fields` file declares more.
pub const ACCOUNT: &[Field] = &[
    field("id", FieldType::String),
    field("domain", FieldType::String),
    field("name", FieldType::String),
    field("industry", FieldType::String),
    field("size", FieldType::Float),
    field("revenue", FieldType::Float),
    field("country", FieldType::String),
    field("region", FieldType::String),
    field("tier", FieldType::String),
    field("stage", FieldType::String),
    field("customer", FieldType::Bool),
    field("open_deal", FieldType::Bool),
    field("lost_deals", FieldType::Int),
    field("owner", FieldType::String),
    field("signals", FieldType::List),
];

/// Fields of `event` and `entry` that every event has; every other name is one of the event's own data.
pub const EVENT: &[Field] = &[
    field("kind", FieldType::String),
    field("source", FieldType::String),
    one_of("channel", CHANNELS),
    one_of("classification", CLASSIFICATIONS),
    field("occurred_at", FieldType::Timestamp),
    field("until", FieldType::Timestamp),
];

/// Fields of `enrollment`.
pub const ENROLLMENT: &[Field] = &[
    field("day", FieldType::Int),
    field("variant", FieldType::String),
    field("visit", FieldType::Int),
    field("opened", FieldType::Bool),
    field("clicked", FieldType::Bool),
    field("replied", FieldType::Bool),
    field("connected", FieldType::Bool),
];

/// Fields of a step, `steps["id"]`.
pub const STEP: &[Field] = &[
    field("outcome", FieldType::String),
    field("sent_at", FieldType::Timestamp),
    field("opened", FieldType::Bool),
    field("clicked", FieldType::Bool),
    field("replied", FieldType::Bool),
];

/// Custom attributes, as `Fields` files declare them. A declaration may also give a built-in field another type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Declared {
    /// Of contacts.
    pub contact: BTreeMap<String, FieldType>,
    /// Of accounts.
    pub account: BTreeMap<String, FieldType>,
    /// Of events, by kind.
    pub event: BTreeMap<String, BTreeMap<String, FieldType>>,
}

impl Declared {
    /// The declared type of a field. Of an event field only where every kind that declares it agrees, unless the kind is
    /// known.
    #[must_use]
    pub fn field(&self, of: Variable, name: &str, kind: Option<&str>) -> Option<FieldType> {
        match of {
            Variable::Contact => self.contact.get(name).copied(),
            Variable::Account => self.account.get(name).copied(),
            Variable::Event | Variable::Entry => match kind {
                Some(kind) => self.event.get(kind)?.get(name).copied(),
                None => {
                    let mut found = self.event.values().filter_map(|fields| fields.get(name).copied());
                    let first = found.next()?;
                    found.all(|other| other == first).then_some(first)
                }
            },
            _ => None,
        }
    }

    /// The declared names of a variable.
    pub fn names(&self, of: Variable) -> impl Iterator<Item = &str> {
        let (own, events) = match of {
            Variable::Contact => (Some(&self.contact), None),
            Variable::Account => (Some(&self.account), None),
            Variable::Event | Variable::Entry => (None, Some(&self.event)),
            _ => (None, None),
        };
        own.into_iter()
            .chain(events.into_iter().flat_map(BTreeMap::values))
            .flat_map(BTreeMap::keys)
            .map(String::as_str)
    }

    /// Adds the declarations of another file; its types win.
    pub fn extend(&mut self, other: Self) {
        self.contact.extend(other.contact);
        self.account.extend(other.account);
        for (kind, fields) in other.event {
            self.event.entry(kind).or_default().extend(fields);
        }
    }
}

/// The nearest of some names, if one is near enough to be meant: one slip in a short name, two in a longer one.
pub fn nearest<'a>(name: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = if name.chars().count() <= 4 { 1 } else { 2 };
    among
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), known), known))
        .filter(|(slips, _)| *slips <= allowed)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = || CONTACT.iter().map(|field| field.name);

        assert_eq!(nearest("contry", names()), Some("country"));
        assert_eq!(nearest("fisrt_name", names()), Some("first_name"));
        assert_eq!(nearest("Country", names()), Some("country"));
        assert_eq!(nearest("age", names()), None);
        assert_eq!(nearest("buying_role", names()), None);
    }

    #[test]
    fn a_field_that_kinds_declare_differently_has_no_type_of_its_own() {
        let declared: Declared = serde_json::from_str(
            r#"{"event": {"form_submitted": {"form": "string", "size": "int"}, "custom": {"size": "string"}}}"#,
        )
        .unwrap();

        assert_eq!(declared.field(Variable::Event, "form", None), Some(FieldType::String));
        assert_eq!(declared.field(Variable::Event, "size", None), None);
        assert_eq!(declared.field(Variable::Event, "size", Some("form_submitted")), Some(FieldType::Int));
    }
}
