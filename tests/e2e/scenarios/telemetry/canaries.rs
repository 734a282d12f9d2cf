//! People and secrets that can be recognised wherever they turn up.

use serde_json::{Value, json};

use crate::stub::{Answer, Seen};

/// A person that exists nowhere else.
pub(super) struct Person {
    pub(super) email: &'static str,
    pub(super) phone: &'static str,
    pub(super) first: &'static str,
}

pub(super) const ADA: Person =
    Person { email: "zq7-canary-ada@example.com", phone: "+14155550142", first: "Quillonada" };
/// Those whose CRM repeats what it is told.
pub(super) const ECHOED_PEOPLE: [Person; 3] = [
    Person { email: "zq7-canary-bea@example.com", phone: "+14155550143", first: "Quillonbea" },
    Person { email: "zq7-canary-cy@example.com", phone: "+14155550144", first: "Quilloncy" },
    Person { email: "zq7-canary-dee@example.com", phone: "+14155550145", first: "Quillondee" },
];
/// What is in all of their addresses, numbers and names.
const PEOPLE: [&str; 4] = ["zq7-canary", "415555014", "415) 555-014", "quillon"];

pub(super) const CRM_TOKEN: &str = "token-of-the-crm-7f3a9c";
pub(super) const KAFKA_PASSWORD: &str = "password-of-kafka-51bd08";
pub(super) const STORE_PASSWORD: &str = "password-of-the-store-88ce";
pub(super) const SECRETS: [&str; 5] =
    [crate::webhook::SECRET, CRM_TOKEN, KAFKA_PASSWORD, STORE_PASSWORD, "00112233445566778899aabbccddeeff"];

/// A cadence at the CRM that repeats what it is told.
pub(super) const ECHOED: &str = r#"
apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: echoed }
spec:
  connector: echo
  window: any
  entry: { triggers: [ { on: form_submitted, when: event.form == "echo" } ] }
  steps: [ { id: touch, channel: call, purpose: "Call {{ contact.first_name }}" } ]
"#;

impl Person {
    pub(super) fn form(&self, id: &str, form: &str) -> Value {
        json!({
            "id": id,
            "type": "form_submitted",
            "person": { "email": self.email, "phone": self.phone, "first_name": self.first },
            "data": { "form": form, "page": format!("https://example.com/?mail={}", self.email) },
        })
    }
}

/// A CRM that puts what it got, token and all, into what it says of it.
pub(super) fn echo(before: usize, seen: &Seen) -> Answer {
    let body = String::from_utf8_lossy(&seen.body);
    let token = seen.header("authorization").unwrap_or_default();
    let task: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let (email, phone) = (&task["contact"]["email"], &task["contact"]["phone"]);
    let message = format!("cannot be: {email} ({phone}) sent {body} with {token}");
    match before % 3 {
        0 => (400, json!({ "message": message, "echo": task }).to_string()),
        1 => (422, json!({ "errors": [{ "message": message }] }).to_string()),
        _ => (401, json!({ "error": message }).to_string()),
    }
}

pub(super) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

/// As it is, or in hexadecimal digits.
pub(super) fn holds_in_any_form(bytes: &[u8], text: &str) -> bool {
    holds(bytes, text) || holds(bytes, &hex::encode(text))
}

pub(super) fn refuse_secrets(place: &str, bytes: &[u8]) {
    refuse(place, bytes, &SECRETS);
}

pub(super) fn refuse_traces_of(place: &str, bytes: &[u8]) {
    refuse_secrets(place, bytes);
    refuse(place, bytes, &PEOPLE);
}

pub(super) fn people_in(bytes: &[u8]) -> bool {
    PEOPLE.iter().any(|text| holds_in_any_form(bytes, text))
}

fn refuse(place: &str, bytes: &[u8], texts: &[&str]) {
    for text in texts {
        if !holds_in_any_form(bytes, text) {
            continue;
        }
        let whole = String::from_utf8_lossy(bytes).into_owned();
        let lines: Vec<&str> =
            whole.lines().filter(|line| holds_in_any_form(line.as_bytes(), text)).collect();
        panic!("{place} holds {text}, {} times:\n{}", lines.len(), lines[..lines.len().min(5)].join("\n"));
    }
}
