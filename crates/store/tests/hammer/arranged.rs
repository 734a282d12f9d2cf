//! Meetings that the hammer leaves to chance, made to happen one by one: what each rule does about them, and, as a negative
//! control, what happens where the rule is left out.

use std::sync::Arc;
use std::time::Duration;

use domain::touch::{AttemptResult, Note};
use ports::dispatch::{MarkRequest, Marked, TakenOver};
use sea_orm::sqlx::{PgConnection, Row as _, query};
use store::Store;
use testkit::store::dispatch::{due, enroll, request, worker};
use testkit::store::{Mini, StorePorts, events, settle, stop};
use tokio::task::JoinHandle;

use crate::databases::PostgresDatabase;
use crate::run::through;
use crate::wire::{Rewrite, Wire, server};

/// A database with one touch that is due, a store on it, and another one whose statements are rewritten.
struct Stage {
    /// The database goes with it.
    _database: PostgresDatabase,
    wire: Wire,
    store: Arc<dyn StorePorts>,
    rewritten: Arc<dyn StorePorts>,
    opened: [Store; 2],
    /// Holds, and lets go, what statements are made to wait for.
    conn: PgConnection,
    touch: MarkRequest,
}

/// What a rewritten statement waits for.
const WAIT: &str = "select pg_advisory_xact_lock(4242)";

impl Stage {
    /// `None`: there is no PostgreSQL.
    async fn set(name: &str, rewrite: Rewrite) -> Option<Self> {
        let database = PostgresDatabase::make(name).await?;
        let wire = Wire::tap(server(&database.url()), rewrite).await;
        let mut config = database.config();
        config.url = through(&config.url, &wire.address());
        let rewritten = Store::connect(config).await.expect("the database can be opened");
        let store = Store::connect(database.config()).await.expect("the database can be opened");
        let opened = [store.clone(), rewritten.clone()];
        let store: Arc<dyn StorePorts> = Arc::new(store);
        enroll(&store, ["ada@example.com"]).await;
        store.beat(worker(1)).await.unwrap();
        let touch = request(&due(&store).await.remove(0), "a");
        let mut conn = database.connect().await;
        query("select pg_advisory_lock(4242)").execute(&mut conn).await.unwrap();
        let rewritten = Arc::new(rewritten);
        Some(Self { _database: database, wire, store, rewritten, opened, conn, touch })
    }

    /// Waits until a session waits for a lock of this kind.
    async fn somebody_waits(&mut self, kind: &'static str) {
        let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' \
                     and wait_event = $1";
        let begun = tokio::time::Instant::now();
        while query(waits).bind(kind).fetch_one(&mut self.conn).await.unwrap().get::<i64, _>(0) == 0 {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "nobody ever waits for a lock of the kind {kind}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What waits goes on.
    async fn go_on(&mut self) {
        query("select pg_advisory_unlock(4242)").execute(&mut self.conn).await.unwrap();
    }

    async fn end(self) {
        for store in self.opened {
            store.close().await;
        }
    }
}

/// What a task comes to, which must not wait for us.
async fn ended<T>(task: JoinHandle<T>) -> T {
    let ended = tokio::time::timeout(Duration::from_secs(60), task).await;
    ended.expect("it waits for nobody any more").expect("it does not panic")
}

/// A takeover's search ends when nobody holds the lock any more.
fn search_waits(text: &str) -> Option<String> {
    text.starts_with("select f.touch, f.no from in_flight f where (f.at <= ").then(|| {
        format!("with found as materialized ({text}) select found.* from found, ({WAIT}) late order by 1")
    })
}

/// The same, and what was found counts, whatever the touch's attempt is by then.
fn search_waits_and_is_believed(text: &str) -> Option<String> {
    let blind = text.replace(" and t.attempt = v.no and f.no = v.no and t.id", " and t.id");
    search_waits(text).or_else(|| (blind != text).then_some(blind))
}

/// Between a takeover's search and its locks, the attempt that it found is settled, and the touch marked again by one that
/// lives. Gives what is taken, and how many statements were rewritten.
async fn taken(name: &str, rewrite: Rewrite) -> Option<(Vec<TakenOver>, usize)> {
    let mut stage = Stage::set(name, rewrite).await?;
    let (store, touch) = (Arc::clone(&stage.store), stage.touch.clone());
    store.mark(worker(1), vec![touch.clone()]).await.unwrap();

    let rewritten = Arc::clone(&stage.rewritten);
    let takeover = tokio::spawn(async move { rewritten.take_over(Duration::ZERO).await });
    stage.somebody_waits("advisory").await;
    let unknown = AttemptResult::Unknown { again_at: None, note: Note::new("unknown", "no answer") };
    let now = store.now().await.unwrap();
    store.run(events([settle(touch.touch, 1, unknown, now)]), Mini::new()).await.unwrap();
    let again = request(&due(&store).await.remove(0), "a");
    let marked = store.mark(worker(1), vec![again]).await.unwrap();
    assert!(matches!(marked[..], [Marked::Yes { attempt: 2, .. }]), "{marked:?}");
    stage.go_on().await;

    let taken = ended(takeover).await.expect("it ends");
    let hits = stage.wire.hits();
    stage.end().await;
    Some((taken, hits))
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

/// A mark that has its locks and has made its checks waits before it writes the touch.
fn mark_waits(text: &str) -> Option<String> {
    text.starts_with("update touches set state = 'sending'")
        .then(|| format!("{text} and (select count(*) from ({WAIT}) late) = 1"))
}

/// The same, and a unit neither locks touches and timers, nor writes what an exit does to them; it is told that it did.
fn mark_waits_and_exits_leave_the_touch_alone(text: &str) -> Option<String> {
    for lock in [" for no key update of t", " for no key update of m"] {
        if let Some(text) = text.strip_suffix(lock) {
            return Some(text.to_owned());
        }
    }
    if text.starts_with("update touches set") && text.contains("v.fence") {
        let (_, rows) = text.split_once(" from ")?;
        return Some(format!(
            "with done as ({text} and v.state <> 'withdrawn' returning 1) select 1 from touches, {rows}"
        ));
    }
    if text.starts_with("delete from timers where enrollment") {
        let (_, rows) = text.split_once("delete from ")?;
        return Some(format!(
            "with done as ({text} and enrollment in (select e.id from enrollments e where e.state in ('live', 'paused')) \
             returning 1) select 1 from {rows}"
        ));
    }
    mark_waits(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_comes_during_a_mark_waits_for_it() {
    let Some(mut stage) = Stage::set("stop during a mark", mark_waits).await else { return };
    let (store, touch) = (Arc::clone(&stage.store), stage.touch.clone());
    let rewritten = Arc::clone(&stage.rewritten);
    let marking = tokio::spawn(async move { rewritten.mark(worker(1), vec![touch]).await });
    stage.somebody_waits("advisory").await;

    let now = store.now().await.unwrap();
    let stopping = tokio::spawn(async move {
        store.run(events([stop("s", "ada@example.com", now).input()]), Mini::new()).await
    });
    stage.somebody_waits("transactionid").await;
    assert!(!stopping.is_finished());
    stage.go_on().await;

    let marked = ended(marking).await.expect("it ends");
    assert!(matches!(marked[..], [Marked::Yes { attempt: 1, .. }]), "{marked:?}");
    let report = ended(stopping).await.expect("it ends");
    assert_eq!(report.ended, 1);
    assert_eq!(stage.wire.hits(), 1, "the mark's last statement is not there any more: nothing waited");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exits_that_leave_the_touch_row_alone_are_found_out() {
    let rewrite = mark_waits_and_exits_leave_the_touch_alone;
    let Some(mut stage) = Stage::set("exits leave the touch alone", rewrite).await else { return };
    let (rewritten, touch) = (Arc::clone(&stage.rewritten), stage.touch.clone());
    let marking = tokio::spawn(async move { rewritten.mark(worker(1), vec![touch]).await });
    stage.somebody_waits("advisory").await;

    let (rewritten, now) = (Arc::clone(&stage.rewritten), stage.store.now().await.unwrap());
    let stopping = tokio::spawn(async move {
        rewritten.run(events([stop("s", "ada@example.com", now).input()]), Mini::new()).await
    });

    let report = ended(stopping).await.expect("it ends while the mark still waits");
    assert_eq!(report.ended, 1);
    assert!(!marking.is_finished());
    stage.go_on().await;
    let marked = ended(marking).await.expect("it ends");
    assert!(
        matches!(marked[..], [Marked::Yes { .. }]),
        "marked after its stop, or the control controls nothing: {marked:?}"
    );
    stage.end().await;
}
