//! Language §3 and §7.2: completion, outcomes, overdue tasks.

use domain::cadence::{Outcome, OverdueAction, Target};
use domain::enrollment::EnrollmentState as State;
use domain::event::{EventKind, TaskRef};
use domain::identity::SubjectKeys;
use domain::touch::{Delivery, TimerKind, TouchState};

use crate::play::*;
use crate::said::*;
use crate::writing::*;

#[test]
fn a_manual_step_waits_for_its_completion() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a"), call("b").after("1h")])]);
    play.send(form());
    play.at("2026-03-03 11:00");
    assert_eq!((play.step("demo").as_str(), play.touch("a").state), ("a", TouchState::Open));

    play.complete("a", "done");

    assert_eq!((play.touch("a").state, play.due("b").as_str()), (TouchState::Done, "2026-03-03 12:00"));
}

#[test]
fn an_automatic_step_goes_on_once_the_task_is_out_and_the_task_stays_open() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").automatic(), call("b").after("1h")])]);
    play.send(form());
    play.at("2026-03-02 10:30");

    assert_eq!(play.touch("a").state, TouchState::Open);
    assert_eq!(play.due("b"), "2026-03-02 11:00");
}

#[test]
fn automatic_is_the_default_only_where_the_connector_delivers_the_channel() {
    let steps = || vec![email("a"), call("b").day(2)];
    let delivers = |catalog: &mut domain::catalog::Catalog| {
        let crm = domain::id::ConnectorName::new("crm").unwrap();
        catalog.defaults.delivers.insert(crm, vec![domain::touch::Channel::Email]);
    };
    let mut play = Play::in_catalog(vec![cadence("demo", steps())], delivers);
    play.delivery = Delivery::Delivered;
    play.send(form());
    play.at("2026-03-02 11:00");
    assert_eq!((play.touch("a").state, play.step("demo").as_str()), (TouchState::Done, "b"));

    let mut play = Play::new(vec![cadence("demo", steps())]);
    play.send(form());
    play.at("2026-03-02 11:00");
    assert_eq!((play.touch("a").state, play.step("demo").as_str()), (TouchState::Open, "a"));
}

#[test]
fn an_outcome_leads_where_the_step_says() {
    let steps = vec![
        call("a").outcome("connected", Target::End).outcome("wrong_number", to("find")),
        call("b"),
        call("find"),
    ];
    for (outcome, state, step) in [
        ("connected", State::Finished, "-"),
        ("wrong_number", State::Live, "find"),
        ("busy", State::Live, "b"),
    ] {
        let mut play = Play::new(vec![cadence("demo", steps.clone())]);
        play.send(form());
        play.at("2026-03-02 11:00").complete("a", outcome);

        assert_eq!((play.state("demo"), play.step("demo").as_str()), (state, step), "{outcome}");
    }
}

#[test]
fn an_outcome_that_comes_after_the_cadence_went_on_is_a_jump() {
    let steps =
        vec![call("a").automatic().outcome("connected", to("close")), email("b").day(5), call("close")];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());
    play.at("2026-03-02 11:00");
    assert_eq!(play.step("demo"), "b");

    play.complete("a", "connected");

    assert_eq!(play.step("demo"), "close");
    assert_eq!((play.touch("a").state, play.touch("b").state), (TouchState::Done, TouchState::Withdrawn));
}

#[test]
fn an_outcome_without_a_target_moves_nothing_after_the_cadence_went_on() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").automatic(), email("b").day(5)])]);
    play.send(form());
    play.at("2026-03-03 11:00").complete("a", "no_answer");

    assert_eq!((play.touch("a").state, play.due("b").as_str()), (TouchState::Done, "2026-03-06 09:00"));
    assert_eq!(play.enrollment("demo").progress.history[0].outcome.as_deref(), Some("no_answer"));
}

#[test]
fn tasks_are_found_by_our_key_and_by_the_crms_id() {
    let by_id = |play: &Play| TaskRef::Remote(play.touch("a").remote_id.clone().unwrap());
    let by_key = |play: &Play| TaskRef::Key(play.touch("a").key);
    for find in [&by_id as &dyn Fn(&Play) -> TaskRef, &by_key] {
        let mut play = Play::new(vec![cadence("demo", vec![call("a"), call("b")])]);
        play.send(form());
        play.at("2026-03-02 11:00");

        let task = find(&play);
        // The CRM's webhook names the task alone.
        play.send(
            event(EventKind::TaskCompleted)
                .of(SubjectKeys::default())
                .detail(|detail| detail.task = Some(task)),
        );

        assert_eq!(play.touch("a").state, TouchState::Done);
    }
}

#[test]
fn our_key_counts_more_than_keys_of_strangers() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a"), call("b")])]);
    play.send(form());
    play.at("2026-03-02 11:00");
    let touch = play.touch("a").clone();

    play.send(event(EventKind::TaskCompleted).of(bob()).about(&touch));

    assert_eq!((play.touch("a").state, play.step("demo").as_str()), (TouchState::Done, "b"));
    assert_eq!(play.world.contacts.len(), 1);
}

#[test]
fn a_task_of_nobody_is_ignored_and_said() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());

    let task = TaskRef::Remote("unheard-of".into());
    let record = play.send(event(EventKind::TaskCompleted).detail(|detail| detail.task = Some(task)));

    assert_eq!(ignored(&record), ["unknown_task"]);
}

#[test]
fn a_task_completed_twice_counts_once() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a"), call("b")])]);
    play.send(form());
    play.at("2026-03-02 11:00").complete("a", "done");
    let b = play.touch("b").id;

    let record = play.complete("a", "connected");

    assert_eq!(touched(&record), [("a", "ignored")]);
    assert_eq!((play.touch("b").id, play.touches("b").len()), (b, 1));
    assert_eq!(play.touch("a").outcome.as_deref(), Some("done"));
}

#[test]
fn an_e_mail_from_the_owners_mailbox_completes_the_open_e_mail_task() {
    for (mailbox, done) in [("rep@ours.com", true), ("other@ours.com", false)] {
        let mut play = Play::new(vec![cadence("demo", vec![email("a")])]);
        play.send(form().detail(|detail| detail.owner = Some(owner("rep@ours.com"))));
        play.at("2026-03-02 11:00");

        play.send(event(EventKind::EmailSent).detail(|detail| detail.owner = Some(owner(mailbox))));

        assert_eq!(play.touch("a").state == TouchState::Done, done, "{mailbox}");
    }
}

#[test]
fn a_completion_that_overtakes_the_settling_of_its_request_counts() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a"), call("b")])]);
    play.send(form());
    let touch = play.touch("a").id;
    play.mark(touch);

    play.complete("a", "done");
    assert_eq!((play.touch("a").state, play.step("demo").as_str()), (TouchState::Done, "b"));

    let sent = domain::touch::AttemptResult::Sent { remote_id: Some("7".into()), delivery: Delivery::Task };
    play.settle(touch, sent);
    assert_eq!((play.touch("a").state, play.touch("a").remote_id.as_deref()), (TouchState::Done, Some("7")));
    assert_eq!(play.step("demo"), "b");
}

#[test]
fn a_task_deleted_in_the_crm_is_a_reps_skip() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a"), call("b")])]);
    play.send(form());
    play.at("2026-03-02 11:00");
    let touch = play.touch("a").clone();

    play.send(event(EventKind::TaskDeleted).about(&touch));

    assert_eq!((play.touch("a").state, play.step("demo").as_str()), (TouchState::Skipped, "b"));
}

// Overdue.

#[test]
fn by_default_an_overdue_task_is_skipped_after_two_business_days_when_the_next_touch_has_a_day() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a"), email("b").day(3)])]);
    play.at("2026-03-05 10:00").send(form());
    play.later(1);
    assert_eq!(play.timer("demo"), Some((TimerKind::Overdue, "2026-03-09 10:00".into())));

    play.at("2026-03-09 10:00");

    assert_eq!(play.touch("a").state, TouchState::Skipped);
    assert_eq!(play.withdrawals(), [play.touch("a").id]);
    assert_eq!(play.step("demo"), "b");
}

#[test]
fn else_it_waits_for_its_rep() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a"), email("b").after("1d")])]);
    play.send(form());

    play.at("2026-06-01 10:00");

    assert_eq!((play.timer("demo"), play.touch("a").state), (None, TouchState::Open));
}

#[test]
fn the_steps_rule_says_what_happens() {
    for (then, state, step) in [
        (OverdueAction::Wait, State::Live, "a"),
        (OverdueAction::Skip, State::Live, "b"),
        (OverdueAction::Goto(to("c")), State::Live, "c"),
        (OverdueAction::Exit, State::Exited, "-"),
    ] {
        let steps = vec![call("a").overdue("30m", then.clone()), call("b"), call("c")];
        let mut play = Play::new(vec![cadence("demo", steps)]);
        play.send(form());

        play.at("2026-03-02 10:31");

        assert_eq!((play.state("demo"), play.step("demo").as_str()), (state, step), "{then:?}");
    }
}

#[test]
fn overdue_counts_from_due_by_and_moves_into_the_window() {
    let step = call("a").overdue("10m", OverdueAction::Skip).spec(|spec| spec.due_within = Some(span("1h")));
    let mut play = Play::new(vec![cadence("demo", vec![step, call("b")])]);

    play.at("2026-03-06 16:25").send(form());
    play.later(1);

    // Due by 17:25; ten minutes later the window is closed until Monday.
    assert_eq!(play.timer("demo"), Some((TimerKind::Overdue, "2026-03-09 09:00".into())));
}

#[test]
fn late_manual_tasks_raise_touch_overdue() {
    let step = call("a").spec(|spec| spec.due_within = Some(span("10m")));
    let steps = vec![step, call("late")];
    let mut play = Play::new(vec![cadence("demo", steps).on(EventKind::TouchOverdue, to("late"))]);
    play.send(form());

    play.at("2026-03-02 10:10");

    let told = play.world.outbox.iter().any(|outcome| match &outcome.what {
        domain::decision::Decision::Touched { what, .. } => what.code == "touch_overdue",
        _ => false,
    });
    assert!(told);
    assert_eq!(play.step("demo"), "late");
}

#[test]
fn overdue_leaves_a_failed_touch_alone() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a"), email("b").day(3)])]);
    play.send(form());
    let touch = play.touch("a").id;
    play.mark(touch);
    play.settle(touch, domain::touch::AttemptResult::Rejected(domain::touch::Note::new("rejected", "no")));

    play.at("2026-04-01 10:00");

    assert_eq!((play.touch("a").state, play.step("demo").as_str()), (TouchState::Failed, "a"));
}

#[test]
fn the_end_has_its_outcome() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")]).end_after("0d", Outcome::Recycle)]);
    play.send(form());
    play.at("2026-03-02 11:00").complete("a", "done");

    assert_eq!(play.ending("demo"), (State::Finished, "end".into(), Outcome::Recycle));
}
