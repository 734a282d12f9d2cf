//! What comes of attempts, folded into the enrollment as it then is.

use domain::event::EventKind;
use domain::touch::{AttemptResult, Delivery, Note, TimerKind, TouchState};

use crate::play::*;
use crate::said::*;
use crate::writing::*;

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
    assert_eq!(
        rows.iter().map(|row| (row.visit, row.state)).collect::<Vec<_>>(),
        [(1, TouchState::Withdrawn), (2, TouchState::Scheduled)]
    );
    assert_ne!(rows[0].key, rows[1].key);
}

#[test]
fn a_touch_whose_cadence_cannot_be_read_lets_others_pass_and_goes_once_it_can() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());
    let (touch, fence) = (play.touch("a").id, play.touch("a").fence);
    let catalog = std::sync::Arc::clone(&play.world.catalog);
    play.world.catalog = std::sync::Arc::new(domain::catalog::Catalog::empty(catalog.defaults.clone()));

    let judged = domain::decide::judge(&play.world, touch, at("2026-03-02 10:00"));
    let domain::decide::Judgement::Wait { until, note } = judged else { panic!("{judged:?}") };
    play.report(touch, domain::input::TouchReport::Defer { fence, until, note });

    assert_eq!(play.timer("demo"), Some((TimerKind::Touch, "2026-03-02 10:05".into())));
    assert_eq!((play.touch("a").state, play.due("a").as_str()), (TouchState::Scheduled, "2026-03-02 10:00"));
    play.world.catalog = catalog;
    play.at("2026-03-02 11:00");
    assert_eq!(play.touch("a").state, TouchState::Open);
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

    assert_eq!(
        (play.touch("a").state, play.touch("a").key, play.touches("a").len()),
        (TouchState::Scheduled, key, 1)
    );
}

#[test]
fn a_late_answer_to_an_unknown_attempt_settles_it() {
    let (mut play, touch) = marked(vec![call("a")]);
    play.settle(touch, AttemptResult::Unknown { again_at: Some(at("2026-03-02 10:07")), note: why() });

    play.settle(touch, AttemptResult::Sent { remote_id: Some("9".into()), delivery: Delivery::Task });

    assert_eq!((play.touch("a").state, play.timer("demo")), (TouchState::Open, None));
}

/// A touch whose first attempt is unknown and whose repeat is under way.
fn repeated() -> (Play, domain::id::TouchId) {
    let (mut play, touch) = marked(vec![call("a")]);
    play.settle(touch, AttemptResult::Unknown { again_at: Some(at("2026-03-02 10:07")), note: why() });
    play.mark(touch);
    (play, touch)
}

#[test]
fn a_repeat_that_did_not_go_leaves_the_unknown_attempt_unknown() {
    for result in [AttemptResult::Void, AttemptResult::Retry { at: at("2026-03-02 10:09"), note: why() }] {
        let (mut play, touch) = repeated();
        play.settle(touch, result.clone());
        assert_eq!(play.touch("a").state, TouchState::Scheduled, "{result:?}");

        play.send(event(EventKind::Replied));

        assert_eq!(play.touch("a").state, TouchState::Withdrawn, "{result:?}");
        assert_eq!(play.withdrawals(), vec![touch], "{result:?}");
    }
}

#[test]
fn a_repeat_that_did_not_go_before_the_stop_still_takes_the_unknown_attempt_back() {
    for result in [
        AttemptResult::Rejected(why()),
        AttemptResult::Exhausted(why()),
        AttemptResult::Void,
        AttemptResult::Retry { at: at("2026-03-02 10:09"), note: why() },
    ] {
        let (mut play, touch) = repeated();
        play.send(event(EventKind::Replied));

        play.settle(touch, result.clone());

        assert_eq!(play.touch("a").state, TouchState::Withdrawn, "{result:?}");
        assert_eq!(play.withdrawals(), vec![touch], "{result:?}");
    }
}

#[test]
fn an_unknown_touch_whose_repeats_are_exhausted_is_redriven_with_its_own_key() {
    let (mut play, touch) = repeated();
    let key = play.touch("a").key;
    play.settle(touch, AttemptResult::Exhausted(why()));
    assert_eq!((play.touch("a").state, play.timer("demo")), (TouchState::Unknown, None));

    play.send(event(EventKind::ManualRedrive).by("rep"));

    assert_eq!((play.touch("a").key, play.touches("a").len()), (key, 1));
}

#[test]
fn an_answer_that_comes_after_the_withdrawal_takes_the_task_back_by_its_id() {
    let (mut play, touch) = marked(vec![call("a")]);
    play.settle(touch, AttemptResult::Unknown { again_at: Some(at("2026-03-02 10:07")), note: why() });
    play.send(event(EventKind::Replied));
    assert_eq!(play.withdrawals(), vec![touch]);

    play.settle(touch, AttemptResult::Sent { remote_id: Some("9".into()), delivery: Delivery::Task });

    assert_eq!(play.touch("a").remote_id.as_deref(), Some("9"));
    assert_eq!(play.withdrawals(), vec![touch, touch]);
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

    let record =
        play.settle(touch, AttemptResult::Sent { remote_id: Some("9".into()), delivery: Delivery::Task });

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

/// A retried touch that holds a budget.
fn retried(step: domain::cadence::Step) -> (Play, domain::id::TouchId) {
    let (mut play, touch) = marked(vec![step]);
    play.world.touches.get_mut(&touch).unwrap().reserved = vec!["contact/1/*/7d".to_owned()];
    play.settle(touch, AttemptResult::Retry { at: at("2026-03-02 10:07"), note: why() });
    assert_eq!(play.touch("a").reserved.len(), 1, "it will go soon");
    (play, touch)
}

#[test]
fn a_retried_touch_that_is_stopped_or_skipped_gives_its_budgets_back() {
    let (mut stopped, _) = retried(call("a"));
    stopped.send(event(EventKind::Unsubscribed));
    let (mut skipped, _) = retried(call("a"));
    skipped.send(event(EventKind::ManualSkip).by("rep"));

    assert_eq!(
        (stopped.touch("a").state, skipped.touch("a").state),
        (TouchState::Withdrawn, TouchState::Skipped)
    );
    assert_eq!(stopped.touch("a").reserved, Vec::<String>::new());
    assert_eq!(skipped.touch("a").reserved, Vec::<String>::new());
}

#[test]
fn a_touch_that_did_not_go_before_its_exit_gives_its_budgets_back_and_one_that_may_have_gone_keeps_them() {
    let ended = |result: AttemptResult| {
        let (mut play, touch) = marked(vec![call("a")]);
        play.world.touches.get_mut(&touch).unwrap().reserved = vec!["contact/1/*/7d".to_owned()];
        play.send(event(EventKind::Unsubscribed));
        play.settle(touch, result);
        (play.touch("a").state, play.touch("a").reserved.len())
    };

    assert_eq!(
        ended(AttemptResult::Retry { at: at("2026-03-02 10:07"), note: why() }),
        (TouchState::Withdrawn, 0)
    );
    assert_eq!(ended(AttemptResult::Unknown { again_at: None, note: why() }), (TouchState::Withdrawn, 1));
}
