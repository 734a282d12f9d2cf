//! Which dispatchers live.

use std::time::Duration;

use ports::dispatch::Alive;

use super::Fixture;
use super::dispatch::worker;

pub async fn shards_are_shared_out_among_the_living(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.beat(worker(1)).await.unwrap();
    assert_eq!(store.shards(worker(1)).await.unwrap().len(), 32);
    assert_eq!(store.shards(worker(2)).await.unwrap(), [], "who has not announced itself owns nothing");
    if !fixture.is_concurrent() {
        return;
    }

    store.beat(worker(2)).await.unwrap();
    let (mine, theirs) = (store.shards(worker(1)).await.unwrap(), store.shards(worker(2)).await.unwrap());

    assert_eq!((mine.len(), theirs.len()), (16, 16));
    assert!(mine.iter().all(|shard| !theirs.contains(shard)));
    store.leave(worker(2)).await.unwrap();
    assert_eq!(store.shards(worker(1)).await.unwrap().len(), 32);
}

pub async fn a_silent_worker_is_reaped_by_one_that_beats(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.beat(worker(1)).await.unwrap();
    if !fixture.is_concurrent() {
        // One process: a new worker takes the place of all others, and nobody is reaped.
        store.beat(worker(2)).await.unwrap();
        assert_eq!(store.shards(worker(1)).await.unwrap(), []);
        assert_eq!(store.reap(worker(2)).await.unwrap(), 0);
        return;
    }
    store.beat(worker(2)).await.unwrap();

    for _ in 0..3 {
        fixture.elapse(Duration::from_secs(2)).await;
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
