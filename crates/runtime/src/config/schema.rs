//! What keys there are: a view on the JSON Schema that the section structs generate, so that structs,
//! unknown-key errors, the reading of environment values and the reference page cannot drift apart.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Map;
use serde_json::Value;

use super::sections;

/// The shape of the whole file. Only its schema is used; [`super::Config`] is assembled section by section.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct File {
    /// The folder of everything that the embedded adapters keep.
    data: String,
    ingest: sections::Ingest,
    console: sections::Console,
    admin: sections::Admin,
    store: sections::Store,
    bus: sections::Bus,
    clock: sections::Clock,
    telemetry: sections::Telemetry,
    security: sections::Security,
    dispatch: sections::Dispatch,
    limits: sections::Limits,
    defaults: sections::Defaults,
    sources: Vec<sections::Source>,
    connectors: Vec<sections::Connector>,
}

/// The schema of the whole file, with nothing referred to.
pub(super) fn whole() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<File>().to_value()
}

/// What may stand at one place: a schema, seen through alternatives and optionality.
#[derive(Clone, Debug)]
pub(super) struct Shape<'a>(Vec<&'a Value>);

impl<'a> Shape<'a> {
    pub(super) fn of(schema: &'a Value) -> Self {
        let mut alternatives = Vec::new();
        collect(schema, &mut alternatives);
        Self(alternatives)
    }

    /// The named keys of a table, with their schemas.
    pub(super) fn properties(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0
            .iter()
            .filter_map(|schema| schema.get("properties").and_then(Value::as_object))
            .flat_map(Map::iter)
            .map(|(name, schema)| (name.as_str(), schema))
    }

    /// What stands under `name` in a table: a named key, or anything where any key may stand.
    pub(super) fn key(&self, name: &str) -> Option<Shape<'a>> {
        let mut found: Vec<&Value> = Vec::new();
        for (property, schema) in self.properties() {
            if property == name {
                collect(schema, &mut found);
            }
        }
        if found.is_empty() {
            for schema in &self.0 {
                if let Some(free) = free_keys(schema) {
                    collect(free, &mut found);
                }
            }
        }
        (!found.is_empty()).then_some(Self(found))
    }

    /// What stands in a list.
    pub(super) fn items(&self) -> Option<Shape<'a>> {
        let mut found = Vec::new();
        for schema in &self.0 {
            if let Some(items) = schema.get("items") {
                collect(items, &mut found);
            }
        }
        (!found.is_empty()).then_some(Self(found))
    }

    /// Whether a value of this JSON type may stand here.
    pub(super) fn takes(&self, kind: &str) -> bool {
        self.0.iter().any(|schema| match schema.get("type") {
            None => schema.get("enum").is_none() || kind == "string",
            Some(Value::String(one)) => one == kind,
            Some(Value::Array(several)) => several.iter().any(|one| one == kind),
            Some(_) => false,
        })
    }

    /// Whether a secret may stand here or below, so that nothing read here may be repeated.
    pub(super) fn holds_secret(&self) -> bool {
        self.0.iter().any(|schema| mentions_secret(schema))
    }
}

/// Flattens alternatives and `null`.
fn collect<'a>(schema: &'a Value, into: &mut Vec<&'a Value>) {
    let alternatives: Vec<&Value> = ["anyOf", "oneOf", "allOf"]
        .iter()
        .filter_map(|word| schema.get(word).and_then(Value::as_array))
        .flatten()
        .collect();
    if alternatives.is_empty() {
        if schema.get("type").and_then(Value::as_str) != Some("null") {
            into.push(schema);
        }
        return;
    }
    for alternative in alternatives {
        collect(alternative, into);
    }
}

/// The schema of keys that are not named, where such keys may stand.
fn free_keys(schema: &Value) -> Option<&Value> {
    static ANYTHING: Value = Value::Bool(true);
    let is_table = schema.get("type").is_none_or(|kind| {
        kind == "object" || kind.as_array().is_some_and(|several| several.iter().any(|one| one == "object"))
    });
    match schema.get("additionalProperties") {
        Some(Value::Bool(false)) => None,
        Some(free) => Some(free),
        None if is_table && schema.get("properties").is_none() && schema.get("enum").is_none() => {
            Some(&ANYTHING)
        }
        None => None,
    }
}

fn mentions_secret(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.get("format").is_some_and(|format| format == "secret")
                || members.values().any(mentions_secret)
        }
        Value::Array(items) => items.iter().any(mentions_secret),
        _ => false,
    }
}

/// Every key by its path, lists as `[]`, for finding what a stray key was meant to be.
pub(super) fn paths(schema: &Value) -> Vec<String> {
    fn descend(shape: &Shape<'_>, prefix: &str, into: &mut Vec<String>) {
        for (name, schema) in shape.properties() {
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            let below = Shape::of(schema);
            if let Some(items) = below.items() {
                descend(&items, &format!("{path}[]"), into);
            }
            descend(&below, &path, into);
            into.push(path);
        }
    }
    let mut found = Vec::new();
    descend(&Shape::of(schema), "", &mut found);
    found.sort();
    found.dedup();
    found
}
