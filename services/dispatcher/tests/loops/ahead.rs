//! Touches that are marked ahead of their places, where a CRM has shown that it is fast.

use std::sync::Arc;
use std::time::Duration;

use domain::touch::TouchState;
use ports::connector::ConnectorError;

use crate::crm::{Asked, Crm, Reply};
use crate::stage::{Running, Stage, pass};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
/// Touches after which a CRM that answers at once counts as fast.
const PROOF: usize = 20;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn slow(wait: u64) -> Reply {
    Reply::after(ms(wait), Reply::Fine)
}

/// A CRM of so many places that has answered at once for a while.
async fn fast(stage: &Stage, places: usize) -> (Arc<Crm>, Running) {
    stage.cadence("crm", "").await;
    let mut crm = stage.crm();
    crm.traits.concurrency = places;
    let crm = Arc::new(crm);
    let running = stage.start(&[&crm]);
    for place in 0..PROOF {
        stage.enroll(&format!("c{place}@example.com")).await;
    }
    stage.until("it has proved fast", || crm.creations() == PROOF).await;
    stage.until_state("c19@example.com", TouchState::Open).await;
    (crm, running)
}

/// Someone's request takes so long that Ada's is marked and has no place yet.
async fn ada_waits(stage: &Stage, crm: &Crm, takes: u64) {
    crm.replies([slow(takes)]);
    stage.enroll(BOB).await;
    stage.until("the slow one is under way", || crm.creations() == PROOF + 1).await;
    stage.enroll(ADA).await;
    stage.until_state(ADA, TouchState::Sending).await;
    assert_eq!(crm.creations(), PROOF + 1, "it was marked, and has not started");
}

#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_than_there_are_places_however_many_are_marked() {
    let stage = Stage::new().await;
    let (crm, running) = fast(&stage, 2).await;
    crm.always(slow(3));
    crm.replies([slow(200), slow(200)]);

    for place in 0..30 {
        stage.enroll(&format!("d{place}@example.com")).await;
    }
    let marked = || stage.notes.marked_at_once.lock().unwrap().iter().sum::<usize>();
    stage.until("more are marked than may be under way", || marked() > crm.creations() + 2).await;
    stage.until("all went", || crm.creations() == PROOF + 30).await;

    assert_eq!(crm.most_at_once(), 2);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_became_slow_has_no_more_marked_than_may_be_under_way() {
    let stage = Stage::new().await;
    let (crm, running) = fast(&stage, 2).await;
    for (who, people, takes) in [("d", 50, 30), ("e", 25, 150)] {
        crm.always(slow(takes));
        for place in 0..people {
            stage.enroll(&format!("{who}{place}@example.com")).await;
        }
        for place in 0..people {
            stage.until_state(&format!("{who}{place}@example.com"), TouchState::Open).await;
        }
    }
    let before = crm.creations();
    crm.always(slow(2_000));

    for place in 0..6 {
        stage.enroll(&format!("f{place}@example.com")).await;
    }
    stage.until("all went", || crm.creations() >= before + 6).await;

    let first = |one: &Asked| matches!(one, Asked::Create { attempt: 1, .. });
    assert!(crm.asked()[before..].iter().all(first), "no mark was void: {:?}", &crm.asked()[before..]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_marked_ahead_of_a_pause_is_void_and_goes_after_it() {
    let stage = Stage::new().await;
    let (crm, running) = fast(&stage, 1).await;
    let throttled = ConnectorError::RateLimited { retry_after: Some(Duration::from_secs(30)) };
    crm.replies([Reply::after(ms(100), Reply::Fails(throttled))]);
    stage.enroll(BOB).await;
    stage.until("it is under way", || crm.creations() == PROOF + 1).await;
    stage.enroll(ADA).await;
    stage.until_state(ADA, TouchState::Sending).await;

    let scheduled = stage.until_state(ADA, TouchState::Scheduled).await;
    let early = crm.creations();
    let touch = stage.until_state(ADA, TouchState::Open).await;

    assert_eq!((early, scheduled.attempt), (PROOF + 1, 1), "nothing of it left");
    let times = crm.times();
    assert!(times[PROOF + 1] - times[PROOF] >= Duration::from_secs(30), "{:?}", &times[PROOF..]);
    assert_eq!(touch.attempt, 2);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_marked_ahead_and_gets_no_place_in_time_is_void_at_once() {
    let stage = Stage::new().await;
    let (crm, running) = fast(&stage, 1).await;
    ada_waits(&stage, &crm, 900).await;
    let marked_at = *stage.notes.times("mark").last().unwrap();

    stage.until_state(ADA, TouchState::Scheduled).await;
    let void_after = stage.clock_seconds() - marked_at.as_secs_f64();
    let under_way = crm.creations();
    stage.until_state(ADA, TouchState::Open).await;

    assert!((0.25..0.45).contains(&void_after), "{void_after}");
    assert_eq!(under_way, PROOF + 1, "the slow one still has the only place");
    let last = crm.asked().pop();
    assert!(matches!(last, Some(Asked::Create { attempt: 2, .. })), "{last:?}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_touch_is_as_late_as_its_request_starts_and_a_void_mark_is_told_of_without_a_time() {
    let stage = Stage::new().await;
    let (crm, running) = fast(&stage, 1).await;
    ada_waits(&stage, &crm, 900).await;

    stage.until_state(ADA, TouchState::Open).await;

    let late = stage.notes.late.lock().unwrap().clone();
    assert_eq!(late.len(), crm.creations(), "{late:?}");
    assert!((ms(800)..ms(1_500)).contains(late.last().unwrap()), "the slow one had the only place: {late:?}");
    let attempts = stage.notes.attempts.lock().unwrap().clone();
    let (voids, others): (Vec<_>, Vec<_>) = attempts.iter().partition(|(outcome, _)| *outcome == "void");
    assert!(!voids.is_empty() && voids.iter().all(|(_, took)| took.is_none()), "{voids:?}");
    assert!(others.len() == crm.creations() && others.iter().all(|(_, took)| took.is_some()), "{others:?}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_voids_what_was_marked_and_did_not_start() {
    let stage = Stage::new().await;
    let (crm, running) = fast(&stage, 1).await;
    ada_waits(&stage, &crm, 2_000).await;

    running.ask_to_stop();
    let touch = stage.until_state(ADA, TouchState::Scheduled).await;
    let was_over = running.is_over();
    running.end().await;

    assert!(!was_over, "the slow one is still under way");
    assert_eq!((crm.creations(), touch.attempt), (PROOF + 1, 1));
    assert_eq!(stage.touch(BOB).await.state, TouchState::Open, "what is under way may end");
}

#[tokio::test(start_paused = true)]
async fn a_stop_after_the_mark_lets_it_leave_and_takes_it_back() {
    let stage = Stage::new().await;
    let (crm, running) = fast(&stage, 1).await;
    ada_waits(&stage, &crm, 120).await;

    stage.opt_out(ADA).await;
    stage.until("it is taken back", || crm.withdrawals() == 1).await;

    assert_eq!(crm.creations(), PROOF + 2);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_after_a_mark_that_becomes_void_keeps_it_here() {
    let stage = Stage::new().await;
    let (crm, running) = fast(&stage, 1).await;
    ada_waits(&stage, &crm, 900).await;

    stage.opt_out(ADA).await;
    pass(5).await;

    assert_eq!((crm.creations(), crm.withdrawals()), (PROOF + 1, 0));
    assert!(stage.touch(ADA).await.state.is_final(), "{:?}", stage.touch(ADA).await);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn withdrawals_do_not_wait_for_what_was_marked_ahead() {
    let stage = Stage::new().await;
    let (crm, running) = fast(&stage, 1).await;
    crm.always(slow(4));
    for place in 0..40 {
        stage.enroll(&format!("d{place}@example.com")).await;
    }
    stage.until("a few went", || crm.creations() > PROOF + 2).await;

    stage.opt_out("c0@example.com").await;
    stage.until("it is taken back", || crm.withdrawals() == 1).await;

    assert!(crm.creations() < PROOF + 30, "{} went first", crm.creations() - PROOF);
    running.end().await;
}
