//! A database whose link falls silent: what was asked on it is dropped by whoever cannot wait, and never answered.

use std::time::{Duration, Instant};

use domain::id::Workspace;
use ports::dispatch::Dispatch as _;
use ports::queries::{Queries as _, TaskFilter};
use ports::unit::Units as _;
use store::Store;
use testkit::wires::{Cut, Wire};

use crate::databases::PostgresDatabase;

/// A store on a wire, with two connections.
async fn wired(name: &str) -> Option<(PostgresDatabase, Wire, Store)> {
    let database = PostgresDatabase::make(name).await?;
    let mut config = database.config();
    let (scheme, rest) = config.url.split_once("://").expect("an address");
    let (server, name) = rest.split_once('/').expect("a database");
    let (user, server) = server
        .rsplit_once('@')
        .map_or((String::new(), server), |(user, server)| (format!("{user}@"), server));
    let wire = Wire::to(server).await;
    config.url = format!("{scheme}://{user}{}/{name}?sslmode=disable", wire.address());
    config.connections = 2;
    let store = Store::connect(config).await.expect("the database can be opened");
    store.now().await.unwrap();
    tokio::join!(store.now(), store.now()).0.unwrap();
    Some((database, wire, store))
}

/// The same, and both connections wait for an answer that nobody waits for any more.
async fn abandoned(name: &str) -> Option<(PostgresDatabase, Wire, Store)> {
    let (database, wire, store) = wired(name).await?;
    wire.set(Cut::Answers);
    let asked = || tokio::time::timeout(Duration::from_millis(300), store.now());
    let answers = tokio::join!(asked(), asked());
    assert!(answers.0.is_err() && answers.1.is_err(), "the link is silent: {answers:?}");
    Some((database, wire, store))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_nobody_answers_on_are_replaced() {
    let Some((_database, wire, store)) = abandoned("silence").await else { return };

    // As after a router that lost its tables: old connections stay silent, new ones do not.
    wire.forget();
    wire.set(Cut::Whole);

    let began = Instant::now();
    while let Err(error) = store.now().await {
        assert!(began.elapsed() < Duration::from_secs(60), "the pool never recovers: {error}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_begin_that_nobody_waits_for_leaves_no_transaction_open() {
    let Some((_database, wire, store)) = wired("dropped begins").await else { return };
    let (workspace, filter) = (Workspace::main(), TaskFilter::default());
    wire.set(Cut::Answers);
    let asked = || tokio::time::timeout(Duration::from_millis(300), store.take_over(Duration::from_secs(60)));
    let answers = tokio::join!(asked(), asked());
    assert!(answers.0.is_err() && answers.1.is_err(), "both begin, and nobody waits: {answers:?}");

    wire.set(Cut::Whole);

    // What comes next on these connections is in no transaction of somebody else: each begins its own.
    for _ in 0..20 {
        let (one, two) = tokio::join!(store.now(), store.now());
        one.and(two).unwrap();
        let answers = tokio::join!(store.tasks(&workspace, &filter), store.tasks(&workspace, &filter));
        assert!(answers.0.is_ok() && answers.1.is_ok(), "{answers:?}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_database_is_silent_can_be_closed() {
    let Some((_database, _wire, store)) = abandoned("silent close").await else { return };

    let closed = tokio::time::timeout(Duration::from_secs(30), store.close()).await;

    assert!(closed.is_ok(), "it waits for what nobody will ever answer");
}
