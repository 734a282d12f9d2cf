use serde_json::{Value, json};

use super::*;
use crate::testing::{noon, open, secret};
use crate::{Headers, Settings, Source};

fn settings(provider: &str, secrets: &[&str], verify: Option<Value>) -> Settings {
    Settings {
        secrets: secrets.iter().map(|text| secret(text)).collect(),
        allow_unsigned: false,
        verify,
        map: Some(json!({ "kind": { "const": "custom" } })),
        ..open(provider)
    }
}

fn refused(provider: &str, secrets: &[&str], verify: Option<Value>) -> String {
    Source::new(settings(provider, secrets, verify)).expect_err("the settings are refused").to_string()
}

#[test]
fn a_blank_secret_is_none() {
    for blank in ["", " ", "\n\t"] {
        assert!(Secret::new(blank).is_none());
    }
}

#[test]
fn debug_output_hides_secrets() {
    let key = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    let header = Some(json!({ "scheme": "header", "header": "X-Token" }));
    for source in [
        Source::new(settings("standard-webhooks", &[key], None)),
        Source::new(settings("generic", &[key], header)),
        Source::new(settings("typeform", &[key], None)),
    ] {
        let shown = format!("{:?}", source.unwrap());
        assert!(!shown.contains("AAECAw") && !shown.contains("whsec"), "{shown}");
    }
}

#[test]
fn a_source_says_how_it_is_verified_or_that_it_is_not() {
    assert!(refused("generic", &["s"], None).starts_with("verify: missing"));
    assert!(refused("cloudevents", &["s"], None).starts_with("verify: missing"));
    assert!(refused("typeform", &[], None).contains("needs at least one of `secrets`"));

    let unsigned = Settings { allow_unsigned: true, ..settings("generic", &[], None) };
    assert_eq!(Source::new(unsigned).unwrap().warnings().len(), 1);
    let both = Settings { allow_unsigned: true, ..settings("generic", &["s"], None) };
    assert!(Source::new(both).unwrap_err().to_string().contains("`allow_unsigned` takes anything"));
}

#[test]
fn mistakes_in_the_table_are_refused_with_what_was_meant() {
    let table = |table: Value| refused("generic", &["s"], Some(table));
    let hmac = |name: &str, value: Value| {
        let mut written = json!({ "scheme": "hmac-sha256", "header": "X-Signature" });
        written[name] = value;
        table(written)
    };

    assert_eq!(
        table(json!({ "scheme": "hmac-sha265" })),
        "verify: unknown scheme \"hmac-sha265\": did you mean \"hmac-sha256\"?"
    );
    assert!(table(json!({ "scheme": "bearer", "haeder": "x" })).contains("unknown field `haeder`"));
    assert!(table(json!({ "scheme": "bearer", "header": "x" })).contains("`header` means nothing"));
    assert!(table(json!({ "scheme": "hmac-sha256" })).contains("needs `header`"));
    for name in ["header", "timestamp_header", "id_header"] {
        assert!(hmac(name, json!("X Sig")).contains(&format!("`{name}`: \"X Sig\" is no name of a header")));
    }
    assert!(table(json!({ "scheme": "query" })).contains("needs `param`"));
    assert!(table(json!({ "scheme": "body", "at": "x" })).contains("not a JSON pointer"));
    assert!(hmac("encoding", json!("hexx")).contains("did you mean \"hex\""));
    assert!(hmac("key_encoding", json!("hex")).contains("secret 1 is not of the encoding"));
    assert!(hmac("signed", json!("{ts}.{body}")).contains("`timestamp_header`"));
    assert!(hmac("timestamp_header", json!("X-Ts")).contains("`timestamp_header`"));
    assert!(hmac("timestamp_unit", json!("ms")).contains("means nothing"));
    assert!(hmac("signed", json!("{id}")).contains("must hold {body}"));
    assert!(hmac("signed", json!("{id}{body}")).contains("`id_header`"));
    assert!(hmac("signed", json!("{bodi}")).contains("{bodi} is unknown"));
    assert!(hmac("signed", json!("{body")).contains("not closed"));
    assert!(hmac("signed", json!("{url}{body}")).starts_with("public_url: missing"));
    assert!(refused("ecdsa", &["s"], None).starts_with("provider: unknown provider"));
    assert!(refused("sendgrid", &["s"], None).contains("secret 1 is not a P-256 public key"));
    assert!(refused("standard-webhooks", &["whpk_AAAA"], None).contains("not a public key"));
    assert!(refused("standard-webhooks", &["whsk_AAAA"], None).contains("is a private key"));
    assert!(refused("standard-webhooks", &["whsec_AAAA"], None).contains("at least 24 bytes"));
}

#[test]
fn an_id_counts_only_when_it_is_signed() {
    let source = |table| Source::new(settings("generic", &["s"], Some(table))).unwrap();
    let headers: Headers = [("Authorization", "Bearer s"), ("X-Id", "1")].into_iter().collect();
    let request = Request { method: "POST", query: "", headers: &headers, body: b"", received_at: noon() };

    assert_eq!(source(json!({ "scheme": "bearer" })).verify(&request), Ok(Verified::default()));
}

#[test]
fn signatures_beyond_any_rotation_are_not_tried() {
    let table = json!({ "scheme": "hmac-sha256", "header": "X-Signature", "separator": "," });
    let source = Source::new(settings("generic", &["s"], Some(table))).unwrap();
    // HMAC-SHA256 of the empty body under "s", from `openssl dgst -sha256 -hmac s`.
    let right = "64eca07cce67929c357d63d0a4aec207e774800403298914fc04e88ce02ac49f";
    let check = |wrong: usize| {
        let listed = vec!["00"; wrong].join(",") + "," + right;
        let headers: Headers = [("X-Signature", listed)].into_iter().collect();
        source.verify(&Request {
            method: "POST",
            query: "",
            headers: &headers,
            body: b"",
            received_at: noon(),
        })
    };

    assert_eq!(check(15).map(|_| ()), Ok(()));
    assert_eq!(check(16).map(|_| ()), Err(VerifyError::Mismatch));
}

#[test]
fn a_url_with_a_query_of_its_own_is_signed_as_it_is_written() {
    let table = json!({ "scheme": "hmac-sha256", "header": "X-Signature", "signed": "{url}{body}" });
    let public_url = Some("https://hooks.example.com/hooks/x?key=1".to_owned());
    let source = Source::new(Settings { public_url, ..settings("generic", &["s"], Some(table)) }).unwrap();
    let mac = {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s").unwrap();
        mac.update(b"https://hooks.example.com/hooks/x?key=1");
        hex::encode(mac.finalize().into_bytes())
    };
    let headers: Headers = [("X-Signature", mac)].into_iter().collect();

    let request =
        Request { method: "POST", query: "key=1", headers: &headers, body: b"", received_at: noon() };

    assert!(source.verify(&request).is_ok());
}
