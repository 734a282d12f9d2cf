//! A CRM that misbehaves: each task is there once in the end, and every attempt carried the same bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use testkit::crm::Fault;

use super::{ONE_TOUCH, until_state};
use crate::on_each_shape;
use crate::webhook::{event, event_with};

#[test]
fn every_fault_ends_in_one_record() {
    let faults = [
        ("lost", Fault::LoseReply),
        ("dropped", Fault::Drop),
        ("half", Fault::HalfBody),
        ("html", Fault::Html),
        ("busy", Fault::Status(429, Some("1".to_owned()))),
        ("error", Fault::Status(500, None)),
        ("down", Fault::Status(503, None)),
        ("slow", Fault::Slow(Duration::from_secs(4))),
    ];
    on_each_shape("crm_faults", async |mut it| {
        it.apply(ONE_TOUCH);
        it.start();

        for (name, fault) in faults.clone() {
            let email = format!("{name}@example.com");
            it.crm.misbehave(fault, 1);
            it.sender().post(&event_with(name, "form_submitted", &email, json!({ "form": "demo" }))).await;
            until_state(&it, &email, "finished").await;
        }

        assert_eq!(it.crm.records().len(), faults.len());
        let mut bodies: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for call in it.crm.calls().into_iter().filter(|call| call.method == "POST") {
            bodies.entry(call.key.unwrap()).or_default().push(call.body);
        }
        for (key, sent) in bodies {
            assert!(sent.len() > 1, "{key} was to be repeated");
            assert!(sent.iter().all(|body| *body == sent[0]), "{key} was not repeated byte for byte");
        }
        it
    });
}

#[test]
fn a_refused_task_is_a_failed_touch_that_can_be_driven_again() {
    on_each_shape("refused", async |mut it| {
        it.apply(ONE_TOUCH);
        it.start();
        it.crm.misbehave(Fault::Status(422, None), 1);
        it.sender()
            .post(&event_with("f", "form_submitted", "ada@example.com", json!({ "form": "demo" })))
            .await;

        let failed = it
            .eventually("the failed touch", || {
                it.cli(&["tasks", "list", "--state", "failed"])
                    .as_array()
                    .and_then(|tasks| tasks.first().cloned())
            })
            .await;
        assert_eq!(failed["contact"]["email"], "ada@example.com");
        assert!(failed["note"]["text"].as_str().unwrap().contains("422"), "{failed}");

        it.cli(&["redrive", failed["key"].as_str().unwrap()]);
        until_state(&it, "ada@example.com", "finished").await;

        assert_eq!(it.crm.records().len(), 1);
        it
    });
}

#[test]
fn a_missing_field_fails_the_touch_until_the_field_arrives() {
    on_each_shape("missing_field", async |mut it| {
        it.apply(
            r#"
apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: mails }
spec:
  connector: crm
  window: any
  entry: { triggers: [ { on: form_submitted } ] }
  steps: [ { id: mail, channel: email, template: strict } ]
---
apiVersion: drumbeat/v1
kind: Template
metadata: { name: strict }
spec: { channel: email, subject: "For {{ contact.company }}", text: "Hello" }
"#,
        );
        it.start();
        it.sender().post(&event("f", "form_submitted", "ada@example.com")).await;

        let failed = it
            .eventually("the failed touch", || {
                it.cli(&["tasks", "list", "--state", "failed"])
                    .as_array()
                    .and_then(|tasks| tasks.first().cloned())
            })
            .await;
        assert_eq!(failed["note"]["code"], "missing_field");
        assert!(failed["note"]["text"].as_str().unwrap().contains("contact.company"), "{failed}");

        let mut update = event("u", "contact_updated", "ada@example.com");
        update["person"]["company"] = json!("Example Ltd");
        it.sender().post(&update).await;
        let mail = it.task("mail", "ada@example.com").await;

        assert_eq!(mail.body["subject"], "For Example Ltd");
        it
    });
}
