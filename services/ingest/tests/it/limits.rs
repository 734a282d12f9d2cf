//! Rates, types, encodings, methods, slow and broken senders; and which check comes first.

use std::time::Duration;

use serde_json::json;

use crate::support::{door, form_fill, open, partner, rated, start, start_hasty};

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_rate_waits_and_only_that_source_does() {
    let harness =
        start(vec![rated(partner(), 2, Duration::from_secs(10)), door(open("forms", "typeform", None))]);
    let post = || harness.post("partner", form_fill().to_string()).signed().send();

    assert_eq!(post().await.status, 202);
    assert_eq!(post().await.status, 202);
    let over = post().await;
    over.is_problem(429, "rate-limited");
    assert_eq!(over.headers["retry-after"], "5");
    assert_eq!(
        harness.post("forms", json!({ "event_type": "form_response" }).to_string()).send().await.status,
        202
    );

    harness.clock.advance(Duration::from_secs(5));
    assert_eq!(post().await.status, 202);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_cannot_use_up_the_rate_of_a_source() {
    let harness = start(vec![rated(partner(), 1, Duration::from_secs(60))]);

    for _ in 0..5 {
        harness.post("partner", form_fill().to_string()).send().await.is_problem(401, "bad-signature");
    }

    assert_eq!(harness.post("partner", form_fill().to_string()).signed().send().await.status, 202);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_media_type_or_encoding_is_unsupported() {
    let harness = start(vec![door(partner())]);
    let post = || harness.post("partner", form_fill().to_string()).signed();

    for media in ["text/xml", "multipart/form-data; boundary=x", "application/json; charset=utf-16"] {
        post().header("content-type", media).send().await.is_problem(415, "unsupported-media-type");
    }
    post().header("content-encoding", "gzip").send().await.is_problem(415, "unsupported-media-type");

    for media in ["application/json; charset=UTF-8", "application/vnd.partner+json", ""] {
        assert_eq!(post().header("content-type", media).send().await.status, 202, "{media}");
    }
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_come_in_the_promised_order() {
    let harness = start(vec![rated(partner(), 1, Duration::from_secs(60))]);
    let too_big = "x".repeat(1024 * 1024 + 1);

    // Everything is wrong, and is mended from the first check on.
    harness
        .post("nobody", too_big.clone())
        .header("content-type", "text/xml")
        .send()
        .await
        .is_problem(404, "unknown-source");
    harness
        .post("partner", too_big)
        .header("content-type", "text/xml")
        .send()
        .await
        .is_problem(413, "too-large");
    harness
        .post("partner", "{")
        .header("content-type", "text/xml")
        .send()
        .await
        .is_problem(401, "bad-signature");
    assert_eq!(harness.post("partner", form_fill().to_string()).signed().send().await.status, 202);
    let signed = || harness.post("partner", "{").signed();
    signed().header("content-type", "text/xml").send().await.is_problem(429, "rate-limited");
    harness.clock.advance(Duration::from_secs(60));
    signed().header("content-type", "text/xml").send().await.is_problem(415, "unsupported-media-type");
    harness.clock.advance(Duration::from_secs(60));
    signed().send().await.is_problem(400, "malformed-body");
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_post_is_taken() {
    let harness = start(vec![door(partner())]);

    for method in ["GET", "PUT", "DELETE", "HEAD"] {
        let answer = harness.post("partner", "").method(method).send().await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.headers["allow"], "POST");
    }
    let elsewhere = harness.post("partner/more", "").send().await;
    elsewhere.is_problem(404, "not-found");
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_end_is_not_waited_for() {
    let harness = start_hasty(vec![door(partner())]);

    let answer = harness.post("partner", form_fill().to_string()).signed().send_half().await;

    answer.is_problem(408, "too-slow");
    assert_eq!(harness.bus.calls(), 0);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_breaks_off_leaves_nothing_behind() {
    let harness = start(vec![door(partner())]);

    harness.post("partner", form_fill().to_string()).signed().break_off().await;
    // Another request is served after it.
    assert_eq!(harness.post("partner", form_fill().to_string()).signed().send().await.status, 202);

    assert_eq!(harness.bus.calls(), 1);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let harness = start_hasty(vec![door(partner())]);

    let answer = harness.post("partner", "").send_part_of_head().await;

    assert_eq!(answer.status, 408);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_counted_by_their_problem() {
    let harness = start(vec![door(partner())]);

    harness.post("partner", "{}").send().await.is_problem(401, "bad-signature");
    harness.post("partner", "{").signed().send().await.is_problem(400, "malformed-body");
    harness.post("partner", form_fill().to_string()).signed().send().await;

    let metrics = harness.metrics.render().unwrap();
    for outcome in ["bad-signature", "malformed-body", "accepted"] {
        let line = format!(r#"drumbeat_events_ingested_total{{outcome="{outcome}",source="partner"}} 1"#);
        assert!(metrics.contains(&line), "{line}");
    }
    assert!(metrics.contains(r#"drumbeat_ingest_duration_seconds_count{source="partner"} 3"#));
    harness.finish().await;
}
