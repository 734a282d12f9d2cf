//! The heart, those that are gone, and the end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::touch::TouchState;

use crate::crm::{Asked, Reply};
use crate::stage::{Stage, pass};

const ADA: &str = "ada@example.com";

#[tokio::test(start_paused = true)]
async fn the_heart_beats_until_nothing_is_in_flight_and_the_row_is_taken_away() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    stage.enroll(ADA).await;
    let crm = Arc::new(stage.crm());
    crm.always(Reply::after(Duration::from_secs(5), Reply::Fine));
    let running = stage.start(&[&crm]);
    stage.until("it is under way", || crm.creations() == 1).await;

    let before = stage.notes.count("beat");
    running.ask_to_stop();
    pass(3).await;
    let during = stage.notes.count("beat");
    let left_early = stage.notes.count("leave");
    running.end().await;

    assert!(during - before >= 2, "{before} beats before, {during} after three seconds of draining");
    assert_eq!((left_early, stage.notes.count("leave")), (0, 1));
    assert_eq!(stage.touch(ADA).await.state, TouchState::Open, "its result was settled");
}

#[tokio::test(start_paused = true)]
async fn nothing_new_is_marked_after_a_stop() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    stage.enroll(ADA).await;
    let crm = Arc::new(stage.crm());
    crm.always(Reply::after(Duration::from_secs(5), Reply::Fine));
    let running = stage.start(&[&crm]);
    stage.until("it is under way", || crm.creations() == 1).await;

    running.ask_to_stop();
    stage.enroll("bob@example.com").await;
    running.end().await;

    assert_eq!((stage.notes.count("mark"), crm.creations()), (1, 1));
    assert_eq!(stage.touch("bob@example.com").await.state, TouchState::Scheduled);
}

#[tokio::test(start_paused = true)]
async fn what_outlasts_the_drain_is_taken_over_and_repeated() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    stage.enroll(ADA).await;
    let crm = Arc::new(stage.crm());
    crm.replies([Reply::Never]);
    let running = stage.start(&[&crm]);
    stage.until("it is under way", || crm.creations() == 1).await;

    let asked_at = stage.clock_seconds();
    running.end().await;
    let took = stage.clock_seconds() - asked_at;
    let left = stage.touch(ADA).await.state;
    let running = stage.start(&[&crm]);
    stage.until_state(ADA, TouchState::Open).await;

    assert!((7.0..8.5).contains(&took), "{took}: seven seconds of drain");
    assert_eq!(left, TouchState::Sending);
    let again = |attempt| Asked::Create { attempt, body: "rendering 1".to_owned() };
    assert_eq!(crm.asked(), [again(1), again(2)]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn attempts_are_taken_over_once_they_are_older_than_any_request() {
    let stage = Stage::new().await;
    let crm = Arc::new(stage.crm());

    let running = stage.start(&[&crm]);
    pass(2).await;

    // A look-up and a request of five seconds each, a second, and thirty.
    assert_eq!(*stage.notes.taken_over_after.lock().unwrap(), Some(Duration::from_secs(5 + 5 + 1 + 30)));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_taken_for_dead_goes_on_under_a_new_id() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    let crm = Arc::new(stage.crm());
    let running = stage.start(&[&crm]);
    stage.enroll(ADA).await;
    stage.until_state(ADA, TouchState::Open).await;

    stage.notes.forgets.store(true, Ordering::Relaxed);
    stage.until("it was forgotten", || !stage.notes.forgets.load(Ordering::Relaxed)).await;
    pass(2).await;
    stage.enroll("bob@example.com").await;
    stage.until_state("bob@example.com", TouchState::Open).await;

    let marked_by = stage.notes.marked_by.lock().unwrap().clone();
    let beaten_by = stage.notes.beaten_by.lock().unwrap().clone();
    assert_ne!(marked_by.first(), marked_by.last(), "{marked_by:?}");
    assert_eq!(beaten_by.last(), marked_by.last());
    running.end().await;
}
