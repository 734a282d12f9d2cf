//! Partitions' offsets move with the unit.

use std::sync::Arc;

use futures::future::join_all;
use ports::StoreError;
use ports::bus::{Position, StoredOffset, Topic};
use ports::unit::{Advance, Unit};

use super::{Fixture, Mini, StorePorts, events, form};

fn advance(from: Option<i64>, next: i64) -> Advance {
    let to = StoredOffset { next, last_id: Some(format!("id-{next}")) };
    Advance { cluster: "log".to_owned(), topic: Topic::Events, partition: 3, from, to }
}

fn of(partition: i32, from: Option<i64>, next: i64) -> Advance {
    Advance { partition, ..advance(from, next) }
}

/// The next offsets of all partitions, in their order.
async fn offsets(store: &Arc<dyn StorePorts>) -> Vec<(i32, i64)> {
    let all = store.all().await.unwrap();
    all.into_iter().map(|(_, _, partition, stored)| (partition, stored.next)).collect()
}

pub async fn the_offset_moves_with_the_unit_or_not_at_all(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let unit =
        |id: &str, by| Unit { advances: vec![by], ..events([form(id, "ada@example.com", now).input()]) };
    assert_eq!(store.stored("log", Topic::Events, 3).await.unwrap(), None);

    store.run(unit("e1", advance(None, 10)), Mini::new()).await.unwrap();
    let poisoned = Arc::new(Mini { poison: Some("e2".to_owned()), ..Mini::default() });
    let refused = store.run(unit("e2", advance(Some(10), 20)), poisoned).await;

    assert!(matches!(refused, Err(StoreError::Rejected(_))), "{refused:?}");
    let stored = store.stored("log", Topic::Events, 3).await.unwrap();
    assert_eq!(stored, Some(StoredOffset { next: 10, last_id: Some("id-10".to_owned()) }));
    assert_eq!(store.stored("other log", Topic::Events, 3).await.unwrap(), None);
    assert_eq!(store.all().await.unwrap().len(), 1);
}

pub async fn a_zombie_cannot_apply_twice(fixture: &impl Fixture) {
    let (store, zombie) = (fixture.open().await, fixture.open().await);
    let now = store.now().await.unwrap();
    let unit =
        |id: &str, by| Unit { advances: vec![by], ..events([form(id, "ada@example.com", now).input()]) };
    store.run(unit("e1", advance(None, 10)), Mini::new()).await.unwrap();
    store.run(unit("e2", advance(Some(10), 20)), Mini::new()).await.unwrap();

    let late = zombie.run(unit("e3", advance(Some(10), 15)), Mini::new()).await;
    let fresh = zombie.run(unit("e4", advance(None, 15)), Mini::new()).await;

    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    assert!(matches!(fresh, Err(StoreError::Conflict(_))), "{fresh:?}");
    assert_eq!(store.stored("log", Topic::Events, 3).await.unwrap().unwrap().next, 20);
    let again = store.run(events([form("e3", "ada@example.com", now).input()]), Mini::new()).await.unwrap();
    assert_eq!(again.fresh, 1, "nothing of the zombie's unit was kept");
}

pub async fn partitions_of_one_unit_move_together(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let unit = |id: &str, advances| Unit { advances, ..events([form(id, "ada@example.com", now).input()]) };

    store.run(unit("e1", vec![of(3, None, 10), of(0, None, 5)]), Mini::new()).await.unwrap();
    // One more is new, and they come in no order.
    let next = vec![of(7, None, 1), of(3, Some(10), 12), of(0, Some(5), 9)];
    store.run(unit("e2", next), Mini::new()).await.unwrap();

    assert_eq!(offsets(&store).await, [(0, 9), (3, 12), (7, 1)]);
    for (partition, id) in [(0, "id-9"), (3, "id-12"), (7, "id-1")] {
        let stored = store.stored("log", Topic::Events, partition).await.unwrap().unwrap();
        assert_eq!(stored.last_id.as_deref(), Some(id), "of partition {partition}");
    }
}

pub async fn one_stale_offset_holds_back_all_of_its_unit(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let unit = |id: &str, advances| Unit { advances, ..events([form(id, "ada@example.com", now).input()]) };
    store.run(unit("e1", vec![of(0, None, 5), of(3, None, 10)]), Mini::new()).await.unwrap();

    let stale = [
        ("it is behind", vec![of(0, Some(5), 9), of(3, Some(8), 12)]),
        ("it is ahead", vec![of(0, Some(11), 12), of(3, Some(10), 12)]),
        ("it has a row", vec![of(0, None, 9), of(3, Some(10), 12), of(7, None, 1)]),
        ("it has none", vec![of(0, Some(5), 9), of(7, Some(1), 2)]),
    ];
    for (why, advances) in stale {
        let refused = store.run(unit("e2", advances), Mini::new()).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{why}: {refused:?}");
        assert_eq!(offsets(&store).await, [(0, 5), (3, 10)], "{why}");
    }

    let fresh = unit("e2", vec![of(0, Some(5), 9), of(3, Some(10), 12)]);
    assert_eq!(store.run(fresh, Mini::new()).await.unwrap().fresh, 1, "nothing of the others was kept");
}

/// Units that race for the same partitions, which each names in another order: one of each round wins.
pub async fn of_units_that_race_for_partitions_one_wins(fixture: &impl Fixture) {
    const PARTITIONS: i32 = 8;
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    for round in 0..10_i64 {
        let from = (round > 0).then_some(round);
        let racers = (0..4).map(|racer| {
            let turned = (0..PARTITIONS).map(|n| (n * 3 + racer * 5) % PARTITIONS);
            let advances = turned.map(|partition| of(partition, from, round + 1)).collect();
            let input = form(&format!("{racer}-{round}"), &format!("c{racer}@example.com"), now).input();
            store.run(Unit { advances, ..events([input]) }, Mini::new())
        });
        let ended = join_all(racers).await;

        let won = ended.iter().filter(|one| one.is_ok()).count();
        assert_eq!(won, 1, "{ended:?}");
        let lost = ended.iter().filter(|one| matches!(one, Err(StoreError::Conflict(_)))).count();
        assert_eq!(lost, 3, "{ended:?}");
        let all: Vec<(i32, i64)> = (0..PARTITIONS).map(|partition| (partition, round + 1)).collect();
        assert_eq!(offsets(&store).await, all);
    }
}

pub async fn offsets_can_be_set_by_hand(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let at = |offset| Position { topic: Topic::Quarantine, partition: 0, offset };

    store.set("log", at(5)).await.unwrap();
    store.set("log", at(2)).await.unwrap();

    let stored = store.stored("log", Topic::Quarantine, 0).await.unwrap();
    assert_eq!(stored, Some(StoredOffset { next: 2, last_id: None }));
}
