//! What is known of the type of a part of an expression before it is judged.

use super::schema::FieldType;

/// A static type; [`Type::Any`] where only the facts can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Number,
    Text,
    Time,
    Duration,
    /// A list of texts.
    Texts,
    /// A list of numbers.
    Numbers,
    List,
    /// A map of numbers.
    Scores,
    Map,
    Any,
}

impl Type {
    /// What it is called in messages.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Time => "a time",
            Self::Duration => "a duration",
            Self::Texts | Self::Numbers | Self::List => "a list",
            Self::Scores | Self::Map => "a map",
            Self::Any => "anything",
        }
    }

    fn family(self) -> Self {
        match self {
            Self::Texts | Self::Numbers | Self::List => Self::List,
            Self::Scores | Self::Map => Self::Map,
            other => other,
        }
    }

    /// Whether a value of this type may be one of the other.
    pub(super) fn may_be(self, other: Self) -> bool {
        let (one, two) = (self.family(), other.family());
        one == Self::Any || two == Self::Any || one == two
    }

    /// Whether it may be any of some types.
    pub(super) fn may_be_one_of(self, types: &[Self]) -> bool {
        types.iter().any(|other| self.may_be(*other))
    }

    /// The type of an element of a list, or of a key of a map.
    pub(super) fn item(self) -> Self {
        match self {
            Self::Texts | Self::Map | Self::Scores => Self::Text,
            Self::Numbers => Self::Number,
            _ => Self::Any,
        }
    }

    /// The type of `x.name` and `x["name"]` of a map.
    pub(super) fn member(self) -> Self {
        match self {
            Self::Scores | Self::Numbers => Self::Number,
            Self::Texts => Self::Text,
            _ => Self::Any,
        }
    }

    /// A list of these.
    pub(super) fn list_of(items: impl IntoIterator<Item = Self>) -> Self {
        let mut items = items.into_iter();
        let Some(first) = items.next() else { return Self::List };
        match first {
            Self::Text if items.all(|item| item == Self::Text) => Self::Texts,
            Self::Number if items.all(|item| item == Self::Number) => Self::Numbers,
            _ => Self::List,
        }
    }
}

impl From<FieldType> for Type {
    fn from(field: FieldType) -> Self {
        match field {
            FieldType::String => Self::Text,
            FieldType::Int | FieldType::Float => Self::Number,
            FieldType::Bool => Self::Bool,
            FieldType::Timestamp => Self::Time,
            FieldType::List => Self::Texts,
            FieldType::Map => Self::Map,
        }
    }
}
