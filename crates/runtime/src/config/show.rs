//! What `drumbeat config show` prints.

use serde_json::Value;

use super::Config;
use super::merged;
use super::merged::Merged;
use super::origin;
use super::origin::Origin;
use super::redact;

/// One key that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, for example `bus.topics.partitions` or `sources[0].name`.
    pub key: String,
    /// Its value as it would be written; secrets as their references, passwords in URLs hidden.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

pub(super) fn show(config: &Config) -> Vec<Entry> {
    config.provenance.entries.clone()
}

/// Lists the leaves of the document, those with paths as they were settled.
pub(super) fn entries(merged: &Merged, config: &Config) -> Vec<Entry> {
    let mut entries = Vec::new();
    walk(&merged.root, "", &mut |key, value| {
        let value = match key {
            "data" => quote(&config.data.to_string_lossy()),
            "bus.path" => quote(&config.bus.path.to_string_lossy()),
            "store.url" => quote(&config.store.url.to_string()),
            _ => value.as_str().map_or_else(|| value.to_string(), |text| quote(&redact::url(text))),
        };
        let origin = origin::nearest(&merged.origins, key);
        entries.push(Entry { key: key.to_owned(), value, origin });
    });
    entries
}

/// Calls `leaf` for every value that is no table and no list of tables.
fn walk(value: &Value, path: &str, leaf: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                walk(value, &merged::join(path, name), leaf);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, value) in items.iter().enumerate() {
                walk(value, &format!("{path}[{index}]"), leaf);
            }
        }
        _ => leaf(path, value),
    }
}

fn quote(text: &str) -> String {
    Value::from(text).to_string()
}
