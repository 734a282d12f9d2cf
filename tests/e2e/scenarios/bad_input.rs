//! Bad input through the whole product: what was acknowledged is visible and can be driven again.

use serde_json::json;

use super::{CALL_THEN_MAIL, until_state};
use crate::on_each_shape;
use crate::webhook::{event, event_with};

#[test]
fn what_cannot_be_translated_is_kept_in_quarantine() {
    on_each_shape("quarantine", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();
        let sender = it.sender();

        sender.post(&event("k", "no_such_kind", "ada@example.com")).await;
        sender.post(&json!({ "id": "s", "type": "form_submitted", "data": { "form": "demo" } })).await;

        let kept = it
            .eventually("both in quarantine", || {
                let rows = it.cli(&["quarantine", "list"]);
                rows.as_array().filter(|rows| rows.len() == 2).cloned()
            })
            .await;
        let codes: Vec<&str> = kept.iter().map(|row| row["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&"unknown_kind") && codes.contains(&"no_subject"), "{codes:?}");
        it
    });
}

#[test]
fn a_quarantined_delivery_is_driven_again_under_a_mended_mapping() {
    on_each_shape("mended", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();
        it.sender().post(&event_with("f", "signup", "ada@example.com", json!({ "form": "demo" }))).await;
        it.eventually("the delivery in quarantine", || {
            let rows = it.cli(&["quarantine", "list"]);
            rows.as_array().filter(|rows| rows.len() == 1).map(|_| ())
        })
        .await;

        it.reconfigure(
            "kind = \"/type\"",
            "kind = { table = { signup = \"form_submitted\" }, at = \"/type\" }",
        );
        let ingest = it.shape.roles()[0];
        it.crash(ingest);
        it.cli(&["quarantine", "redrive", "--all"]);
        it.task("call", "ada@example.com").await;

        let rows = it.cli(&["quarantine", "list"]);
        assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
        assert!(rows[0]["redriven_at"].is_string(), "{rows}");
        it
    });
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    on_each_shape("refusals", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();
        let sender = it.sender();

        let forged = sender.post_raw(b"{}".to_vec(), Some("sha256=00")).await.unwrap();
        let unsigned = sender.post_raw(b"{}".to_vec(), None).await.unwrap();
        let large = sender.post_raw(vec![b' '; 2 * 1024 * 1024], Some("sha256=00")).await.unwrap();
        sender.post(&event_with("f", "form_submitted", "ada@example.com", json!({ "form": "demo" }))).await;
        it.task("call", "ada@example.com").await;

        assert_eq!((forged.status, unsigned.status, large.status), (401, 401, 413));
        assert_eq!(it.cli(&["quarantine", "list"]), json!([]));
        assert_eq!(it.cli(&["deadletter", "list"]), json!([]));
        it
    });
}

#[test]
fn a_wrong_cadence_is_refused_with_its_place_and_changes_nothing() {
    on_each_shape("lint", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();
        let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        std::fs::write(file.path(), CALL_THEN_MAIL.replace("window: any", "windw: any")).unwrap();

        let (code, out, err) = it.try_cli(&["apply", file.path().to_str().unwrap()]);

        assert_eq!(code, Some(1), "{out}{err}");
        assert!(format!("{out}{err}").contains("windw"), "{out}{err}");
        it.sender()
            .post(&event_with("f", "form_submitted", "ada@example.com", json!({ "form": "demo" })))
            .await;
        until_state(&it, "ada@example.com", "live").await;
        it
    });
}
