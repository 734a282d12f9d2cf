//! Rates of the store alone, for whoever changes a statement: `cargo test --release -p store --test rates -- --ignored
//! --nocapture`. The figures that count are those of `make bench`.

mod databases;

use databases::{PostgresDatabase, SqliteFile};
use domain::event::EventKind;
use domain::id::{Shard, Workspace};
use domain::touch::{AttemptResult, Delivery, Lane};
use ports::dispatch::{Dispatch as _, FlagKeys, MarkRequest, Marked, Pick, WorkerId};
use ports::unit::Units as _;
use store::Store;
use testkit::store::{Mini, event, events, settle};
use tokio::time::Instant;
use uuid::Uuid;

/// How many units at once, of how many events, how many times.
const WRITERS: usize = 4;
const BATCH: usize = 500;
const ROUNDS: usize = 6;

/// Of twenty events: twelve opens and clicks, five updates, two entries, one exit.
fn kind(n: usize) -> EventKind {
    match n % 20 {
        0 | 10 => EventKind::FormSubmitted,
        5 => EventKind::Unsubscribed,
        1..=4 | 6 => EventKind::ContactUpdated,
        _ => EventKind::EmailOpened,
    }
}

async fn units(store: &Store) -> f64 {
    let now = store.now().await.unwrap();
    let began = Instant::now();
    let tasks = (0..WRITERS).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let inputs = (0..BATCH).map(|n| {
                    let who = format!(
                        "c{}@firm{}.example",
                        (n * 31 + round * 97) % 2_000 + writer * 2_000,
                        (n + writer * 50) % 200
                    );
                    event(kind(n), &format!("{writer}-{round}-{n}"), &who, now).input()
                });
                store.run(events(inputs.collect::<Vec<_>>()), Mini::new()).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    (WRITERS * ROUNDS * BATCH) as f64 / began.elapsed().as_secs_f64()
}

async fn cycles(store: &Store) -> (f64, usize) {
    let lane = Lane::from_text("crm:050").unwrap();
    let now = store.now().await.unwrap();
    let inputs = |from: usize| {
        (from..from + BATCH).map(move |n| {
            event(EventKind::FormSubmitted, &format!("d{n}"), &format!("d{n}@firm{}.example", n % 300), now)
                .input()
        })
    };
    for from in (0..6_000).step_by(BATCH) {
        store.run(events(inputs(from).collect::<Vec<_>>()), Mini::new()).await.unwrap();
    }
    let began = Instant::now();
    let tasks = (0..WRITERS).map(|writer| {
        let (store, lane) = (store.clone(), lane.clone());
        tokio::spawn(async move {
            let shards: Vec<Shard> =
                Shard::all().filter(|shard| usize::from(shard.0) % WRITERS == writer).collect();
            let pick = Pick { lane: lane.clone(), workspaces: vec![Workspace::main()], shards, each: BATCH };
            let mut sent = 0;
            loop {
                let picked = store.pick(&pick).await.unwrap();
                if picked.is_empty() {
                    return sent;
                }
                let flags = FlagKeys {
                    workspace: Workspace::main(),
                    cadence: "inbound".parse().unwrap(),
                    owner: None,
                    connector: lane.connector.clone(),
                };
                let request = |one: &ports::dispatch::Picked| MarkRequest {
                    touch: one.touch,
                    fence: one.fence,
                    flags: flags.clone(),
                    body: vec![b'x'; 600].into(),
                    reservations: Vec::new(),
                };
                let marked = store
                    .mark(WorkerId(Uuid::from_u128(1)), picked.iter().map(request).collect())
                    .await
                    .unwrap();
                let going =
                    picked.iter().zip(marked).filter(|(_, marked)| matches!(marked, Marked::Yes { .. }));
                let result = AttemptResult::Sent { remote_id: None, delivery: Delivery::Task };
                let ended: Vec<_> = going.map(|(one, _)| settle(one.touch, 1, result.clone(), now)).collect();
                sent += ended.len();
                store.run(events(ended), Mini::new()).await.unwrap();
            }
        })
    });
    let mut sent = 0;
    for task in tasks.collect::<Vec<_>>() {
        sent += task.await.unwrap();
    }
    (sent as f64 / began.elapsed().as_secs_f64(), sent)
}

async fn report(name: &str, store: Store) {
    let first = units(&store).await;
    let before = store.statements();
    let (touches, sent) = cycles(&store).await;
    println!(
        "{name}: {first:.0} events/s in units of {BATCH}; {touches:.0} touches/s picked, marked and settled ({sent} of them, {} statements)",
        store.statements() - before
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, does not test"]
async fn rates_of_the_store() {
    let file = SqliteFile::make("rates").await.unwrap();
    report("SQLite", file.store().await).await;
    if let Some(database) = PostgresDatabase::make("rates").await {
        report("PostgreSQL", database.store().await).await;
    }
}
