//! Each built-in exit: what is open is withdrawn, and nothing more goes out.

use serde_json::{Value, json};

use super::{CALL_THEN_MAIL, until_state};
use crate::on_each_shape;
use crate::webhook::{event, event_with};

/// The event, the outcome that it ends an enrollment with, and what it says beside its kind.
const EXITS: [(&str, &str, &str); 11] = [
    ("replied", "stopped", "{}"),
    ("replied", "stopped", r#"{"classification":"wrong_person"}"#),
    ("replied", "stopped", r#"{"classification":"unsubscribe"}"#),
    ("unsubscribed", "stopped", "{}"),
    ("complained", "stopped", "{}"),
    ("contact_deleted", "stopped", "{}"),
    ("meeting_booked", "success", "{}"),
    ("left_company", "disqualify", "{}"),
    ("not_a_fit", "disqualify", "{}"),
    ("deal_opened", "success", "{}"),
    ("deal_won", "success", "{}"),
];

#[test]
fn each_built_in_exit_stops_and_withdraws() {
    on_each_shape("exits", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();
        let sender = it.sender();

        for (number, (kind, outcome, more)) in EXITS.into_iter().enumerate() {
            let email = format!("e{number}@example.com");
            sender
                .post(&event_with(
                    &format!("f-{number}"),
                    "form_submitted",
                    &email,
                    json!({ "form": "demo" }),
                ))
                .await;
            let call = it.task("call", &email).await;
            // The exit must not be older than the entry that it ends.
            let mut exit = event(&format!("x-{number}"), kind, &email);
            for (name, value) in serde_json::from_str::<Value>(more).unwrap().as_object().unwrap() {
                exit[name] = value.clone();
            }
            if kind == "contact_deleted" {
                let before = super::enrollments(&it, &email);
                assert_eq!(before.len(), 1);
                sender.post(&exit).await;
            } else {
                sender.post(&exit).await;
                let ended = until_state(&it, &email, "exited").await;
                assert_eq!(ended["outcome"], outcome, "{kind} {more}");
            }
            it.eventually(&format!("the withdrawal after {kind} {more}"), || {
                it.crm.record(&call.key).filter(|record| record.withdrawn)
            })
            .await;
        }

        assert_eq!(it.crm.records().len(), EXITS.len(), "nothing went out after an exit");
        it
    });
}

#[test]
fn an_out_of_office_reply_pauses_and_does_not_exit() {
    on_each_shape("out_of_office", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();
        it.sender()
            .post(&event_with("f", "form_submitted", "ada@example.com", json!({ "form": "demo" })))
            .await;
        it.task("call", "ada@example.com").await;

        let mut away = event("r", "replied", "ada@example.com");
        away["classification"] = json!("out_of_office");
        it.sender().post(&away).await;

        until_state(&it, "ada@example.com", "paused").await;
        it
    });
}

#[test]
fn an_opt_out_before_any_contact_holds_for_ever() {
    on_each_shape("opt_out_first", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();
        it.sender().post(&event("u", "unsubscribed", "ada@example.com")).await;
        it.eventually("the stop", || {
            let (code, out, _) = it.try_cli(&["explain", "ada@example.com"]);
            (code == Some(0) && out.contains("opt_out")).then_some(())
        })
        .await;

        it.sender()
            .post(&event_with("f", "form_submitted", "ada@example.com", json!({ "form": "demo" })))
            .await;
        it.sender()
            .post(&event_with("g", "form_submitted", "bob@example.com", json!({ "form": "demo" })))
            .await;
        it.task("call", "bob@example.com").await;
        it.eventually("the refusal", || {
            let (_, out, _) = it.try_cli(&["explain", "ada@example.com"]);
            out.contains("\"suppressed\"").then_some(())
        })
        .await;

        assert_eq!(it.crm.records().len(), 1);
        it
    });
}

#[test]
fn a_hard_bounce_of_the_only_reachable_channel_ends_the_cadence() {
    on_each_shape("hard_bounce", async |mut it| {
        it.apply(
            r"
apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: mails }
spec:
  connector: crm
  window: any
  entry: { triggers: [ { on: form_submitted } ] }
  steps:
    - { id: one, channel: email }
    - { id: two, channel: email, after: 1d }
",
        );
        it.start();
        it.sender().post(&event("f", "form_submitted", "ada@example.com")).await;
        let one = it.task("one", "ada@example.com").await;

        let mut bounce = event("b", "bounced", "ada@example.com");
        bounce["bounce"] = json!("hard");
        it.sender().post(&bounce).await;

        let ended = until_state(&it, "ada@example.com", "exited").await;
        assert_eq!(ended["outcome"], "stopped");
        it.eventually("the withdrawal", || it.crm.record(&one.key).filter(|record| record.withdrawn)).await;
        it
    });
}
