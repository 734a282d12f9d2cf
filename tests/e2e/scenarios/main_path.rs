//! Webhook in, cadence decided, task out.

use std::collections::BTreeSet;

use serde_json::json;

use super::{CALL_THEN_MAIL, until_state};
use crate::on_each_shape;
use crate::webhook::{event, event_with};

#[test]
fn a_form_fill_becomes_a_task_and_its_completion_the_next_one() {
    on_each_shape("main_path", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();

        let mut form = event_with("f-1", "form_submitted", "ada@example.com", json!({ "form": "demo" }));
        form["person"]["first_name"] = json!("Ada");
        let answer = it.sender().post(&form).await;
        let call = it.task("call", "ada@example.com").await;

        assert_eq!(answer["accepted"], 1);
        let names: BTreeSet<&str> = call.body.as_object().unwrap().keys().map(String::as_str).collect();
        let promised = [
            "key",
            "channel",
            "subject",
            "body",
            "due_at",
            "due_by",
            "contact",
            "account",
            "owner",
            "cadence",
            "version",
            "step",
            "visit",
            "part",
            "variant",
            "enrollment",
            "workspace",
            "record",
            "reply_to",
            "outcomes",
            "purpose",
            "cta",
            "why",
        ];
        assert_eq!(names, BTreeSet::from(promised));
        assert_eq!(call.body["key"], json!(call.key), "the key in the body is the one in the header");
        assert_eq!(call.body["subject"], "Respond while intent is fresh");
        assert_eq!(call.body["channel"], "call");
        assert_eq!(call.body["account"]["domain"], "example.com");
        assert_eq!(call.body["workspace"], "main");

        let mut done = event("d-1", "task_completed", "ada@example.com");
        done["task"] = json!(call.key);
        done["outcome"] = json!("connected");
        it.sender().post(&done).await;
        let mail = it.task("mail", "ada@example.com").await;

        assert_eq!(mail.body["subject"], "Hello Ada");
        assert_eq!(mail.body["body"], "You asked for a demo.");

        it.cli(&["tasks", "complete", &mail.key]);
        let ended = until_state(&it, "ada@example.com", "finished").await;

        assert_eq!(ended["outcome"], "stopped");
        assert_eq!(it.crm.records().len(), 2);
        it
    });
}

#[test]
fn the_same_webhook_thrice_enrolls_once() {
    on_each_shape("thrice", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();
        let form = event_with("same", "form_submitted", "ada@example.com", json!({ "form": "demo" }));

        let first = it.sender().post(&form).await;
        let second = it.sender().post(&form).await;
        let third = it.sender().post(&form).await;
        it.sender()
            .post(&event_with("other", "form_submitted", "bob@example.com", json!({ "form": "demo" })))
            .await;
        it.task("call", "ada@example.com").await;
        it.task("call", "bob@example.com").await;

        assert_eq!(first, second);
        assert_eq!(first, third);
        assert_eq!(super::enrollments(&it, "ada@example.com").len(), 1);
        assert_eq!(it.crm.records().len(), 2);
        it
    });
}

#[test]
fn a_restart_keeps_what_is_scheduled() {
    on_each_shape("restart", async |mut it| {
        it.apply(
            r"
apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: later }
spec:
  connector: crm
  window: any
  entry: { triggers: [ { on: form_submitted } ] }
  steps:
    - { id: first, channel: task, completion: automatic }
    - { id: second, channel: task, after: 4s }
",
        );
        it.start();
        it.sender().post(&event("f-1", "form_submitted", "ada@example.com")).await;
        it.task("first", "ada@example.com").await;

        for role in it.shape.roles() {
            it.crash(role);
        }
        let second = it.task("second", "ada@example.com").await;

        let first = it.task("first", "ada@example.com").await;
        assert!(second.at.duration_since(first.at).as_millis() >= 3_900, "never early");
        assert_eq!(it.crm.records().len(), 2);
        it
    });
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let deployment = crate::deployment::Deployment::prepare("locked", crate::Shape::Embedded);
    let mut deployment = deployment;
    deployment.start();

    let (code, _, err) = deployment.try_cli(&[
        "--set",
        "ingest.listen=127.0.0.1:0",
        "--set",
        "admin.listen=127.0.0.1:0",
        "up",
    ]);

    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("another"), "{err}");
    deployment.finish();
}
