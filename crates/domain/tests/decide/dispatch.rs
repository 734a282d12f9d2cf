//! What the dispatcher asks and reports: judgement, the task, budgets, and what comes of attempts.

use std::sync::Arc;

use domain::cadence::{OverdueAction, Reentry, Variant};
use domain::catalog::Catalog;
use domain::decide::{self, Judgement};
use domain::enrollment::EnrollmentState as State;
use domain::event::EventKind;
use domain::id::{TemplateName, VariantName};
use domain::input::TouchReport;
use domain::time::{Limit, Quota};
use domain::touch::{AttemptResult, Channel, Delivery, Note, TimerKind, TouchState};
use serde_json::json;

use crate::play::*;

fn with_template(subject: &str, text: &str) -> impl FnOnce(&mut Catalog) {
    let made = template("hello", subject, text);
    move |catalog| {
        let content = catalog.workspaces.values_mut().next().unwrap();
        content.templates.insert(made.name.clone(), Arc::new(made));
    }
}

// The task.

#[test]
fn the_task_is_the_contracts() {
    let step = email("confirm").template("hello").spec(|spec| {
        spec.purpose = Some("Say hello".into());
        spec.cta = Some("Book a slot".into());
        spec.due_within = Some(span("10m"));
    });
    let demo = cadence("demo", vec![step.after("2m")]).with(|cadence| cadence.reason = Some("Asked for a demo".into()));
    let mut play = Play::in_catalog(vec![demo], with_template("{{ contact.first_name }}, your demo", "Hi {{ contact.first_name }}"));
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
            "key", "channel", "subject", "body", "due_at", "due_by", "contact", "account", "owner", "cadence", "version", "step",
            "visit", "part", "variant", "enrollment", "workspace", "record", "reply_to", "outcomes", "purpose", "cta", "why"
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
    assert_eq!((failed.state, failed.note.as_ref().unwrap().code.as_str()), (TouchState::Failed, "missing_field"));
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
}

// Variants.

#[test]
fn an_arm_is_chosen_by_hash_and_kept_on_reentry() {
    let arms = |names: &[&str]| {
        names.iter().map(|name| (VariantName::new(name).unwrap(), Variant { template: None, weight: 1 })).collect()
    };
    let demo = || cadence("demo", vec![email("a").spec(|spec| spec.variants = arms(&["x", "y"]))]).reentry(Reentry::Always);
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
    let demo = cadence("demo", vec![email("a").spec(|spec| {
        let arm = Variant { template: Some(TemplateName::new("hello").unwrap()), weight: 1 };
        spec.variants.insert(VariantName::new("only").unwrap(), arm);
    })]);
    let mut play = Play::in_catalog(vec![demo], with_template("Of the arm", "Hi"));
    play.send(form());

    let task = decide::task(&play.world, play.touch("a").id).unwrap();

    assert_eq!((task["subject"].as_str(), task["variant"].as_str()), (Some("Of the arm"), Some("only")));
}

// Judgement.

#[test]
fn a_guard_is_judged_when_the_touch_comes_due() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").day(3).when("contact.phone != \"\""), call("b").day(4)])]);
    play.send(form());

    play.at("2026-03-20 10:00");

    assert_eq!(play.touch("a").state, TouchState::Skipped);
    assert_eq!(play.went_out(), [("b", "2026-03-05 09:00")]);
}

#[test]
fn a_guard_that_turned_true_meanwhile_lets_the_touch_go() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").when("contact.customer")])]);
    play.send(form());
    let touch = play.touch("a").id;
    assert_eq!(decide::judge(&play.world, touch, play.now), Judgement::Act);
    play.send(event(EventKind::ContactUpdated).contact("customer", true));

    let record = play.report(touch, TouchReport::Judge { fence: 0 });

    assert_eq!(ignored(&record), ["overtaken"]);
    assert_eq!(play.touch("a").state, TouchState::Scheduled);
}

#[test]
fn what_is_stopped_is_gone_for_the_dispatcher() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());
    let touch = play.touch("a").id;
    play.send(event(EventKind::Replied));

    assert_eq!(decide::judge(&play.world, touch, play.now), Judgement::Gone);
}

#[test]
fn a_report_of_an_older_fence_or_attempt_changes_nothing() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());
    let touch = play.touch("a").id;
    let until = at("2026-03-05 10:00");
    let limit = || Note::new("per_contact", "full");
    play.report(touch, TouchReport::Defer { fence: 0, until, note: limit() });
    assert_eq!(play.due("a"), "2026-03-05 10:00");

    let record = play.report(touch, TouchReport::Defer { fence: 0, until: at("2026-03-09 10:00"), note: limit() });
    assert_eq!(ignored(&record), ["overtaken"]);

    let sent = AttemptResult::Sent { remote_id: None, delivery: Delivery::Task };
    let record = play.report(touch, TouchReport::Attempt { attempt: 3, result: sent });
    assert_eq!(ignored(&record), ["overtaken"]);
    assert_eq!(play.touch("a").state, TouchState::Scheduled);
}

#[test]
fn a_deferred_touch_moves_to_the_next_opening() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());
    let touch = play.touch("a").id;

    let record = play.report(touch, TouchReport::Defer { fence: 0, until: at("2026-03-07 12:00"), note: Note::new("gap", "") });

    assert_eq!(play.due("a"), "2026-03-09 09:00");
    assert_eq!(touched(&record), [("a", "deferred")]);
}

#[test]
fn the_gap_counts_from_the_last_touch_of_any_cadence() {
    let slow = cadence("slow", vec![call("b").after("10m")]).class(None).with(|cadence| cadence.limits.gap = Some(span("2h")));
    let mut play = Play::new(vec![cadence("fast", vec![call("a").after("5m").automatic()]), slow]);
    play.send(form());

    play.at("2026-03-02 12:30");

    assert_eq!(play.went_out(), [("a", "2026-03-02 10:05"), ("b", "2026-03-02 12:05")]);
}

// Budgets.

fn limit(max: u32, per: &str, channel: Option<Channel>) -> Limit<Channel> {
    Limit { quota: Quota::new(max, span(per)).unwrap(), channel }
}

#[test]
fn a_touch_counts_in_the_budgets_of_every_cadence_in_force_and_is_bound_by_its_own() {
    let own = cadence("own", vec![email("a")]).with(|cadence| {
        cadence.limits.per_contact = vec![limit(3, "7d", Some(Channel::Email)), limit(9, "1d", Some(Channel::Sms))];
        cadence.limits.per_owner = vec![limit(50, "1d", None)];
    });
    let other = cadence("other", vec![email("z")]).trigger(EventKind::PageVisited, "").with(|cadence| {
        cadence.limits.per_contact = vec![limit(1, "2d", None)];
        cadence.limits.gap = Some(span("1h"));
    });
    let mut play = Play::in_catalog(vec![own, other], |catalog| {
        catalog.defaults.per_contact = vec![limit(2, "7d", Some(Channel::Email))];
    });
    play.send(form().detail(|detail| detail.owner = Some(owner("rep@ours.com"))));

    let contact = play.contact(&ada()).id;
    let found = decide::reservations(&play.world, play.touch("a").id, play.now);

    let seen: Vec<_> = found.iter().map(|one| (one.key.as_str(), one.max)).collect();
    let keys = [
        format!("main/contact/{contact}/*/2d"),
        format!("main/contact/{contact}/email/7d"),
        format!("main/contact/{contact}/gap"),
        "main/owner/rep@ours.com/*/1d".to_owned(),
    ];
    let expected: Vec<_> = keys.iter().map(String::as_str).zip([None, Some(2), None, Some(50)]).collect();
    assert_eq!(seen, expected);
    assert_eq!(shown(found[1].counted_since), "2026-02-23 10:00");
    assert!(found[3].counted_since < at("2026-03-02 00:00"));
    assert_eq!(shown(found[3].forget_after), "2026-03-03 00:00");
}

#[test]
fn a_full_budget_says_when_there_is_room() {
    let demo = cadence("demo", vec![email("a")]).with(|cadence| {
        cadence.limits.per_contact = vec![limit(2, "7d", None), limit(1, "1d", None)];
    });
    let mut play = Play::new(vec![demo]);
    play.send(form());
    let touch = play.touch("a").id;
    let contact = play.contact(&ada()).id;

    let uses = [at("2026-02-25 09:00"), at("2026-02-28 09:00")];
    let (until, note) = decide::defer(&play.world, touch, &format!("main/contact/{contact}/*/7d"), &uses, play.now);
    assert_eq!((shown(until).as_str(), note.code.as_str()), ("2026-03-04 09:00", "per_contact"));

    let (until, _) = decide::defer(&play.world, touch, &format!("main/contact/{contact}/*/1d"), &[play.now], play.now);
    assert_eq!(shown(until), "2026-03-03 00:00");
}

// Attempts.

fn marked(steps: Vec<domain::cadence::Step>) -> (Play, domain::id::TouchId) {
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());
    let touch = play.world.touches.iter().next().map(|(id, _)| *id).unwrap();
    play.mark(touch);
    (play, touch)
}

fn why() -> Note {
    Note::new("why", "because")
}

#[test]
fn a_rejected_touch_holds_its_step_and_comes_back_under_a_new_key() {
    let (mut play, touch) = marked(vec![call("a")]);
    play.settle(touch, AttemptResult::Rejected(why()));
    assert_eq!((play.touch("a").state, play.timer("demo")), (TouchState::Failed, None));

    play.send(event(EventKind::ManualRedrive).by("rep"));

    let rows = play.touches("a");
    assert_eq!(rows.iter().map(|row| (row.visit, row.state)).collect::<Vec<_>>(), [(1, TouchState::Withdrawn), (2, TouchState::Scheduled)]);
    assert_ne!(rows[0].key, rows[1].key);
}

#[test]
fn exhausted_tries_fail_the_touch() {
    let (mut play, touch) = marked(vec![call("a")]);

    play.settle(touch, AttemptResult::Exhausted(why()));

    assert_eq!(play.touch("a").state, TouchState::Failed);
}

#[test]
fn a_retry_waits_for_its_time_and_keeps_its_slot() {
    let (mut play, touch) = marked(vec![call("a")]);

    play.settle(touch, AttemptResult::Retry { at: at("2026-03-02 10:07"), note: why() });

    assert_eq!(play.timer("demo"), Some((TimerKind::Touch, "2026-03-02 10:07".into())));
    assert_eq!((play.touch("a").state, play.due("a").as_str()), (TouchState::Scheduled, "2026-03-02 10:00"));
    play.at("2026-03-02 11:00");
    assert_eq!(play.touch("a").state, TouchState::Open);
}

#[test]
fn an_unknown_attempt_is_repeated_with_its_key_even_if_its_guard_is_false_by_now() {
    let (mut play, touch) = marked(vec![call("a").when("!contact.customer")]);
    let key = play.touch("a").key;
    play.settle(touch, AttemptResult::Unknown { again_at: Some(at("2026-03-02 10:07")), note: why() });
    play.send(event(EventKind::ContactUpdated).contact("customer", true));

    play.at("2026-03-02 11:00");

    assert_eq!((play.touch("a").state, play.touch("a").key), (TouchState::Open, key));
    assert_eq!(play.touch("a").attempt, 2);
}

#[test]
fn an_unknown_attempt_without_a_repeat_waits_for_a_person() {
    let (mut play, touch) = marked(vec![call("a")]);
    let key = play.touch("a").key;
    play.settle(touch, AttemptResult::Unknown { again_at: None, note: why() });
    assert_eq!((play.touch("a").state, play.timer("demo")), (TouchState::Unknown, None));

    play.send(event(EventKind::ManualRedrive).by("rep"));

    assert_eq!((play.touch("a").state, play.touch("a").key, play.touches("a").len()), (TouchState::Scheduled, key, 1));
}

#[test]
fn a_late_answer_to_an_unknown_attempt_settles_it() {
    let (mut play, touch) = marked(vec![call("a")]);
    play.settle(touch, AttemptResult::Unknown { again_at: Some(at("2026-03-02 10:07")), note: why() });

    play.settle(touch, AttemptResult::Sent { remote_id: Some("9".into()), delivery: Delivery::Task });

    assert_eq!((play.touch("a").state, play.timer("demo")), (TouchState::Open, None));
}

#[test]
fn a_void_mark_goes_again_and_frees_its_budgets() {
    let (mut play, touch) = marked(vec![call("a")]);
    play.world.touches.get_mut(&touch).unwrap().reserved = vec!["x".into()];

    play.settle(touch, AttemptResult::Void);

    assert_eq!(play.touch("a").state, TouchState::Scheduled);
    assert!(play.touch("a").reserved.is_empty());
    assert!(play.timer("demo").is_some());
}

#[test]
fn a_request_that_left_before_the_stop_is_counted_and_taken_back() {
    let (mut play, touch) = marked(vec![call("a")]);
    play.send(event(EventKind::Replied));
    assert_eq!(play.touch("a").state, TouchState::Sending);
    assert!(play.withdrawals().is_empty(), "a withdrawal waits until the attempt is settled");

    let record = play.settle(touch, AttemptResult::Sent { remote_id: Some("9".into()), delivery: Delivery::Task });

    assert_eq!(touched(&record), [("a", "crossed"), ("a", "withdrawn")]);
    assert_eq!((play.touch("a").state, play.withdrawals()), (TouchState::Withdrawn, vec![touch]));
}

#[test]
fn a_request_that_never_left_before_the_stop_just_ends() {
    for result in [
        AttemptResult::Rejected(why()),
        AttemptResult::Exhausted(why()),
        AttemptResult::Void,
        AttemptResult::Retry { at: at("2026-03-02 10:07"), note: why() },
    ] {
        let (mut play, touch) = marked(vec![call("a")]);
        play.send(event(EventKind::Replied));

        play.settle(touch, result.clone());

        assert_eq!(play.touch("a").state, TouchState::Withdrawn, "{result:?}");
        assert!(play.withdrawals().is_empty(), "{result:?}");
    }
}

#[test]
fn an_unknown_attempt_of_an_ended_enrollment_is_looked_up_and_withdrawn() {
    let (mut play, touch) = marked(vec![call("a")]);
    play.send(event(EventKind::Replied));

    play.settle(touch, AttemptResult::Unknown { again_at: Some(at("2026-03-02 10:07")), note: why() });

    assert_eq!((play.touch("a").state, play.withdrawals()), (TouchState::Withdrawn, vec![touch]));
}

#[test]
fn a_touch_whose_window_never_opens_is_held_and_says_so() {
    use domain::time::{Calendar, DateRange};
    let name = domain::id::CalendarName::new("closed").unwrap();
    let demo = cadence("demo", vec![call("a"), email("b").day(40)]).with(|cadence| cadence.holidays = vec![name.clone()]);
    let mut play = Play::in_catalog(vec![demo], |catalog| {
        let years = DateRange::new(jiff::civil::date(2026, 3, 10), jiff::civil::date(2029, 1, 1)).unwrap();
        let content = catalog.workspaces.values_mut().next().unwrap();
        content.calendars.insert(name.clone(), Arc::new(Calendar::new("closed", vec![years])));
    });
    play.send(form());
    play.at("2026-03-02 11:00").complete("a", "done");

    let touch = play.touch("b");
    assert_eq!((touch.state, touch.note.as_ref().unwrap().code.as_str()), (TouchState::Held, "no_opening"));
    let timer = play.world.timers.get(&touch.enrollment).unwrap();
    assert_eq!(timer.held, Some(domain::touch::HeldReason::NoOpening));
}

#[test]
fn a_timer_that_was_overtaken_changes_nothing() {
    use domain::input::{Input, TimerInput};
    let mut play = Play::new(vec![cadence("demo", vec![call("a").overdue("30m", OverdueAction::Exit)])]);
    play.send(form());
    play.later(1);
    let enrollment = play.enrollment("demo").id;
    let due_at = play.world.timers.get(&enrollment).unwrap().due_at;
    let before = play.world.decisions.len();

    let wrong = TimerInput { enrollment, kind: TimerKind::Overdue, due_at: at("2026-03-02 10:29") };
    decide::fold(&mut play.world, &Input::Timer(wrong)).unwrap();
    let other = TimerInput { enrollment, kind: TimerKind::Wait, due_at };
    decide::fold(&mut play.world, &Input::Timer(other)).unwrap();

    assert_eq!((play.state("demo"), play.world.decisions.len()), (State::Live, before));
}

#[test]
fn too_few_ids_are_said_not_made_up() {
    use domain::input::Input;
    use domain::world::{Ids, World};
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    let input = play.input(form());
    let mut world = World::new(play.now, Arc::clone(&play.world.catalog), Arc::clone(&play.world.keys), Ids::new(1, 3));

    assert!(decide::fold(&mut world, &Input::Event(input)).is_err());
    assert!(world.out_of_ids);
}
