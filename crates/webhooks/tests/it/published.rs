//! Signatures that vendors publish in their own tests and documents, for whoever has a copy of them.
//!
//! They are under licences of their own and not part of this repository. `DRUMBEAT_VECTORS` names a folder of
//! `*.json` files, each a list of `{id, scheme, secret_or_key, headers, url, method, body, valid}`.

use std::collections::BTreeMap;

use domain::id::{SourceName, Workspace};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use webhooks::{Headers, Request, Secret, Settings, Source, Tolerance};

#[derive(Deserialize)]
struct Vector {
    id: String,
    scheme: String,
    secret_or_key: String,
    headers: BTreeMap<String, String>,
    url: Option<String>,
    body: String,
    valid: bool,
}

/// Provider and `verify` table for a scheme of the vectors; none for what we do not speak yet.
fn settings(scheme: &str) -> Option<(&'static str, Option<Value>)> {
    let hmac = |scheme: &str, header: &str, prefix: &str| {
        Some(("generic", Some(json!({ "scheme": scheme, "header": header, "prefix": prefix }))))
    };
    match scheme {
        "standard-webhooks" => Some(("standard-webhooks", None)),
        "typeform" => Some(("typeform", None)),
        "sendgrid-ecdsa" => Some(("sendgrid", None)),
        "x-hub-signature-256" => hmac("hmac-sha256", "X-Hub-Signature-256", "sha256="),
        "mailersend" => hmac("hmac-sha256", "Signature", ""),
        "generic-hmac-sha512" => hmac("hmac-sha512", "X-Convoy-Signature", ""),
        "slack" => Some((
            "generic",
            Some(json!({
                "scheme": "hmac-sha256", "header": "X-Slack-Signature", "prefix": "v0=", "signed": "v0:{ts}:{body}",
                "timestamp_header": "X-Slack-Request-Timestamp",
            })),
        )),
        _ => None,
    }
}

#[test]
#[ignore = "needs DRUMBEAT_VECTORS, a folder of vendors' published signatures"]
fn published_signatures_are_judged_as_their_vendors_say() {
    let folder = std::env::var("DRUMBEAT_VECTORS").expect("DRUMBEAT_VECTORS names the folder");
    let mut checked = BTreeMap::<String, usize>::new();
    let mut wrong = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let Ok(vectors) = serde_json::from_slice::<Vec<Vector>>(&std::fs::read(&path).unwrap()) else {
            continue;
        };
        for vector in vectors {
            let Some((provider, verify)) = settings(&vector.scheme) else { continue };
            let source = Source::new(Settings {
                name: SourceName::new("test").unwrap(),
                workspace: Workspace::main(),
                provider: provider.to_owned(),
                secrets: vec![Secret::new(vector.secret_or_key.as_str()).unwrap()],
                allow_unsigned: false,
                verify,
                map: Some(json!({ "kind": { "const": "custom" } })),
                public_url: vector.url,
                tolerance: Some(Tolerance::Off),
            });
            let Ok(source) = source else {
                wrong.push(format!("{}: {:?}", vector.id, source.err()));
                continue;
            };
            let headers: Headers =
                vector.headers.iter().map(|(name, value)| (name, value.as_str())).collect();
            let body = vector.body.as_bytes();
            let request = Request {
                method: "POST",
                query: "",
                headers: &headers,
                body,
                received_at: Timestamp::UNIX_EPOCH,
            };
            let judged = source.verify(&request);
            if judged.is_ok() != vector.valid {
                wrong.push(format!("{} ({}): {judged:?}", vector.id, vector.scheme));
            }
            *checked.entry(vector.scheme).or_default() += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked.values().sum::<usize>() > 10, "{checked:?}");
}
