use domain::event::{Bounce, Event, EventKind, TaskRef};
use domain::touch::Channel;
use serde_json::{Value, json};

use crate::Translated;
use crate::testing::{delivery, json as posted, plain};

fn told(name: &str, more: Value) -> Value {
    let mut event = json!({
        "email": "Ada@Example.com", "timestamp": 1_772_794_800, "event": name, "sg_event_id": format!("id-{name}"),
        "sg_message_id": "m.1", "smtp-id": "<1@x>", "category": ["demo"],
    });
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

fn event_of(name: &str, more: Value) -> Event {
    posted(&json!([told(name, more)])).event(&plain("sendgrid"))
}

#[test]
fn every_mail_event_has_its_kind() {
    for (name, kind) in [
        ("processed", EventKind::EmailSent),
        ("delivered", EventKind::EmailDelivered),
        ("open", EventKind::EmailOpened),
        ("click", EventKind::EmailClicked),
        ("bounce", EventKind::Bounced),
        ("spamreport", EventKind::Complained),
        ("unsubscribe", EventKind::Unsubscribed),
        ("group_unsubscribe", EventKind::Unsubscribed),
        ("group_resubscribe", EventKind::Resubscribed),
        ("deferred", EventKind::Custom),
        ("dropped", EventKind::Custom),
    ] {
        let event = event_of(name, json!({}));

        assert_eq!(event.kind, kind, "{name}");
        assert_eq!(event.id.as_str(), format!("id-{name}"));
        assert_eq!(event.subject.email.unwrap().as_str(), "ada@example.com");
        assert_eq!(event.detail.channel, Some(Channel::Email));
        assert_eq!(event.occurred_at.to_string(), "2026-03-06T11:00:00Z");
        assert_eq!(event.detail.data.text("message_id"), Some("m.1"));
    }
}

#[test]
fn a_block_is_a_soft_bounce_and_a_bounce_without_type_goes_by_its_status() {
    let bounce = |more| event_of("bounce", more).detail.bounce;

    assert_eq!(bounce(json!({ "type": "bounce", "status": "5.1.1" })), Some(Bounce::Hard));
    assert_eq!(bounce(json!({ "type": "blocked", "status": "5.7.1" })), Some(Bounce::Soft));
    assert_eq!(bounce(json!({ "status": "5.0.0" })), Some(Bounce::Hard));
    assert_eq!(bounce(json!({ "status": "4.4.2" })), Some(Bounce::Soft));
}

#[test]
fn a_drop_tells_what_sendgrids_own_list_forbids() {
    let dropped = |reason: &str| event_of("dropped", json!({ "reason": reason }));

    assert_eq!(dropped("Unsubscribed Address").kind, EventKind::Unsubscribed);
    assert_eq!(dropped("Spam Content").kind, EventKind::Custom);
    assert_eq!(dropped("Spam Reporting Address").kind, EventKind::Complained);
    let bounced = dropped("Bounced Address");
    assert_eq!((bounced.kind, bounced.detail.bounce), (EventKind::Bounced, Some(Bounce::Hard)));
    assert_eq!(bounced.detail.data.get("dropped"), Some(&json!(true)));
    let other = dropped("Recipient List over Package Quota");
    assert_eq!((other.kind, other.detail.name.as_deref()), (EventKind::Custom, Some("email_dropped")));
    assert_eq!(other.detail.reason.as_deref(), Some("Recipient List over Package Quota"));
}

#[test]
fn an_open_of_a_machine_says_so() {
    assert!(event_of("open", json!({ "sg_machine_open": true })).detail.machine);
    assert!(!event_of("open", json!({ "sg_machine_open": false })).detail.machine);
    assert!(!event_of("open", json!({})).detail.machine);
}

#[test]
fn custom_arguments_are_data_and_may_name_our_task() {
    let key = "3f0c8d5e-58e9-5d6c-9d11-0a4f4d1f2b7a";

    let event = event_of(
        "click",
        json!({ "drumbeat_key": key, "campaign": "spring", "url": "https://example.com/", "ip": "192.0.2.1" }),
    );

    assert!(matches!(event.detail.task, Some(TaskRef::Key(_))));
    assert_eq!(event.detail.data.text("campaign"), Some("spring"));
    assert_eq!(event.detail.data.text("url"), Some("https://example.com/"));
    assert_eq!(event.detail.data.text("smtp_id"), Some("<1@x>"));
    assert_eq!(event.detail.data.get("ip"), None, "where a person reads mail is none of our business");
}

#[test]
fn a_batch_keeps_its_order_whatever_is_in_it() {
    let body = "[{\"event\":\"open\",\"email\":\"a@b.co\",\"sg_event_id\":\"1\"},\r\n5,\r\n\
                {\"event\":\"account_status_change\",\"sg_event_id\":\"2\"},\r\n\
                {\"event\":\"open\",\"sg_event_id\":\"3\"},\r\n{\"event\":\"new\",\"sg_event_id\":\"4\"}]\r\n";

    let outcomes = delivery(body).outcomes(&plain("sendgrid"));

    assert!(matches!(outcomes[0].result, Ok(Translated::Event(_))));
    assert_eq!(outcomes[1].result.as_ref().unwrap_err().reason.as_str(), "wrong_shape");
    assert_eq!(outcomes[2].result, Ok(Translated::Ignored("account_status_change")));
    assert_eq!(outcomes[3].result.as_ref().unwrap_err().reason.as_str(), "no_subject");
    assert_eq!(outcomes[4].result.as_ref().unwrap_err().reason.as_str(), "unknown_kind");
    assert_eq!(outcomes[3].id, "3");
}

#[test]
fn a_body_that_is_no_array_is_quarantined_whole() {
    let refusal = posted(&told("open", json!({}))).refusal(&plain("sendgrid"));

    assert_eq!(refusal, "wrong_shape: each: the body is not an array");
    assert!(posted(&json!([])).outcomes(&plain("sendgrid")).is_empty());
}
