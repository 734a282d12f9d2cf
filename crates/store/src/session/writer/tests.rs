//! What the writer outlives.

use std::sync::atomic::{AtomicBool, Ordering};

use testkit::store::ManualClock;
use tokio::sync::Semaphore;

use super::*;
use crate::{Store, StoreConfig};

async fn store(folder: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}", folder.path().join("drumbeat.db").display());
    let clock = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
    Store::connect(StoreConfig::new(url, testkit::store::keys(), clock)).await.unwrap()
}

/// Writes a setting.
struct Note(&'static str);

#[async_trait]
impl Work for Note {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        let stmt = tx.conn.stmt("insert into settings (name, value) values (").bind(self.0).sql(", 'x')");
        tx.conn.run(stmt).await.map(drop)
    }
}

/// Notes something, then panics.
struct Panics;

#[async_trait]
impl Work for Panics {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        Note("of the one that panics").run(tx).await?;
        panic!("on purpose");
    }
}

/// Leaves a connection on which nothing can be written, in the middle of no transaction: as after an I/O error.
struct Wrecks(AtomicBool);

#[async_trait]
impl Work for Wrecks {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        Note("of the wreck").run(tx).await?;
        tx.conn.plain("rollback").await?;
        tx.conn.plain("pragma query_only = 1").await?;
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }
}

async fn noted(store: &Store) -> Vec<String> {
    let mut conn = store.database.reader().await.unwrap();
    let stmt = conn.stmt("select name from settings where value = 'x' order by name");
    conn.fetch(stmt).await.unwrap().iter().map(|row| row.cursor().text().unwrap()).collect()
}

#[tokio::test]
async fn a_transaction_that_panics_is_refused_and_its_neighbours_are_committed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;

    let (before, panicked, after) = tokio::join!(
        store.database.transact(Arc::new(Note("a"))),
        store.database.transact(Arc::new(Panics)),
        store.database.transact(Arc::new(Note("b"))),
    );

    assert!(before.is_ok() && after.is_ok(), "{before:?} {after:?}");
    assert!(matches!(panicked, Err(Fail::Store(StoreError::Rejected(_)))), "{panicked:?}");
    assert_eq!(noted(&store).await, ["a", "b"]);
}

#[tokio::test]
async fn a_lost_group_is_answered_as_failed_and_the_next_one_has_a_sound_connection() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let wreck = Arc::new(Wrecks(AtomicBool::new(false)));

    let (first, wrecked) = tokio::join!(
        store.database.transact(Arc::new(Note("a"))),
        store.database.transact(Arc::clone(&wreck)),
    );
    let after = store.database.transact(Arc::new(Note("b"))).await;

    assert!(wreck.0.load(Ordering::SeqCst));
    for lost in [first, wrecked] {
        assert!(matches!(lost, Err(Fail::Store(_))), "nothing of the group is there: {lost:?}");
    }
    assert!(after.is_ok(), "{after:?}");
    assert_eq!(noted(&store).await, ["b"]);
}

/// Goes on once two others wait behind it and a group with a mark is over its time.
struct Holds(Arc<Semaphore>);

#[async_trait]
impl Work for Holds {
    type Out = ();

    async fn run(&self, _: &mut Tx) -> Result<(), Fail> {
        let start = Instant::now();
        drop(self.0.acquire_many(2).await);
        tokio::time::sleep_until(start + PRESSING).await;
        Ok(())
    }
}

/// Takes the last turn, as marks do.
struct Mark;

#[async_trait]
impl Work for Mark {
    type Out = ();

    fn turn(&self) -> Turn {
        Turn::Last
    }

    async fn run(&self, _: &mut Tx) -> Result<(), Fail> {
        Ok(())
    }
}

/// Says whether the mark has been answered when it runs.
struct AfterMark(Arc<AtomicBool>);

#[async_trait]
impl Work for AfterMark {
    type Out = bool;

    async fn run(&self, _: &mut Tx) -> Result<bool, Fail> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_mark_does_not_queue_behind_units() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let (queued, answered) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
    let mark = async {
        let done = store.database.transact(Arc::new(Mark)).await;
        answered.store(true, Ordering::SeqCst);
        done
    };
    let queue = async {
        // Each of the joined ones has handed its work over when its turn to be polled is over.
        queued.add_permits(2);
    };

    let (held, after, marked, ()) = tokio::join!(
        store.database.transact(Arc::new(Holds(Arc::clone(&queued)))),
        store.database.transact(Arc::new(AfterMark(Arc::clone(&answered)))),
        mark,
        queue,
    );

    assert!(held.is_ok() && marked.is_ok(), "{held:?} {marked:?}");
    assert!(after.unwrap(), "the unit that came first ran first");
}
