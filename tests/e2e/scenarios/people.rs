//! What people do through the command line.

use serde_json::json;

use super::{CALL_THEN_MAIL, until_state};
use crate::on_each_shape;
use crate::webhook::event_with;

#[test]
fn people_enroll_pause_resume_and_remove() {
    on_each_shape("people", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();

        it.cli(&["enroll", "ada@example.com", "--cadence", "inbound"]);
        let call = it.task("call", "ada@example.com").await;
        let live = until_state(&it, "ada@example.com", "live").await;
        it.cli(&["pause", live["id"].as_str().unwrap()]);
        until_state(&it, "ada@example.com", "paused").await;
        it.cli(&["resume", "ada@example.com"]);
        until_state(&it, "ada@example.com", "live").await;
        it.cli(&["remove", "ada@example.com", "--reason", "by hand now"]);
        until_state(&it, "ada@example.com", "removed").await;

        it.eventually("the withdrawal", || it.crm.record(&call.key).filter(|record| record.withdrawn)).await;
        let told = it.cli(&["explain", "ada@example.com"]);
        let reasons = told["events"].as_array().unwrap().iter().filter_map(|event| event["reason"].as_str());
        assert_eq!(reasons.collect::<Vec<_>>(), ["by hand now"]);
        it
    });
}

#[test]
fn a_suppressed_person_cannot_be_enrolled_by_hand() {
    on_each_shape("suppressed", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();
        it.cli(&["suppress", "ada@example.com", "--reason", "asked on the phone"]);

        let (code, out, err) = it.try_cli(&["enroll", "ada@example.com", "--cadence", "inbound"]);

        assert_eq!(code, Some(1), "{out}{err}");
        assert!(out.contains("suppressed") || err.contains("suppressed"), "{out}{err}");
        assert!(it.crm.records().is_empty());
        it
    });
}

#[test]
fn held_dispatch_sends_nothing_and_loses_nothing() {
    on_each_shape("held", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();
        it.cli(&["dispatch", "hold"]);
        it.sender()
            .post(&event_with("f", "form_submitted", "ada@example.com", json!({ "form": "demo" })))
            .await;
        until_state(&it, "ada@example.com", "live").await;
        it.eventually("the held touch", || {
            let tasks = it.cli(&["tasks", "list", "--state", "held"]);
            tasks.as_array().filter(|tasks| tasks.len() == 1).map(|_| ())
        })
        .await;
        assert!(it.crm.calls().is_empty(), "{:?}", it.crm.calls());

        it.cli(&["dispatch", "release"]);

        it.task("call", "ada@example.com").await;
        assert_eq!(it.crm.records().len(), 1);
        it
    });
}
