//! The attributes of an event, and its data.

use serde_json::{Map, Value};

use crate::item::{Malformed, MessageId, Part};
use crate::json;
use crate::provider::is_json_media;
use crate::verify::BASE64;
use base64::Engine as _;

/// Checks an event in its JSON form and takes out what its envelope says.
pub(super) fn part(event: Value) -> Result<Part<'static>, Malformed> {
    let Value::Object(mut members) = event else {
        return Err(Malformed::CloudEvent("an event is an object"));
    };
    if attribute(&members, "specversion") != Some("1.0") {
        return Err(Malformed::CloudEvent("specversion must be 1.0"));
    }
    let well_named = |name: &str| {
        name == "data_base64"
            || (!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
    };
    if !members.keys().all(|name| well_named(name)) {
        return Err(Malformed::CloudEvent("attribute names are of a-z and 0-9"));
    }
    let required = |name| attribute(&members, name).map(str::to_owned);
    let id = required("id").ok_or(Malformed::CloudEvent("id is missing"))?;
    let scope = required("source").ok_or(Malformed::CloudEvent("source is missing"))?;
    let kind = required("type").ok_or(Malformed::CloudEvent("type is missing"))?;
    let occurred_at = members.get("time").filter(|time| !time.is_null()).cloned();
    unwrap_base64(&mut members)?;
    let mut part = Part::new(Value::Object(members), None);
    part.message = Some(MessageId { scope, id });
    part.kind = Some(kind);
    part.occurred_at = occurred_at;
    Ok(part)
}

fn attribute<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    members.get(name)?.as_str().filter(|text| !text.trim().is_empty())
}

/// JSON that came as `data_base64` is data like any other.
fn unwrap_base64(members: &mut Map<String, Value>) -> Result<(), Malformed> {
    let Some(encoded) = members.get("data_base64").filter(|encoded| !encoded.is_null()) else {
        return Ok(());
    };
    if members.get("data").is_some_and(|data| !data.is_null()) {
        return Err(Malformed::CloudEvent("data and data_base64 exclude each other"));
    }
    let bytes = encoded.as_str().and_then(|text| BASE64.decode(text).ok());
    let bytes = bytes.ok_or(Malformed::CloudEvent("data_base64 is not base64"))?;
    if is_json_type(attribute(members, "datacontenttype")) {
        members.insert("data".to_owned(), json::parse(&bytes)?);
        members.remove("data_base64");
    }
    Ok(())
}

/// Whether data of this content type is JSON; absent means JSON here.
pub(super) fn is_json_type(content_type: Option<&str>) -> bool {
    content_type.is_none_or(|written| {
        let media = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        is_json_media(&media)
    })
}
