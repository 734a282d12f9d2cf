//! In which order a unit takes the rows of its offsets.

use std::sync::Arc;

use domain::input::Input;
use ports::bus::{StoredOffset, Topic};
use ports::unit::{Advance, Unit, Units as _};
use sea_orm::sqlx;
use testkit::store::{Mini, events, form};

use super::databases::PostgresDatabase;
use super::until_waiting;

fn of(partition: i32, from: Option<i64>, next: i64) -> Advance {
    let to = StoredOffset { next, last_id: None };
    Advance { cluster: "log".to_owned(), topic: Topic::Events, partition, from, to }
}

/// Else of two units that move the same partitions each could hold what the other waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_taken_in_the_order_of_their_partitions_however_they_are_named() {
    let Some(database) = PostgresDatabase::make("offsets").await else { return };
    let store = Arc::new(database.store().await);
    let now = store.now().await.unwrap();
    let unit = |id: &str, advances| {
        let inputs: Vec<Input> = events([form(id, "ada@example.com", now).input()]).inputs;
        Unit { inputs, advances, ..Unit::default() }
    };
    store.run(unit("e1", vec![of(9, None, 1), of(7, None, 1), of(8, None, 1)]), Mini::new()).await.unwrap();

    let mut holder = database.connect().await;
    sqlx::raw_sql("begin; select 1 from offsets where part = 7 for update")
        .execute(&mut holder)
        .await
        .unwrap();
    let moving = unit("e2", vec![of(9, Some(1), 2), of(7, Some(1), 2), of(8, Some(1), 2)]);
    let running = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.run(moving, Mini::new()).await }
    });
    assert!(until_waiting(&database, 1, &running).await, "nothing held it up");
    let others = "select 1 from offsets where part in (8, 9) for update nowait";
    let free = sqlx::raw_sql(others).execute(&mut database.connect().await).await;
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();

    assert!(free.is_ok(), "it held those behind the one that it waited for: {free:?}");
    running.await.unwrap().unwrap();
}
