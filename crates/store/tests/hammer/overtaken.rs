//! A takeover that is overtaken: between its search and its locks, the attempt that it found is settled and the touch marked
//! again by one that lives. What the hammer meets by chance, made to happen; with its negative control.

use std::sync::Arc;
use std::time::Duration;

use domain::touch::{AttemptResult, Note};
use ports::dispatch::{Marked, TakenOver};
use sea_orm::sqlx::{PgConnection, Row as _, query};
use store::Store;
use testkit::store::dispatch::{due, enroll, request, worker};
use testkit::store::{Mini, StorePorts, events, settle};

use crate::controls::server;
use crate::databases::PostgresDatabase;
use crate::run::through;
use crate::wire::{Rewrite, Wire};

/// What a takeover finds, and an attempt of somebody who lives is not among it.
const SEARCH: &str = "select f.touch, f.no from in_flight f where (f.at <= ";

/// The search ends when nobody holds the lock of this number any more.
fn search_waits(text: &str) -> Option<String> {
    text.starts_with(SEARCH).then(|| {
        format!(
            "with found as materialized ({text}) select found.* from found, (select pg_advisory_xact_lock(4242)) late order by 1"
        )
    })
}

/// The same, and what was found counts, whatever the touch's attempt is by then.
fn search_waits_and_is_believed(text: &str) -> Option<String> {
    let blind = text.replace(" and t.attempt = v.no and f.no = v.no and t.id", " and t.id");
    search_waits(text).or_else(|| (blind != text).then_some(blind))
}

/// Waits until somebody waits for the lock.
async fn somebody_waits(conn: &mut PgConnection) {
    let waits = "select count(*) from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database() \
         where l.locktype = 'advisory' and l.objid = 4242 and not l.granted";
    while query(waits).fetch_one(&mut *conn).await.expect("the locks can be read").get::<i64, _>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What the takeover takes, and how many statements were rewritten; `None`: there is no PostgreSQL.
async fn taken(name: &str, rewrite: Rewrite) -> Option<(Vec<TakenOver>, usize)> {
    let database = PostgresDatabase::make(name).await?;
    let wire = Wire::tap(server(&database.url()), rewrite).await;
    let mut late = database.config();
    late.url = through(&late.url, &wire.address());
    let late = Store::connect(late).await.expect("the database can be opened");
    let store = Store::connect(database.config()).await.expect("the database can be opened");
    let ports: Arc<dyn StorePorts> = Arc::new(store.clone());
    let mut conn = database.connect().await;
    enroll(&ports, ["ada@example.com"]).await;
    let first = due(&ports).await.remove(0);
    ports.beat(worker(1)).await.unwrap();
    ports.mark(worker(1), vec![request(&first, "a")]).await.unwrap();

    query("select pg_advisory_lock(4242)").execute(&mut conn).await.unwrap();
    let slow: Arc<dyn StorePorts> = Arc::new(late.clone());
    let takeover = tokio::spawn(async move { slow.take_over(Duration::ZERO).await });
    somebody_waits(&mut conn).await;
    let unknown = AttemptResult::Unknown { again_at: None, note: Note::new("unknown", "no answer") };
    let now = ports.now().await.unwrap();
    ports.run(events([settle(first.touch, 1, unknown, now)]), Mini::new()).await.unwrap();
    let again = due(&ports).await.remove(0);
    let marked = ports.mark(worker(1), vec![request(&again, "a")]).await.unwrap();
    assert!(matches!(marked[..], [Marked::Yes { attempt: 2, .. }]), "{marked:?}");
    query("select pg_advisory_unlock(4242)").execute(&mut conn).await.unwrap();

    let taken = takeover.await.expect("it does not panic").expect("it ends");
    late.close().await;
    store.close().await;
    Some((taken, wire.hits()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_takeover_that_was_overtaken_takes_nothing() {
    let Some((taken, hits)) = taken("overtaken", search_waits).await else { return };

    assert_eq!(taken, []);
    assert_eq!(hits, 1, "the search is not there any more: nothing overtook it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_takeover_that_does_not_look_again_is_found_out() {
    let Some((taken, hits)) = taken("no second look", search_waits_and_is_believed).await else { return };

    assert!(matches!(&taken[..], [TakenOver { attempt: 2, .. }]), "{taken:?}");
    assert_eq!(hits, 2, "the second look is not there any more: the control controls nothing");
}
