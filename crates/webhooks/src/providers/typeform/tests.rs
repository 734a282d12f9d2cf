use domain::event::EventKind;
use serde_json::{Value, json};

use crate::Translated;
use crate::testing::{json as posted, mapped, plain};

fn response() -> Value {
    json!({
        "event_id": "01HEVENT",
        "event_type": "form_response",
        "form_response": {
            "form_id": "aBcDeF",
            "token": "r3sp0nse",
            "landed_at": "2026-03-06T11:00:00Z",
            "submitted_at": "2026-03-06T11:02:00Z",
            "hidden": { "utm_source": "newsletter", "email": "hidden@example.com", "crm_id": "101" },
            "calculated": { "score": 9 },
            "definition": {
                "id": "aBcDeF",
                "title": "Ask for a demo",
                "fields": [
                    { "id": "f1", "type": "short_text", "ref": "q_1", "title": "What is your first name?" },
                    { "id": "f2", "type": "email", "ref": "work_email", "title": "Where can we reach you?" },
                    { "id": "f3", "type": "contact_info", "ref": "c", "title": "You", "properties": { "fields": [
                        { "id": "f4", "type": "short_text", "title": "Last name", "subfield_key": "last_name" },
                        { "id": "f5", "type": "phone_number", "title": "Phone", "subfield_key": "phone_number" },
                        { "id": "f6", "type": "short_text", "title": "Company", "subfield_key": "company" },
                    ] } },
                    { "id": "f7", "type": "multiple_choice", "ref": "team", "title": "How big is your team?" },
                    { "id": "f8", "type": "multiple_choice", "ref": "uses", "title": "What do you use?" },
                ],
            },
            "answers": [
                { "type": "text", "text": "Ada", "field": { "id": "f1", "type": "short_text", "ref": "q_1" } },
                { "type": "email", "email": "Ada@Example.com", "field": { "id": "f2", "type": "email", "ref": "work_email" } },
                { "type": "text", "text": "Lovelace", "field": { "id": "f4", "type": "short_text" } },
                { "type": "phone_number", "phone_number": "+4930901820", "field": { "id": "f5", "type": "phone_number" } },
                { "type": "text", "text": "Example Inc", "field": { "id": "f6", "type": "short_text" } },
                { "type": "choice", "choice": { "label": "11-50" }, "field": { "id": "f7", "type": "multiple_choice", "ref": "team" } },
                { "type": "choices", "choices": { "labels": ["a", "b"] }, "field": { "id": "f8", "type": "multiple_choice", "ref": "uses" } },
                { "type": "boolean", "boolean": true, "field": { "id": "f9", "type": "yes_no", "ref": "ok" } },
            ],
        },
    })
}

#[test]
fn a_response_is_a_submitted_form_with_who_filled_it() {
    let event = posted(&response()).event(&plain("typeform"));

    assert_eq!(event.kind, EventKind::FormSubmitted);
    assert_eq!(event.id.as_str(), "01HEVENT");
    assert_eq!(event.occurred_at.to_string(), "2026-03-06T11:02:00Z");
    assert_eq!(
        event.subject.email.unwrap().as_str(),
        "ada@example.com",
        "an answer counts more than a hidden field"
    );
    assert_eq!(event.subject.phone.unwrap().as_str(), "+4930901820");
    assert_eq!(event.subject.crm_ids[0].as_str(), "101");
    assert_eq!(event.detail.contact.text("first_name"), Some("Ada"));
    assert_eq!(event.detail.contact.text("last_name"), Some("Lovelace"));
    assert_eq!(event.detail.account.text("name"), Some("Example Inc"));
}

#[test]
fn answers_are_data_by_the_reference_of_their_field() {
    let data = posted(&response()).event(&plain("typeform")).detail.data;

    assert_eq!(data.text("form"), Some("aBcDeF"));
    assert_eq!(data.text("title"), Some("Ask for a demo"));
    assert_eq!(data.get("score"), Some(&json!(9)));
    assert_eq!(data.get("hidden").unwrap()["utm_source"], "newsletter");
    let answers = data.get("answers").unwrap();
    assert_eq!(answers["team"], "11-50");
    assert_eq!(answers["uses"], json!(["a", "b"]));
    assert_eq!(answers["ok"], true);
    assert_eq!(answers["f4"], "Lovelace");
}

#[test]
fn a_map_is_laid_over_what_typeform_says() {
    let source = mapped(
        "typeform",
        json!({
            "kind": { "const": "content_downloaded" },
            "data": { "form": { "const": "white-paper" } },
            "contact": { "lead_source": "/form_response/hidden/utm_source" },
        }),
    );

    let event = posted(&response()).event(&source);

    assert_eq!(event.kind, EventKind::ContentDownloaded);
    assert_eq!(event.detail.data.text("form"), Some("white-paper"));
    assert_eq!(event.detail.contact.text("lead_source"), Some("newsletter"));
    assert_eq!(event.subject.email.unwrap().as_str(), "ada@example.com");
}

#[test]
fn a_half_filled_form_is_no_submission() {
    let mut body = response();
    body["event_type"] = json!("form_response_partial");

    let outcome = posted(&body).outcomes(&plain("typeform")).remove(0);

    assert_eq!(outcome.result, Ok(Translated::Ignored("partial_response")));
}

#[test]
fn a_hidden_address_counts_where_nobody_was_asked() {
    let mut body = response();
    body["form_response"]["answers"] = json!([]);

    assert_eq!(posted(&body).event(&plain("typeform")).subject.email.unwrap().as_str(), "hidden@example.com");
}

#[test]
fn other_bodies_are_quarantined_with_their_reason() {
    let refusal = |body| posted(&body).refusal(&plain("typeform"));

    assert!(refusal(json!({ "event_type": "form_deleted" })).starts_with("unknown_kind: \"form_deleted\""));
    assert!(refusal(json!({ "event_type": "form_response" })).starts_with("wrong_shape: form_response"));
    assert!(refusal(json!([])).starts_with("wrong_shape: event_type"));
    assert!(refusal(json!({ "event_type": "form_response", "form_response": {} })).starts_with("no_subject"));
}
