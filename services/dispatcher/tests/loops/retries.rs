//! What is sent again, when, and with which bytes.

use std::sync::Arc;
use std::time::Duration;

use domain::touch::{Note, TouchState};
use ports::connector::ConnectorError;

use crate::crm::{Asked, Reply};
use crate::stage::{Setting, Stage, pass};

const ADA: &str = "ada@example.com";

fn create(attempt: i32, body: &str) -> Asked {
    Asked::Create { attempt, body: body.to_owned() }
}

fn unknown() -> Reply {
    Reply::Fails(ConnectorError::Unknown("no answer".to_owned()))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_would_start_too_late_never_leaves_and_is_rendered_anew() {
    let stage = Stage::set(Setting { per_contact: Some(5), ..Setting::default() }).await;
    stage.cadence("crm", "").await;
    stage.enroll(ADA).await;
    let crm = Arc::new(stage.crm());
    stage.notes.slow_marks.lock().unwrap().push(ms(260));

    let running = stage.start(&[&crm]);
    let touch = stage.until_state(ADA, TouchState::Open).await;

    assert_eq!(crm.asked(), [create(2, "rendering 2")], "nothing of the first attempt left");
    assert_eq!(touch.reserved.len(), 1, "what the void gave back was taken again");
    let marks = stage.notes.times("mark");
    assert!(marks[1] - marks[0] >= ms(260 + 250), "the store gets some air after a void: {marks:?}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_starts_just_in_time_leaves() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    stage.enroll(ADA).await;
    let crm = Arc::new(stage.crm());
    stage.notes.slow_marks.lock().unwrap().push(ms(240));

    let running = stage.start(&[&crm]);
    stage.until_state(ADA, TouchState::Open).await;

    assert_eq!(crm.asked(), [create(1, "rendering 1")]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn voids_do_not_come_faster_than_the_store_gets_air() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    stage.enroll(ADA).await;
    let crm = Arc::new(stage.crm());
    stage.notes.slow_marks.lock().unwrap().extend([ms(300); 200]);

    let running = stage.start(&[&crm]);
    pass(11).await;

    let marks = stage.notes.count("mark");
    assert!((10..=21).contains(&marks), "{marks}");
    assert_eq!(crm.asked(), []);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_repeat_after_an_unknown_outcome_sends_the_first_bytes_and_keeps_its_budgets() {
    let stage = Stage::set(Setting { per_contact: Some(5), ..Setting::default() }).await;
    stage.cadence("crm", "").await;
    stage.enroll(ADA).await;
    let crm = Arc::new(stage.crm());
    crm.replies([unknown()]);

    let running = stage.start(&[&crm]);
    stage.until("the first attempt", || crm.creations() == 1).await;
    let between = stage.until_state(ADA, TouchState::Scheduled).await;
    let touch = stage.until_state(ADA, TouchState::Open).await;

    assert_eq!(crm.asked(), [create(1, "rendering 1"), create(2, "rendering 1")]);
    assert_eq!((between.reserved.len(), touch.reserved.len()), (1, 1));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_sent_though_it_cannot_be_rendered_any_more() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    stage.enroll(ADA).await;
    let crm = Arc::new(stage.crm());
    crm.renders(1);
    crm.replies([unknown()]);

    let running = stage.start(&[&crm]);
    stage.until_state(ADA, TouchState::Open).await;

    assert_eq!(crm.asked(), [create(1, "rendering 1"), create(2, "rendering 1")]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_never_left_and_cannot_be_rendered_any_more_is_rejected() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    stage.enroll(ADA).await;
    let crm = Arc::new(stage.crm());
    crm.renders(1);
    stage.notes.slow_marks.lock().unwrap().push(ms(300));

    let running = stage.start(&[&crm]);
    let touch = stage.until_state(ADA, TouchState::Failed).await;

    assert_eq!(crm.asked(), []);
    assert_eq!(touch.note, Some(Note::new("rejected", "the task can no longer be rendered")));
    running.end().await;
}

/// A day of business time is a second of the wall: waits are the wall's all the same.
#[tokio::test(start_paused = true)]
async fn waits_are_on_the_wall_however_fast_business_time_is() {
    let stage = Stage::set(Setting { speed: 86_400, ..Setting::default() }).await;
    stage.cadence("crm", "").await;
    let crm = Arc::new(stage.crm());
    let busy = Reply::Fails(ConnectorError::Transient("busy".to_owned()));
    let throttled = ConnectorError::RateLimited { retry_after: Some(Duration::from_secs(30)) };
    crm.replies([busy, Reply::Fails(throttled)]);

    let running = stage.start(&[&crm]);
    stage.enroll(ADA).await;
    stage.until_state(ADA, TouchState::Open).await;

    let [first, second, third] = crm.times()[..] else { panic!("{:?}", crm.asked()) };
    let (backoff, asked) = (second - first, third - second);
    assert!((ms(490)..ms(2_600)).contains(&backoff), "half to one and a half seconds: {backoff:?}");
    assert!((ms(30_000)..ms(31_500)).contains(&asked), "{asked:?}");
    running.end().await;
}
