//! An event counts once.

use std::time::Duration;

use domain::input::Origin;
use ports::unit::Standing;

use super::{Fixture, Mini, events, form, stop};

const DAY: Duration = Duration::from_hours(24);

pub async fn an_event_is_fresh_once(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let mini = Mini::new();

    let first = store.run(events([form("e1", "ada@example.com", now).input()]), mini.clone()).await.unwrap();
    let second = store.run(events([form("e1", "ada@example.com", now).input()]), mini.clone()).await.unwrap();

    assert_eq!((first.fresh, first.duplicates, first.enrolled), (1, 0, 1));
    assert_eq!((second.fresh, second.duplicates, second.enrolled), (0, 1, 0));
    assert_eq!(mini.standings(), [Standing::Duplicate]);
}

pub async fn twins_within_one_unit_are_told_apart(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let mini = Mini::new();
    let twin = || form("e1", "ada@example.com", now);

    let report = store
        .run(events([twin().input(), twin().in_workspace("other").input(), twin().input()]), mini.clone())
        .await
        .unwrap();

    assert_eq!(mini.standings(), [Standing::Fresh, Standing::Fresh, Standing::Duplicate]);
    assert_eq!((report.fresh, report.duplicates), (2, 1));
}

pub async fn an_old_event_is_marked_unless_redriven(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let old = store.now().await.unwrap().saturating_sub(31 * DAY).unwrap();
    let mini = Mini::new();
    let mut redriven = form("e2", "bob@example.com", old);
    redriven.origin = Origin::Redriven;

    let inputs = [
        form("e1", "ada@example.com", old).input(),
        redriven.input(),
        stop("e3", "cy@example.com", old).input(),
    ];
    store.run(events(inputs), mini.clone()).await.unwrap();

    // The domain lets the stop class through by itself.
    assert_eq!(mini.standings(), [Standing::BeforeHorizon, Standing::Fresh, Standing::BeforeHorizon]);
}

pub async fn an_event_that_lies_ahead_is_taken_as_of_now(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let ahead = store.now().await.unwrap().saturating_add(DAY).unwrap();
    let mini = Mini::new();

    store.run(events([form("e1", "ada@example.com", ahead).input()]), mini.clone()).await.unwrap();

    let taken = mini.events.lock().unwrap()[0].clone();
    let now = store.now().await.unwrap();
    assert!(taken.received_at <= now && taken.occurred_at <= now, "{taken:?}");
    assert!(taken.event.received_at <= now && taken.event.occurred_at <= now, "{taken:?}");
}

pub async fn digests_expire_in_slices(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let inputs = (0..5).map(|n| form(&format!("e{n}"), "ada@example.com", now).input());
    store.run(events(inputs), Mini::new()).await.unwrap();
    assert_eq!(store.expire(3).await.unwrap(), 0);

    fixture.elapse(31 * DAY).await;

    assert_eq!(store.expire(3).await.unwrap(), 3);
    assert_eq!(store.expire(3).await.unwrap(), 2);
    assert_eq!(store.expire(3).await.unwrap(), 0);
}
