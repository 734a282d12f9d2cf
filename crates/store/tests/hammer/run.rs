//! A run: everything at once, then rest, then the judgement.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ports::dispatch::FlagState;
use sea_orm::sqlx::Row as _;
use store::Store;
use testkit::store::StorePorts;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::audit::{self, When};
use crate::crew;
use crate::crew::{Dispatcher, HUNG, Shared};
use crate::databases::PostgresDatabase;
use crate::ledger::{self, History, Wal};
use crate::stage;

/// One at a time: a machine that does two of these at once measures neither.
pub(crate) static TURN: Mutex<()> = Mutex::const_new(());

/// How a run is made.
pub(crate) struct Plan {
    pub(crate) seconds: u64,
    pub(crate) people: u64,
    pub(crate) units: u64,
    pub(crate) dispatchers: u64,
    pub(crate) flaggers: u64,
}

impl Plan {
    pub(crate) fn usual(seconds: u64) -> Self {
        Self { seconds: long(seconds), people: 400, units: 3, dispatchers: 4, flaggers: 2 }
    }
}

pub(crate) fn long(seconds: u64) -> u64 {
    let asked = std::env::var("DRUMBEAT_HAMMER_SECONDS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(seconds)
}

/// The seed of this run, printed so that its choices can be made again.
pub(crate) fn seed() -> u64 {
    let asked = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    let seed =
        asked.unwrap_or_else(|| u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default());
    println!("SEED={seed}");
    seed
}

/// All tasks, on several stores as several processes would open them, for so long; then everything comes to rest.
pub(crate) async fn storm(plan: &Plan, seed: u64, stores: &[Arc<dyn StorePorts>]) -> Arc<Shared> {
    let content: Arc<dyn StorePorts> = Arc::clone(&stores[0]);
    let shared = Shared::new(seed, plan.people, stage::content(content).await);
    let mut tasks = JoinSet::new();
    let store = |task: u64| Arc::clone(&stores[usize::try_from(task).expect("few") % stores.len()]);
    for task in 0..plan.units {
        tasks.spawn(crew::events(Arc::clone(&shared), store(task), task));
    }
    for task in 0..plan.dispatchers {
        tasks.spawn(Dispatcher::new(&shared, &store(task), task).serve());
    }
    for task in 0..2 {
        tasks.spawn(crew::sweeps(Arc::clone(&shared), store(task), task));
    }
    for task in 0..plan.flaggers {
        tasks.spawn(crew::flags(Arc::clone(&shared), store(task + 1), task));
    }
    tasks.spawn(crew::timers(Arc::clone(&shared), store(2)));
    tokio::time::sleep(Duration::from_secs(plan.seconds)).await;
    shared.over.store(true, Ordering::Relaxed);
    while let Some(done) = tasks.join_next().await {
        if let Err(error) = done {
            shared.report(format!("error: a task panicked: {error}"));
        }
    }
    rest(&shared, &stores[0]).await;
    shared
}

/// Lifts what stops, takes over what is left, and sends what is due, until nothing moves any more.
async fn rest(shared: &Arc<Shared>, store: &Arc<dyn StorePorts>) {
    shared.calm.store(true, Ordering::Relaxed);
    let mut dispatcher = Dispatcher::new(shared, store, 99);
    let end = Instant::now() + Duration::from_secs(90);
    let (mut moved, mut last) = (Instant::now(), String::new());
    // As long as an attempt may hang before it is taken over, and a little more.
    while moved.elapsed() < HUNG + Duration::from_millis(400) {
        if Instant::now() > end {
            return shared.report(format!("rest: it never comes to rest; last {last}"));
        }
        let turn = async {
            for flag in store.stopped().await? {
                store.set_flag(flag, FlagState::Clear, "hammer").await?;
            }
            let before = shared.tally.units.load(Ordering::Relaxed);
            crew::sweep(shared, store, HUNG).await?;
            let timers = store.due_timers(200).await?;
            let found = timers.clone();
            crew::run(shared, store, timers.into_iter().map(domain::input::Input::Timer).collect()).await;
            let mut marked = 0;
            for _ in 0..6 {
                marked += dispatcher.turn().await?;
            }
            let units = shared.tally.units.load(Ordering::Relaxed) - before;
            Ok::<_, ports::StoreError>((found, marked, units))
        };
        match turn.await {
            Ok((timers, 0, 0)) if timers.is_empty() => {}
            Ok((timers, marks, units)) => {
                moved = Instant::now();
                last = format!("timers {timers:?}, {marks} marks, {units} units");
            }
            Err(error) => return shared.report(format!("error: the rest failed: {error}")),
        }
    }
}

/// A run on PostgreSQL, over `address` instead of the server's own where one is given: what it did, and all that was found.
pub(crate) async fn on_postgres(
    database: &PostgresDatabase,
    address: Option<&str>,
    (plan, seed): (&Plan, u64),
) -> (Arc<Shared>, History) {
    ledger::watch_postgres(&mut database.connect().await).await;
    let mut wal = Wal::begin(database.connect().await).await;
    let mut stores = Vec::new();
    for number in 0..3 {
        let mut config = database.config();
        config.name = format!("hammer {number}");
        if let Some(address) = address {
            config.url = through(&config.url, address);
        }
        stores.push(Store::connect(config).await.expect("the database can be opened"));
    }
    let ports: Vec<Arc<dyn StorePorts>> =
        stores.iter().map(|store| Arc::new(store.clone()) as Arc<dyn StorePorts>).collect();
    let mut auditor = database.connect().await;
    let mut running = Box::pin(storm(plan, seed, &ports));
    let mut broken = Vec::new();
    let shared = loop {
        tokio::select! {
            shared = &mut running => break shared,
            () = tokio::time::sleep(Duration::from_millis(800)) => {
                wal.read().await;
                broken.extend(audit::postgres(&mut auditor, When::Running).await);
            }
        }
    };
    drop(running);
    broken.extend(audit::postgres(&mut auditor, When::AtRest).await);
    let mut history = ledger::judge(&wal.entries().await, HUNG);
    for store in &stores {
        store.close().await;
    }
    history.found.extend(broken);
    history.found.extend(shared.found.lock().expect("all tasks have ended").drain(..));
    let deadlocks =
        number(&mut auditor, "select deadlocks from pg_stat_database where datname = current_database()")
            .await;
    if deadlocks != 0 {
        history.found.push(format!("deadlock: {deadlocks}"));
    }
    (shared, history)
}

/// The same database by another way.
pub(crate) fn through(url: &str, address: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("an address");
    let (server, database) = rest.split_once('/').expect("a database");
    let user = server.rsplit_once('@').map_or(String::new(), |(user, _)| format!("{user}@"));
    let database = database.split('?').next().unwrap_or_default();
    format!("{scheme}://{user}{address}/{database}?sslmode=disable")
}

async fn number(conn: &mut sea_orm::sqlx::PgConnection, query: &'static str) -> i64 {
    sea_orm::sqlx::query(query).fetch_one(conn).await.expect("a count").get(0)
}

/// Says what a run did.
pub(crate) fn tell(shared: &Shared, history: &History) {
    let tally = &shared.tally;
    let of = |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "{} units, {} marks ({} repeats), {} stops ({} crossed), {} flags set, {} held, {} full, {} lost, {} deaths, {} stalls, \
         {} taken over, {} released, {} conflicts, {} mute; {} entries in the order of {} commits' worth",
        of(&tally.units),
        history.marks,
        history.repeats,
        history.stops,
        history.crossed,
        history.flags,
        of(&tally.held),
        of(&tally.full),
        of(&tally.lost),
        of(&tally.deaths),
        of(&tally.stalls),
        history.takeovers,
        of(&tally.released),
        of(&tally.conflicts),
        of(&tally.mute),
        history.entries,
        history.marks + of(&tally.units),
    );
    for found in history.found.iter().take(20) {
        println!("BROKEN {found}");
    }
}

/// How long flag changes took: half of them, all but one in a hundred, all; in milliseconds.
pub(crate) fn flag_times(shared: &Shared) -> [u128; 3] {
    let mut times: Vec<u128> =
        shared.flags.lock().expect("all tasks have ended").iter().map(Duration::as_millis).collect();
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
    [50, 99, 100].map(|share| at(share).copied().unwrap_or_default())
}
