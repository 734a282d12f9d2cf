//! What a template sees: the fields that it names, taken from the facts, and nothing else.

use std::collections::BTreeMap;

use minijinja::Value as Shown;

use crate::expr::{Facts, FieldRef, FieldType, Value, Variable};

use super::filters::ZONE;
use super::paths::{FieldPath, Paths, is_blank};

/// A tree of names that ends in values.
#[derive(Debug, Default)]
struct Tree {
    below: BTreeMap<String, Tree>,
    value: Option<Shown>,
}

impl Tree {
    fn at(&mut self, path: &FieldPath) -> &mut Self {
        let root = self.below.entry(path.variable().as_str().to_owned()).or_default();
        let Some(field) = path.field() else { return root };
        let step = field.step.as_ref().map(ToString::to_string);
        step.into_iter()
            .chain([field.name.to_string()])
            .fold(root, |tree, name| tree.below.entry(name).or_default())
    }

    /// Names without a value, and those below which none is, are left out only where nothing is named below them: so that
    /// `default` applies to the last name of a path, whatever is absent on the way.
    fn shown(self) -> Option<Shown> {
        if self.value.is_some() || self.below.is_empty() {
            return self.value;
        }
        let below = self.below.into_iter().filter_map(|(name, tree)| Some((name, tree.shown()?)));
        Some(below.collect::<BTreeMap<String, Shown>>().into())
    }

    /// Makes the way to a value inside of a field, where there is none.
    fn open(&mut self, inside: &[std::sync::Arc<str>]) -> &mut Self {
        inside.iter().fold(self, |tree, name| tree.below.entry(name.to_string()).or_default())
    }
}

/// The values of the fields named.
pub(super) fn of_facts(paths: &Paths, facts: &dyn Facts) -> Shown {
    let mut root = Tree::default();
    for path in paths.keys() {
        let leaf = root.at(path);
        let whole = path.field().map_or_else(
            || Some(Value::from(facts.now())),
            |field| facts.field(field).map(std::borrow::Cow::into_owned),
        );
        match whole.filter(|value| !is_blank(value)) {
            // A map shows what is in it; names that are not are opened below.
            Some(Value::Map(_)) | None if !path.inside().is_empty() => {
                leaf.open(path.inside()).value = path.value(facts).map(|value| show(&value));
            }
            Some(value) => leaf.value = Some(show(&value)),
            None => {}
        }
    }
    let zone = FieldRef { of: Variable::Contact, step: None, name: "zone".into() };
    if let Some(zone) = facts.field(&zone).filter(|zone| !is_blank(zone)) {
        root.below.entry(ZONE.to_owned()).or_default().value = Some(show(&zone));
    }
    root.shown().unwrap_or_else(|| Shown::from(BTreeMap::<String, Shown>::new()))
}

/// Stand-ins for all fields but one: rendering with them tells whether that one can be done without.
pub(super) fn without(paths: &Paths, absent: &FieldPath) -> Shown {
    let mut root = Tree::default();
    for path in paths.keys() {
        let leaf = root.at(path).open(path.inside());
        if path != absent {
            leaf.value = Some(stand_in(path));
        }
    }
    root.shown().unwrap_or_default()
}

fn stand_in(path: &FieldPath) -> Shown {
    let holds = path
        .field()
        .filter(|_| path.inside().is_empty())
        .and_then(|field| field.of.field(&field.name))
        .map(|field| field.holds);
    match holds {
        Some(FieldType::Int | FieldType::Float) => Shown::from(1),
        Some(FieldType::Bool) => Shown::from(true),
        Some(FieldType::List) => Shown::from(vec!["x"]),
        Some(FieldType::Timestamp) => Shown::from("2026-01-01T00:00:00Z"),
        Some(FieldType::String | FieldType::Map) => Shown::from("x"),
        // A date is also text, which most uses of an unknown field take.
        None => Shown::from("2026-01-01"),
    }
}

/// A value as templates see it: what is empty inside of a map is left out.
fn show(value: &Value) -> Shown {
    match value {
        Value::Bool(yes) => Shown::from(*yes),
        Value::Int(number) => Shown::from(*number),
        Value::Float(number) => Shown::from(*number),
        Value::Text(text) => Shown::from(text.as_ref()),
        Value::Time(_) | Value::Duration(_) => Shown::from(value.to_string()),
        Value::List(items) => Shown::from(items.iter().map(show).collect::<Vec<_>>()),
        Value::Map(fields) => fields
            .iter()
            .filter(|(_, value)| !is_blank(value))
            .map(|(name, value)| (name.clone(), show(value)))
            .collect::<BTreeMap<String, Shown>>()
            .into(),
    }
}
