//! Each kind of bad input has an answer of its own, and loses nothing that was acknowledged.

use ports::bus::Topic;
use serde_json::{Value, json};
use webhooks::Settings;

use crate::support::{Harness, Mode, door, form_fill, open, partner, start};

fn events(items: Value) -> String {
    json!({ "events": items }).to_string()
}

fn published(harness: &Harness) -> usize {
    harness.bus.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_source_is_not_found() {
    let harness = start(vec![door(partner())]);

    let answer = harness.post("nobody", form_fill().to_string()).signed().send().await;

    answer.is_problem(404, "unknown-source");
    assert_eq!(published(&harness), 0);
    let metrics = harness.metrics.render().unwrap();
    assert!(metrics.contains(r#"{outcome="unknown-source",source="_unknown"} 1"#), "{metrics}");
    assert!(!metrics.contains("nobody"), "a stranger's path is no label");
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_signature_is_unauthorized_and_so_is_none() {
    let harness = start(vec![door(partner())]);

    let forged =
        harness.post("partner", form_fill().to_string()).signed().header("X-Signature", &"00".repeat(32));
    forged.send().await.is_problem(401, "bad-signature");
    harness.post("partner", form_fill().to_string()).send().await.is_problem(401, "bad-signature");
    let other_body = harness.post("partner", format!("{} ", form_fill()));
    let signature_of_another =
        other_body.header("X-Timestamp", "1772805600").header("X-Signature", &"ab".repeat(32));
    signature_of_another.send().await.is_problem(401, "bad-signature");

    assert_eq!(published(&harness), 0);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_outside_of_the_replay_window_is_unauthorized_in_both_directions() {
    let harness = start(vec![door(partner())]);
    let at = |seconds: i64| {
        harness.post("partner", form_fill().to_string()).signed_at(1_772_805_600 + seconds).send()
    };

    at(-301).await.is_problem(401, "bad-signature");
    at(301).await.is_problem(401, "bad-signature");
    assert_eq!(published(&harness), 0);

    assert_eq!(at(-300).await.status, 202);
    assert_eq!(at(300).await.status, 202);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_and_the_sender_reads_why() {
    let harness = start(vec![door(partner())]);
    let just_right = |size: usize| {
        let padding = "x".repeat(size - events(json!([])).len() - r#","p":"""#.len());
        json!({ "events": [], "p": padding }).to_string()
    };

    let fits = harness.post("partner", just_right(1024 * 1024)).signed().send().await;
    assert_eq!(fits.status, 202);
    let over = harness.post("partner", just_right(1024 * 1024 + 1)).signed().send().await;
    over.is_problem(413, "too-large");
    assert_eq!(over.json()["detail"], "the limit is 1048576 bytes");
    let drained = harness.post("partner", just_right(4 * 1024 * 1024)).signed().send().await;
    drained.is_problem(413, "too-large");

    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_ten_megabytes_is_refused_by_default_and_taken_where_allowed() {
    let items: Vec<Value> = (0..40_000)
        .map(|number| {
            let padding = "x".repeat(180);
            json!({ "kind": "page_visited", "id": number, "email": "ada@example.com", "data": { "p": padding } })
        })
        .collect();
    let body = events(json!(items));
    assert!(body.len() > 10_000_000);
    let generous = ingest::Door {
        max_body: 16 * 1024 * 1024,
        ..door(Settings { name: "big".parse().unwrap(), ..partner() })
    };
    let harness = start(vec![door(partner()), generous]);

    let taken = harness.post("big", body.clone()).signed().send().await;

    assert_eq!(taken.status, 202);
    let answer = taken.json();
    assert_eq!(answer["accepted"], 40_000);
    assert_eq!(answer["ids"][39_999], "39999");
    assert_eq!(harness.bus.messages(Topic::Events).len(), 40_000);
    assert_eq!(harness.bus.calls(), 1, "all events of one request go together");

    // The sender may not get to read the answer when it does not stop; nothing is taken either way.
    let mut refused = harness.post("partner", body[..5 * 1024 * 1024].to_owned()).signed();
    refused = refused.header("X-Signature", &"00".repeat(32));
    refused.send().await.is_problem(413, "too-large");
    assert_eq!(harness.bus.calls(), 1);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_too_deep_is_malformed() {
    let harness = start(vec![door(partner())]);
    let nested =
        |levels: usize| format!(r#"{{"events":[],"deep":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));

    assert_eq!(harness.post("partner", nested(63)).signed().send().await.status, 202);
    let answer = harness.post("partner", nested(64)).signed().send().await;

    answer.is_problem(400, "malformed-body");
    assert!(answer.json()["detail"].as_str().unwrap().contains("deeper than 64"));
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_utf8_is_malformed() {
    let harness = start(vec![door(partner())]);

    let answer =
        harness.post("partner", b"{\"events\":[{\"kind\":\"\xff\"}]}".to_vec()).signed().send().await;

    answer.is_problem(400, "malformed-body");
    assert!(answer.json()["detail"].as_str().unwrap().contains("not UTF-8"));
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_json_is_malformed() {
    let harness = start(vec![door(partner())]);

    for body in ["", "<html>", "{\"events\":[", "email=ada%40example.com"] {
        harness.post("partner", body).signed().send().await.is_problem(400, "malformed-body");
    }

    assert_eq!(published(&harness), 0);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_given_twice_is_malformed() {
    let harness = start(vec![door(partner())]);
    let body = r#"{"events":[{"kind":"unsubscribed","kind":"form_submitted","email":"ada@example.com"}]}"#;

    let answer = harness.post("partner", body).signed().send().await;

    answer.is_problem(400, "malformed-body");
    assert!(answer.json()["detail"].as_str().unwrap().contains("twice"));
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_of_the_wrong_shape_is_accepted_and_quarantined() {
    let harness = start(vec![door(partner())]);

    for body in ["[]", "5", r#"{"events":{}}"#] {
        let answer = harness.post("partner", body).signed().send().await;
        assert_eq!(answer.status, 202, "{body}");
        assert_eq!(answer.json()["accepted"], 1);
    }
    let answer = harness
        .post("partner", events(json!(["text", { "kind": "replied", "email": { "a": 1 } }])))
        .signed()
        .send()
        .await;
    assert_eq!(answer.json()["accepted"], 2);

    let kept = harness.bus.quarantined();
    assert_eq!(kept.len(), 5);
    assert!(kept.iter().all(|one| one.reason.code == "wrong_shape"));
    assert_eq!(kept[4].reason.text, "email: expected a text or a number");
    assert_eq!(kept[4].item, Some(1));
    assert!(harness.bus.events().is_empty());
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_kind_is_accepted_and_quarantined_beside_its_neighbours() {
    let harness = start(vec![door(partner())]);
    let body = events(json!([
        { "kind": "form_submitted", "id": "a", "email": "ada@example.com" },
        { "kind": "invoice_paid", "id": "b", "email": "ada@example.com" },
        { "kind": "replied", "id": "c", "email": "ada@example.com" },
    ]));

    let answer = harness.post("partner", body).signed().send().await;

    assert_eq!(answer.status, 202);
    assert_eq!(answer.json(), json!({ "accepted": 3, "ids": ["a", "b", "c"] }));
    assert_eq!(harness.bus.events().len(), 2);
    let kept = harness.bus.quarantined();
    assert_eq!((kept[0].reason.code.as_str(), kept[0].id.as_str()), ("unknown_kind", "b"));
    assert_eq!(kept[0].provider, "generic");
    let body: Value = serde_json::from_slice(&kept[0].body).unwrap();
    assert_eq!(body["kind"], "invoice_paid");
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_subject_is_accepted_and_quarantined() {
    let harness = start(vec![door(partner())]);

    let answer = harness.post("partner", events(json!([{ "kind": "form_submitted" }]))).signed().send().await;

    assert_eq!(answer.status, 202);
    assert_eq!(harness.bus.quarantined()[0].reason.code, "no_subject");
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_batch_is_accepted_without_troubling_the_bus() {
    let harness = start(vec![door(partner())]);
    harness.bus.set(Mode::Down);

    let answer = harness.post("partner", events(json!([]))).signed().send().await;

    assert_eq!(answer.status, 202);
    assert_eq!(answer.json(), json!({ "accepted": 0, "ids": [] }));
    assert_eq!(published(&harness), 0);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_bus_nothing_is_acknowledged() {
    let harness = start(vec![door(partner())]);
    harness.bus.set(Mode::Down);

    let down = harness.post("partner", form_fill().to_string()).signed().send().await;
    down.is_problem(503, "unavailable");
    assert_eq!(down.headers["retry-after"], "5");

    harness.bus.set(Mode::TakesOne);
    let two =
        events(json!([{ "kind": "replied", "email": "a@b.co" }, { "kind": "replied", "email": "b@b.co" }]));
    harness.post("partner", two).signed().send().await.is_problem(503, "unavailable");

    harness.bus.set(Mode::Down);
    let quarantined = harness.post("partner", events(json!([{ "kind": "x" }]))).signed().send().await;
    quarantined.is_problem(503, "unavailable");

    harness.bus.set(Mode::Takes);
    assert_eq!(harness.post("partner", form_fill().to_string()).signed().send().await.status, 202);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_wants_another_code_without_the_bus_gets_it() {
    let harness = start(vec![door(open("cloud", "cloudevents", None))]);
    harness.bus.set(Mode::Down);
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "/x", "type": "replied", "data": { "email": "ada@example.com" },
    });

    let call =
        harness.post("cloud", event.to_string()).header("content-type", "application/cloudevents+json");
    let answer = call.send().await;

    answer.is_problem(429, "rate-limited");
    assert_eq!(answer.headers["retry-after"], "5");
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_quarantined_body_is_blanked() {
    let mut settings = open("tokens", "generic", Some(json!({ "kind": "/kind" })));
    settings.allow_unsigned = false;
    settings.secrets = vec![webhooks::Secret::new("t0k3n-in-body").unwrap()];
    settings.verify = Some(json!({ "scheme": "body", "at": "/key" }));
    let harness = start(vec![door(settings)]);
    let body = json!({
        "kind": "nonsense", "key": "t0k3n-in-body", "access_token": "an0ther", "email": "ada@example.com",
    });

    assert_eq!(harness.post("tokens", body.to_string()).send().await.status, 202);

    let kept = String::from_utf8(harness.bus.quarantined()[0].body.to_vec()).unwrap();
    assert!(!kept.contains("t0k3n") && !kept.contains("an0ther"), "{kept}");
    assert!(kept.contains("ada@example.com"));
    harness.finish().await;
}
