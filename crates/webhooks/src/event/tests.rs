use domain::event::{Bounce, Classification, EventKind};
use domain::touch::Channel;
use serde_json::{Value, json};

use crate::testing::{json as posted, mapped, noon};

/// A source whose bodies are objects of target names.
fn event_of(kind: &str, rest: Value) -> domain::event::Event {
    posted(&of_kind(kind, rest)).event(&source())
}

fn refusal(kind: &str, rest: Value) -> String {
    posted(&of_kind(kind, rest)).refusal(&source())
}

fn of_kind(kind: &str, mut body: Value) -> Value {
    body["kind"] = json!(kind);
    body
}

fn source() -> crate::Source {
    let mut table = json!({ "contact": "/contact", "account": "/account", "data": "/data" });
    for target in crate::Target::ALL {
        table[target.as_str()] = json!(format!("/{}", target.as_str()));
    }
    mapped("generic", table)
}

#[test]
fn every_external_kind_can_be_sent_and_no_other() {
    let everything = json!({
        "email": "a@b.co", "crm_id": ["1", "2"], "name": "x", "owner": "o", "score": 1, "task": "t", "bounce": "soft",
    });
    for kind in EventKind::ALL {
        if kind.is_external() {
            assert_eq!(event_of(kind.as_str(), everything.clone()).kind, *kind);
        } else {
            assert!(refusal(kind.as_str(), everything.clone()).starts_with("unknown_kind: "), "{kind}");
        }
    }
    assert_eq!(
        refusal("form.submitted", everything),
        "unknown_kind: \"form.submitted\" is not a canonical event kind; `map.kind` can translate it"
    );
}

#[test]
fn a_kind_that_does_not_look_like_one_is_not_repeated() {
    assert!(!refusal("ada@example.com wrote", json!({ "email": "a@b.co" })).contains("ada@"));
}

#[test]
fn an_event_without_person_account_or_task_is_quarantined() {
    assert!(refusal("form_submitted", json!({ "data": { "form": "demo" } })).starts_with("no_subject: "));
    assert!(refusal("form_submitted", json!({ "email": "  ", "phone": null })).starts_with("no_subject: "));

    assert_eq!(event_of("account_updated", json!({ "account_id": 7 })).account.id.as_deref(), Some("7"));
    assert!(event_of("task_completed", json!({ "task": "t" })).subject.is_empty());
}

#[test]
fn keys_among_attributes_are_keys() {
    let event = event_of(
        "contact_updated",
        json!({
            "contact": { "email": "A@b.co", "phone": "+49 30 901820", "crm_id": 5, "owner": "rep@ours.com", "title": "CTO" },
            "account": { "domain": "https://www.Example.com/", "id": "acc", "tier": "gold" },
        }),
    );

    assert_eq!(event.subject.email.unwrap().as_str(), "a@b.co");
    assert_eq!(event.subject.phone.unwrap().as_str(), "+4930901820");
    assert_eq!(event.subject.crm_ids[0].as_str(), "5");
    assert_eq!(event.detail.owner.unwrap().as_str(), "rep@ours.com");
    assert_eq!(event.account.domain.unwrap().as_str(), "example.com");
    assert_eq!(event.detail.contact.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["title"]);
    assert_eq!(event.detail.account.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["tier"]);
}

#[test]
fn a_phone_number_is_read_as_in_the_contacts_country() {
    let event = event_of("form_submitted", json!({ "phone": "030 901820", "contact": { "country": "de" } }));

    assert_eq!(event.subject.phone.unwrap().as_str(), "+4930901820");
    assert_eq!(event.detail.contact.text("country"), Some("de"));
}

#[test]
fn a_key_that_cannot_be_read_counts_only_when_it_is_the_only_one() {
    let event = event_of("form_submitted", json!({ "email": "a@b.co", "phone": "ask me" }));
    assert_eq!(event.subject.phone, None);
    assert_eq!(event.detail.data.text("phone"), Some("ask me"));

    assert_eq!(
        refusal("unsubscribed", json!({ "email": "not an address" })),
        "wrong_shape: email: expected an e-mail address"
    );
}

#[test]
fn an_event_cannot_have_happened_after_it_was_received() {
    assert_eq!(
        event_of("replied", json!({ "email": "a@b.co", "occurred_at": "2026-03-07T00:00:00Z" })).occurred_at,
        noon()
    );
    assert_eq!(event_of("replied", json!({ "email": "a@b.co" })).occurred_at, noon());
    assert!(event_of("replied", json!({ "email": "a@b.co", "occurred_at": 0 })).occurred_at < noon());
}

#[test]
fn an_unreadable_time_stops_an_event_but_not_an_opt_out() {
    let body = json!({ "email": "a@b.co", "occurred_at": "yesterday" });

    assert!(refusal("form_submitted", body.clone()).starts_with("wrong_shape: occurred_at"));
    assert_eq!(event_of("unsubscribed", body).occurred_at, noon());
}

#[test]
fn an_opt_out_of_an_unknown_channel_is_of_all_channels() {
    let channel = |kind: &str, channel: &str| {
        event_of(kind, json!({ "email": "a@b.co", "channel": channel })).detail.channel
    };

    assert_eq!(channel("unsubscribed", "email"), Some(Channel::Email));
    assert_eq!(channel("unsubscribed", "all"), None);
    assert_eq!(channel("unsubscribed", "fax"), None);
    assert_eq!(channel("resubscribed", "Phone"), Some(Channel::Call));
    assert!(
        refusal("resubscribed", json!({ "email": "a@b.co", "channel": "fax" }))
            .starts_with("wrong_shape: channel")
    );
}

#[test]
fn a_reply_of_a_class_that_we_do_not_know_is_still_a_reply() {
    let known =
        event_of("replied", json!({ "email": "a@b.co", "classification": "Out of Office", "until": "soon" }));
    let unknown = event_of("replied", json!({ "email": "a@b.co", "classification": "angry" }));

    assert_eq!(known.detail.classification, Some(Classification::OutOfOffice));
    assert_eq!(known.detail.until, None);
    assert_eq!(unknown.detail.classification, Some(Classification::Unknown));
    assert_eq!(unknown.detail.data.text("classified_as"), Some("angry"));
}

#[test]
fn values_are_read_as_their_targets_need_them() {
    let event = event_of(
        "bounced",
        json!({
            "email": "a@b.co", "bounce": "Hard", "score": "12.5", "machine": 1, "record": "Deal:42", "outcome": "Left Voicemail",
            "until": "2026-03-09", "reason": 550,
        }),
    );

    assert_eq!(event.detail.bounce, Some(Bounce::Hard));
    assert_eq!(event.detail.score, Some(12.5));
    assert!(event.detail.machine);
    let record = event.detail.record.unwrap();
    assert_eq!((record.kind.as_str(), record.id.as_str()), ("deal", "42"));
    assert_eq!(event.detail.outcome.as_deref(), Some("left_voicemail"));
    assert_eq!(event.detail.until.unwrap().to_string(), "2026-03-09T00:00:00Z");
    assert_eq!(event.detail.reason.as_deref(), Some("550"));
}

#[test]
fn what_a_target_cannot_hold_is_the_wrong_shape() {
    for (name, value) in [
        ("email", json!({ "a": 1 })),
        ("bounce", json!("medium")),
        ("score", json!("high")),
        ("machine", json!("perhaps")),
        ("record", json!("42")),
        ("owner", json!("a\nb")),
        ("crm_id", json!([{}])),
        ("channel", json!([1])),
    ] {
        let mut body = json!({ "email": "a@b.co" });
        body[name] = value;
        assert!(
            refusal("form_submitted", body).starts_with(&format!("wrong_shape: {name}: expected ")),
            "{name}"
        );
    }
}

#[test]
fn what_a_kind_cannot_do_without_is_asked_for() {
    for (kind, target) in [
        ("custom", "name"),
        ("owner_changed", "owner"),
        ("score_changed", "score"),
        ("task_completed", "task"),
        ("task_deleted", "task"),
        ("bounced", "bounce"),
        ("contact_merged", "crm_id"),
    ] {
        let refused = refusal(kind, json!({ "email": "a@b.co", "crm_id": "1" }));
        assert!(refused.starts_with(&format!("wrong_shape: {target}: expected ")), "{kind}: {refused}");
    }
}

#[test]
fn an_id_that_cannot_be_a_name_is_replaced_by_the_digest() {
    let long = "x".repeat(300);

    let outcome =
        posted(&of_kind("replied", json!({ "email": "a@b.co", "id": long }))).outcomes(&source()).remove(0);

    assert_eq!(outcome.id, outcome.digest.to_hex());
}
