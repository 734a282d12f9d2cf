//! Secrets out of bodies that are kept.

use serde_json::Value;

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";

/// Parts of member names that announce a secret, compared in lower case without `-`, `_` and space.
const NAMES: [&str; 14] = [
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "authorization",
    "credential",
    "sessionid",
    "privatekey",
    "signature",
    "cookie",
    "googlekey",
    "creditcard",
    "cardnumber",
];

/// The body with every member whose name announces a secret blanked. Addresses stay: without them nothing could be
/// translated later, and topics that hold people expire.
#[must_use]
pub fn redact(mut body: Value) -> Value {
    blank(&mut body);
    body
}

fn blank(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(blank),
        Value::Object(members) => {
            for (name, member) in members {
                let plain = name.to_lowercase().replace(['-', '_', ' '], "");
                let is_text = member.is_string() || member.is_number();
                if is_text && NAMES.iter().any(|secret| plain.contains(secret)) {
                    *member = Value::String(REDACTED.to_owned());
                } else {
                    blank(member);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_that_announce_a_secret_are_blanked_at_any_depth() {
        let body = json!({
            "email": "ada@example.com",
            "access_token": "s3cr3t",
            "auth": [{ "API-Key": "s3cr3t", "user": "ada" }],
            "google_key": "s3cr3t",
            "token": { "kept": "an object is looked into" },
        });

        let kept = redact(body);

        assert!(!kept.to_string().contains("s3cr3t"));
        assert_eq!(kept["email"], "ada@example.com");
        assert_eq!(kept["auth"][0]["user"], "ada");
        assert_eq!(kept["token"]["kept"], "an object is looked into");
    }
}
