//! A CRM that is away.

use std::sync::Arc;
use std::time::Duration;

use domain::touch::TouchState;
use ports::clock::Clock as _;
use ports::connector::ConnectorError;
use ports::dispatch::CommandResult;

use crate::crm::Reply;
use crate::stage::{Stage, pass};

fn refused() -> Reply {
    Reply::after(
        Duration::from_millis(10),
        Reply::Fails(ConnectorError::Transient("no connection".to_owned())),
    )
}

#[tokio::test(start_paused = true)]
async fn while_the_crm_is_away_one_request_at_a_time_tries_and_all_go_once_it_is_back() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    let people: Vec<String> = (0..40).map(|n| format!("p{n}@example.com")).collect();
    for who in &people {
        stage.enroll(who).await;
    }
    let crm = Arc::new(stage.crm());
    crm.always(refused());

    let running = stage.start(&[&crm]);
    pass(300).await;
    let tried = crm.times();
    let back = stage.clock.monotonic();
    crm.always(Reply::Fine);
    for who in &people {
        stage.until_state(who, TouchState::Open).await;
    }

    let first = tried[0];
    let trials: Vec<_> = tried.iter().filter(|at| **at >= first + Duration::from_secs(10)).collect();
    assert!((50..=60).contains(&trials.len()), "one every five seconds: {trials:?}");
    let at_first = tried.len() - trials.len();
    assert!(
        at_first <= 8 + 8 + 5,
        "those that were under way when it was noticed, and some trials: {at_first}"
    );
    let took = *crm.times().last().unwrap() - back;
    assert!(took <= Duration::from_secs(6), "{took:?} after the CRM was back");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_touch_that_tried_in_vain_waits_no_longer_than_until_the_next_trial() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    let people = ["ada@example.com", "bob@example.com", "cyd@example.com"];
    for who in people {
        stage.enroll(who).await;
    }
    let crm = Arc::new(stage.crm());
    crm.always(refused());

    let running = stage.start(&[&crm]);
    pass(900).await;
    let back = stage.clock.monotonic();
    crm.always(Reply::Fine);
    for who in people {
        stage.until_state(who, TouchState::Open).await;
    }

    let took = *crm.times().last().unwrap() - back;
    assert!(took <= Duration::from_secs(6), "{took:?} after the CRM was back");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_that_tried_in_vain_waits_no_longer_than_until_the_next_trial() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    let crm = Arc::new(stage.crm());
    let running = stage.start(&[&crm]);
    stage.enroll("ada@example.com").await;
    stage.until_state("ada@example.com", TouchState::Open).await;
    crm.always(refused());

    stage.opt_out("ada@example.com").await;
    pass(900).await;
    let back = stage.clock.monotonic();
    crm.always(Reply::Fine);
    let is_done = || {
        let answers = stage.notes.answers.lock().unwrap();
        matches!(answers.last(), Some((_, CommandResult::Done)))
    };
    stage.until("the task is taken back", is_done).await;

    let took = *crm.times().last().unwrap() - back;
    assert!(took <= Duration::from_secs(6), "{took:?} after the CRM was back");
    let answers = stage.notes.answers.lock().unwrap().clone();
    let failed = answers.iter().filter(|(_, result)| matches!(result, CommandResult::Again(..))).count();
    assert_eq!(failed, 7, "once it was known to be away, none was the withdrawal's failure");
    drop(answers);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_can_no_longer_be_rendered_does_not_say_that_the_crm_is_back() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    stage.enroll("ada@example.com").await;
    let crm = Arc::new(stage.crm());
    crm.always(refused());
    let running = stage.start(&[&crm]);
    pass(400).await;

    // Its first mark is void, and there is no text for the second one.
    stage.notes.slow_marks.lock().unwrap().push(Duration::from_millis(300));
    crm.renders_more(1);
    stage.enroll("eve@example.com").await;
    stage.until_state("eve@example.com", TouchState::Failed).await;
    let before = crm.creations();
    pass(60).await;

    let trials = crm.creations() - before;
    assert!(trials >= 10, "the other one is tried every five seconds: {trials}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_fails_now_and_then_is_not_away() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    let people: Vec<String> = (0..60).map(|n| format!("p{n}@example.com")).collect();
    for who in &people {
        stage.enroll(who).await;
    }
    let crm = Arc::new(stage.crm());
    crm.replies((0..60).map(|n| if n % 3 == 2 { Reply::Fine } else { refused() }));

    let running = stage.start(&[&crm]);
    stage.until("a request for each", || crm.creations() >= 60).await;

    let times = crm.times();
    let took = times[59] - times[0];
    assert!(took <= Duration::from_millis(400), "its place is everybody's all the time: {took:?}");
    running.end().await;
}
