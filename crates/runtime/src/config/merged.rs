//! The layered values as one JSON document, with the origin of each: environment and flag texts read by the
//! type of their key, keys that do not exist reported and taken out.

use std::collections::BTreeMap;
use std::path::Path;

use config::Value as Layered;
use config::ValueKind;
use serde_json::Map;
use serde_json::Number;
use serde_json::Value;

use super::finding::Finding;
use super::layers;
use super::origin::Origin;
use super::schema;
use super::schema::Shape;
use super::vocabulary::near;

/// The document.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) root: Value,
    pub(super) origins: BTreeMap<String, Origin>,
    pub(super) findings: Vec<Finding>,
}

/// Converts the layered `root`.
pub(super) fn merge(root: &Layered, schema: &Value, file: &Path) -> Merged {
    let mut reader = Reader { file, schema, origins: BTreeMap::new(), findings: Vec::new() };
    let root = reader.read(root, "", Some(&Shape::of(schema))).unwrap_or(Value::Null);
    Merged { root, origins: reader.origins, findings: reader.findings }
}

struct Reader<'a> {
    file: &'a Path,
    schema: &'a Value,
    origins: BTreeMap<String, Origin>,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn read(&mut self, value: &Layered, path: &str, shape: Option<&Shape<'_>>) -> Option<Value> {
        let origin = self.origin(value, path);
        let read = match &value.kind {
            ValueKind::Nil => return None,
            ValueKind::Boolean(flag) => Value::Bool(*flag),
            ValueKind::I64(integer) => Value::from(*integer),
            ValueKind::U64(integer) => Value::from(*integer),
            ValueKind::I128(integer) => Value::String(integer.to_string()),
            ValueKind::U128(integer) => Value::String(integer.to_string()),
            ValueKind::Float(float) => Number::from_f64(*float).map_or(Value::Null, Value::Number),
            ValueKind::String(text) => match (&origin, shape) {
                (Some(Origin::Environment(_) | Origin::Flag), Some(shape)) => from_text(text, shape),
                _ => Value::String(text.clone()),
            },
            ValueKind::Array(items) => {
                let below = shape.and_then(Shape::items);
                let read = items
                    .iter()
                    .enumerate()
                    .filter_map(|(index, item)| self.read(item, &format!("{path}[{index}]"), below.as_ref()));
                Value::Array(read.collect())
            }
            ValueKind::Table(table) => self.table(table, path, shape),
        };
        if let Some(origin) = origin {
            self.origins.insert(path.to_owned(), origin);
        }
        Some(read)
    }

    fn table(
        &mut self,
        table: &config::Map<String, Layered>,
        path: &str,
        shape: Option<&Shape<'_>>,
    ) -> Value {
        // In order of the names, so that two runs say the same.
        let ordered: BTreeMap<&String, &Layered> = table.iter().collect();
        let mut read = Map::new();
        for (name, value) in ordered {
            let key = join(path, name);
            let below = shape.and_then(|shape| shape.key(name));
            // Where no table may stand the type error says enough.
            let known = below.is_some() || shape.is_none_or(|shape| !shape.takes("object"));
            if known {
                if let Some(value) = self.read(value, &key, below.as_ref()) {
                    read.insert(name.clone(), value);
                }
            } else {
                let hint = unknown_key(self.schema, shape, &key, name);
                let origin = self.origin(value, &key).unwrap_or(Origin::Default);
                self.findings.push(Finding::error(key, hint).at(origin));
            }
        }
        Value::Object(read)
    }

    /// Where `value` was written; of a table that layers were merged into, where the first of its keys was.
    fn origin(&self, value: &Layered, path: &str) -> Option<Origin> {
        let own = self.own_origin(value, path);
        let ValueKind::Table(table) = &value.kind else { return own };
        if matches!(own, Some(Origin::File { .. })) {
            return own;
        }
        let below = table.iter().filter_map(|(name, value)| self.origin(value, &join(path, name)));
        below.filter(|origin| *origin != Origin::Default).min_by_key(rank).or(own)
    }

    fn own_origin(&self, value: &Layered, path: &str) -> Option<Origin> {
        match value.origin()? {
            layers::FROM_DEFAULTS => Some(Origin::Default),
            layers::FROM_ENVIRONMENT => Some(Origin::Environment(variable(path))),
            layers::FROM_FLAG => Some(Origin::Flag),
            other => {
                let line = other.strip_prefix(layers::FROM_FILE)?.parse().ok()?;
                Some(Origin::File { path: self.file.to_owned(), line })
            }
        }
    }
}

/// Puts the earliest line of the file first, then variables, then flags.
fn rank(origin: &Origin) -> (u8, usize, String) {
    match origin {
        Origin::File { line, .. } => (0, *line, String::new()),
        Origin::Environment(name) => (1, 0, name.clone()),
        Origin::Flag => (2, 0, String::new()),
        Origin::Default => (3, 0, String::new()),
    }
}

/// The path of the key `name` in the table at `path`; a name with dots is quoted, as TOML does.
pub(super) fn join(path: &str, name: &str) -> String {
    let name = if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// The environment variable that sets `path`.
pub(super) fn variable(path: &str) -> String {
    let (section, option) = path.split_once('"').unwrap_or((path, ""));
    let option = option.trim_end_matches('"').replace('.', "_");
    format!("{}{}{option}", layers::PREFIX, section.replace('.', "__")).to_uppercase()
}

/// Reads a text of the environment or of a flag as what its key takes.
fn from_text(text: &str, shape: &Shape<'_>) -> Value {
    let trimmed = text.trim();
    let structured = (trimmed.starts_with('[') && shape.takes("array"))
        || (trimmed.starts_with('{') && (shape.takes("object") || shape.takes("array")));
    if structured && let Ok(table) = toml::from_str::<Map<String, Value>>(&format!("value = {trimmed}")) {
        return table.get("value").cloned().unwrap_or(Value::Null);
    }
    if shape.takes("string") {
        return Value::String(text.to_owned());
    }
    if shape.takes("array") {
        let items = trimmed.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Value::Array(items.map(|item| Value::String(item.to_owned())).collect());
    }
    if shape.takes("boolean")
        && let Ok(flag) = trimmed.parse::<bool>()
    {
        return Value::Bool(flag);
    }
    if (shape.takes("integer") || shape.takes("number"))
        && let Ok(integer) = trimmed.parse::<i64>()
    {
        return Value::from(integer);
    }
    if shape.takes("number")
        && let Some(float) = trimmed.parse().ok().and_then(Number::from_f64)
    {
        return Value::Number(float);
    }
    Value::String(text.to_owned())
}

/// Says that `key` does not exist, and which one was probably meant.
pub(super) fn unknown_key(schema: &Value, shape: Option<&Shape<'_>>, key: &str, name: &str) -> String {
    let siblings: Vec<&str> =
        shape.map(|shape| shape.properties().map(|(sibling, _)| sibling).collect()).unwrap_or_default();
    if let Some(sibling) = near(name, siblings.iter().copied()) {
        let meant =
            key.strip_suffix(name).map_or_else(|| sibling.to_owned(), |prefix| format!("{prefix}{sibling}"));
        return format!("there is no such key; did you mean {meant}?");
    }
    let elsewhere = schema::paths(schema);
    let same = elsewhere.iter().find(|path| path.rsplit('.').next() == Some(name));
    match same {
        Some(path) => format!("there is no such key; did you mean {path}?"),
        None if siblings.is_empty() => "there is no such key".to_owned(),
        None => format!("there is no such key; known here are {}", siblings.join(", ")),
    }
}
