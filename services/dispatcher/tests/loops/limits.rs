//! What may go at once, and that no loop spins.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::touch::{HeldReason, TouchState};
use ports::dispatch::{Dispatch as _, Place};

use crate::crm::{Asked, Crm, Reply};
use crate::stage::{Stage, pass};

#[tokio::test(start_paused = true)]
async fn a_judgement_that_cannot_be_settled_does_not_make_the_loop_spin() {
    let stage = Stage::new().await;
    stage.cadence("crm", "contact.customer").await;
    stage.enroll("ada@example.com").await;
    stage.notes.refuses.store(true, Ordering::Relaxed);
    let crm = Arc::new(stage.crm());

    let running = stage.start(&[&crm]);
    pass(3).await;

    let picks = stage.notes.count("pick");
    assert!((3..=200).contains(&picks), "{picks} in three seconds");
    stage.notes.refuses.store(false, Ordering::Relaxed);
    stage.until_state("ada@example.com", TouchState::Skipped).await;
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn due_touches_of_another_worker_do_not_make_the_loop_spin() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    for place in 0..12 {
        stage.enroll(&format!("c{place}@example.com")).await;
    }
    *stage.notes.place.lock().unwrap() = Some(Place { number: 0, of: 2 });
    let crm = Arc::new(stage.crm());

    let running = stage.start(&[&crm]);
    pass(4).await;

    let (sent, picks) = (crm.creations(), stage.notes.count("pick"));
    assert!(sent > 0 && sent < 12, "{sent} of twelve are in our shards");
    assert!(picks <= 260, "{picks} in four seconds");
    // The other worker is gone: all shards are ours.
    *stage.notes.place.lock().unwrap() = None;
    stage.until("all went", || crm.creations() == 12).await;
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn due_touches_of_a_slow_connector_neither_wake_nor_delay_another() {
    let stage = Stage::new().await;
    stage.cadence("slow", "").await;
    for place in 0..3 {
        stage.enroll(&format!("c{place}@example.com")).await;
    }
    stage.cadence("crm", "contact.customer").await;
    let crm = Arc::new(stage.crm());
    let mut slow = Crm::new("slow", &stage.clock);
    slow.traits.concurrency = 1;
    slow.always(Reply::Never);
    let slow = Arc::new(slow);

    let running = stage.start(&[&crm, &slow]);
    pass(5).await;

    assert_eq!(slow.creations(), 1);
    let picks = stage.notes.count("pick");
    assert!(picks <= 12, "{picks} in five seconds, though nothing of it is due");
    running.ask_to_stop();
    stage.until("the drain is over", || running.is_over()).await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_in_every_window_and_used() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    for place in 0..20 {
        stage.enroll(&format!("c{place}@example.com")).await;
    }
    let mut crm = stage.crm();
    crm.traits.rate = Some((5, Duration::from_secs(2)));
    let crm = Arc::new(crm);

    let running = stage.start(&[&crm]);
    stage.until("a few went", || crm.creations() >= 9).await;
    // Another process takes its place: what the first one started still counts.
    running.end().await;
    let running = stage.start(&[&crm]);
    stage.until("all went", || crm.creations() == 20).await;
    running.end().await;

    let times = crm.times();
    for start in &times {
        let end = *start + Duration::from_secs(2);
        let within = times.iter().filter(|one| (*start..end).contains(*one)).count();
        assert!(within <= 5, "{within} from {start:?}: {times:?}");
    }
    let took = *times.last().unwrap() - times[0];
    assert!(took < Duration::from_secs(14), "{took:?}: the rate is there to be used");
}

#[tokio::test(start_paused = true)]
async fn touches_of_a_connector_that_is_gone_say_so_and_go_on_when_it_is_back() {
    let stage = Stage::new().await;
    stage.cadence("gone", "").await;
    stage.enroll("ada@example.com").await;
    let crm = Arc::new(stage.crm());

    let running = stage.start(&[&crm]);
    stage.until_state("ada@example.com", TouchState::Held).await;
    let held = stage.ports.held().await.unwrap();
    running.end().await;
    let gone = Arc::new(Crm::new("gone", &stage.clock));
    let running = stage.start(&[&crm, &gone]);
    stage.until_state("ada@example.com", TouchState::Open).await;

    assert_eq!(held.len(), 1);
    assert_eq!((held[0].reason, held[0].touches), (HeldReason::NoConnector, 1));
    assert_eq!((crm.creations(), gone.creations()), (0, 1));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_more_than_a_slice_goes_each_once_with_few_picks() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    for place in 0..600 {
        stage.enroll(&format!("c{place}@example.com")).await;
    }
    let mut crm = stage.crm();
    crm.traits.concurrency = 1000;
    let crm = Arc::new(crm);

    let running = stage.start(&[&crm]);
    stage.until("all went", || crm.creations() == 600).await;
    let picks = stage.notes.count("pick");
    pass(2).await;

    let first = |one: &Asked| matches!(one, Asked::Create { attempt: 1, .. });
    assert_eq!((crm.creations(), crm.asked().iter().filter(|one| first(one)).count()), (600, 600));
    assert!(picks <= 2, "{picks}: what was picked and had no room was picked again");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn of_a_trickle_of_results_the_first_is_settled_at_once_and_the_others_a_few_at_a_time() {
    let stage = Stage::new().await;
    stage.cadence("crm", "").await;
    let crm = Arc::new(stage.crm());
    let running = stage.start(&[&crm]);
    stage.enroll("a0@example.com").await;
    stage.until_state("a0@example.com", TouchState::Open).await;
    let first = stage.notes.times("results")[0].saturating_sub(crm.times()[0]);

    for number in 1..20 {
        stage.enroll(&format!("a{number}@example.com")).await;
        stage.until("it is sent", || crm.creations() == number + 1).await;
    }
    stage.until_state("a19@example.com", TouchState::Open).await;

    let settled = stage.notes.times("results");
    assert!(first < Duration::from_millis(5), "{first:?}");
    assert!(settled.len() < 20, "{settled:?}");
    assert!(
        settled.windows(2).all(|two| two[1].saturating_sub(two[0]) >= Duration::from_millis(50)),
        "{settled:?}"
    );
    running.end().await;
}
