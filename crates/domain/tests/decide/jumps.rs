//! Language §5.3, §7.4–7.6: `on` jumps, waits, branches and visits.

use domain::cadence::{Jump, Target};
use domain::enrollment::EnrollmentState as State;
use domain::event::EventKind;
use domain::touch::{TimerKind, TouchState};

use crate::play::*;
use crate::said::*;
use crate::writing::*;

#[test]
fn an_on_jump_takes_back_what_is_under_way_and_goes_to_its_target() {
    let steps = vec![email("slow").day(5), call("hot").any_time()];
    let mut play = Play::new(vec![cadence("demo", steps).on(EventKind::PageVisited, to("hot"))]);
    play.send(form());

    play.at("2026-03-03 20:00").send(event(EventKind::PageVisited));

    assert_eq!(play.touch("slow").state, TouchState::Withdrawn);
    assert_eq!((play.step("demo").as_str(), play.due("hot").as_str()), ("hot", "2026-03-03 20:00"));
}

#[test]
fn an_open_task_is_withdrawn_by_a_jump() {
    let mut play =
        Play::new(vec![cadence("demo", vec![call("a"), call("hot")]).on(EventKind::PageVisited, to("hot"))]);
    play.send(form());
    play.at("2026-03-02 11:00").send(event(EventKind::PageVisited));

    assert_eq!(play.withdrawals(), [play.touch("a").id]);
}

#[test]
fn a_steps_own_jump_holds_while_it_is_current_and_comes_first() {
    let mut first = call("a");
    first.on = vec![Jump { event: EventKind::PageVisited, when: None, goto: to("c") }];
    let steps = vec![first, call("b"), call("c")];
    let demo = || cadence("demo", steps.clone()).on(EventKind::PageVisited, Target::End);

    let mut play = Play::new(vec![demo()]);
    play.send(form());
    play.at("2026-03-02 11:00").send(event(EventKind::PageVisited));
    assert_eq!(play.step("demo"), "c");

    let mut play = Play::new(vec![demo()]);
    play.send(form());
    play.at("2026-03-02 11:00").complete("a", "done");
    play.send(event(EventKind::PageVisited));
    assert_eq!(play.state("demo"), State::Finished);
}

#[test]
fn a_jump_to_the_current_step_is_ignored() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")]).on(EventKind::PageVisited, to("a"))]);
    play.send(form());

    let record = play.send(event(EventKind::PageVisited));

    assert_eq!(ignored(&record), ["already_there"]);
    assert_eq!(play.touches("a").len(), 1);
}

#[test]
fn jumps_lapse_while_paused_and_that_is_recorded() {
    let mut play = Play::new(vec![
        cadence("demo", vec![call("a").day(3), call("hot")]).on(EventKind::PageVisited, to("hot")),
    ]);
    play.send(form());
    play.send(event(EventKind::ManualPause).by("rep"));

    let record = play.send(event(EventKind::PageVisited));

    assert_eq!(ignored(&record), ["paused"]);
    assert_eq!(play.step("demo"), "a");
}

#[test]
fn a_step_is_visited_three_times_and_a_further_jump_is_ignored() {
    let steps = vec![call("a").outcome("no_answer", to("a")), call("b")];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());

    for _ in 0..3 {
        assert_eq!(play.step("demo"), "a");
        play.later(60);
        play.complete("a", "no_answer");
    }

    assert_eq!(play.step("demo"), "b");
    assert_eq!(play.touches("a").iter().map(|touch| touch.visit).collect::<Vec<_>>(), [1, 2, 3]);
    let keys: std::collections::BTreeSet<_> = play.touches("a").iter().map(|touch| touch.key).collect();
    assert_eq!(keys.len(), 3, "each visit has its own key");
}

#[test]
fn a_loop_by_next_comes_to_its_end() {
    let steps = vec![call("a").automatic(), call("b").automatic().next(to("a")), call("c").automatic()];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());
    play.at("2026-03-02 11:00");

    let steps: Vec<_> = play.went_out().into_iter().map(|(step, _)| step).collect();
    assert_eq!(steps, ["a", "b", "a", "b", "a", "b", "c"]);
    assert_eq!(play.state("demo"), State::Finished);
}

#[test]
fn a_branch_takes_the_first_way_that_is_true_else_the_next_step() {
    for (score, expected) in [(95, "fast"), (80, "middle"), (10, "slow")] {
        let ways = [("contact.score >= 90", to("fast")), ("contact.score >= 70", to("middle"))];
        let steps = vec![branch("split", &ways), call("slow"), call("middle"), call("fast")];
        let mut play = Play::new(vec![cadence("demo", steps)]);

        play.send(form().contact("score", score));

        assert_eq!(play.step("demo"), expected, "{score}");
    }
}

fn waiting() -> Vec<domain::cadence::Step> {
    vec![
        email("mail").automatic(),
        wait_for("opened", EventKind::EmailOpened, (Some("mail"), "2d"), (to("hot"), Target::Next)),
        call("cold"),
        call("hot"),
    ]
}

#[test]
fn a_wait_ends_with_its_event_or_runs_out() {
    let mut play = Play::new(vec![cadence("demo", waiting())]);
    play.send(form());
    play.at("2026-03-02 11:00");
    assert_eq!(play.timer("demo"), Some((TimerKind::Wait, "2026-03-04 10:00".into())));
    play.send(event(EventKind::EmailOpened));
    assert_eq!(play.step("demo"), "hot");

    let mut play = Play::new(vec![cadence("demo", waiting())]);
    play.send(form());
    play.at("2026-03-04 10:00");
    assert_eq!(play.step("demo"), "cold");
}

#[test]
fn machine_opens_never_count() {
    let mut play = Play::new(vec![cadence("demo", waiting())]);
    play.send(form());
    play.at("2026-03-02 11:00");

    play.send(event(EventKind::EmailOpened).detail(|detail| detail.machine = true));

    assert_eq!(play.step("demo"), "opened");
    assert!(!play.enrollment("demo").progress.opened);
}

#[test]
fn an_event_that_names_another_touch_does_not_count() {
    let mut steps = waiting();
    steps.insert(0, email("first").automatic());
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());
    play.at("2026-03-02 11:00");
    let (first, mail) = (play.touch("first").clone(), play.touch("mail").clone());

    play.send(event(EventKind::EmailOpened).about(&first));
    assert_eq!(play.step("demo"), "opened");

    play.send(event(EventKind::EmailOpened).about(&mail));
    assert_eq!(play.step("demo"), "hot");
}

#[test]
fn a_wait_is_satisfied_at_once_by_an_event_since_its_touch_went_out() {
    let mut steps = waiting();
    steps.insert(1, call("between"));
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());
    play.at("2026-03-02 11:00").send(event(EventKind::EmailOpened));
    assert_eq!(play.step("demo"), "between");

    play.complete("between", "done");

    assert_eq!(play.step("demo"), "hot");
}

#[test]
fn an_event_before_its_touch_went_out_does_not_satisfy_a_wait() {
    let steps = vec![
        call("a").day(1),
        email("mail").day(2).automatic(),
        wait_for("page", EventKind::PageVisited, (Some("mail"), "2d"), (to("hot"), Target::Next)),
        call("cold"),
        call("hot"),
    ];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());
    play.at("2026-03-02 11:00").send(event(EventKind::PageVisited));
    play.complete("a", "done");

    play.at("2026-03-03 10:00");

    assert_eq!(play.step("demo"), "page");
}

#[test]
fn an_event_during_a_pause_counts_on_resume() {
    let mut play = Play::new(vec![cadence("demo", waiting())]);
    play.send(form());
    play.at("2026-03-02 11:00").send(event(EventKind::ManualPause).by("rep"));

    play.send(event(EventKind::EmailOpened));
    assert_eq!(play.step("demo"), "opened");
    play.at("2026-03-10 11:00").send(event(EventKind::ManualResume).by("rep"));

    assert_eq!(play.step("demo"), "hot");
}

#[test]
fn a_wait_whose_guard_is_false_is_skipped() {
    let mut steps = waiting();
    steps[1] = steps[1].clone().when("contact.customer");
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());
    play.at("2026-03-02 11:00");

    assert_eq!(play.step("demo"), "cold");
}

#[test]
fn steps_see_what_became_of_earlier_ones() {
    let steps = vec![
        call("a"),
        branch("split", &[("steps[\"a\"].outcome == \"voicemail\"", to("mail"))]),
        call("again"),
        email("mail"),
    ];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());
    play.at("2026-03-02 11:00").complete("a", "voicemail");

    assert_eq!(play.step("demo"), "mail");
}

#[test]
fn next_as_a_target_is_where_the_steps_own_next_leads() {
    let steps = vec![call("a").outcome("busy", Target::Next).next(to("c")), call("b"), call("c")];
    let mut play = Play::new(vec![cadence("demo", steps)]);
    play.send(form());
    play.at("2026-03-02 11:00").complete("a", "busy");

    assert_eq!(play.step("demo"), "c");
}

#[test]
fn a_wait_of_a_cadence_that_cannot_be_read_is_kept_until_it_can() {
    let wait = wait_for("w", EventKind::EmailOpened, (None, "2d"), (Target::Next, Target::Next));
    let mut play = Play::new(vec![cadence("demo", vec![wait, call("a")])]);
    play.send(form());
    let (kind, _) = play.timer("demo").unwrap();
    let (id, timer) = play.world.timers.iter().next().map(|(id, timer)| (*id, timer.clone())).unwrap();
    let catalog = std::sync::Arc::clone(&play.world.catalog);
    play.world.catalog = std::sync::Arc::new(domain::catalog::Catalog::empty(catalog.defaults.clone()));
    play.world.now = timer.due_at;

    let input = domain::input::TimerInput { enrollment: id, kind, due_at: timer.due_at };
    domain::decide::fold(&mut play.world, &domain::input::Input::Timer(input)).unwrap();

    let kept = play.world.timers.get(&id).unwrap();
    assert_eq!((kept.kind, kept.due_at > timer.due_at), (kind, true));
    play.world.catalog = catalog;
    play.run_until(kept.due_at);
    assert_eq!(play.touch("a").state, TouchState::Open);
}

#[test]
fn an_open_is_nothing_that_a_contact_did() {
    let mut play = Play::new(vec![cadence("demo", waiting())]);
    play.send(form());
    let filled_in = play.contact(&ada()).last_inbound_at;

    play.at("2026-03-02 11:00");
    play.send(event(EventKind::EmailOpened));
    let opened = play.contact(&ada()).last_inbound_at;
    play.send(event(EventKind::EmailClicked));

    assert_eq!(opened, filled_in, "mail clients open what nobody reads");
    assert!(play.contact(&ada()).last_inbound_at > filled_in);
}
