//! What the dispatcher asks: judgement and budgets; and what timers and ids do that were overtaken.

use std::sync::Arc;

use domain::cadence::OverdueAction;
use domain::decide::{self, Judgement};
use domain::enrollment::EnrollmentState as State;
use domain::event::EventKind;
use domain::input::TouchReport;
use domain::time::{Limit, Quota};
use domain::touch::{AttemptResult, Channel, Delivery, Note, TimerKind, TouchState};

use crate::play::*;
use crate::said::*;
use crate::writing::*;

#[test]
fn a_guard_is_judged_when_the_touch_comes_due() {
    let mut play = Play::new(vec![cadence(
        "demo",
        vec![call("a").day(3).when("contact.phone != \"\""), call("b").day(4)],
    )]);
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

    let record =
        play.report(touch, TouchReport::Defer { fence: 0, until: at("2026-03-09 10:00"), note: limit() });
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

    let record = play.report(
        touch,
        TouchReport::Defer { fence: 0, until: at("2026-03-07 12:00"), note: Note::new("gap", "") },
    );

    assert_eq!(play.due("a"), "2026-03-09 09:00");
    assert_eq!(touched(&record), [("a", "deferred")]);
}

#[test]
fn the_gap_counts_from_the_last_touch_of_any_cadence() {
    let slow = cadence("slow", vec![call("b").after("10m")])
        .class(None)
        .with(|cadence| cadence.limits.gap = Some(span("2h")));
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
        cadence.limits.per_contact =
            vec![limit(3, "7d", Some(Channel::Email)), limit(9, "1d", Some(Channel::Sms))];
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
    let (until, note) =
        decide::defer(&play.world, touch, &format!("main/contact/{contact}/*/7d"), &uses, play.now);
    assert_eq!((shown(until).as_str(), note.code.as_str()), ("2026-03-04 09:00", "per_contact"));

    let (until, _) =
        decide::defer(&play.world, touch, &format!("main/contact/{contact}/*/1d"), &[play.now], play.now);
    assert_eq!(shown(until), "2026-03-03 00:00");
}

#[test]
fn a_touch_whose_window_never_opens_is_held_and_says_so() {
    use domain::time::{Calendar, DateRange};
    let name = domain::id::CalendarName::new("closed").unwrap();
    let demo = cadence("demo", vec![call("a"), email("b").day(40)])
        .with(|cadence| cadence.holidays = vec![name.clone()]);
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
    let mut world =
        World::new(play.now, Arc::clone(&play.world.catalog), Arc::clone(&play.world.keys), Ids::new(1, 3));

    assert!(decide::fold(&mut world, &Input::Event(input)).is_err());
    assert!(world.out_of_ids);
}
