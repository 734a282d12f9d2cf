//! Language §5.2: exits of live enrollments, in their order.

use domain::cadence::{ExitEffect, ExitScope, Outcome, PauseLength};
use domain::enrollment::EnrollmentState as State;
use domain::event::{Classification, EventKind};
use domain::identity::SubjectKeys;
use domain::touch::{TimerKind, TouchState};

use crate::play::*;
use crate::said::*;
use crate::writing::*;

fn reply(classification: Classification) -> Sent {
    event(EventKind::Replied).detail(|detail| detail.classification = Some(classification))
}

fn live() -> Play {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").day(2)])]);
    play.send(form());
    play
}

#[test]
fn the_built_in_exits_end_with_their_outcomes() {
    for (sent, rule, outcome) in [
        (event(EventKind::Replied), "replied", Outcome::Stopped),
        (reply(Classification::Positive), "replied", Outcome::Stopped),
        (reply(Classification::WrongPerson), "replied", Outcome::Stopped),
        (reply(Classification::Unsubscribe), "replied", Outcome::Stopped),
        (event(EventKind::Unsubscribed), "unsubscribed", Outcome::Stopped),
        (event(EventKind::Complained), "complained", Outcome::Stopped),
        (event(EventKind::ContactDeleted), "contact_deleted", Outcome::Stopped),
        (event(EventKind::MeetingBooked), "meeting_booked", Outcome::Success),
        (event(EventKind::LeftCompany), "left_company", Outcome::Disqualify),
        (event(EventKind::NotAFit), "not_a_fit", Outcome::Disqualify),
        (event(EventKind::DealOpened), "deal_opened", Outcome::Success),
        (event(EventKind::DealWon), "deal_won", Outcome::Success),
    ] {
        let mut play = live();

        play.send(sent);

        assert_eq!(play.ending("demo"), (State::Exited, rule.to_owned(), outcome), "{rule}");
        assert_eq!(play.touch("a").state, TouchState::Withdrawn, "{rule}");
        assert_eq!(play.timer("demo"), None, "{rule}");
    }
}

#[test]
fn other_events_exit_nothing() {
    for kind in [
        EventKind::EmailOpened,
        EventKind::MeetingHeld,
        EventKind::DealLost,
        EventKind::PageVisited,
        EventKind::Bounced,
    ] {
        let mut play = live();

        play.send(event(kind));

        assert_eq!(play.state("demo"), State::Live, "{kind}");
    }
}

#[test]
fn a_call_that_connected_is_no_exit_unless_a_rule_says_so() {
    let steps = || vec![call("a"), email("b").day(2)];
    let mut play = Play::new(vec![cadence("demo", steps())]);
    play.at("2026-03-02 10:00").send(form());
    play.at("2026-03-02 10:05").complete("a", "connected");
    assert_eq!(play.state("demo"), State::Live);

    let stop =
        rule(Some(EventKind::TaskCompleted), "event.outcome == \"connected\"", exits(Outcome::Success));
    let mut play = Play::new(vec![cadence("demo", steps()).exit(stop)]);
    play.send(form());
    play.at("2026-03-02 10:05").complete("a", "connected");
    assert_eq!(play.ending("demo").1, "task_completed");
    assert!(play.touches("b").is_empty());
}

#[test]
fn the_cadences_rules_come_in_order_then_the_goal_then_the_built_in_ones() {
    let first = rule(Some(EventKind::MeetingBooked), "event.name == \"demo\"", exits(Outcome::Recycle));
    let second = rule(Some(EventKind::MeetingBooked), "", exits(Outcome::Nurture));
    let demo = || cadence("demo", vec![call("a")]).goal(EventKind::MeetingBooked);
    for (rules, name, expected) in [
        (vec![first.clone(), second.clone()], "demo", ("meeting_booked", Outcome::Recycle)),
        (vec![first.clone(), second], "other", ("meeting_booked", Outcome::Nurture)),
        (vec![first], "other", ("goal", Outcome::Success)),
        (vec![], "other", ("goal", Outcome::Success)),
    ] {
        let demo = rules.into_iter().fold(demo(), Writing::exit);
        let mut play = Play::new(vec![demo]);
        play.send(form());

        play.send(event(EventKind::MeetingBooked).detail(|detail| detail.name = Some(name.into())));

        let (_, rule, outcome) = play.ending("demo");
        assert_eq!((rule.as_str(), outcome), expected);
    }
}

#[test]
fn ignore_switches_a_built_in_exit_off() {
    let demo =
        cadence("demo", vec![call("a")]).exit(rule(Some(EventKind::DealOpened), "", ExitEffect::Ignore));
    let mut play = Play::new(vec![demo]);
    play.send(form());

    let record = play.send(event(EventKind::DealOpened));

    assert_eq!(play.state("demo"), State::Live);
    assert_eq!(ignored(&record), ["switched_off"]);
}

#[test]
fn opt_out_complaint_and_erasure_stop_whatever_the_rules_say() {
    for kind in [EventKind::Unsubscribed, EventKind::Complained, EventKind::ContactDeleted] {
        for effect in [ExitEffect::Ignore, ExitEffect::Pause(PauseLength::For(span("14d")))] {
            let mut play =
                Play::new(vec![cadence("demo", vec![call("a")]).exit(rule(Some(kind), "", effect.clone()))]);
            play.send(form());

            play.send(event(kind));

            assert_eq!(
                play.ending("demo"),
                (State::Exited, kind.as_str().to_owned(), Outcome::Stopped),
                "{effect:?}"
            );
        }
    }
}

#[test]
fn an_exit_that_happened_before_the_entry_is_late_but_an_opt_out_never_is() {
    let before = at("2026-03-02 09:00");
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.at("2026-03-02 12:00").send(form());

    let record = play.send(event(EventKind::Replied).occurred(before));
    assert_eq!(ignored(&record), ["late"]);
    assert_eq!(play.state("demo"), State::Live);

    play.send(event(EventKind::Unsubscribed).occurred(before));
    assert_eq!(play.state("demo"), State::Exited);
}

#[test]
fn scopes_say_whose_event_counts() {
    for (scope, own, others) in [
        (ExitScope::Contact, true, false),
        (ExitScope::Others, false, true),
        (ExitScope::Account, true, true),
    ] {
        let won = of_scope(scope, rule(Some(EventKind::MeetingHeld), "", exits(Outcome::Success)));
        for (sender, expected) in [(ada(), own), (bob(), others)] {
            let mut play = Play::new(vec![cadence("demo", vec![call("a")]).exit(won.clone())]);
            play.send(form());

            play.send(event(EventKind::MeetingHeld).of(sender));

            assert_eq!(play.state("demo") == State::Exited, expected, "{scope}");
        }
    }
}

#[test]
fn the_built_in_exits_are_for_the_contact_alone() {
    let mut play = live();

    play.send(event(EventKind::DealWon).of(bob()));

    assert_eq!(play.state("demo"), State::Live);
}

#[test]
fn an_event_of_the_account_itself_counts_for_rules_with_scope_account() {
    let opened =
        of_scope(ExitScope::Account, rule(Some(EventKind::DealOpened), "", exits(Outcome::Disqualify)));
    let mut play = Play::new(vec![cadence("demo", vec![call("a")]).exit(opened)]);
    play.send(form());

    play.send(event(EventKind::DealOpened).of(SubjectKeys::default()).account_domain("acme.com"));

    assert_eq!(play.ending("demo").2, Outcome::Disqualify);
}

#[test]
fn others_may_pause_for_a_while() {
    let rest = of_scope(
        ExitScope::Others,
        rule(Some(EventKind::Replied), "", ExitEffect::Pause(PauseLength::For(span("14d")))),
    );
    let mut play = Play::new(vec![cadence("demo", vec![call("a").day(2)]).exit(rest)]);
    play.send(form());

    play.send(event(EventKind::Replied).of(bob()));

    assert_eq!(play.state("demo"), State::Paused);
    assert_eq!(play.timer("demo"), Some((TimerKind::Resume, "2026-03-16 10:00".into())));
}

#[test]
fn a_rule_without_an_event_is_judged_at_every_event_and_before_each_touch() {
    let customer = || rule(None, "contact.stage == \"customer\"", exits(Outcome::Disqualify));
    let mut play = Play::new(vec![cadence("demo", vec![call("a").day(5)]).exit(customer())]);
    play.send(form());
    play.send(event(EventKind::PageVisited).contact("stage", "customer"));
    assert_eq!(play.ending("demo").1, "contact.stage == \"customer\"");

    let old = rule(None, "enrollment.day >= 5", exits(Outcome::Nurture));
    let mut play = Play::new(vec![cadence("demo", vec![call("a").day(5)]).exit(old)]);
    play.send(form());
    play.at("2026-03-06 12:00");
    assert_eq!(play.ending("demo").2, Outcome::Nurture);
    assert!(play.log.is_empty(), "the touch of day 5 did not go out");
}

#[test]
fn an_out_of_office_reply_pauses_until_its_date_else_for_a_week() {
    let mut play = live();
    play.send(
        reply(Classification::OutOfOffice).detail(|detail| detail.until = Some(at("2026-03-20 08:00"))),
    );
    assert_eq!(play.timer("demo"), Some((TimerKind::Resume, "2026-03-20 08:00".into())));

    let mut play = live();
    play.send(reply(Classification::OutOfOffice));
    assert_eq!(play.timer("demo"), Some((TimerKind::Resume, "2026-03-09 10:00".into())));
    assert!(!play.enrollment("demo").progress.replied, "an absence notice is no answer");
}

#[test]
fn an_absence_that_is_over_pauses_nothing() {
    let mut play = live();

    let record = play.send(
        reply(Classification::OutOfOffice).detail(|detail| detail.until = Some(at("2026-03-01 08:00"))),
    );

    assert_eq!(play.state("demo"), State::Live);
    assert_eq!(ignored(&record), ["past"]);
}

#[test]
fn an_exit_takes_open_tasks_back_in_the_crm() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").automatic(), call("b")])]);
    play.send(form());
    play.at("2026-03-02 11:00");
    assert_eq!(play.touch("a").state, TouchState::Open);

    play.send(event(EventKind::Replied));

    let both = [play.touch("a").id, play.touch("b").id];
    assert_eq!(play.withdrawals(), both);
    assert!(play.world.touches.iter().all(|(_, touch)| touch.state == TouchState::Withdrawn));
}

#[test]
fn the_inbox_needs_no_withdrawal_since_the_row_is_the_task() {
    let demo = cadence("demo", vec![call("a")])
        .with(|cadence| cadence.connector = domain::id::ConnectorName::inbox());
    let mut play = Play::new(vec![demo]);
    play.send(form());
    play.at("2026-03-02 11:00").send(event(EventKind::Replied));

    assert_eq!(play.touch("a").state, TouchState::Withdrawn);
    assert!(play.withdrawals().is_empty());
}

#[test]
fn what_finished_leaves_open_tasks_to_their_rep() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").automatic()])]);
    play.send(form());
    play.at("2026-03-02 11:00");

    assert_eq!(play.ending("demo"), (State::Finished, "end".into(), Outcome::Stopped));
    assert_eq!(play.touch("a").state, TouchState::Open);
    assert!(play.withdrawals().is_empty());
}

#[test]
fn late_answers_count_while_the_end_waits() {
    let demo = || cadence("demo", vec![email("a").automatic()]).end_after("5d", Outcome::Nurture);
    let mut play = Play::new(vec![demo()]);
    play.send(form());
    play.at("2026-03-02 11:00");
    assert_eq!(play.timer("demo"), Some((TimerKind::End, "2026-03-07 10:00".into())));
    play.send(event(EventKind::Replied));
    assert_eq!(play.ending("demo"), (State::Exited, "replied".into(), Outcome::Stopped));

    let mut play = Play::new(vec![demo()]);
    play.send(form());
    play.at("2026-03-08 11:00");
    assert_eq!(play.ending("demo"), (State::Finished, "end".into(), Outcome::Nurture));
}

#[test]
fn exits_act_on_paused_enrollments() {
    let mut play = live();
    play.send(event(EventKind::ManualPause).by("rep"));

    play.send(event(EventKind::Replied));

    assert_eq!(play.state("demo"), State::Exited);
}

#[test]
fn outcomes_that_also_are_events_exit_as_those() {
    for (outcome, rule, expected) in [
        ("meeting_booked", "meeting_booked", Outcome::Success),
        ("not_a_fit", "not_a_fit", Outcome::Disqualify),
        ("left_company", "left_company", Outcome::Disqualify),
        ("do_not_contact", "unsubscribed", Outcome::Stopped),
        ("not_now", "replied", Outcome::Stopped),
    ] {
        let mut play = Play::new(vec![cadence("demo", vec![call("a"), email("b")])]);
        play.send(form());
        play.at("2026-03-02 11:00").complete("a", outcome);

        assert_eq!(play.ending("demo"), (State::Exited, rule.to_owned(), expected), "{outcome}");
        assert_eq!(play.touch("a").state, TouchState::Done, "{outcome}");
        assert!(play.touches("b").is_empty(), "{outcome}");
    }
}

#[test]
fn do_not_contact_suppresses_all_channels() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());
    play.at("2026-03-02 11:00").complete("a", "do_not_contact");

    assert!(play.contact(&ada()).suppressions.stop_all().is_some());
}

#[test]
fn a_rule_without_an_event_that_would_do_nothing_keeps_no_touch() {
    for effect in [
        ExitEffect::Ignore,
        ExitEffect::Pause(PauseLength::For(span("0d"))),
        ExitEffect::Pause(PauseLength::Until(at("2026-03-01 10:00"))),
        ExitEffect::Pause(PauseLength::UntilEvent),
    ] {
        let idle = rule(None, "enrollment.day >= 1", effect.clone());
        let mut play = Play::new(vec![cadence("demo", vec![call("a")]).exit(idle)]);
        play.send(form());

        play.at("2026-03-02 11:00");

        assert_eq!(play.touch("a").state, TouchState::Open, "{effect:?}");
    }
}

#[test]
fn a_pause_until_a_date_that_the_event_does_not_name_lasts_as_an_absence_without_one() {
    let rest = rule(Some(EventKind::MeetingCancelled), "", ExitEffect::Pause(PauseLength::UntilEvent));
    let demo = cadence("demo", vec![call("a").day(2)]).exit(rest);
    let mut play = Play::new(vec![demo.with(|cadence| cadence.pause.out_of_office = span("3d"))]);
    play.send(form());

    play.send(event(EventKind::MeetingCancelled));

    assert_eq!(play.timer("demo"), Some((TimerKind::Resume, "2026-03-05 10:00".into())));
}
