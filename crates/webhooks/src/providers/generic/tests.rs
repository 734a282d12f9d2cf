use domain::event::{EventKind, TaskRef};
use serde_json::{Value, json};

use crate::testing::{delivery, json as posted, mapped};

fn partner() -> Value {
    json!({
        "each": "/events",
        "kind": { "table": { "signup": "form_submitted", "optout": "unsubscribed" }, "at": "/type" },
        "id": "/id",
        "occurred_at": "/at",
        "email": "/person/email",
        "contact": { "first_name": "/person/first", "country": "/person/country" },
        "data": { "form": "/form" },
    })
}

#[test]
fn one_request_becomes_as_many_events_as_it_has_items() {
    let source = mapped("generic", partner());
    let body = json!({ "events": [
        { "type": "signup", "id": 9_007_199_254_740_993_i64, "at": "2026-03-06T11:00:00Z", "form": "demo",
          "person": { "email": "Ada@Example.com", "first": "Ada", "country": "DE" } },
        { "type": "optout", "id": "b", "at": 1_772_798_400, "person": { "email": "bob@example.com" } },
    ] });

    let outcomes = posted(&body).outcomes(&source);

    assert_eq!(outcomes.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["9007199254740993", "b"]);
    let Ok(crate::Translated::Event(first)) = &outcomes[0].result else { panic!("{outcomes:?}") };
    assert_eq!(first.kind, EventKind::FormSubmitted);
    assert_eq!(first.subject.email.as_ref().unwrap().as_str(), "ada@example.com");
    assert_eq!(first.detail.contact.text("first_name"), Some("Ada"));
    assert_eq!(first.detail.data.text("form"), Some("demo"));
    assert_eq!(first.occurred_at.to_string(), "2026-03-06T11:00:00Z");
    assert_eq!(first.source.as_str(), "test");
}

#[test]
fn one_bad_item_does_not_cost_the_others() {
    let source = mapped("generic", partner());
    let body = json!({ "events": [
        { "type": "signup", "person": { "email": "a@b.co" } },
        { "type": "weird", "person": { "email": "a@b.co" } },
        5,
    ] });

    let outcomes = posted(&body).outcomes(&source);

    let reasons: Vec<_> =
        outcomes.iter().map(|one| one.result.as_ref().err().map(|why| why.reason.as_str())).collect();
    assert_eq!(reasons, [None, Some("unknown_kind"), Some("wrong_shape")]);
}

#[test]
fn an_empty_batch_is_no_items() {
    assert!(posted(&json!({ "events": [] })).outcomes(&mapped("generic", partner())).is_empty());
}

#[test]
fn items_that_are_not_where_the_map_says_are_one_quarantined_whole() {
    let source = mapped("generic", partner());

    let refusal = posted(&json!({ "events": { "type": "signup" } })).refusal(&source);

    assert_eq!(refusal, "wrong_shape: each: /events is not an array");
}

#[test]
fn an_item_that_could_not_be_taken_apart_is_taken_apart_once_the_map_is_mended() {
    let broken = mapped("generic", partner());
    let body = json!({ "records": [{ "type": "signup", "person": { "email": "a@b.co" } }] });
    let kept = posted(&body).items(&broken).unwrap().remove(0);
    let kept = crate::Item::restore(kept.body.to_string().as_bytes(), &kept.envelope(), kept.index).unwrap();

    let mut table = partner();
    table["each"] = json!("/records");
    let mended = mapped("generic", table);
    let items = mended.reopen(kept);

    assert_eq!(items.len(), 1);
    assert!(mended.translate(&items[0], crate::testing::noon()).result.is_ok());
}

#[test]
fn items_can_lie_two_arrays_deep() {
    let source = mapped(
        "generic",
        json!({
            "each": ["/entry", "/changes"], "kind": { "const": "page_visited" }, "email": "/email",
        }),
    );
    let body = json!({ "entry": [{ "changes": [{ "email": "a@b.co" }, { "email": "b@b.co" }] }, { "changes": [] }] });

    assert_eq!(posted(&body).outcomes(&source).len(), 2);
}

#[test]
fn a_form_is_read_like_an_object() {
    let source =
        mapped("generic", json!({ "kind": { "const": "form_submitted" }, "email": "/email", "data": "" }));

    let event = delivery("email=Ada%40example.com&form=demo&list=1&list=2")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .event(&source);

    assert_eq!(event.subject.email.unwrap().as_str(), "ada@example.com");
    assert_eq!(event.detail.data.get("list"), Some(&json!(["1", "2"])));
}

#[test]
fn the_digest_is_of_the_id_else_of_the_message_else_of_the_bytes() {
    let source = mapped("generic", partner());
    let digest = |body: &str, message: Option<&str>| {
        let mut delivery = delivery(body);
        delivery.verified.message_id = message.map(str::to_owned);
        delivery.outcomes(&source).remove(0).digest
    };
    let with_id = r#"{"events":[{"id":"1","type":"signup"}]}"#;
    let with_id_and_more = r#"{"events":[{"type":"optout","attempt":2,"id":"1"}]}"#;
    assert_eq!(digest(with_id, None), digest(with_id_and_more, Some("m")));

    let without = r#"{"events":[{"type":"signup"}]}"#;
    let without_too = r#"{"events":[{"type":"signup","attempt":2}]}"#;
    assert_eq!(digest(without, Some("m")), digest(without_too, Some("m")));
    assert_ne!(digest(without, Some("m")), digest(without, Some("n")));

    let spaced = r#"{"sent": 1, "events": [{"type":"signup"}]}"#;
    assert_eq!(digest(without, None), digest(spaced, None), "what lies around the item does not enter");
    assert_ne!(digest(without, None), digest(r#"{"events":[{"type": "signup"}]}"#, None));
}

#[test]
fn items_of_one_message_differ_by_their_place() {
    let source = mapped("generic", partner());
    let body = json!({ "events": [{ "type": "signup" }, { "type": "signup" }] });

    let outcomes = posted(&body).message("m").outcomes(&source);

    assert_ne!(outcomes[0].digest, outcomes[1].digest);
    assert_eq!(outcomes[0].id, outcomes[0].digest.to_hex());
}

#[test]
fn a_task_may_be_named_by_our_key_or_by_the_id_in_the_crm() {
    let source = mapped(
        "generic",
        json!({ "kind": { "const": "task_completed" }, "task": "/task", "outcome": "/outcome" }),
    );
    let key = "3f0c8d5e-58e9-5d6c-9d11-0a4f4d1f2b7a";

    let ours = posted(&json!({ "task": key, "outcome": "No Answer" })).event(&source);
    let theirs = posted(&json!({ "task": 4711 })).event(&source);

    assert!(matches!(ours.detail.task, Some(TaskRef::Key(found)) if found.to_string() == key));
    assert_eq!(ours.detail.outcome.as_deref(), Some("no_answer"));
    assert_eq!(theirs.detail.task, Some(TaskRef::Remote("4711".to_owned())));
}
