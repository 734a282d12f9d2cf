//! What is answered 2xx, and what is on the bus then.

use contracts::Verdict;
use ports::bus::Topic;
use serde_json::json;
use webhooks::Settings;

use crate::support::{door, form_fill, open, partner, start};

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_event_is_on_the_bus_with_its_headers() {
    let settings = Settings { workspace: "emea".parse().unwrap(), ..partner() };
    let harness = start(vec![door(settings)]);

    let answer = harness.post("partner", form_fill().to_string()).signed().send().await;

    assert_eq!(answer.status, 202);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.json(), json!({ "accepted": 1, "ids": ["e-1"] }));
    let event = harness.bus.events().remove(0);
    assert_eq!(event.workspace.as_str(), "emea");
    assert_eq!(event.source.as_str(), "partner");
    assert_eq!(event.received_at.to_string(), "2026-03-06T14:00:00Z");
    let message = harness.bus.messages(Topic::Events).remove(0);
    assert_eq!(message.headers["ce_id"], event.digest.to_hex());
    assert_eq!(message.headers["ce_type"], "drumbeat.form_submitted.v1");
    assert!(message.headers.values().all(|value| !value.contains("ada@")));
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_senders_trace_context_goes_on_with_the_event_and_nonsense_does_not() {
    const THEIRS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let harness = start(vec![door(partner())]);

    for sent_along in [THEIRS, "ada@example.com", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
        let call = harness.post("partner", form_fill().to_string()).signed();
        assert_eq!(call.header("traceparent", sent_along).send().await.status, 202);
    }

    let messages = harness.bus.messages(Topic::Events);
    let traces: Vec<_> = messages.iter().map(|message| message.headers.get("traceparent")).collect();
    assert_eq!(traces, [Some(&THEIRS.to_owned()), None, None]);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_posted_three_times_is_the_same_event_three_times() {
    let harness = start(vec![door(partner())]);

    for attempt in 0..3 {
        let answer =
            harness.post("partner", form_fill().to_string()).signed_at(1_772_805_600 + attempt).send().await;
        assert_eq!(answer.json()["ids"][0], "e-1");
    }

    let events = harness.bus.events();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.digest == events[0].digest));
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_no_cadence_is_acknowledged_and_not_published() {
    let harness = start(vec![door(open("forms", "typeform", None))]);

    let partial = json!({ "event_id": "p-1", "event_type": "form_response_partial", "form_response": {} });
    let answer = harness.post("forms", partial.to_string()).send().await;

    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["accepted"], 1);
    assert_eq!(harness.bus.calls(), 0);
    assert!(harness.metrics.render().unwrap().contains(r#"outcome="ignored",source="forms"} 1"#));
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_events_shake_hands_before_they_come() {
    let harness = start(vec![door(open("cloud", "cloudevents", None)), door(partner())]);

    let origin = harness
        .post("cloud", "")
        .method("OPTIONS")
        .header("WebHook-Request-Origin", "eventemitter.example.com");
    let agreed = origin.send().await;
    assert_eq!(agreed.status, 200);
    assert_eq!(agreed.headers["webhook-allowed-origin"], "eventemitter.example.com");
    assert_eq!(agreed.headers["webhook-allowed-rate"], "*");
    assert_eq!(agreed.headers["allow"], "POST, OPTIONS");

    let not_for_others = harness.post("partner", "").method("OPTIONS").send().await;
    not_for_others.is_problem(405, "method-not-allowed");
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_events_come_structured_binary_and_in_batches() {
    let harness = start(vec![door(open("cloud", "cloudevents", None))]);
    let event = |id: &str| json!({ "specversion": "1.0", "id": id, "source": "/x", "type": "replied", "data": { "email": "ada@example.com" } });

    let structured =
        harness.post("cloud", event("1").to_string()).header("content-type", "application/cloudevents+json");
    assert_eq!(structured.send().await.json()["ids"], json!(["1"]));
    let batch = harness.post("cloud", json!([event("2"), event("3")]).to_string());
    let batch = batch.header("content-type", "application/cloudevents-batch+json");
    assert_eq!(batch.send().await.json()["ids"], json!(["2", "3"]));
    let binary = harness.post("cloud", r#"{"email":"ada@example.com"}"#);
    let binary = binary
        .header("ce-specversion", "1.0")
        .header("ce-id", "4")
        .header("ce-source", "/x")
        .header("ce-type", "replied");
    assert_eq!(binary.send().await.json()["ids"], json!(["4"]));

    assert_eq!(harness.bus.events().len(), 4);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_of_deliveries_are_told_without_bodies() {
    let harness = start(vec![door(partner())]);
    harness.post("partner", form_fill().to_string()).signed().send().await;
    harness.post("partner", form_fill().to_string()).send().await;
    harness.post("partner", json!({ "events": [{ "kind": "x" }] }).to_string()).signed().send().await;
    let bus = harness.bus.clone();
    harness.finish().await;

    let verdicts = bus.verdicts();

    let told: Vec<_> =
        verdicts.iter().map(|one| (one.verdict, one.status, one.accepted, one.quarantined)).collect();
    assert_eq!(
        told,
        [(Verdict::Accepted, 202, 1, 0), (Verdict::Unverified, 401, 0, 0), (Verdict::Quarantined, 202, 0, 1),]
    );
    assert_eq!(verdicts[1].reason.as_ref().unwrap().code, "missing");
    assert_eq!(verdicts[2].reason.as_ref().unwrap().code, "unknown_kind");
    assert_eq!(verdicts[0].size, form_fill().to_string().len() as u64);
}
