//! Which dispatchers live.

use std::time::Duration;

use domain::id::ConnectorName;
use ports::dispatch::{Alive, Draw, Marked, Place};
use uuid::Uuid;

use super::Fixture;
use super::dispatch::{due, enroll, request, worker};

pub async fn workers_have_a_place_among_the_living(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.beat(worker(1)).await.unwrap();
    assert_eq!(store.place(worker(1)).await.unwrap(), Some(Place { number: 0, of: 1 }));
    assert_eq!(store.place(worker(2)).await.unwrap(), None, "who has not announced itself has none");
    if !fixture.is_concurrent() {
        return;
    }

    store.beat(worker(2)).await.unwrap();

    assert_eq!(store.place(worker(1)).await.unwrap(), Some(Place { number: 0, of: 2 }));
    assert_eq!(store.place(worker(2)).await.unwrap(), Some(Place { number: 1, of: 2 }));
    store.leave(worker(1)).await.unwrap();
    assert_eq!(store.place(worker(2)).await.unwrap(), Some(Place { number: 0, of: 1 }));
}

pub async fn a_connectors_rate_is_shared_out_and_never_exceeded(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let draw = |holder: u128, wanted, used| Draw {
        connector: ConnectorName::new("crm").unwrap(),
        holder: Uuid::from_u128(holder),
        wanted,
        used,
        limit: 10,
        per: Duration::from_secs(60),
        lease: Duration::from_secs(10),
    };
    let other = Draw { connector: ConnectorName::new("dialer").unwrap(), ..draw(1, 3, 0) };

    assert_eq!(store.draw(draw(1, 10, 0)).await.unwrap(), 10, "alone, and at once");
    assert_eq!(store.draw(other).await.unwrap(), 3, "another connector has a rate of its own");
    assert_eq!(store.draw(draw(2, 5, 0)).await.unwrap(), 0);
    assert_eq!(store.draw(draw(1, 5, 8)).await.unwrap(), 5);
    assert_eq!(store.draw(draw(2, 5, 0)).await.unwrap(), 2, "eight were started within the period");
    // The first one is gone without a word: its part counts until its lease and a period are over.
    fixture.elapse(Duration::from_secs(50)).await;
    assert_eq!(store.draw(draw(2, 10, 0)).await.unwrap(), 2);
    fixture.elapse(Duration::from_secs(21)).await;
    assert_eq!(store.draw(draw(2, 10, 0)).await.unwrap(), 10);
}

pub async fn a_silent_worker_is_reaped_by_one_that_beats(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.beat(worker(1)).await.unwrap();
    if !fixture.is_concurrent() {
        // One process: a new worker takes the place of all others, and nobody is reaped.
        store.beat(worker(2)).await.unwrap();
        assert_eq!(store.place(worker(1)).await.unwrap(), None);
        assert_eq!(store.reap(worker(2)).await.unwrap(), 0);
        return;
    }
    store.beat(worker(2)).await.unwrap();

    for _ in 0..6 {
        fixture.elapse(Duration::from_secs(1)).await;
        assert_eq!(store.beat(worker(1)).await.unwrap(), Alive::Yes);
    }
    assert_eq!(store.reap(worker(2)).await.unwrap(), 0, "a silent one reaps nobody");
    assert_eq!(store.reap(worker(1)).await.unwrap(), 1);
    assert_eq!(store.beat(worker(2)).await.unwrap(), Alive::Forgotten);

    // An outage silences everybody: the first to beat again waits before it calls others dead.
    store.beat(worker(3)).await.unwrap();
    fixture.elapse(Duration::from_secs(20)).await;
    assert_eq!(store.beat(worker(1)).await.unwrap(), Alive::Yes);
    assert_eq!(store.reap(worker(1)).await.unwrap(), 0);
}

pub async fn a_worker_that_was_taken_for_dead_marks_nothing(fixture: &impl Fixture) {
    if !fixture.is_concurrent() {
        return;
    }
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let picked = due(&store).await.remove(0);
    store.beat(worker(1)).await.unwrap();
    store.beat(worker(2)).await.unwrap();
    for _ in 0..6 {
        fixture.elapse(Duration::from_secs(1)).await;
        store.beat(worker(1)).await.unwrap();
    }
    store.reap(worker(1)).await.unwrap();

    let frozen = store.mark(worker(2), vec![request(&picked, "a")]).await.unwrap();
    store.beat(worker(2)).await.unwrap();
    let forgotten = store.mark(worker(2), vec![request(&picked, "b")]).await.unwrap();
    store.beat(worker(3)).await.unwrap();
    let renewed = store.mark(worker(3), vec![request(&picked, "c")]).await.unwrap();

    assert_eq!((frozen, forgotten), (vec![Marked::Lost], vec![Marked::Lost]));
    assert!(matches!(renewed[..], [Marked::Yes { .. }]), "{renewed:?}");
}
