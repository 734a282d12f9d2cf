//! How the model is read from a tree: every finding is noted, and reading goes on.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json};

use crate::diagnostic::{Code, Finding, Log, nearest, suggest};
use crate::source::Extent;
use crate::yaml::{Entry, Node, NodeKind, Value};

/// What can be read from a node. The same description makes the JSON Schema.
pub(crate) trait Read: Sized {
    /// The value; `None` once a finding says why not.
    fn read(node: &Node, log: &mut Log) -> Option<Self>;

    /// What it looks like.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// A value and where it stands; `None` when it was refused.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) at: Extent,
    pub(crate) value: Option<T>,
}

impl<T> At<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }
}

impl<T: Read> At<T> {
    pub(crate) fn of(node: &Node, log: &mut Log) -> Self {
        Self { at: node.at, value: T::read(node, log) }
    }
}

/// A key that need not be there.
pub(crate) type Maybe<T> = Option<At<T>>;

/// The value of a key that need not be there, when it is and is good.
pub(crate) fn given<T>(maybe: &Maybe<T>) -> Option<&T> {
    maybe.as_ref().and_then(At::get)
}

/// A key of a later release whose absence must be told from its refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Later {
    Absent,
    Refused,
}

impl Field for Later {
    const REQUIRED: bool = false;

    fn present(entry: &Entry, log: &mut Log) -> Self {
        let _: Option<()> = not_supported(entry.at, &format!("`{}`", entry.key), log);
        Self::Refused
    }

    fn absent(_: Extent) -> Self {
        Self::Absent
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        false.into()
    }
}

/// Several values; an absent key is none.
#[derive(Debug, Clone)]
pub(crate) struct List<T>(pub(crate) Vec<At<T>>);

/// One value, or several.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<At<T>>);

/// Values by names that the author chooses.
#[derive(Debug, Clone)]
pub(crate) struct Named<T>(pub(crate) Vec<NamedEntry<T>>);

#[derive(Debug, Clone)]
pub(crate) struct NamedEntry<T> {
    pub(crate) name: String,
    pub(crate) at: Extent,
    pub(crate) value: At<T>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The value of a key: required, optional or a list, as its type says.
pub(crate) trait Field: Sized {
    const REQUIRED: bool;

    fn present(entry: &Entry, log: &mut Log) -> Self;

    fn absent(around: Extent) -> Self;

    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

impl<T: Read> Field for At<T> {
    const REQUIRED: bool = true;

    fn present(entry: &Entry, log: &mut Log) -> Self {
        // A value that was left out has no place of its own: its key has.
        if entry.value.is_nothing() && entry.value.at.start == entry.value.at.end {
            log.report(Code::WrongType, entry.at, format!("`{}` needs a value", entry.key));
            return Self { at: entry.at, value: None };
        }
        Self::of(&entry.value, log)
    }

    fn absent(around: Extent) -> Self {
        Self { at: around, value: None }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

impl<T: Read> Field for Maybe<T> {
    const REQUIRED: bool = false;

    fn present(entry: &Entry, log: &mut Log) -> Self {
        if entry.value.is_nothing() { None } else { Some(At::of(&entry.value, log)) }
    }

    fn absent(_: Extent) -> Self {
        None
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

impl<T: Read> Field for List<T> {
    const REQUIRED: bool = false;

    fn present(entry: &Entry, log: &mut Log) -> Self {
        if entry.value.is_nothing() { Self(Vec::new()) } else { Self(items(&entry.value, log)) }
    }

    fn absent(_: Extent) -> Self {
        Self(Vec::new())
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        list_schema::<T>(generator)
    }
}

impl<T: Read> Read for List<T> {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        match node.kind {
            NodeKind::List(_) => Some(Self(items(node, log))),
            NodeKind::Mapping(_) | NodeKind::Scalar(_) | NodeKind::Refused => mismatch(node, "a list", log),
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        list_schema::<T>(generator)
    }
}

fn items<T: Read>(node: &Node, log: &mut Log) -> Vec<At<T>> {
    if let NodeKind::List(items) = &node.kind {
        return items.iter().map(|item| At::of(item, log)).collect();
    }
    let _: Option<()> = mismatch(node, "a list", log);
    Vec::new()
}

fn list_schema<T: Read>(generator: &mut SchemaGenerator) -> Schema {
    let items = T::schema(generator);
    json_schema!({ "type": "array", "items": items })
}

impl<T: Read> Read for OneOrMany<T> {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        match node.kind {
            NodeKind::List(_) => Some(Self(items(node, log))),
            NodeKind::Mapping(_) | NodeKind::Scalar(_) | NodeKind::Refused => {
                Some(Self(vec![At::of(node, log)]))
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let one = T::schema(generator);
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl<T: Read> Read for Named<T> {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let NodeKind::Mapping(entries) = &node.kind else {
            return mismatch(node, "a mapping", log);
        };
        let read = |entry: &Entry, log: &mut Log| NamedEntry {
            name: entry.key.clone(),
            at: entry.at,
            value: At::of(&entry.value, log),
        };
        Some(Self(entries.iter().map(|entry| read(entry, log)).collect()))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let value = T::schema(generator);
        json_schema!({ "type": "object", "additionalProperties": value })
    }
}

/// Notes that a node is something else than what was expected.
pub(crate) fn mismatch<T>(node: &Node, expected: &str, log: &mut Log) -> Option<T> {
    if !matches!(node.kind, NodeKind::Refused) {
        log.report(Code::WrongType, node.at, format!("expected {expected}, found {}", node.describe()));
    }
    None
}

/// The text of a node that must be text.
pub(crate) fn text<'n>(node: &'n Node, expected: &str, log: &mut Log) -> Option<&'n str> {
    let NodeKind::Scalar(scalar) = &node.kind else { return mismatch(node, expected, log) };
    match scalar.value() {
        Value::Text(text) => Some(text),
        Value::Nothing => mismatch(node, expected, log),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            let say = format!("expected {expected}, found {}", node.describe());
            log.push(
                Finding::new(Code::WrongType, node.at, say).hint(format!("quote it: \"{}\"", scalar.text)),
            );
            None
        }
    }
}

/// One of several words; those of later releases are named as such.
pub(crate) fn word<T: Copy>(
    node: &Node,
    (expected, known, later): (&str, &[(&str, T)], &[&str]),
    log: &mut Log,
) -> Option<T> {
    let NodeKind::Scalar(scalar) = &node.kind else { return mismatch(node, expected, log) };
    let given = scalar.text.as_str();
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == given) {
        return Some(*value);
    }
    if later.contains(&given) {
        return not_supported(node.at, &format!("`{given}`"), log);
    }
    if let Value::Nothing = scalar.value() {
        return mismatch(node, expected, log);
    }
    let hint = suggest(given, known.iter().map(|(name, _)| *name));
    log.push(Finding::new(Code::BadValue, node.at, format!("`{given}` is not {expected}")).maybe_hint(hint));
    None
}

/// Refuses what a later release will bring.
pub(crate) fn not_supported<T>(at: Extent, what: &str, log: &mut Log) -> Option<T> {
    let hint = "this release refuses it, so that nothing is silently ignored: leave it out";
    log.push(Finding::new(Code::NotSupported, at, format!("{what} is not supported yet")).hint(hint));
    None
}

/// A mapping's keys, checked.
pub(crate) struct Keys<'n> {
    node: &'n Node,
    /// Whether a key of a later release was refused: it may stand for one that is missing.
    refused: bool,
}

impl<'n> Keys<'n> {
    /// Notes unknown keys; `None` when it is no mapping.
    pub(crate) fn open(node: &'n Node, known: &[&str], later: &[&str], log: &mut Log) -> Option<Self> {
        let NodeKind::Mapping(entries) = &node.kind else {
            return mismatch(node, "a mapping", log);
        };
        let mut refused = false;
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            if later.contains(&entry.key.as_str()) {
                refused = true;
                let _: Option<()> = not_supported(entry.at, &format!("`{}`", entry.key), log);
                continue;
            }
            let hint = nearest(&entry.key, known.iter().copied())
                .map(|key| format!("did you mean `{key}`?"))
                .or_else(|| suggest(&entry.key, known.iter().copied()));
            let say = format!("unknown key `{}`", entry.key);
            log.push(Finding::new(Code::UnknownKey, entry.at, say).maybe_hint(hint));
        }
        Some(Self { node, refused })
    }

    pub(crate) fn field<F: Field>(&self, key: &str, log: &mut Log) -> F {
        if let Some(entry) = self.node.get(key) {
            return F::present(entry, log);
        }
        if F::REQUIRED && !self.refused {
            log.report(Code::MissingKey, self.node.at, format!("`{key}` is missing"));
        }
        F::absent(self.node.at)
    }
}

/// What a struct of the model looks like, key by key.
pub(crate) struct Properties<'g> {
    pub(crate) generator: &'g mut SchemaGenerator,
    properties: Map<String, Json>,
    required: Vec<Json>,
}

impl<'g> Properties<'g> {
    pub(crate) fn new(generator: &'g mut SchemaGenerator) -> Self {
        Self { generator, properties: Map::new(), required: Vec::new() }
    }

    pub(crate) fn add<F: Field>(&mut self, key: &str, doc: &str) {
        let mut schema = F::schema(self.generator);
        if schema.as_bool() == Some(false) {
            return;
        }
        schema.insert("description".to_owned(), doc.trim().into());
        self.properties.insert(key.to_owned(), schema.to_value());
        if F::REQUIRED {
            self.required.push(key.into());
        }
    }

    pub(crate) fn close(self, doc: &str) -> Schema {
        let mut schema = json_schema!({
            "description": doc.trim(),
            "type": "object",
            "properties": self.properties,
            "additionalProperties": false,
        });
        if !self.required.is_empty() {
            schema.insert("required".to_owned(), Json::Array(self.required));
        }
        schema
    }
}

/// The reference to a struct's schema.
pub(crate) fn reference<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A struct of the model: its keys and what they hold; those that have one value yet, which is checked and not kept; and
/// those of later releases.
macro_rules! mapping {
    (
        $(#[doc = $doc:literal])*
        $name:ident {
            $($(#[doc = $field_doc:literal])* $key:literal $field:ident: $type:ty,)*
        }
        $(checked { $($(#[doc = $checked_doc:literal])* $checked:literal: $checked_type:ty,)* })?
        $(later { $($later:literal),* $(,)? })?
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name {
            $($(#[doc = $field_doc])* pub(crate) $field: $type,)*
        }

        impl $crate::model::read::Read for $name {
            fn read(node: &$crate::yaml::Node, log: &mut $crate::diagnostic::Log) -> Option<Self> {
                let known = &[$($key,)* $($($checked),*)?];
                let keys = $crate::model::read::Keys::open(node, known, &[$($($later),*)?], log)?;
                $($(let _: $crate::model::read::Maybe<$checked_type> = keys.field($checked, log);)*)?
                $(let $field = keys.field::<$type>($key, log);)*
                Some(Self { $($field),* })
            }

            fn schema(generator: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                $crate::model::read::reference::<Self>(generator)
            }
        }

        impl ::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                let mut properties = $crate::model::read::Properties::new(generator);
                $(properties.add::<$type>($key, concat!($($field_doc),*));)*
                $($(properties.add::<$crate::model::read::Maybe<$checked_type>>($checked, concat!($($checked_doc),*));)*)?
                properties.close(concat!($($doc),*))
            }
        }
    };
}
pub(crate) use mapping;
