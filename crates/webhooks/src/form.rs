//! `application/x-www-form-urlencoded` bodies.

use serde_json::{Map, Value};

/// Reads a form into an object of texts; a repeated name becomes an array. NUL becomes U+FFFD, as in JSON.
///
/// None when the names or values do not decode to UTF-8.
pub(crate) fn parse(bytes: &[u8]) -> Option<Value> {
    let mut members = Map::new();
    for pair in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let cut = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = cut.map_or((pair, &b""[..]), |cut| (&pair[..cut], &pair[cut + 1..]));
        let (name, value) = (decode(name)?, Value::String(decode(value)?));
        match members.get_mut(&name) {
            None => {
                members.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(earlier) => {
                let first = earlier.take();
                *earlier = Value::Array(vec![first, value]);
            }
        }
    }
    Some(Value::Object(members))
}

fn decode(written: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written;
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                bytes.extend(hex::decode(digits).ok()?);
                rest = after;
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok().map(|text| text.replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_values_are_decoded_and_repeated_names_become_arrays() {
        assert_eq!(
            parse(b"email=a%40b.c&name=Ada+L&list=1&list=2&list=3&empty=&bare"),
            Some(
                json!({ "email": "a@b.c", "name": "Ada L", "list": ["1", "2", "3"], "empty": "", "bare": "" })
            )
        );
    }

    #[test]
    fn what_does_not_decode_is_refused() {
        for body in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%ff", b"a=\xff"] {
            assert_eq!(parse(body), None, "{body:?}");
        }
    }
}
