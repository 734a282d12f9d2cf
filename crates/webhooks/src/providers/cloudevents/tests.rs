use base64::Engine as _;
use domain::event::EventKind;
use serde_json::{Value, json};

use crate::testing::{Delivery, delivery, mapped, noon, plain};
use crate::{Handshake, Malformed, Overload};

fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/shop", "type": "content_downloaded",
        "time": "2026-03-06T11:00:00Z", "subject": "ada@example.com",
        "data": { "asset": "white-paper" },
    })
}

fn structured(body: &Value) -> Delivery {
    delivery(body.to_string()).header("Content-Type", "application/cloudevents+json; charset=UTF-8")
}

fn batch(body: &Value) -> Delivery {
    delivery(body.to_string()).header("content-type", "Application/CloudEvents-Batch+JSON")
}

fn binary(body: &[u8]) -> Delivery {
    delivery(body)
        .header("Ce-Specversion", "1.0")
        .header("ce-id", "1")
        .header("ce-source", "/shop")
        .header("ce-type", "content_downloaded")
        .header("ce-time", "2026-03-06T11:00:00Z")
}

#[test]
fn structured_and_binary_mode_tell_the_same_event() {
    let source = plain("cloudevents");
    let structured = structured(&event("1")).event(&source);
    let binary = binary(br#"{"asset":"white-paper"}"#)
        .header("ce-subject", "ada%40example.com")
        .header("content-type", "application/json")
        .event(&source);

    assert_eq!(structured, binary);
    assert_eq!(structured.kind, EventKind::ContentDownloaded);
    assert_eq!(structured.id.as_str(), "1");
    assert_eq!(structured.subject.email.as_ref().unwrap().as_str(), "ada@example.com");
    assert_eq!(structured.occurred_at.to_string(), "2026-03-06T11:00:00Z");
    assert_eq!(structured.detail.data.text("asset"), Some("white-paper"));
}

#[test]
fn a_batch_holds_events_and_one_bad_one_costs_only_itself() {
    let source = plain("cloudevents");
    let mut bad = event("2");
    bad["specversion"] = json!("0.3");

    let outcomes = batch(&json!([event("1"), bad, "x", event("3")])).outcomes(&source);

    let reasons: Vec<_> =
        outcomes.iter().map(|one| one.result.as_ref().err().map(|why| why.detail.as_str())).collect();
    assert_eq!(
        reasons,
        [
            None,
            Some("not a CloudEvent: specversion must be 1.0"),
            Some("not a CloudEvent: an event is an object"),
            None
        ]
    );
    assert!(batch(&json!([])).outcomes(&source).is_empty());
    assert!(batch(&json!({})).items(&source).is_err());
}

#[test]
fn an_id_is_unique_within_its_source_only() {
    let source = plain("cloudevents");
    let digest = |id: &str, of: &str| {
        let mut body = event(id);
        body["source"] = json!(of);
        structured(&body).outcomes(&source).remove(0).digest
    };

    assert_ne!(digest("1", "/a"), digest("1", "/b"));
    assert_ne!(digest("1", "/a"), digest("2", "/a"));
    let mut repeated = event("1");
    repeated["source"] = json!("/a");
    repeated["attempt"] = json!("2");
    assert_eq!(structured(&repeated).outcomes(&source).remove(0).digest, digest("1", "/a"));
}

#[test]
fn what_is_no_cloud_event_is_malformed() {
    let source = plain("cloudevents");
    for (name, value) in [
        ("specversion", json!("2.0")),
        ("id", json!("")),
        ("id", Value::Null),
        ("source", json!(5)),
        ("type", Value::Null),
        ("Upper", json!("x")),
        ("data_base64", json!("AAAA")),
    ] {
        let mut body = event("1");
        body[name] = value;
        assert!(matches!(structured(&body).items(&source), Err(Malformed::CloudEvent(_))), "{name}");
    }
    assert!(matches!(delivery("{}").items(&source), Err(Malformed::CloudEvent(_))));
    assert!(matches!(
        binary(b"{}").header("ce-datacontenttype", "x/y").items(&source),
        Err(Malformed::CloudEvent(_))
    ));
    assert!(matches!(binary(b"{}").header("ce-bad", "%C0%A0").items(&source), Err(Malformed::CloudEvent(_))));
    assert!(matches!(
        binary(b"{").header("content-type", "application/json").items(&source),
        Err(Malformed::Json(_))
    ));
    assert!(matches!(
        delivery(r#"{"specversion":"1.0","specversion":"1.0"}"#)
            .header("content-type", "application/cloudevents+json")
            .items(&source),
        Err(Malformed::Json(_))
    ));
}

#[test]
fn another_format_is_unsupported() {
    let source = plain("cloudevents");
    for media in [
        "application/cloudevents+avro",
        "application/cloudevents-batch+protobuf",
        "application/cloudevents+json; charset=latin1",
    ] {
        let delivery = delivery("{}").header("content-type", media);
        assert!(source.check_media(&delivery.request()).is_err(), "{media}");
    }
}

#[test]
fn json_in_base64_is_data_and_anything_else_stays_as_it_is() {
    let source = mapped("cloudevents", json!({ "email": "/data/email", "data": { "kept": "/data_base64" } }));
    let encoded = base64::prelude::BASE64_STANDARD.encode(r#"{"email":"ada@example.com"}"#);
    let mut body = event("1");
    body.as_object_mut().unwrap().remove("data");
    body["data_base64"] = json!(encoded);

    assert_eq!(structured(&body).event(&source).subject.email.unwrap().as_str(), "ada@example.com");

    body["datacontenttype"] = json!("application/x-thing");
    let outcome = structured(&body).outcomes(&source).remove(0);
    assert_eq!(outcome.result.unwrap_err().reason.as_str(), "no_subject");
}

#[test]
fn binary_data_of_another_type_is_kept_as_text_or_base64() {
    let source = mapped(
        "cloudevents",
        json!({
            "email": { "const": "a@b.co" }, "data": { "text": "/data", "bytes": "/data_base64" },
        }),
    );

    let text = binary("<a/>".as_bytes()).header("content-type", "application/xml").event(&source);
    let bytes = binary(b"\xff\xfe").header("content-type", "application/octet-stream").event(&source);

    assert_eq!(text.detail.data.text("text"), Some("<a/>"));
    assert_eq!(bytes.detail.data.text("bytes"), Some("//4="));
}

#[test]
fn an_event_in_batch_can_hold_several_items() {
    let source = mapped("cloudevents", json!({ "each": "/data/people", "email": "/email" }));
    let mut body = event("1");
    body["data"] = json!({ "people": [{ "email": "a@b.co" }, { "email": "b@b.co" }] });

    let outcomes = batch(&json!([body, event("2")])).outcomes(&source);

    assert_eq!(outcomes.len(), 3);
    assert!(outcomes[..2].iter().all(|one| one.result.is_ok()));
    assert!(outcomes[2].result.is_err());
}

#[test]
fn the_profile_is_that_of_the_webhook_specification() {
    let profile = plain("cloudevents").profile();

    assert_eq!(profile.handshake, Handshake::CloudEvents);
    assert!(matches!(profile.overload, Overload::TooManyRequests { .. }));
}

#[test]
fn a_kept_item_says_the_same_when_it_is_restored() {
    let source = plain("cloudevents");
    let item = structured(&event("1")).items(&source).unwrap().remove(0);

    let restored =
        crate::Item::restore(item.body.to_string().as_bytes(), &item.envelope(), item.index).unwrap();

    assert_eq!(restored, item);
    assert_eq!(source.translate(&restored, noon()), source.translate(&item, noon()));
}
