//! Language §7.3 and §7.15: pauses keep what was left, and their holders add up.

use domain::enrollment::EnrollmentState as State;
use domain::event::{Classification, EventKind};
use domain::touch::{AttemptResult, Delivery, TimerKind, TouchState};

use crate::play::*;
use crate::said::*;
use crate::writing::*;

fn pause() -> Sent {
    event(EventKind::ManualPause).by("rep")
}

fn resume() -> Sent {
    event(EventKind::ManualResume).by("rep")
}

#[test]
fn a_pause_keeps_the_remaining_delay() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").after("2h")])]);
    play.send(form());
    play.at("2026-03-02 10:30").send(pause());
    assert_eq!(
        (play.state("demo"), play.touch("a").state, play.timer("demo")),
        (State::Paused, TouchState::Held, None)
    );

    play.at("2026-03-03 11:00").send(resume());

    assert_eq!((play.state("demo"), play.due("a").as_str()), (State::Live, "2026-03-03 12:30"));
}

#[test]
fn day_numbers_move_by_the_local_midnights_passed() {
    let mut play =
        Play::new(vec![cadence("demo", vec![email("a").day(3).automatic(), email("b").day(5).automatic()])]);
    play.send(form());
    play.at("2026-03-03 10:00").send(pause());

    play.at("2026-03-05 12:00").send(resume());

    assert_eq!(play.due("a"), "2026-03-06 09:00");
    play.at("2026-03-20 10:00");
    // Day 5 was the 6th; two days later is Sunday the 8th.
    assert_eq!(play.went_out(), [("a", "2026-03-06 09:00"), ("b", "2026-03-09 09:00")]);
}

#[test]
fn a_pause_of_an_hour_moves_no_day() {
    let mut play = Play::new(vec![cadence("demo", vec![email("a").day(3)])]);
    play.send(form());
    play.send(pause());
    play.at("2026-03-02 11:00").send(resume());

    assert_eq!(play.due("a"), "2026-03-04 09:00");
}

#[test]
fn the_last_holder_thaws() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").day(3)])]);
    play.send(form());
    let away = event(EventKind::Replied).detail(|detail| {
        detail.classification = Some(Classification::OutOfOffice);
        detail.until = Some(at("2026-03-06 12:00"));
    });
    play.send(away);
    play.send(pause().detail(|detail| detail.until = Some(at("2026-03-04 12:00"))));

    play.at("2026-03-05 12:00");
    assert_eq!(play.state("demo"), State::Paused);
    assert_eq!(play.timer("demo"), Some((TimerKind::Resume, "2026-03-06 12:00".into())));

    play.at("2026-03-06 12:00");
    assert_eq!((play.state("demo"), play.due("a").as_str()), (State::Live, "2026-03-09 09:00"));
}

#[test]
fn a_pause_takes_open_tasks_back_and_they_return_as_a_new_visit() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());
    play.at("2026-03-02 11:00").send(pause());
    let first = play.touch("a").clone();
    assert_eq!((first.state, play.withdrawals()), (TouchState::Withdrawn, vec![first.id]));

    play.at("2026-03-04 08:00").send(resume());

    let second = play.touch("a");
    assert_eq!((second.visit, second.state), (2, TouchState::Scheduled));
    assert_eq!(shown(second.due_at), "2026-03-04 09:00");
    assert_ne!(second.key, first.key);
}

#[test]
fn a_wait_runs_on_after_a_pause_for_what_was_left() {
    use domain::cadence::Target;
    let wait = wait_for("w", EventKind::EmailOpened, (None, "2d"), (Target::Next, Target::Next));
    let mut play = Play::new(vec![cadence("demo", vec![email("m").automatic(), wait, call("b")])]);
    play.send(form());
    play.at("2026-03-03 10:00").send(pause());
    play.at("2026-03-10 10:00").send(resume());

    assert_eq!(play.timer("demo"), Some((TimerKind::Wait, "2026-03-11 10:00".into())));
}

#[test]
fn a_touch_that_was_under_way_advances_a_paused_enrollment_and_freezes_it_again() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").automatic(), call("b").after("2h")])]);
    play.send(form());
    let touch = play.touch("a").id;
    play.mark(touch);
    play.send(pause());

    play.settle(touch, AttemptResult::Sent { remote_id: None, delivery: Delivery::Task });
    assert_eq!((play.state("demo"), play.step("demo").as_str()), (State::Paused, "b"));
    assert_eq!((play.touch("b").state, play.timer("demo")), (TouchState::Held, None));

    play.at("2026-03-04 10:00").send(resume());
    assert_eq!(play.due("b"), "2026-03-04 12:00");
}

#[test]
fn a_manual_task_that_went_out_into_a_pause_is_taken_back() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());
    let touch = play.touch("a").id;
    play.mark(touch);
    play.send(pause());

    play.settle(touch, AttemptResult::Sent { remote_id: None, delivery: Delivery::Task });
    assert_eq!(play.touch("a").state, TouchState::Withdrawn);

    play.at("2026-03-04 10:00").send(resume());
    assert_eq!((play.touch("a").visit, play.touch("a").state), (2, TouchState::Scheduled));
}

#[test]
fn end_wait_can_be_paused() {
    use domain::cadence::Outcome;
    let mut play =
        Play::new(vec![cadence("demo", vec![email("a").automatic()]).end_after("5d", Outcome::Nurture)]);
    play.at("2026-03-09 10:00").send(form());
    play.at("2026-03-10 10:00").send(pause());
    assert_eq!(play.state("demo"), State::Paused);
    play.at("2026-03-12 10:00").send(resume());

    assert_eq!(play.timer("demo"), Some((TimerKind::End, "2026-03-16 10:00".into())));
}

#[test]
fn acts_name_an_enrollment_or_mean_all_of_the_contact() {
    let two =
        || vec![cadence("one", vec![call("a")]).class(None), cadence("two", vec![call("b")]).class(None)];
    let mut play = Play::new(two());
    play.send(form());
    let uid = play.enrollment("one").uid.to_string();
    play.send(pause().of(domain::identity::SubjectKeys::default()).data("enrollment", &uid));
    assert_eq!((play.state("one"), play.state("two")), (State::Paused, State::Live));

    let mut play = Play::new(two());
    play.send(form());
    play.send(pause());
    assert_eq!((play.state("one"), play.state("two")), (State::Paused, State::Paused));
}

#[test]
fn an_act_on_nothing_is_ignored_and_said() {
    let mut play = Play::new(vec![]);
    play.send(form());

    assert_eq!(ignored(&play.send(pause())), ["nothing_live"]);
}

#[test]
fn a_reps_skip_counts_at_that_moment() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").day(3), call("b").after("1h")])]);
    play.send(form());

    play.at("2026-03-02 12:00").send(event(EventKind::ManualSkip).by("rep"));

    assert_eq!((play.touch("a").state, play.due("b").as_str()), (TouchState::Skipped, "2026-03-02 13:00"));
}

#[test]
fn a_pause_ends_at_a_moment_that_the_store_can_keep() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());
    let until = at("2026-03-20 08:00") + jiff::SignedDuration::from_nanos(1_001);

    play.send(event(EventKind::Replied).detail(|detail| {
        detail.classification = Some(Classification::OutOfOffice);
        detail.until = Some(until);
    }));

    let enrollment = play.enrollment("demo");
    let timer = play.world.timers.get(&enrollment.id).unwrap();
    let stored = jiff::Timestamp::from_microsecond(timer.due_at.as_microsecond()).unwrap();
    assert_eq!(
        enrollment.progress.holds[0].until,
        Some(stored),
        "else it still lies ahead when its timer fires"
    );
    assert!(stored >= until, "and never early");
}
