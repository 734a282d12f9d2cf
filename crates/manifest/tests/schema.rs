//! The committed JSON Schema is the one that the code makes. `UPDATE=1 cargo test -p manifest` writes it anew.

use std::path::Path;

use manifest::json_schema;
use serde_json::Value;

#[expect(clippy::disallowed_methods, reason = "a switch of this test, no configuration")]
fn asked_to_update() -> bool {
    std::env::var_os("UPDATE").is_some()
}

#[test]
fn the_committed_schema_is_in_sync() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/drumbeat-v1.schema.json");
    let made = serde_json::to_string_pretty(&json_schema()).expect("a schema is JSON") + "\n";

    if asked_to_update() {
        std::fs::write(&path, &made).expect("the folder is writable");
    }

    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "docs/schema is out of date: run UPDATE=1 cargo test -p manifest --test schema"
    );
}

#[test]
fn every_reference_of_the_schema_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let schema = json_schema();
    let mut references = Vec::new();
    walk(&schema, &mut references);

    assert!(references.len() > 10);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("references stay in the file");
        assert!(schema.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn what_a_later_release_brings_is_not_offered() {
    let text = json_schema().to_string();

    for later in ["all_of", "one_of", "resume", "round_robin", "guardrails", "shadow", "queue", "per_mailbox"]
    {
        assert!(!text.contains(later), "{later}");
    }
}
