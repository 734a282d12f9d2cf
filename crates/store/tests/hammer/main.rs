//! The hammer: everything at once on one database, judged afterwards by the order of the commits.
//!
//! `SEED=…` makes the choices of an earlier run again (not its timing), `DRUMBEAT_HAMMER_SECONDS=…` makes it last longer.
//! The negative controls leave out one rule each, by rewriting statements on the wire to PostgreSQL, and must be told; what
//! chance seldom brings about is arranged.

mod arranged;
mod audit;
mod controls;
mod crew;
#[path = "../databases/mod.rs"]
mod databases;
mod ledger;
mod run;
mod stage;
mod wire;
use std::sync::Arc;

use databases::{PostgresDatabase, SqliteFile, keys};
use sea_orm::sqlx::{Connection as _, Row as _, SqliteConnection};
use store::{Store, StoreConfig};
use testkit::store::StorePorts;

use crate::audit::When;
use crate::crew::HUNG;
use crate::run::{Plan, TURN, flag_times, long, on_postgres, seed, storm, tell};
use crate::stage::WallClock;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_rule_breaks_on_postgres_whatever_happens_at_once() {
    let _turn = TURN.lock().await;
    let Some(database) = PostgresDatabase::make("hammer").await else { return };
    let plan = Plan::usual(15);

    let (shared, history) = on_postgres(&database, None, (&plan, seed())).await;

    tell(&shared, &history);
    let [half, most, all] = flag_times(&shared);
    println!("a flag change took {half} ms (half), {most} ms (99 of 100), {all} ms (the longest)");
    hot(&database).await;
    assert_eq!(history.found, Vec::<String>::new());
    assert!(
        history.marks > 100 && history.stops > 50 && history.flags > 20,
        "it did not hammer: {history:?}"
    );
    assert!(history.takeovers > 0 && history.repeats > 0 && history.crossed > 0, "{history:?}");
    assert!(most < 2_000, "a flag change took {most} ms");
}

/// Prints which share of updates was made in place.
async fn hot(database: &PostgresDatabase) {
    let mut conn = database.connect().await;
    let rows = sea_orm::sqlx::query(
        "select relname::text, n_tup_upd, n_tup_hot_upd from pg_stat_user_tables \
         where relname in ('enrollments', 'touches', 'timers', 'contacts', 'budgets') order by 1",
    )
    .fetch_all(&mut conn)
    .await
    .expect("the statistics can be read");
    for row in rows {
        let (table, all, hot): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        println!("{table}: {hot} of {all} updates in place ({} %)", hot * 100 / all.max(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_rule_breaks_on_sqlite_whatever_happens_at_once() {
    let _turn = TURN.lock().await;
    let file = SqliteFile::make("hammer").await.expect("a folder");
    let store = Store::connect(StoreConfig::new(file.url(), keys(), WallClock::start())).await.unwrap();
    let mut conn = SqliteConnection::connect(&file.url()).await.unwrap();
    ledger::watch_sqlite(&mut conn).await;
    // One process, so one dispatcher: where a second one announces itself, the first is gone.
    let plan = Plan { seconds: long(5), people: 120, units: 2, dispatchers: 1, flaggers: 1 };

    let ports: Arc<dyn StorePorts> = Arc::new(store.clone());
    let shared = storm(&plan, seed(), &[ports]).await;
    store.close().await;

    let mut history = ledger::judge(&ledger::entries_of_sqlite(&mut conn).await, HUNG);
    history.found.extend(audit::sqlite(&mut conn, When::AtRest).await);
    history.found.extend(shared.found.lock().unwrap().drain(..));
    tell(&shared, &history);
    assert_eq!(history.found, Vec::<String>::new());
    assert!(history.marks > 50 && history.stops > 10 && history.flags > 3, "it did not hammer: {history:?}");
}
