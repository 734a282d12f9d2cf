//! Quarantined deliveries come back once the mapping is mended.

use std::sync::Arc;

use contracts::{Published, Redelivery};
use jiff::Timestamp;
use ports::bus::{Message, Topic};
use serde_json::{Value, json};
use webhooks::Settings;

use crate::support::{Harness, Mode, OneRedelivery, door, partner, start, start_as, start_with};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What a broken mapping leaves in quarantine for `body`.
async fn quarantined(body: &Value) -> contracts::Quarantined {
    let harness = start(vec![door(partner())]);
    assert_eq!(harness.post("partner", body.to_string()).signed().send().await.status, 202);
    let kept = harness.bus.quarantined().remove(0);
    harness.finish().await;
    kept
}

fn redrive(kept: contracts::Quarantined, settings: Settings) -> Harness {
    start_with(vec![door(settings)], Some(log_of(kept)))
}

fn log_of(kept: contracts::Quarantined) -> Arc<OneRedelivery> {
    let requested_at = Timestamp::from_second(1_772_900_000).unwrap();
    let redelivery = Redelivery { quarantined: kept, requested_at, actor: Some("ops@ours.com".to_owned()) };
    let encoded = redelivery.message(Some(TRACE));
    let message = Message {
        topic: Topic::Redeliver,
        key: encoded.key,
        headers: encoded.headers,
        payload: encoded.payload,
    };
    Arc::new(OneRedelivery::of(message))
}

async fn published(harness: &Harness) {
    until("something is published", || harness.bus.calls() > 0).await;
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

fn mended(map: Value) -> Settings {
    Settings { map: Some(map), ..partner() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mended_mapping_makes_the_event_that_it_always_was() {
    let body = json!({ "events": [{ "kind": "signup", "email": "ada@example.com" }] });
    let kept = quarantined(&body).await;
    let settings = mended(json!({
        "each": "/events", "kind": { "table": { "signup": "form_submitted" }, "at": "/kind" }, "email": "/email",
    }));

    let harness = redrive(kept.clone(), settings.clone());
    published(&harness).await;

    let event = harness.bus.events().remove(0);
    assert_eq!(harness.bus.messages(Topic::Events)[0].headers["traceparent"], TRACE);
    assert_eq!(event.digest, kept.digest);
    assert_eq!(event.received_at, kept.received_at);
    let live = harness.post("partner", body.to_string()).signed().send().await;
    assert_eq!(live.status, 202);
    assert_eq!(
        harness.bus.events()[1].digest,
        event.digest,
        "delivered again by the sender, it is the same event"
    );
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_could_not_be_taken_apart_is_taken_apart_then() {
    let kept = quarantined(&json!({ "records": [
        { "kind": "replied", "email": "a@b.co" }, { "kind": "replied", "email": "b@b.co" },
    ] }))
    .await;

    let harness = redrive(kept, mended(json!({ "each": "/records", "kind": "/kind", "email": "/email" })));
    published(&harness).await;

    assert_eq!(harness.bus.events().len(), 2);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_still_cannot_be_translated_is_quarantined_again_under_its_name() {
    let kept = quarantined(&json!({ "events": [{ "kind": "signup" }] })).await;

    let harness = redrive(kept.clone(), partner());
    published(&harness).await;

    assert_eq!(harness.bus.quarantined().remove(0).digest, kept.digest);
    assert!(harness.bus.events().is_empty());
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_of_a_source_that_is_gone_goes_back_into_quarantine() {
    let kept = quarantined(&json!({ "events": [{ "kind": "signup" }] })).await;

    let harness = redrive(kept.clone(), Settings { name: "another".parse().unwrap(), ..partner() });
    published(&harness).await;

    let again = harness.bus.quarantined().remove(0);
    assert_eq!((again.digest, again.reason.code.as_str()), (kept.digest, "unknown_source"));
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_translate_a_redelivery_again() {
    let log = log_of(quarantined(&json!({ "events": [{ "kind": "signup" }] })).await);
    let before = start_with(vec![door(partner())], Some(log.clone()));
    until("the redelivery is done", || log.noted_at() == Some(8)).await;
    assert_eq!(before.bus.quarantined().len(), 1);
    before.finish().await;
    let looks = log.looks();

    let harness = start_with(vec![door(partner())], Some(log.clone()));
    until("the log is read to its end", || log.looks() > looks).await;

    assert_eq!(harness.bus.calls(), 0);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_noted_before_the_bus_has_taken_what_a_redelivery_became() {
    let log = log_of(quarantined(&json!({ "events": [{ "kind": "signup" }] })).await);
    let harness = start_as(Mode::Holds, vec![door(partner())], log.clone());

    published(&harness).await;
    assert_eq!(log.noted_at(), None);

    harness.bus.gate.add_permits(1);
    until("the redelivery is done", || log.noted_at() == Some(8)).await;
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_noted_outside_of_the_log_does_not_keep_redeliveries_from_being_read() {
    for noted in [3, 99] {
        let log = log_of(quarantined(&json!({ "events": [{ "kind": "signup" }] })).await);
        log.note(noted);

        let harness = start_with(vec![door(partner())], Some(log.clone()));
        until("the redelivery is done", || log.noted_at() == Some(8)).await;

        assert_eq!(harness.bus.quarantined().len(), 1);
        harness.finish().await;
    }
}
