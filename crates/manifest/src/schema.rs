//! The JSON Schema of the files, from the same description that reads them.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value as Json, json};

use crate::document::{API_VERSION, Kind};
use crate::model::{CadenceSpec, CalendarSpec, Metadata, Read, SegmentSpec, TemplateFile};

/// The schema (draft 2020-12) of one document, of whatever kind. For editors:
/// `# yaml-language-server: $schema=…/drumbeat-v1.schema.json` as a file's first line.
#[must_use]
pub fn json_schema() -> Json {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let metadata = Metadata::schema(&mut generator);
    // Conditions, not `oneOf`: editors then point at the wrong key instead of saying that nothing fits.
    let kinds: Vec<Json> = Kind::ALL.into_iter().map(|kind| spec_of(kind, &mut generator)).collect();
    let definitions = generator.take_definitions(true);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Drumbeat files",
        "description": "A cadence, template, segment or calendar of Drumbeat.",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": { "const": API_VERSION },
            "kind": { "enum": Kind::ALL.map(Kind::as_str) },
            "metadata": metadata,
            "spec": true,
        },
        "additionalProperties": false,
        "allOf": kinds,
        "$defs": definitions,
    });
    // The reader says it once for all: a step is of exactly one sort.
    schema["$defs"]["StepFile"]["oneOf"] =
        json!([{ "required": ["channel"] }, { "required": ["wait_for"] }, { "required": ["branch"] }]);
    schema
}

fn spec_of(kind: Kind, generator: &mut SchemaGenerator) -> Json {
    let spec = match kind {
        Kind::Cadence => CadenceSpec::schema(generator),
        Kind::Template => TemplateFile::schema(generator),
        Kind::Segment => SegmentSpec::schema(generator),
        Kind::Calendar => CalendarSpec::schema(generator),
    };
    json!({
        "if": { "properties": { "kind": { "const": kind.as_str() } } },
        "then": { "properties": { "spec": spec } },
    })
}
