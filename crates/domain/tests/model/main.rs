//! Event, stop, mark, settle and takeover in every order, on the crate's own decisions; and variants with a rule left out, in
//! each of which the explorer must find a history that breaks.

#[expect(dead_code, reason = "the stage of the other tests; this one needs its beginning")]
#[path = "../decide/play.rs"]
mod play;
#[expect(dead_code, reason = "the same words for cadences")]
#[path = "../decide/writing.rs"]
mod writing;

mod explore;
mod system;

use domain::event::{Classification, EventKind};

use crate::explore::{Explored, explore};
use crate::play::{Play, event, form};
use crate::system::{Model, Outside, Without};
use crate::writing::{Planning as _, cadence, call};

/// What may happen in a run; each costs a multiple of states.
#[derive(Clone, Copy)]
struct May {
    stop: bool,
    pause: bool,
    flags: u8,
    deferrals: u8,
    deaths: u8,
    attempts: i32,
}

/// One contact, one enrollment, one touch that is due.
fn model(without: Without, may: May) -> Model {
    let mut play = Play::new(vec![cadence("one", vec![call("ring").any_time()])]);
    play.send(form());
    let reply =
        event(EventKind::Replied).detail(|detail| detail.classification = Some(Classification::Positive));
    let stop = play.input(reply);
    let pause = play.input(event(EventKind::ManualPause).by("ann"));
    let resume = play.input(event(EventKind::ManualResume).by("ann"));
    let outside = Outside {
        stop: may.stop.then_some(stop),
        pause: may.pause.then_some(pause),
        resume: may.pause.then_some(resume),
        flags: may.flags,
        deferrals: may.deferrals,
        deaths: may.deaths,
        attempts: may.attempts,
    };
    play.world.decisions.clear();
    play.world.outbox.clear();
    Model::new(without, play.world, outside)
}

const NOTHING: May = May { stop: false, pause: false, flags: 0, deferrals: 0, deaths: 0, attempts: 2 };

#[track_caller]
fn holds(name: &str, may: May) {
    let explored = explore(model(Without::Nothing, may), 2_000_000);
    println!("{name}: {} states, {} ends", explored.states, explored.ends);
    if let Some((what, history)) = explored.found {
        panic!("{name}: {what}, by {history:#?}");
    }
    assert!(explored.states > 100, "{name}: {} states are no model", explored.states);
}

#[track_caller]
fn breaks(without: Without, may: May, expected: &str) {
    let Explored { states, found, .. } = explore(model(without, may), 2_000_000);
    let Some((what, history)) = found else { panic!("without {without:?} nothing broke in {states} states") };
    println!("without {without:?}: {what}, after {} steps: {history:?}", history.len());
    assert!(what.contains(expected), "without {without:?}: {what}, by {history:#?}");
}

#[test]
fn a_stop_and_a_flag_are_seen_by_the_mark_or_come_after() {
    holds("stop and flag", May { stop: true, flags: 1, ..NOTHING });
}

#[test]
fn a_takeover_leaves_one_attempt_in_flight() {
    holds("takeover", May { deaths: 1, attempts: 3, ..NOTHING });
}

#[test]
fn a_stop_during_a_takeover_takes_back_what_left() {
    holds("stop and takeover", May { stop: true, deaths: 1, ..NOTHING });
}

#[test]
fn a_pause_and_its_end_leave_a_next_move() {
    holds("pause", May { pause: true, deferrals: 1, ..NOTHING });
    holds("pause and stop", May { pause: true, stop: true, ..NOTHING });
}

#[test]
fn everything_at_once_holds() {
    holds("all", May { stop: true, pause: false, flags: 1, deferrals: 1, deaths: 1, attempts: 2 });
}

#[test]
fn without_the_fence_an_older_reading_goes() {
    breaks(Without::Fence, May { deferrals: 1, ..NOTHING }, "older reading");
}

#[test]
fn without_the_epoch_lock_a_mark_comes_after_a_flag() {
    breaks(Without::EpochLock, May { flags: 1, ..NOTHING }, "after a flag");
}

#[test]
fn without_a_second_look_a_takeover_takes_what_is_going() {
    breaks(Without::SecondLook, May { deaths: 1, ..NOTHING }, "taken over from");
}

#[test]
fn without_its_touch_an_exit_is_overtaken_by_a_mark() {
    breaks(Without::TouchOfExit, May { stop: true, ..NOTHING }, "after a stop");
}

#[test]
fn without_the_attempts_number_an_old_result_counts() {
    breaks(Without::CurrentAttempt, May { deaths: 1, ..NOTHING }, "long overtaken");
}
