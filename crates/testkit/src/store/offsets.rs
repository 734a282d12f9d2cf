//! A partition's offset moves with the unit.

use ports::StoreError;
use ports::bus::{Position, StoredOffset, Topic};
use ports::unit::{Advance, Unit};

use super::{Fixture, Mini, events, form};

fn advance(from: Option<i64>, next: i64) -> Advance {
    let to = StoredOffset { next, last_id: Some(format!("id-{next}")) };
    Advance { cluster: "log".to_owned(), topic: Topic::Events, partition: 3, from, to }
}

pub async fn the_offset_moves_with_the_unit_or_not_at_all(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let unit =
        |id: &str, by| Unit { advance: Some(by), ..events([form(id, "ada@example.com", now).input()]) };
    assert_eq!(store.stored("log", Topic::Events, 3).await.unwrap(), None);

    store.run(unit("e1", advance(None, 10)), Mini::new()).await.unwrap();
    let poisoned = std::sync::Arc::new(Mini { poison: Some("e2".to_owned()), ..Mini::default() });
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
        |id: &str, by| Unit { advance: Some(by), ..events([form(id, "ada@example.com", now).input()]) };
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

pub async fn offsets_can_be_set_by_hand(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let at = |offset| Position { topic: Topic::Quarantine, partition: 0, offset };

    store.set("log", at(5)).await.unwrap();
    store.set("log", at(2)).await.unwrap();

    let stored = store.stored("log", Topic::Quarantine, 0).await.unwrap();
    assert_eq!(stored, Some(StoredOffset { next: 2, last_id: None }));
}
