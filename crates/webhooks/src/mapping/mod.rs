//! The `map` table of a source: which value of an item fills which target.

pub(crate) mod near;
mod read;
mod template;
#[cfg(test)]
mod tests;

use domain::event::EventKind;
use serde_json::{Map, Value};

use crate::fields::{Fields, Group, Target};
use crate::pointer::Pointer;
use read::{Found, Read};

/// Why a `map` table is refused, with where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct MappingError {
    /// The key, such as `map.contact.first_name`.
    pub at: String,
    /// What is wrong with it.
    pub problem: String,
}

impl MappingError {
    fn new(at: &str, problem: impl Into<String>) -> Self {
        Self { at: at.to_owned(), problem: problem.into() }
    }
}

/// A compiled `map` table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mapping {
    each: Option<Vec<Pointer>>,
    targets: Vec<(Target, Read)>,
    record: Option<(Read, Read)>,
    groups: Vec<(Group, Named)>,
}

/// How a group of attributes is filled.
#[derive(Debug, Clone, PartialEq)]
enum Named {
    /// Each name by itself.
    Each(Vec<(String, Read)>),
    /// All members of the object found there.
    All(Pointer),
}

/// A kind that is written out must be one: else every delivery would end in quarantine.
fn kinds(at: &str, read: &Read) -> Result<(), MappingError> {
    let known = || EventKind::ALL.iter().filter(|kind| kind.is_external()).map(|kind| kind.as_str());
    for written in read.written() {
        let Some(name) = written.as_str() else {
            return Err(MappingError::new(at, format!("a kind is a text, not {written}")));
        };
        if !known().any(|kind| kind == name) {
            return Err(MappingError::new(at, near::unknown("kind", name, known())));
        }
    }
    Ok(())
}

impl Mapping {
    /// Compiles a table.
    ///
    /// # Errors
    /// When it names an unknown target (with what was probably meant) or a source that cannot be read.
    pub fn parse(table: &Value) -> Result<Self, MappingError> {
        let Value::Object(table) = table else {
            return Err(MappingError::new("map", "expected a table of targets"));
        };
        let mut mapping = Self::default();
        for (name, source) in table {
            mapping.add(name, source)?;
        }
        Ok(mapping)
    }

    fn add(&mut self, name: &str, source: &Value) -> Result<(), MappingError> {
        let at = format!("map.{name}");
        if name == "each" {
            self.each = Some(read_each(&at, source)?);
            return Ok(());
        }
        if let Some(group) = Group::parse(name) {
            let named = read_group(&at, source)?;
            self.groups.push((group, named));
            return Ok(());
        }
        let Some(target) = Target::parse(name) else {
            let known = Target::ALL.iter().map(|target| target.as_str());
            let known = known.chain(Group::ALL.map(Group::as_str)).chain(["each"]);
            return Err(MappingError::new(&at, near::unknown("target", name, known)));
        };
        if let (Target::Record, Some(parts)) = (target, source.as_object())
            && parts.keys().all(|key| key == "type" || key == "id")
        {
            let part = |key: &str| {
                let source =
                    parts.get(key).ok_or_else(|| MappingError::new(&at, format!("`{key}` is missing")))?;
                Read::parse(&format!("{at}.{key}"), source)
            };
            self.record = Some((part("type")?, part("id")?));
            return Ok(());
        }
        let read = Read::parse(&at, source)?;
        if target == Target::Kind {
            kinds(&at, &read)?;
        }
        self.targets.push((target, read));
        Ok(())
    }

    /// Where the items of a body are, step by step; none: the body is one item.
    pub(crate) fn each(&self) -> Option<&[Pointer]> {
        self.each.as_deref()
    }

    /// Whether a target is filled by this mapping.
    #[must_use]
    pub fn has(&self, target: Target) -> bool {
        self.targets.iter().any(|(known, _)| *known == target)
            || (target == Target::Record && self.record.is_some())
    }

    /// Fills `fields` from an item; what is not found there leaves a field as it is.
    ///
    /// # Errors
    /// The group whose source is there and is no object.
    pub fn apply(&self, item: &Value, fields: &mut Fields) -> Result<(), Group> {
        for (target, read) in &self.targets {
            match read.find(item) {
                Found::Value(value) => fields.set(*target, value),
                Found::Unlisted(text) if *target == Target::Kind => fields.unlisted_kind = Some(text),
                Found::Unlisted(_) | Found::Absent => {}
            }
        }
        if let Some((kind, id)) = &self.record
            && let (Found::Value(kind), Found::Value(id)) = (kind.find(item), id.find(item))
        {
            let parts = [("type".to_owned(), kind), ("id".to_owned(), id)];
            fields.set(Target::Record, Value::Object(Map::from_iter(parts)));
        }
        for (group, named) in &self.groups {
            match named {
                Named::Each(names) => {
                    for (name, read) in names {
                        if let Found::Value(value) = read.find(item) {
                            fields.put(*group, name, value);
                        }
                    }
                }
                Named::All(pointer) => match pointer.get(item) {
                    None => {}
                    Some(Value::Object(members)) => {
                        for (name, value) in members {
                            fields.put(*group, name, value.clone());
                        }
                    }
                    Some(_) => return Err(*group),
                },
            }
        }
        Ok(())
    }
}

fn read_each(at: &str, source: &Value) -> Result<Vec<Pointer>, MappingError> {
    let step = |value: &Value| {
        let text = value
            .as_str()
            .ok_or_else(|| MappingError::new(at, "expected a JSON pointer or a list of them"))?;
        Pointer::parse(text).map_err(|error| MappingError::new(at, error.to_string()))
    };
    match source {
        Value::Array(steps) if !steps.is_empty() => steps.iter().map(step).collect(),
        one => Ok(vec![step(one)?]),
    }
}

fn read_group(at: &str, source: &Value) -> Result<Named, MappingError> {
    match source {
        Value::String(text) => {
            Pointer::parse(text).map(Named::All).map_err(|error| MappingError::new(at, error.to_string()))
        }
        Value::Object(names) => {
            let mut reads = Vec::new();
            for (name, source) in names {
                reads.push((name.clone(), Read::parse(&format!("{at}.{name}"), source)?));
            }
            Ok(Named::Each(reads))
        }
        _ => Err(MappingError::new(at, "expected a table of names, or the JSON pointer of an object")),
    }
}
