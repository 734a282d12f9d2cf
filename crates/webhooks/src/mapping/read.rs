//! Where a value comes from.

use std::collections::BTreeMap;

use serde_json::Value;

use super::template::Template;
use super::{MappingError, near};
use crate::convert;
use crate::fields::is_blank;
use crate::pointer::Pointer;

/// A source of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Read {
    /// `"/person/email"`
    Pointer(Pointer),
    /// `{ const = "hard" }`
    Const(Value),
    /// `{ first = ["/a", "/b"] }`: the first that says something.
    First(Vec<Read>),
    /// `{ table = { signup = "form_submitted" }, at = "/type", default = "custom" }`
    Table { table: BTreeMap<String, Value>, at: Box<Read>, default: Option<Value> },
    /// `{ template = "{/first} {/last}" }`
    Template(Template),
}

/// What a source gave.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Value(Value),
    /// Nothing there, `null` or blank.
    Absent,
    /// A text that its table does not list.
    Unlisted(String),
}

const FORMS: &str = "expected a JSON pointer such as \"/person/email\", { const = … }, { first = [ … ] }, \
                     { table = { … }, at = \"/type\" } or { template = \"{/first} {/last}\" }";

impl Read {
    pub(super) fn parse(at: &str, source: &Value) -> Result<Self, MappingError> {
        let wrong = |problem: String| MappingError::new(at, problem);
        let members = match source {
            Value::String(text) => {
                return Pointer::parse(text).map(Self::Pointer).map_err(|error| wrong(error.to_string()));
            }
            Value::Object(members) => members,
            _ => return Err(wrong(FORMS.to_owned())),
        };
        let mut names: Vec<&str> = members.keys().map(String::as_str).collect();
        names.sort_unstable();
        match names.as_slice() {
            ["const"] => Ok(Self::Const(members["const"].clone())),
            ["first"] => {
                let list = members["first"].as_array().filter(|list| !list.is_empty());
                let list =
                    list.ok_or_else(|| wrong("`first` is a list of at least one source".to_owned()))?;
                let mut reads = Vec::new();
                for (number, source) in list.iter().enumerate() {
                    reads.push(Self::parse(&format!("{at}.first[{number}]"), source)?);
                }
                Ok(Self::First(reads))
            }
            ["template"] => {
                let text =
                    members["template"].as_str().ok_or_else(|| wrong("`template` is a text".to_owned()))?;
                Template::parse(text).map(Self::Template).map_err(wrong)
            }
            ["at", "table"] | ["at", "default", "table"] => {
                let table = members["table"].as_object().filter(|table| !table.is_empty());
                let table =
                    table.ok_or_else(|| wrong("`table` is a table of at least one value".to_owned()))?;
                Ok(Self::Table {
                    table: table.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
                    at: Box::new(Self::parse(&format!("{at}.at"), &members["at"])?),
                    default: members.get("default").cloned(),
                })
            }
            ["table"] => Err(wrong("`table` needs `at`: the pointer of the value to look up".to_owned())),
            _ => {
                let known = ["const", "first", "table", "at", "default", "template"];
                let stranger = names.iter().find(|name| !known.contains(name));
                Err(wrong(
                    stranger.map_or_else(|| FORMS.to_owned(), |name| near::unknown("source", name, known)),
                ))
            }
        }
    }

    /// The values that are written out, and not read of an item.
    pub(super) fn written(&self) -> Vec<&Value> {
        match self {
            Self::Pointer(_) | Self::Template(_) => Vec::new(),
            Self::Const(value) => vec![value],
            Self::First(reads) => reads.iter().flat_map(Self::written).collect(),
            Self::Table { table, default, .. } => table.values().chain(default).collect(),
        }
    }

    pub(super) fn find(&self, item: &Value) -> Found {
        match self {
            Self::Pointer(pointer) => match pointer.get(item) {
                Some(value) if !is_blank(value) => Found::Value(value.clone()),
                _ => Found::Absent,
            },
            Self::Const(value) => Found::Value(value.clone()),
            Self::First(reads) => {
                let mut last = Found::Absent;
                for read in reads {
                    match read.find(item) {
                        found @ Found::Value(_) => return found,
                        unlisted @ Found::Unlisted(_) => last = unlisted,
                        Found::Absent => {}
                    }
                }
                last
            }
            Self::Table { table, at, default } => {
                let key = match at.find(item) {
                    Found::Value(value) => {
                        convert::text(&value).or_else(|| value.as_bool().map(|flag| flag.to_string()))
                    }
                    Found::Unlisted(_) | Found::Absent => None,
                };
                let listed = key.as_deref().and_then(|key| table.get(key)).or(default.as_ref());
                match (listed, key) {
                    (Some(value), _) => Found::Value(value.clone()),
                    (None, Some(key)) => Found::Unlisted(key),
                    (None, None) => Found::Absent,
                }
            }
            Self::Template(template) => {
                template.fill(item).map_or(Found::Absent, |text| Found::Value(text.into()))
            }
        }
    }
}
