use domain::event::EventKind;
use serde_json::json;

use crate::testing::{json as posted, mapped, plain};

#[test]
fn a_body_of_target_names_needs_no_map() {
    let body = json!({
        "type": "form_submitted",
        "timestamp": "2026-03-06T11:30:00Z",
        "data": {
            "email": "ada@example.com", "form": "demo", "utm": { "source": "ad" },
            "contact": { "first_name": "Ada" }, "account": { "name": "Example" }, "data": { "form": "demo-request" },
        },
    });

    let event = posted(&body).message("msg_1").event(&plain("standard-webhooks"));

    assert_eq!(event.kind, EventKind::FormSubmitted);
    assert_eq!(event.id.as_str(), "msg_1");
    assert_eq!(event.occurred_at.to_string(), "2026-03-06T11:30:00Z");
    assert_eq!(event.detail.contact.text("first_name"), Some("Ada"));
    assert_eq!(event.detail.account.text("name"), Some("Example"));
    assert_eq!(event.detail.data.text("form"), Some("demo-request"), "the nested one counts more");
    assert_eq!(event.detail.data.get("utm"), Some(&json!({ "source": "ad" })));
}

#[test]
fn a_map_takes_any_body_and_keeps_type_and_time_of_the_envelope() {
    let source = mapped(
        "standard-webhooks",
        json!({
            "kind": { "table": { "email.bounced": "bounced" }, "at": "/type" },
            "email": "/data/to/0",
            "bounce": { "table": { "Permanent": "hard", "Transient": "soft" }, "at": "/data/bounce/type", "default": "soft" },
        }),
    );
    let body = json!({
        "type": "email.bounced", "timestamp": "2026-03-06T11:30:00Z",
        "data": { "to": ["ada@example.com"], "bounce": { "type": "Permanent" } },
    });

    let event = posted(&body).event(&source);

    assert_eq!(event.kind, EventKind::Bounced);
    assert_eq!(event.occurred_at.to_string(), "2026-03-06T11:30:00Z");
    assert_eq!(event.detail.bounce, Some(domain::event::Bounce::Hard));
}

#[test]
fn a_mapped_message_of_several_items_numbers_them() {
    let source = mapped("standard-webhooks", json!({ "each": "/data/to", "email": "" }));
    let body = json!({ "type": "email_delivered", "data": { "to": ["a@b.co", "b@b.co"] } });

    let outcomes = posted(&body).message("msg_1").outcomes(&source);

    assert!(outcomes.iter().all(|one| one.result.is_ok()));
    assert_ne!(outcomes[0].digest, outcomes[1].digest);
}

#[test]
fn other_bodies_are_quarantined_with_their_reason() {
    let refusal = |body| posted(&body).refusal(&plain("standard-webhooks"));

    assert!(
        refusal(json!({ "type": "invoice.paid", "data": { "email": "a@b.co" } }))
            .starts_with("unknown_kind: \"invoice.paid\"")
    );
    assert!(refusal(json!({ "data": { "email": "a@b.co" } })).starts_with("wrong_shape: kind"));
    assert!(refusal(json!({ "type": "replied", "data": [] })).starts_with("wrong_shape: data"));
    assert!(
        refusal(json!({ "type": "replied", "data": { "contact": 1 } }))
            .starts_with("wrong_shape: data.contact")
    );
    assert!(refusal(json!({ "type": "replied" })).starts_with("no_subject"));
    assert!(refusal(json!([1])).starts_with("wrong_shape"));
}
