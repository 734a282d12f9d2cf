//! Relays over an outbox of the small world. Time is paused: it moves on when all wait.

use async_trait::async_trait;
use ports::bus::{BusError, Position, Publisher};
use ports::relay::{Heads, Outbox};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::*;
use crate::fakes::{World, waiting};

/// A publisher that takes its time.
struct Slow {
    world: Arc<World>,
    takes: Duration,
}

#[async_trait]
impl Publisher for Slow {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Position, BusError>> {
        tokio::time::sleep(self.takes).await;
        self.world.publish(messages).await
    }

    async fn ready(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn flush(&self, _: Duration) -> Result<(), BusError> {
        Ok(())
    }
}

/// A store with one connection, over which messages take their time to come.
struct Narrow {
    world: Arc<World>,
    connection: Semaphore,
    takes: Duration,
}

#[async_trait]
impl Outbox for Narrow {
    async fn lease(&self, owner: Uuid, want: usize, length: Duration) -> StoreResult<Vec<Shard>> {
        let _connection = self.connection.acquire().await;
        self.world.lease(owner, want, length).await
    }

    async fn heads(&self, shards: &[Shard], limit: usize) -> StoreResult<Heads> {
        let _connection = self.connection.acquire().await;
        tokio::time::sleep(self.takes).await;
        self.world.heads(shards, limit).await
    }

    async fn acknowledged(&self, ids: &[i64]) -> StoreResult<()> {
        let _connection = self.connection.acquire().await;
        self.world.acknowledged(ids).await
    }

    async fn append(&self, messages: Vec<Message>) -> StoreResult<()> {
        self.world.append(messages).await
    }
}

fn fill(world: &World, shard: u8, ids: std::ops::Range<i64>) {
    world.with(|state| {
        state.outbox.entry(shard).or_default().extend(ids.map(|id| waiting(Shard(shard), id)));
    });
}

fn published(world: &World) -> Vec<String> {
    world.with(|state| state.published.iter().map(|one| String::from_utf8(one.clone()).unwrap()).collect())
}

/// Runs a relay until the outbox is empty.
async fn relay_all(world: &Arc<World>, deps: Arc<Deps>) {
    let stop = CancellationToken::new();
    let empty = async {
        world.until(|state| state.outbox.values().all(Vec::is_empty)).await;
        stop.cancel();
    };
    futures::join!(run(deps, stop.clone()), empty);
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_takes_longer_than_a_lease_keeps_it() {
    let world = World::new();
    fill(&world, 3, 0..2);
    let slow = Slow { world: Arc::clone(&world), takes: LEASE * 3 };
    let mut first = Arc::into_inner(world.deps(1)).unwrap();
    first.publisher = Arc::new(slow);

    // The second comes when the first is in the middle of it, and looks every second.
    let second = async {
        world.until(|state| !state.heads.is_empty()).await;
        relay_all(&world, world.deps(2)).await;
    };
    futures::join!(relay_all(&world, Arc::new(first)), second);

    assert_eq!(published(&world), ["3/0", "3/1"], "each once, in order");
    assert_eq!(world.with(|state| state.heads.clone()), [3], "the second never had the shard");
    assert!(world.age() >= LEASE * 3);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_waits_for_a_connection_stops_nobody_who_has_it() {
    let world = World::new();
    fill(&world, 3, 0..2);
    fill(&world, 4, 2..3);
    let mut deps = Arc::into_inner(world.deps(1)).unwrap();
    let connection = Semaphore::new(1);
    deps.outbox = Arc::new(Narrow { world: Arc::clone(&world), connection, takes: LEASE * 3 / 4 });

    let relayed = tokio::time::timeout(LEASE * 3, relay_all(&world, Arc::new(deps))).await;

    assert!(relayed.is_ok(), "the renewal waited for whom it kept from going on");
    assert_eq!(published(&world), ["3/0", "3/1", "4/2"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_everything_from_there_on_is_sent_again_in_order() {
    let world = World::new();
    fill(&world, 0, 0..5);
    world.with(|state| state.refused = vec![b"0/2".to_vec()]);

    relay_all(&world, world.deps(1)).await;

    assert_eq!(published(&world), ["0/0", "0/1", "0/2", "0/3", "0/4", "0/2", "0/3", "0/4"]);
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_takes_nothing_is_not_asked_in_a_spin() {
    let world = World::new();
    fill(&world, 0, 0..1);
    world.with(|state| state.refused = vec![b"0/0".to_vec(); 10]);

    relay_all(&world, world.deps(1)).await;

    assert_eq!(published(&world).len(), 11);
    assert!(world.age() >= NAP * 10, "it rested after each refusal");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_cannot_be_read_keeps_no_other_back() {
    let world = World::new();
    fill(&world, 0, 0..1);
    let more_than_a_batch = 10..11 + i64::try_from(BATCH).unwrap();
    fill(&world, 1, more_than_a_batch.clone());
    world.with(|state| state.unreadable.insert(0));
    let stop = CancellationToken::new();

    let others = async {
        world.until(|state| state.outbox[&1].is_empty()).await;
        stop.cancel();
    };
    futures::join!(run(world.deps(1), stop.clone()), others);

    assert_eq!(published(&world), more_than_a_batch.map(|id| format!("1/{id}")).collect::<Vec<_>>());
    assert!(world.age() < NAP, "the next batch did not wait for it");
    assert_eq!(world.with(|state| state.outbox[&0].len()), 1, "it is still there for a person to look at");
}

#[tokio::test(start_paused = true)]
async fn a_trickle_is_relayed_a_little_at_a_time_and_a_backlog_without_rest() {
    let world = World::new();
    let stop = CancellationToken::new();
    let backlog = 0..3 * i64::try_from(BATCH).unwrap();
    fill(&world, 3, backlog.clone());

    let others = async {
        world.until(|state| state.outbox[&3].is_empty()).await;
        assert_eq!(world.age(), Duration::ZERO);
        for id in backlog.end..backlog.end + 20 {
            fill(&world, 3, id..id + 1);
            world.until(|state| state.outbox[&3].is_empty()).await;
        }
        stop.cancel();
    };
    futures::join!(run(world.deps(1), stop.clone()), others);

    assert_eq!(published(&world).len(), 3 * BATCH + 20);
    assert!((950..3_000).contains(&world.age().as_millis()), "{:?}", world.age());
}
