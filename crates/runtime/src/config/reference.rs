//! docs/configuration.md, made from the section structs and the default file.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use super::DEFAULTS;
use super::merged;
use super::schema;
use super::schema::Shape;

const HEAD: &str = "\
# Configuration

<!-- Made from crates/runtime by its tests: edit the doc comments there, then run `UPDATE=1 cargo test -p runtime`. -->

Drumbeat reads one file, `drumbeat.toml`, in the working folder or named by `--config FILE`. Nothing in it is needed to
begin with: `drumbeat up` runs on the defaults below.

Four layers are laid over each other, each winning over the ones before it:

1. the defaults, compiled in from [drumbeat.default.toml](../crates/runtime/drumbeat.default.toml);
2. the file;
3. the environment: `DRUMBEAT__SECTION__KEY`, two underscores between the levels, for example
   `DRUMBEAT__BUS__TOPICS__PARTITIONS=24`. Lists are written with commas or as in TOML, tables as in TOML. An empty
   variable counts as unset. What stands in `[[sources]]` and `[[connectors]]` can only be written in the file;
4. flags: `--set bus.topics.partitions=24`.

- **Unknown keys are refused**, in the file and in the environment, with the name that was probably meant.
- **Secrets are never written out.** `env:NAME` takes an environment variable, `file:PATH` a file (without its last
  line break). They are looked up once, when the process starts, and shown nowhere.
- **Durations** are a number and `ms`, `s`, `m`, `h`, `d` or `w`; **sizes** a number and `KiB`, `MiB`, `GiB` (or `KB`,
  `MB`, `GB`); **names** 1 to 63 lower-case letters, digits, `-` and `_`.
- **Relative paths** are from the folder of the file; `{data}` stands for the data folder.

`drumbeat config check` judges everything, combinations and secrets too, without opening a port or reaching anybody; it
exits 1 when something is wrong. `drumbeat config show` prints every key that holds, redacted, with its origin.
";

/// Sections in the order of the file.
const ORDER: [&str; 13] = [
    "ingest",
    "console",
    "admin",
    "store",
    "bus",
    "clock",
    "telemetry",
    "security",
    "dispatch",
    "limits",
    "defaults",
    "sources",
    "connectors",
];

fn render() -> String {
    let schema = schema::whole();
    let defaults: Value = toml::from_str(DEFAULTS).expect("the defaults are TOML");
    let mut page = HEAD.to_owned();
    page += "\n## At the top\n\n";
    rows(&mut page, &schema, &defaults, &Place { path: "", only: &["data"] });
    for name in ORDER {
        let below = schema.pointer(&format!("/properties/{name}")).expect("the section exists");
        let item = below.get("items").unwrap_or(below);
        let description = text(item);
        let (title, description) = description.split_once(": ").unwrap_or((name, description.as_str()));
        let _ = write!(page, "\n## {title}\n\n{}\n\n", capital(description));
        rows(&mut page, item, &defaults, &Place { path: name, only: &[] });
    }
    page
}

struct Place<'a> {
    path: &'a str,
    only: &'a [&'a str],
}

/// A table of the keys of one table, then those of the tables in it.
fn rows(page: &mut String, schema: &Value, defaults: &Value, place: &Place<'_>) {
    let list = matches!(place.path.split('.').next(), Some("sources" | "connectors"));
    *page += "| key | value | default | |\n|---|---|---|---|\n";
    let mut tables = Vec::new();
    for (name, below) in Shape::of(schema).properties() {
        if !place.only.is_empty() && !place.only.contains(&name) {
            continue;
        }
        let path = merged::join(place.path, name);
        let default = defaults.pointer(&format!("/{}", path.replace('.', "/"))).filter(|_| !list);
        let table = Shape::of(below).properties().next().is_some();
        let default = match default {
            Some(Value::Object(_)) if table => String::new(),
            Some(value) => format!("`{}`", toml_text(value)),
            None => String::new(),
        };
        let value =
            Some(kind(below)).filter(|kind| !kind.is_empty()).unwrap_or_else(|| "see above".to_owned());
        let description =
            Some(text(below)).filter(|text| !text.is_empty()).unwrap_or_else(|| variant(schema, name));
        let _ = writeln!(page, "| `{name}` | {value} | {default} | {} |", description.replace('|', "\\|"));
        if table {
            tables.push((path, below));
        }
    }
    for (path, below) in tables {
        let _ = write!(page, "\n`{path}`\n\n");
        rows(page, below, defaults, &Place { path: &path, only: &[] });
    }
}

/// What may be written, for people.
fn kind(schema: &Value) -> String {
    let mut kinds: Vec<String> = Vec::new();
    let alternatives = ["anyOf", "oneOf"].iter().find_map(|word| schema.get(word).and_then(Value::as_array));
    if let Some(alternatives) = alternatives {
        for alternative in alternatives {
            let one = kind(alternative);
            if !one.is_empty() && !kinds.contains(&one) {
                kinds.push(one);
            }
        }
        return kinds.join(" or ");
    }
    if let Some(constant) = schema.get("const").and_then(Value::as_str) {
        return format!("`\"{constant}\"`");
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> =
            words.iter().filter_map(Value::as_str).map(|word| format!("`\"{word}\"`")).collect();
        return words.join(" or ");
    }
    if let Some(format) =
        schema.get("format").and_then(Value::as_str).filter(|format| !format.contains("int"))
    {
        return match format {
            "secret" => "reference".to_owned(),
            "store url" => "url or reference".to_owned(),
            "double" => "number".to_owned(),
            other => other.to_owned(),
        };
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    for name in types {
        kinds.push(match name {
            "null" => continue,
            "string" => "text".to_owned(),
            "integer" => "whole number".to_owned(),
            "boolean" => "true or false".to_owned(),
            "array" => match schema.get("items").map(kind) {
                Some(items) if !items.is_empty() => format!("list of {items}"),
                _ => "list".to_owned(),
            },
            "object" => "table".to_owned(),
            other => other.to_owned(),
        });
    }
    kinds.join(" or ")
}

fn text(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The description of the alternative that is made by the key `name`.
fn variant(schema: &Value, name: &str) -> String {
    let alternatives =
        ["anyOf", "oneOf"].iter().filter_map(|word| schema.get(word).and_then(Value::as_array)).flatten();
    alternatives
        .map(|one| {
            if one.pointer(&format!("/properties/{name}")).is_some() { text(one) } else { variant(one, name) }
        })
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

fn toml_text(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", ")),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name} = {}", toml_text(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[test]
fn the_page_is_in_sync_with_the_code() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    crate::testing::in_sync(&path, &render());
}

#[test]
fn every_section_and_key_is_on_the_page() {
    let page = render();

    for path in schema::paths(&schema::whole()) {
        let name = path.rsplit('.').next().unwrap_or(&path);
        assert!(page.contains(&format!("| `{name}` |")) || ORDER.contains(&name), "{path}");
    }
}

#[test]
fn every_default_is_a_known_key_and_every_required_one_has_a_default() {
    let schema = schema::whole();
    let defaults: Value = toml::from_str(DEFAULTS).expect("the defaults are TOML");

    for path in schema::paths(&schema).into_iter().filter(|path| !path.contains('[')) {
        let optional = ["sources", "connectors"].iter().any(|list| path == *list)
            || path == "telemetry.otlp_endpoint"
            // The schema shows the keys of a single cap beside the list of them.
            || path.starts_with("limits.per_");
        let pointer = format!("/{}", path.replace('.', "/"));
        assert!(optional || defaults.pointer(&pointer).is_some(), "{path} has no default");
    }
}
