//! Language §6: when touches are due.

use domain::cadence::{OverdueAction, ZoneRule};
use domain::decision::Decision;
use domain::event::EventKind;
use domain::time::DayCounting;
use domain::touch::{Channel, TimerKind, TouchState};

use crate::play::*;
use crate::writing::*;

#[test]
fn a_delay_counts_from_completion_and_then_waits_for_the_opening() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").after("5m")])]);

    play.at("2026-03-06 17:28").send(form());

    assert_eq!(play.due("a"), "2026-03-09 09:00");
}

#[test]
fn a_step_without_timing_is_due_at_once() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);

    play.at("2026-03-03 11:11").send(form());

    assert_eq!(play.due("a"), "2026-03-03 11:11");
    assert_eq!(play.timer("demo"), Some((TimerKind::Touch, "2026-03-03 11:11".into())));
}

#[test]
fn a_window_of_any_opens_at_night() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").any_time().after("5m")])]);

    play.at("2026-03-06 23:00").send(form());

    assert_eq!(play.due("a"), "2026-03-06 23:05");
}

#[test]
fn day_one_is_the_next_opening_after_entry() {
    let steps = vec![
        email("one").day(1).automatic(),
        email("two").day(2).automatic(),
        email("four").day(4).automatic(),
    ];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.at("2026-03-06 18:00").send(form());

    play.at("2026-03-20 10:00");

    assert_eq!(
        play.went_out(),
        [("one", "2026-03-09 09:00"), ("two", "2026-03-10 09:00"), ("four", "2026-03-12 09:00")]
    );
}

#[test]
fn days_that_meet_on_one_date_spread_over_the_next_open_ones() {
    let steps = vec![
        email("six").day(6).automatic(),
        email("seven").day(7).automatic(),
        email("eight").day(8).automatic(),
    ];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.at("2026-03-02 10:00").send(form());

    play.at("2026-03-20 10:00");

    // Days 6 and 7 are a Saturday and a Sunday.
    assert_eq!(
        play.went_out(),
        [("six", "2026-03-09 09:00"), ("seven", "2026-03-10 09:00"), ("eight", "2026-03-11 09:00")]
    );
}

#[test]
fn steps_of_the_same_day_share_it() {
    let steps = vec![email("a").day(3).automatic(), call("b").day(3).automatic()];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());

    play.at("2026-03-10 10:00");

    assert_eq!(play.went_out(), [("a", "2026-03-04 09:00"), ("b", "2026-03-04 09:00")]);
}

#[test]
fn a_late_completion_takes_its_date() {
    let steps =
        vec![call("a").day(1).overdue("30d", OverdueAction::Wait), email("b").day(3), email("c").day(4)];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());
    // Day 3 passes; the call of day 1 is completed on it.
    play.at("2026-03-04 15:00").complete("a", "no_answer");

    assert_eq!(play.due("b"), "2026-03-05 09:00");
}

#[test]
fn a_skipped_touch_takes_no_date_and_counts_at_its_slot() {
    let steps = vec![email("a").day(2).when("contact.customer").automatic(), call("b").after("1h")];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());

    play.at("2026-03-03 09:30");

    assert_eq!(play.touch("a").state, TouchState::Skipped);
    assert_eq!(play.due("b"), "2026-03-03 10:00");
    assert!(play.enrollment("demo").progress.taken().is_empty());
}

#[test]
fn business_days_are_counted_by_the_window() {
    let steps = vec![email("a").day(5).automatic(), email("b").day(6).automatic()];
    let mut play =
        Play::new(vec![cadence("demo", steps).with(|cadence| cadence.days = DayCounting::Business)]);
    play.at("2026-03-02 10:00").send(form());

    play.at("2026-03-20 10:00");

    assert_eq!(play.went_out(), [("a", "2026-03-06 09:00"), ("b", "2026-03-09 09:00")]);
}

#[test]
fn the_contacts_zone_counts_before_the_cadences() {
    for (rule, zone, expected) in [
        (ZoneRule::Contact, Some("Europe/Berlin"), local("Europe/Berlin", "2026-03-03 09:00")),
        (ZoneRule::Contact, None, at("2026-03-03 09:00")),
        (ZoneRule::Preferring("Asia/Tokyo".into()), None, local("Asia/Tokyo", "2026-03-03 09:00")),
        (
            ZoneRule::Preferring("Asia/Tokyo".into()),
            Some("Europe/Berlin"),
            local("Europe/Berlin", "2026-03-03 09:00"),
        ),
        (
            ZoneRule::Fixed("Europe/Berlin".into()),
            Some("Asia/Tokyo"),
            local("Europe/Berlin", "2026-03-03 09:00"),
        ),
    ] {
        let demo = cadence("demo", vec![email("a").day(2)]).with(|cadence| cadence.zone = rule.clone());
        let mut play = Play::new(vec![demo]);
        let sent = match zone {
            Some(zone) => form().contact("zone", zone),
            None => form(),
        };

        // It is Monday in all of them.
        play.now = at("2026-03-02 02:00");
        play.send(sent);

        assert_eq!(play.touch("a").due_at, expected, "{rule:?} {zone:?}");
    }
}

#[test]
fn an_unknown_zone_is_the_default_and_the_decision_says_so() {
    let mut play = Play::new(vec![cadence("demo", vec![email("a").day(2)])]);

    let record = play.send(form().contact("zone", "Mars/Olympus"));

    assert_eq!(play.due("a"), "2026-03-03 09:00");
    let said = record.items.iter().any(|item| match item {
        Decision::Scheduled { shifts, .. } => shifts.iter().any(|note| note.code == "unknown_zone"),
        _ => false,
    });
    assert!(said, "{record:?}");
}

#[test]
fn minutes_are_kept_to_the_second() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").after("5m")])]);
    play.now = "2026-03-03T16:00:07Z".parse().unwrap();

    play.send(form());

    assert_eq!(play.touch("a").due_at, "2026-03-03T16:05:07Z".parse().unwrap());
}

#[test]
fn due_by_is_kept_with_the_touch() {
    let step = call("a").spec(|spec| spec.due_within = Some(span("10m")));
    let mut play = Play::new(vec![cadence("demo", vec![step])]);

    play.at("2026-03-03 11:00").send(form());

    assert_eq!(play.touch("a").due_by, Some(at("2026-03-03 11:10")));
}

#[test]
fn a_jump_back_keeps_the_days_of_the_steps_below() {
    let steps = vec![
        email("first").day(1).automatic(),
        call("second").day(5).outcome("wrong_number", to("first")),
        email("third").day(9),
    ];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.at("2026-03-02 10:00").send(form());
    play.at("2026-03-06 11:00").complete("second", "wrong_number");

    // Day 1 has passed: due at the next opening, off the dates of other days.
    assert_eq!(play.due("first"), "2026-03-09 09:00");
    play.at("2026-03-09 09:00");
    // Day 5 has passed as well, and day 1 took the Monday.
    assert_eq!(play.due("second"), "2026-03-10 09:00");
    play.at("2026-03-10 10:00").complete("second", "connected");
    assert_eq!(play.due("third"), "2026-03-11 09:00");
    assert_eq!(play.touches("first").iter().map(|touch| touch.visit).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_dispatcher_that_was_down_overnight_sends_at_the_next_opening() {
    let mut play = Play::new(vec![cadence("demo", vec![touch("a", Channel::Call)])]);
    play.at("2026-03-03 17:29").send(form());

    play.now = at("2026-03-03 20:00");
    play.at("2026-03-05 12:00");

    assert_eq!(play.went_out(), [("a", "2026-03-04 09:00")]);
    play.send(event(EventKind::Replied));
}

#[test]
fn an_event_of_a_clock_that_is_ahead_is_taken_as_of_now() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a").after("5m")])]);
    play.at("2026-03-09 10:00");
    let now = play.now;
    play.now = at("2026-03-10 10:00");
    let ahead = play.input(form());
    play.now = now;

    let taken = ahead.capped(now, now);
    let event = std::sync::Arc::clone(&taken.event);
    play.fold(&domain::input::Input::Event(taken));

    assert_eq!((event.occurred_at, event.received_at), (now, now));
    assert_eq!(play.due("a"), "2026-03-09 10:05");
}
