//! `signatures.json`: requests signed with Python's `hmac` and `cryptography`, right and wrong ones.

use domain::id::{SourceName, Workspace};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use webhooks::{Headers, Request, Secret, Settings, Source, VerifyError};

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) provider: String,
    secrets: Vec<String>,
    verify: Option<Value>,
    pub(crate) headers: serde_json::Map<String, Value>,
    pub(crate) method: String,
    pub(crate) query: String,
    public_url: Option<String>,
    pub(crate) body: String,
    pub(crate) received_at: jiff::Timestamp,
    pub(crate) valid: bool,
    why: Option<String>,
}

pub(crate) fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("signatures.json")).unwrap()
}

impl Case {
    pub(crate) fn source(&self) -> Source {
        Source::new(Settings {
            name: SourceName::new("test").unwrap(),
            workspace: Workspace::main(),
            provider: self.provider.clone(),
            secrets: self.secrets.iter().map(|text| Secret::new(text.as_str()).unwrap()).collect(),
            allow_unsigned: false,
            verify: self.verify.clone(),
            map: Some(json!({ "kind": { "const": "custom" } })),
            public_url: self.public_url.clone(),
            tolerance: None,
        })
        .unwrap()
    }

    fn headers(&self) -> Headers {
        self.headers.iter().map(|(name, value)| (name, value.as_str().unwrap())).collect()
    }

    fn check(&self, source: &Source, headers: &Headers, body: &[u8]) -> Result<(), VerifyError> {
        let request = Request {
            method: &self.method,
            query: &self.query,
            headers,
            body,
            received_at: self.received_at,
        };
        source.verify(&request).map(|_| ())
    }
}

#[test]
fn every_signature_is_judged_as_it_should_be() {
    for case in cases() {
        let judged = case.check(&case.source(), &case.headers(), case.body.as_bytes());

        assert_eq!(judged.is_ok(), case.valid, "{}: {judged:?}", case.name);
        assert_eq!(judged.err().map(VerifyError::as_str), case.why.as_deref(), "{}", case.name);
    }
}

#[test]
fn any_changed_byte_of_a_signed_body_is_refused() {
    // Schemes that send the secret along do not sign the body.
    for case in cases().into_iter().filter(|case| case.valid && !sends_its_secret(case)) {
        let (source, headers) = (case.source(), case.headers());
        for at in 0..case.body.len() {
            let mut body = case.body.clone().into_bytes();
            body[at] ^= 0x01;
            assert!(case.check(&source, &headers, &body).is_err(), "{}, byte {at}", case.name);
        }
        let longer = format!("{} ", case.body);
        assert!(case.check(&source, &headers, longer.as_bytes()).is_err(), "{}, longer", case.name);
        assert!(case.check(&source, &headers, &case.body.as_bytes()[1..]).is_err(), "{}, shorter", case.name);
    }
}

/// Else a signature that was seen could be written in other ways.
#[test]
fn a_signature_without_its_padding_is_refused() {
    let mut tried = 0;
    for case in cases().into_iter().filter(|case| case.valid && !has_spares(case)) {
        for (name, value) in &case.headers {
            let value = value.as_str().unwrap();
            if !value.ends_with('=') {
                continue;
            }
            for other in
                [value.trim_end_matches('=').to_owned(), value.replace('=', " "), format!("{value}=")]
            {
                let mut changed = case.headers.clone();
                changed.insert(name.clone(), other.clone().into());
                let headers: Headers =
                    changed.iter().map(|(name, value)| (name, value.as_str().unwrap())).collect();
                let judged = case.check(&case.source(), &headers, case.body.as_bytes());
                assert!(judged.is_err(), "{}: {name}: {other}", case.name);
                tried += 1;
            }
        }
    }
    assert!(tried >= 30, "{tried} cases have padding");
}

pub(crate) fn sends_its_secret(case: &Case) -> bool {
    let scheme = case.verify.as_ref().and_then(|table| table["scheme"].as_str());
    matches!(scheme, Some("bearer" | "basic" | "header" | "query" | "body"))
}

/// A list of signatures may lose one that was not the right one.
pub(crate) fn has_spares(case: &Case) -> bool {
    case.name.contains("in a list") || case.name.contains("twice")
}

/// Where a changed header still says the same: hex in another case, space around a value.
fn says_the_same(before: &str, after: &str) -> bool {
    before.to_lowercase().split_whitespace().eq(after.to_lowercase().split_whitespace())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_mutation_of_a_signed_request_is_accepted(
        number in any::<prop::sample::Index>(),
        header in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        letter in "[ -~]",
    ) {
        let cases = cases();
        let valid: Vec<&Case> = cases.iter().filter(|case| case.valid && !case.headers.is_empty() && !has_spares(case)).collect();
        let case = valid[number.index(valid.len())];
        let mut mutated = case.headers.clone();
        let name = mutated.keys().nth(header.index(mutated.len())).unwrap().clone();
        let before = mutated[&name].as_str().unwrap().to_owned();
        let at = place.index(before.len());
        let after = format!("{}{letter}{}", &before[..at], &before[at + 1..]);
        prop_assume!(!says_the_same(&before, &after));
        mutated.insert(name.clone(), after.clone().into());
        let headers: Headers = mutated.iter().map(|(name, value)| (name, value.as_str().unwrap())).collect();

        let judged = case.check(&case.source(), &headers, case.body.as_bytes());

        prop_assert!(judged.is_err(), "{}: {name}: {before} -> {after}", case.name);
    }
}
