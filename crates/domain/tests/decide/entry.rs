//! Language §5.4 and §7.7–7.12: who enters.

use domain::cadence::{ExitEffect, Guard, Guards, OnConflict, Outcome, Reentry, Switch};
use domain::decision::RefusalRule;
use domain::enrollment::EnrollmentState;
use domain::event::EventKind;
use domain::identity::{Email, SubjectKeys};

use crate::play::*;
use crate::said::*;
use crate::writing::*;

#[test]
fn a_trigger_whose_condition_is_true_enrolls() {
    let demo =
        cadence("demo", vec![call("call")]).trigger(EventKind::FormSubmitted, "event.form == \"demo\"");
    let mut play = Play::new(vec![demo]);

    let other = play.send(form().data("form", "newsletter"));
    let record = play.send(form().data("form", "demo"));

    assert_eq!(refused(&other), [("demo", RefusalRule::Trigger)]);
    assert_eq!(enrolled(&record), ["demo"]);
    assert_eq!(play.step("demo"), "call");
}

#[test]
fn a_refusal_says_what_was_expected_and_what_was_seen() {
    let demo = cadence("demo", vec![call("call")]).audience("contact.country in [\"US\", \"CA\"]");
    let mut play = Play::new(vec![demo]);

    let record = play.send(form().contact("country", "FR"));

    let domain::decision::Decision::Refused { refusal, .. } = &record.items[0] else { panic!("{record:?}") };
    assert_eq!(refusal.rule, RefusalRule::Audience);
    assert_eq!(&*refusal.expected, "contact.country in [\"US\", \"CA\"]");
    assert_eq!(*refusal.seen, serde_json::json!({"contact.country": "FR"}));
}

#[test]
fn the_highest_priority_of_a_class_enters_and_the_others_are_outranked() {
    let mut play = Play::new(vec![
        cadence("low", vec![call("a")]).priority(10),
        cadence("high", vec![call("b")]).priority(90),
        cadence("middle", vec![call("c")]).priority(50),
    ]);

    let record = play.send(form());

    assert_eq!(enrolled(&record), ["high"]);
    assert_eq!(refused(&record), [("middle", RefusalRule::Outranked), ("low", RefusalRule::Outranked)]);
}

#[test]
fn of_equal_priorities_the_first_name_enters() {
    let mut play = Play::new(vec![cadence("zulu", vec![call("a")]), cadence("alpha", vec![call("b")])]);

    assert_eq!(enrolled(&play.send(form())), ["alpha"]);
}

#[test]
fn one_that_refuses_leaves_the_class_to_the_next() {
    let mut play = Play::new(vec![
        cadence("high", vec![call("a")]).priority(90).audience("contact.customer"),
        cadence("low", vec![call("b")]).priority(10),
    ]);

    let record = play.send(form());

    assert_eq!(enrolled(&record), ["low"]);
    assert_eq!(refused(&record), [("high", RefusalRule::Audience)]);
}

#[test]
fn candidates_without_a_class_enter_each_on_their_own() {
    let mut play = Play::new(vec![
        cadence("one", vec![call("a")]).class(None),
        cadence("two", vec![call("b")]).class(None),
        cadence("three", vec![call("c")]),
    ]);

    let record = play.send(form());

    assert_eq!(enrolled(&record), ["one", "three", "two"]);
}

#[test]
fn an_exit_frees_its_class_for_a_trigger_on_the_same_event() {
    let booked = cadence("prepare", vec![call("b")]).trigger(EventKind::MeetingBooked, "").priority(1);
    let mut play = Play::new(vec![cadence("sales", vec![call("a")]), booked]);
    play.send(form());

    let record = play.send(event(EventKind::MeetingBooked));

    assert_eq!(play.ending("sales"), (EnrollmentState::Exited, "meeting_booked".into(), Outcome::Success));
    assert_eq!(enrolled(&record), ["prepare"]);
}

#[test]
fn a_newcomer_preempts_only_a_strictly_lower_priority() {
    for (priority, enters) in [(51, true), (50, false), (49, false)] {
        let urgent =
            cadence("urgent", vec![call("b")]).trigger(EventKind::PageVisited, "").priority(priority);
        let mut play = Play::new(vec![cadence("steady", vec![call("a")]), urgent]);
        play.send(form());

        let record = play.send(event(EventKind::PageVisited));

        assert_eq!(enrolled(&record) == ["urgent"], enters, "{priority}");
        let expected = if enters { EnrollmentState::Preempted } else { EnrollmentState::Live };
        assert_eq!(play.state("steady"), expected, "{priority}");
        if !enters {
            assert_eq!(refused(&record), [("urgent", RefusalRule::Exclusive)], "{priority}");
        }
    }
}

#[test]
fn a_newcomer_that_refuses_conflicts_stays_out_whatever_its_priority() {
    let shy = cadence("shy", vec![call("b")]).trigger(EventKind::PageVisited, "").priority(99);
    let shy = shy.with(|cadence| cadence.entry.as_mut().unwrap().on_conflict = OnConflict::Refuse);
    let mut play = Play::new(vec![cadence("steady", vec![call("a")]), shy]);
    play.send(form());

    let record = play.send(event(EventKind::PageVisited));

    assert_eq!(refused(&record), [("shy", RefusalRule::Exclusive)]);
    assert_eq!(play.state("steady"), EnrollmentState::Live);
}

#[test]
fn already_live_in_the_cadence_is_refused_always() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")]).class(None).reentry(Reentry::Always)]);
    play.send(form());

    let record = play.send(form());

    assert_eq!(refused(&record), [("demo", RefusalRule::AlreadyLive)]);
}

#[test]
fn reentry_counts_from_the_end_of_the_last_enrollment() {
    for (reentry, when, enters) in [
        (Reentry::Never, "2026-06-20 10:00", false),
        (Reentry::Always, "2026-03-02 10:01", true),
        (Reentry::After(span("90d")), "2026-05-31 09:59", false),
        (Reentry::After(span("90d")), "2026-05-31 10:00", true),
    ] {
        let mut play = Play::new(vec![cadence("demo", vec![call("a")]).reentry(reentry)]);
        play.send(form());
        play.send(event(EventKind::Replied));

        let record = play.at(when).send(form());

        assert_eq!(enrolled(&record) == ["demo"], enters, "{reentry:?} at {when}: {record:?}");
    }
}

#[test]
fn the_disqualified_never_come_back_and_the_preempted_at_once() {
    let demo = || cadence("demo", vec![call("a")]).reentry(Reentry::Always);
    let mut play = Play::new(vec![demo()]);
    play.send(form());
    play.send(event(EventKind::NotAFit));
    assert_eq!(refused(&play.send(form())), [("demo", RefusalRule::Reentry)]);

    let urgent = cadence("urgent", vec![call("b")]).trigger(EventKind::PageVisited, "").priority(99);
    let mut play = Play::new(vec![demo().reentry(Reentry::Never), urgent]);
    play.send(form());
    play.send(event(EventKind::PageVisited));
    play.send(event(EventKind::Replied));
    assert_eq!(enrolled(&play.send(form())), ["demo"]);
}

#[test]
fn removed_by_a_person_only_a_person_brings_back() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")]).reentry(Reentry::Always)]);
    play.send(form());
    play.send(event(EventKind::ManualRemove).by("rep"));
    assert_eq!(play.state("demo"), EnrollmentState::Removed);

    assert_eq!(refused(&play.send(form())), [("demo", RefusalRule::Reentry)]);
    let record = play
        .send(event(EventKind::ManualEnroll).detail(|detail| detail.name = Some("demo".into())).by("rep"));
    assert_eq!(enrolled(&record), ["demo"]);
}

#[test]
fn by_hand_triggers_and_audience_are_skipped_and_other_guards_only_when_named() {
    let demo = || {
        let guards = Guards::new([(Guard::Phone, Switch::On)]);
        cadence("demo", vec![call("a")]).audience("contact.customer").with(|cadence| cadence.guards = guards)
    };
    let enroll =
        || event(EventKind::ManualEnroll).detail(|detail| detail.name = Some("demo".into())).by("rep");
    let mut play = Play::new(vec![demo()]);

    assert_eq!(refused(&play.send(enroll())), [("demo", RefusalRule::Phone)]);
    let record = play.send(enroll().data("override", "phone"));
    assert_eq!(enrolled(&record), ["demo"]);
    assert_eq!(noted(&record), ["override"]);
}

#[test]
fn by_hand_suppression_is_never_passed_over() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(event(EventKind::Unsubscribed));

    let enroll = event(EventKind::ManualEnroll).detail(|detail| detail.name = Some("demo".into()));
    let record = play.send(enroll.data("override", "suppressed").by("rep"));

    assert_eq!(refused(&record), [("demo", RefusalRule::Suppressed)]);
}

#[test]
fn by_hand_an_unknown_cadence_is_closed() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);

    let record = play.send(event(EventKind::ManualEnroll).detail(|detail| detail.name = Some("nope".into())));

    assert_eq!(refused(&record), [("nope", RefusalRule::Closed)]);
}

#[test]
fn an_e_mail_step_needs_an_address_unless_the_guard_is_off() {
    let nobody = || SubjectKeys { email: None, ..ada() };
    let mut play = Play::new(vec![cadence("demo", vec![email("a")])]);
    assert_eq!(refused(&play.send(form().of(nobody()))), [("demo", RefusalRule::Email)]);

    let open = cadence("demo", vec![email("a")])
        .with(|cadence| cadence.guards = Guards::new([(Guard::Email, Switch::Off)]));
    let mut play = Play::new(vec![open]);
    assert_eq!(enrolled(&play.send(form().of(nobody()))), ["demo"]);
}

#[test]
fn guards_that_are_on_are_judged() {
    for (guard, rule, name) in [
        (Guard::Customer, RefusalRule::Customer, "customer"),
        (Guard::OpenDeal, RefusalRule::OpenDeal, "open_deal"),
    ] {
        let demo = cadence("demo", vec![call("a")])
            .with(|cadence| cadence.guards = Guards::new([(guard, Switch::On)]));
        let mut play = Play::new(vec![demo]);

        assert_eq!(refused(&play.send(form().contact(name, true))), [("demo", rule)]);
        assert_eq!(enrolled(&play.send(form().contact(name, false))), ["demo"]);
    }
    let demo = cadence("demo", vec![call("a")])
        .with(|cadence| cadence.guards = Guards::new([(Guard::Owner, Switch::On)]));
    let mut play = Play::new(vec![demo]);
    assert_eq!(refused(&play.send(form())), [("demo", RefusalRule::Owner)]);
    let record = play.send(form().detail(|detail| detail.owner = Some(owner("rep@ours.com"))));
    assert_eq!(enrolled(&record), ["demo"]);
}

#[test]
fn score_triggers_fire_when_the_condition_turns_true_not_while_it_stays() {
    let hot = || {
        cadence("hot", vec![call("a")])
            .trigger(EventKind::ScoreChanged, "contact.score >= 70")
            .reentry(Reentry::Always)
    };
    let score = |score: f64| event(EventKind::ScoreChanged).detail(|detail| detail.score = Some(score));
    let mut play = Play::new(vec![hot()]);

    assert_eq!(refused(&play.send(score(50.0))), [("hot", RefusalRule::Trigger)]);
    assert_eq!(enrolled(&play.send(score(75.0))), ["hot"]);
    play.send(event(EventKind::Replied));
    assert_eq!(refused(&play.send(score(80.0))), [("hot", RefusalRule::Trigger)]);
    play.send(score(60.0));
    assert_eq!(enrolled(&play.send(score(71.0))), ["hot"]);
}

#[test]
fn a_score_that_is_high_from_the_start_fires() {
    let hot = cadence("hot", vec![call("a")]).trigger(EventKind::ScoreChanged, "contact.score >= 70");
    let mut play = Play::new(vec![hot]);

    let record = play.send(event(EventKind::ScoreChanged).detail(|detail| detail.score = Some(99.0)));

    assert_eq!(enrolled(&record), ["hot"]);
}

#[test]
fn account_triggers_enroll_the_accounts_contacts_that_the_audience_accepts() {
    let funded = cadence("funded", vec![call("a")])
        .trigger(EventKind::SignalDetected, "\"funding\" in account.signals")
        .audience("contact.title == \"CEO\"");
    let mut play = Play::new(vec![funded]);
    play.send(event(EventKind::ContactUpdated).contact("title", "CEO"));
    play.send(event(EventKind::ContactUpdated).of(bob()).contact("title", "CTO"));

    let signal = event(EventKind::SignalDetected).of(SubjectKeys::default()).account_domain("acme.com");
    let record = play.send(signal.detail(|detail| detail.name = Some("funding".into())));

    assert_eq!(enrolled(&record), ["funded"]);
    assert_eq!(refused(&record), [("funded", RefusalRule::Audience)]);
    assert_eq!(play.enrollment("funded").contact, play.contact(&ada()).id);
}

#[test]
fn the_audience_is_judged_at_entry_only() {
    let demo = cadence("demo", vec![call("a"), call("b")]).audience("!contact.customer");
    let mut play = Play::new(vec![demo]);
    play.send(form());

    play.send(event(EventKind::ContactUpdated).contact("customer", true));

    assert_eq!(play.state("demo"), EnrollmentState::Live);
}

#[test]
fn the_same_event_makes_the_same_enrollment_and_keys() {
    let make = || {
        let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
        play.send(form());
        (play.enrollment("demo").uid, play.touch("a").key)
    };

    assert_eq!(make(), make());
}

#[test]
fn an_event_about_nobody_is_ignored_and_said() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);

    let record = play.send(form().of(SubjectKeys::default()));

    assert_eq!(ignored(&record), ["no_subject"]);
    assert!(play.world.contacts.is_empty());
}

#[test]
fn opens_of_strangers_make_no_contact() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);

    let record = play.send(event(EventKind::EmailOpened));

    assert_eq!(ignored(&record), ["unknown"]);
    assert!(play.world.contacts.is_empty());
}

#[test]
fn an_account_comes_from_the_address_but_never_from_free_mail() {
    let mut play = Play::new(vec![]);
    play.send(form());
    let free = SubjectKeys { email: Some(Email::parse("eve@gmail.com").unwrap()), ..SubjectKeys::default() };
    play.send(form().of(free.clone()));

    assert!(play.contact(&ada()).account.is_some());
    assert_eq!(play.contact(&free).account, None);
}

#[test]
fn keys_that_disagree_are_decided_by_the_crm_id_and_noted() {
    let mut play = Play::new(vec![]);
    play.send(form());
    play.send(form().of(bob()));

    let both = SubjectKeys { email: bob().email, ..ada() };
    let record = play.send(form().of(both).contact("title", "CEO"));

    assert_eq!(noted(&record), ["identity_conflict"]);
    assert_eq!(play.contact(&ada()).attributes.text("title"), Some("CEO"));
    assert_eq!(play.contact(&bob()).attributes.text("title"), None);
}

#[test]
fn attributes_of_an_older_event_only_fill_gaps() {
    let mut play = Play::new(vec![]);
    let early = at("2026-03-01 10:00");
    play.send(event(EventKind::ContactUpdated).contact("title", "CEO"));

    play.send(
        event(EventKind::ContactUpdated).contact("title", "CTO").contact("city", "Bonn").occurred(early),
    );

    let contact = play.contact(&ada());
    assert_eq!(contact.attributes.text("title"), Some("CEO"));
    assert_eq!(contact.attributes.text("city"), Some("Bonn"));
}

#[test]
fn after_a_merge_one_enrollment_of_a_class_stays_and_old_keys_lead_to_the_survivor() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());
    let other = SubjectKeys { crm_ids: vec![domain::identity::CrmId::new("202").unwrap()], ..bob() };
    play.at("2026-03-02 11:00").send(form().of(other.clone()));

    let merged = SubjectKeys {
        email: None,
        phone: None,
        crm_ids: vec![ada().crm_ids[0].clone(), other.crm_ids[0].clone()],
    };
    let record = play.send(event(EventKind::ContactMerged).of(merged));

    assert_eq!(noted(&record), ["merged"]);
    let states: Vec<_> = play.enrollments("demo").iter().map(|row| row.state).collect();
    assert_eq!(states, [EnrollmentState::Live, EnrollmentState::Preempted]);
    play.send(event(EventKind::Replied).of(bob()));
    assert_eq!(play.enrollments("demo")[0].state, EnrollmentState::Exited);
}

#[test]
fn a_window_that_never_opens_refuses_the_entry() {
    use domain::time::{Calendar, DateRange};
    let year = DateRange::new(jiff::civil::date(2026, 1, 1), jiff::civil::date(2028, 1, 1)).unwrap();
    let name = domain::id::CalendarName::new("closed").unwrap();
    let demo = cadence("demo", vec![call("a")]).with(|cadence| cadence.holidays = vec![name.clone()]);
    let mut play = Play::in_catalog(vec![demo], |catalog| {
        let content = catalog.workspaces.values_mut().next().unwrap();
        content.calendars.insert(name.clone(), std::sync::Arc::new(Calendar::new("closed", vec![year])));
    });

    assert_eq!(refused(&play.send(form())), [("demo", RefusalRule::NeverOpens)]);
}

#[test]
fn a_rule_of_the_cadence_may_end_it_with_its_own_outcome() {
    let gone = rule(Some(EventKind::Replied), "event.classification == \"not_now\"", exits(Outcome::Recycle));
    let demo = cadence("demo", vec![call("a")]).exit(gone).reentry(Reentry::Always);
    let mut play = Play::new(vec![demo]);
    play.send(form());

    play.send(event(EventKind::Replied).detail(|detail| {
        detail.classification = Some(domain::event::Classification::NotNow);
    }));

    assert_eq!(play.ending("demo"), (EnrollmentState::Exited, "replied".into(), Outcome::Recycle));
    assert!(!matches!(ExitEffect::Ignore, ExitEffect::Exit { .. }));
}

#[test]
fn siblings_are_asked_for_only_where_a_rule_looks_at_them() {
    use domain::cadence::ExitScope;
    use domain::decide::{Reach, reach};
    let plain = || cadence("demo", vec![call("a")]);
    let watching =
        |kind| plain().exit(of_scope(ExitScope::Account, rule(Some(kind), "", exits(Outcome::Success))));
    let nobody = || event(EventKind::SignalDetected).of(SubjectKeys::default()).account_domain("acme.com");
    for (cadence, sent, expected) in [
        (plain(), event(EventKind::DealOpened), Reach::Contact),
        (watching(EventKind::DealOpened), event(EventKind::DealOpened), Reach::Account),
        (watching(EventKind::DealOpened), event(EventKind::DealWon), Reach::Contact),
        (
            watching(EventKind::MeetingBooked),
            event(EventKind::TaskCompleted).outcome("meeting_booked"),
            Reach::Account,
        ),
        (watching(EventKind::MeetingBooked), event(EventKind::TaskCompleted).outcome("done"), Reach::Contact),
        (plain(), nobody(), Reach::Contact),
        (plain().trigger(EventKind::SignalDetected, ""), nobody(), Reach::Account),
        (plain().trigger(EventKind::SignalDetected, ""), event(EventKind::SignalDetected), Reach::Contact),
    ] {
        let mut play = Play::new(vec![cadence]);
        let kind = sent.kind;
        let input = play.input(sent);

        assert_eq!(reach(&play.world.catalog, &input), expected, "{kind}");
    }
}
