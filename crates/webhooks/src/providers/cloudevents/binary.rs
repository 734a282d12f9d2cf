//! Binary mode: attributes in `ce-` headers, data in the body.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::envelope::is_json_type;
use crate::item::Malformed;
use crate::json;
use crate::request::Request;

/// Puts an event in binary mode into its JSON form.
pub(super) fn read(request: &Request<'_>) -> Result<Value, Malformed> {
    let mut members = Map::new();
    for (name, value) in request.headers.iter() {
        let Some(attribute) = name.strip_prefix("ce-") else { continue };
        if matches!(attribute, "datacontenttype" | "data") {
            return Err(Malformed::CloudEvent("the data's type is Content-Type, and the data is the body"));
        }
        let text = decode(value).ok_or(Malformed::CloudEvent("a ce- header is not percent-encoded UTF-8"))?;
        if members.insert(attribute.to_owned(), Value::String(text)).is_some() {
            return Err(Malformed::CloudEvent("a ce- header is repeated"));
        }
    }
    if !members.contains_key("specversion") {
        return Err(Malformed::CloudEvent("neither a cloudevents content type nor a ce-specversion header"));
    }
    let content_type = request.headers.get("content-type");
    if let Some(content_type) = content_type {
        members.insert("datacontenttype".to_owned(), content_type.into());
    }
    if request.body.is_empty() {
        return Ok(Value::Object(members));
    }
    if is_json_type(content_type) {
        members.insert("data".to_owned(), json::parse(request.body)?);
    } else if let Ok(text) = std::str::from_utf8(request.body) {
        members.insert("data".to_owned(), text.replace('\0', "\u{fffd}").into());
    } else {
        members.insert("data_base64".to_owned(), BASE64_STANDARD.encode(request.body).into());
    }
    Ok(Value::Object(members))
}

/// Takes off quotes and decodes `%XX`, once.
fn decode(value: &[u8]) -> Option<String> {
    let value = value.trim_ascii();
    let quoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = quoted.unwrap_or(value);
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                bytes.extend(hex::decode(digits).ok()?);
                rest = after;
            }
            b'\\' if quoted.is_some() => {
                let (escaped, after) = rest.split_first()?;
                bytes.push(*escaped);
                rest = after;
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok().map(|text| text.replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_are_decoded_once_and_must_be_utf8() {
        assert_eq!(decode(b"Euro%20%E2%82%AC%20%F0%9F%98%80").as_deref(), Some("Euro € 😀"));
        assert_eq!(decode(b"\"a \\\"b\\\" %25\"").as_deref(), Some("a \"b\" %"));
        assert_eq!(decode(b"%2541").as_deref(), Some("%41"));
        for broken in [&b"%C0%A0"[..], b"%", b"%4", b"%zz", b"\xff"] {
            assert_eq!(decode(broken), None, "{broken:?}");
        }
    }
}
