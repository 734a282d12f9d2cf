//! Attempts of workers that are gone or hung.

use std::time::Duration;

use domain::touch::{AttemptResult, Note, TouchState};
use ports::dispatch::{Marked, TakenOver};

use super::dispatch::{due, enroll, request, state, worker};
use super::mini::lane;
use super::{Fixture, Mini, events, settle, stop};

const MINUTE: Duration = Duration::from_secs(60);

pub async fn attempts_of_a_worker_without_a_row_are_taken(fixture: &impl Fixture) {
    let (store, other) = (fixture.open().await, fixture.open().await);
    enroll(&store, ["ada@example.com", "bob@example.com"]).await;
    let picked = due(&store).await;
    store.beat(worker(1)).await.unwrap();
    store.mark(worker(1), vec![request(&picked[0], "a")]).await.unwrap();
    other.mark(worker(2), vec![request(&picked[1], "b")]).await.unwrap();

    let taken = store.take_over(MINUTE).await.unwrap();
    let again = store.take_over(MINUTE).await.unwrap();

    assert_eq!(taken, [TakenOver { touch: picked[1].touch, attempt: 1, connector: lane().connector }]);
    assert_eq!(again, []);
    assert_eq!(state(&store, picked[1].touch).await, TouchState::Unknown);
    assert_eq!(state(&store, picked[0].touch).await, TouchState::Sending);
    store.leave(worker(1)).await.unwrap();
    assert_eq!(store.take_over(MINUTE).await.unwrap().len(), 1);
}

pub async fn old_attempts_are_taken_though_their_worker_lives(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let picked = due(&store).await.remove(0);
    store.beat(worker(1)).await.unwrap();
    store.mark(worker(1), vec![request(&picked, "a")]).await.unwrap();
    assert_eq!(store.take_over(MINUTE).await.unwrap(), []);

    fixture.elapse(2 * MINUTE).await;

    assert_eq!(store.take_over(MINUTE).await.unwrap().len(), 1);
}

pub async fn a_settled_attempt_is_not_taken(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let picked = due(&store).await.remove(0);
    let now = store.now().await.unwrap();
    store.mark(worker(1), vec![request(&picked, "a")]).await.unwrap();
    let result = AttemptResult::Sent { remote_id: None, delivery: domain::touch::Delivery::Task };
    store.run(events([settle(picked.touch, 1, result, now)]), Mini::new()).await.unwrap();

    assert_eq!(store.take_over(Duration::ZERO).await.unwrap(), []);
    assert_eq!(state(&store, picked.touch).await, TouchState::Open);
}

pub async fn an_attempt_taken_and_not_settled_comes_again(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let picked = due(&store).await.remove(0);
    let now = store.now().await.unwrap();
    store.mark(worker(1), vec![request(&picked, "a")]).await.unwrap();
    assert_eq!(store.take_over(MINUTE).await.unwrap().len(), 1);

    // Whoever took it died before settling it.
    fixture.elapse(Duration::from_secs(11)).await;
    let again = store.take_over(MINUTE).await.unwrap();
    let unknown =
        AttemptResult::Unknown { again_at: None, note: Note::new("taken_over", "its worker is gone") };
    store.run(events([settle(picked.touch, 1, unknown, now)]), Mini::new()).await.unwrap();
    fixture.elapse(Duration::from_secs(11)).await;

    assert_eq!(again.len(), 1);
    assert_eq!(store.take_over(MINUTE).await.unwrap(), []);
    let repeat = due(&store).await.remove(0);
    let marked = store.mark(worker(2), vec![request(&repeat, "b")]).await.unwrap();
    assert!(matches!(marked[..], [Marked::Yes { attempt: 2, .. }]), "{marked:?}");
}

pub async fn an_attempt_of_a_touch_that_was_taken_back_meanwhile_is_taken_and_settled_too(
    fixture: &impl Fixture,
) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let picked = due(&store).await.remove(0);
    let now = store.now().await.unwrap();
    store.mark(worker(1), vec![request(&picked, "a")]).await.unwrap();
    assert_eq!(store.take_over(MINUTE).await.unwrap().len(), 1);

    // Whoever took it died before settling it, and then the contact stopped.
    store.run(events([stop("s", "ada@example.com", now).input()]), Mini::new()).await.unwrap();
    fixture.tamper("update touches set state = 'withdrawn'").await;
    fixture.elapse(Duration::from_secs(11)).await;
    let again = store.take_over(MINUTE).await.unwrap();
    let unknown =
        AttemptResult::Unknown { again_at: None, note: Note::new("taken_over", "its worker is gone") };
    store.run(events([settle(picked.touch, 1, unknown, now)]), Mini::new()).await.unwrap();
    fixture.elapse(Duration::from_secs(11)).await;

    assert_eq!(again.len(), 1, "its row would stay in flight for good");
    assert_eq!(fixture.count("in_flight").await, 0);
}
