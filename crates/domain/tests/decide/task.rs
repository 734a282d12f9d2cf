//! The canonical task of the contract, and the arms of variants.

use std::sync::Arc;

use domain::cadence::{Reentry, Variant};
use domain::catalog::Catalog;
use domain::decide;
use domain::decision::Decision;
use domain::enrollment::EnrollmentState as State;
use domain::event::EventKind;
use domain::id::{TemplateName, VariantName};
use domain::touch::TouchState;
use serde_json::json;

use crate::play::*;
use crate::writing::*;

fn with_template(subject: &str, text: &str) -> impl FnOnce(&mut Catalog) {
    let made = template("hello", subject, text);
    move |catalog| {
        let content = catalog.workspaces.values_mut().next().unwrap();
        content.templates.insert(made.name.clone(), Arc::new(made));
    }
}

#[test]
fn the_task_is_the_contracts() {
    let step = email("confirm").template("hello").spec(|spec| {
        spec.purpose = Some("Say hello".into());
        spec.cta = Some("Book a slot".into());
        spec.due_within = Some(span("10m"));
    });
    let demo = cadence("demo", vec![step.after("2m")])
        .with(|cadence| cadence.reason = Some("Asked for a demo".into()));
    let mut play = Play::in_catalog(
        vec![demo],
        with_template("{{ contact.first_name }}, your demo", "Hi {{ contact.first_name }}"),
    );
    play.at("2026-03-06 09:00");
    play.send(form().contact("first_name", "Ada").data("form", "demo-request").detail(|detail| {
        detail.owner = Some(owner("rep@ours.com"));
    }));

    let touch = play.touch("confirm");
    let task = decide::task(&play.world, touch.id).unwrap();

    assert_eq!(
        task,
        json!({
            "key": touch.key, "channel": "email", "subject": "Ada, your demo", "body": "Hi Ada",
            "due_at": "2026-03-06T14:02:00Z", "due_by": "2026-03-06T14:12:00Z",
            "contact": { "email": "ada@acme.com", "phone": null, "crm_id": "101", "name": "Ada" },
            "account": { "domain": "acme.com" }, "owner": "rep@ours.com",
            "cadence": "demo", "version": 1, "step": "confirm", "visit": 1, "part": null, "variant": null,
            "enrollment": play.enrollment("demo").uid, "workspace": "main",
            "record": { "type": "contact", "id": "101" }, "reply_to": null,
            "outcomes": ["done", "meeting_booked", "meeting_held", "not_now", "not_a_fit", "left_company", "do_not_contact"],
            "purpose": "Say hello", "cta": "Book a slot",
            "why": "Asked for a demo: form_submitted demo-request, 2 min ago",
        })
    );
    let order: Vec<&str> = task.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        order,
        [
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
            "why"
        ]
    );
    assert_eq!(decide::task(&play.world, touch.id).unwrap().to_string(), task.to_string());
}

#[test]
fn without_a_template_the_subject_is_the_purpose_else_the_step() {
    for (purpose, subject) in [(Some("Call back"), "Call back"), (None, "ring")] {
        let step = call("ring").spec(|spec| spec.purpose = purpose.map(str::to_owned));
        let mut play = Play::new(vec![cadence("demo", vec![step])]);
        play.send(form());

        let task = decide::task(&play.world, play.touch("ring").id).unwrap();

        assert_eq!(task["subject"], subject);
        assert_eq!(task["outcomes"][0], "connected");
    }
}

#[test]
fn a_missing_field_fails_the_touch_visibly_until_it_arrives() {
    let demo = cadence("demo", vec![email("a").template("hello"), call("b")]);
    let mut play = Play::in_catalog(vec![demo], with_template("Hi", "Dear {{ contact.first_name }}"));
    play.send(form());
    play.at("2026-03-02 11:00");
    let failed = play.touch("a");
    assert_eq!(
        (failed.state, failed.note.as_ref().unwrap().code.as_str()),
        (TouchState::Failed, "missing_field")
    );
    assert_eq!(play.state("demo"), State::Live);
    play.send(event(EventKind::ContactUpdated).contact("city", "Bonn"));
    assert_eq!(play.touch("a").state, TouchState::Failed);

    play.send(event(EventKind::ContactUpdated).contact("first_name", "Ada"));
    play.later(1);

    assert_eq!(play.went_out(), [("a", "2026-03-02 11:00")]);
    assert_eq!(play.touches("a").len(), 1, "nothing had left: the same touch and key");
}

#[test]
fn reply_to_threads_on_the_earlier_message() {
    let later = email("b").spec(|spec| spec.reply_to = Some(id("a")));
    let demo = cadence("demo", vec![email("a").template("hello").automatic(), later.day(3)]);
    let mut play = Play::in_catalog(vec![demo], with_template("Your demo", "Hi"));
    play.send(form());
    play.at("2026-03-02 11:00");
    let first = play.touch("a").clone();
    play.send(event(EventKind::EmailSent).about(&first).data("message_id", "<1@ours>"));

    let task = decide::task(&play.world, play.touch("b").id).unwrap();

    assert_eq!(task["subject"], "Re: Your demo");
    assert_eq!(task["reply_to"], json!({ "key": first.key, "message_id": "<1@ours>" }));
}

#[test]
fn reply_to_of_a_skipped_step_is_a_new_thread() {
    let later = email("b").spec(|spec| spec.reply_to = Some(id("a")));
    let demo = cadence("demo", vec![email("a").when("contact.customer"), later.day(3)]);
    let mut play = Play::new(vec![demo]);
    play.send(form());
    play.at("2026-03-02 11:00");

    let task = decide::task(&play.world, play.touch("b").id).unwrap();

    assert_eq!((task["subject"].as_str(), &task["reply_to"]), (Some("b"), &json!(null)));
    let recorded = play.world.decisions.iter().flat_map(|record| &record.items).any(|item| match item {
        Decision::Scheduled { shifts, .. } => shifts.iter().any(|note| note.code == "new_thread"),
        _ => false,
    });
    assert!(recorded);
}

// Variants.

#[test]
fn an_arm_is_chosen_by_hash_and_kept_on_reentry() {
    let arms = |names: &[&str]| {
        names
            .iter()
            .map(|name| (VariantName::new(name).unwrap(), Variant { template: None, weight: 1 }))
            .collect()
    };
    let demo = || {
        cadence("demo", vec![email("a").spec(|spec| spec.variants = arms(&["x", "y"]))])
            .reentry(Reentry::Always)
    };
    let mut chosen = std::collections::BTreeSet::new();
    for person in 0..40 {
        let mut play = Play::new(vec![demo()]);
        let subject = domain::identity::SubjectKeys {
            email: Some(domain::identity::Email::parse(&format!("p{person}@acme.com")).unwrap()),
            ..Default::default()
        };
        play.send(form().of(subject.clone()));
        let first = play.touch("a").variant.clone().unwrap();
        play.send(event(EventKind::Replied).of(subject.clone()));
        play.send(form().of(subject));
        assert_eq!(play.touches("a").len(), 2);
        assert_eq!(play.touch("a").variant.as_ref(), Some(&first));
        chosen.insert(first);
    }
    assert_eq!(chosen.len(), 2, "both arms are met");
}

#[test]
fn the_arm_says_what_is_sent() {
    let demo = cadence(
        "demo",
        vec![email("a").spec(|spec| {
            let arm = Variant { template: Some(TemplateName::new("hello").unwrap()), weight: 1 };
            spec.variants.insert(VariantName::new("only").unwrap(), arm);
        })],
    );
    let mut play = Play::in_catalog(vec![demo], with_template("Of the arm", "Hi"));
    play.send(form());

    let task = decide::task(&play.world, play.touch("a").id).unwrap();

    assert_eq!((task["subject"].as_str(), task["variant"].as_str()), (Some("Of the arm"), Some("only")));
}
