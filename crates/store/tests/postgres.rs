//! What only PostgreSQL can do: many writers, plans, days of events, an operator who migrates.

mod databases;
#[path = "postgres/identities.rs"]
mod identities;
#[path = "postgres/offsets.rs"]
mod offsets;
#[path = "postgres/silence.rs"]
mod silence;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use databases::PostgresDatabase;
use domain::id::{Shard, Workspace};
use domain::touch::{AttemptResult, Delivery, Lane, Note};
use ports::StoreError;
use ports::dispatch::{
    Commands as _, Dispatch as _, Flag, FlagKeys, FlagState, Flags as _, MarkRequest, Marked, Pick, Take,
    WorkerId, Workers as _,
};
use ports::unit::{Housekeeping as _, Unit, UnitReport, Units as _};
use sea_orm::sqlx::{self, AssertSqlSafe, PgConnection, Row as _};
use store::{Standing, Store};
use testkit::store::{Mini, events, form, settle, stop};
use tokio::task::JoinHandle;
use uuid::Uuid;

async fn number(database: &PostgresDatabase, query: &str) -> i64 {
    let mut conn = database.connect().await;
    let row = sqlx::query(AssertSqlSafe(query.to_owned())).fetch_one(&mut conn).await.unwrap();
    row.get(0)
}

async fn run(database: &PostgresDatabase, statement: &str) {
    let mut conn = database.connect().await;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut conn).await.unwrap();
}

fn lane() -> Lane {
    Lane::from_text("crm:050").unwrap()
}

fn request(touch: domain::id::TouchId, fence: i32) -> MarkRequest {
    let flags = FlagKeys {
        workspace: Workspace::main(),
        cadence: "inbound".parse().unwrap(),
        owner: Some("rep@ours.example".parse().unwrap()),
        connector: lane().connector,
    };
    MarkRequest { touch, fence, flags, body: "{}".into(), reservations: Vec::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn due_touches_are_found_by_the_partial_index() {
    let Some(database) = PostgresDatabase::make("plan").await else { return };
    let store = database.store().await;
    let plan = store.plan_of_pick(&pick(100)).await.unwrap().join("\n");
    let commands = store.plan_of_due_commands(&lane().connector).await.unwrap().join("\n");

    let walk: Vec<&str> =
        plan.lines().map(str::trim_start).skip_while(|line| *line != "->  Limit").take(2).collect();
    assert_eq!(
        walk,
        ["->  Limit", "->  Index Scan using timers_due on timers m"],
        "each workspace is a walk of the index: {plan}"
    );
    assert!(commands.contains("using commands_lane on commands c"), "{commands}");
}

fn pick(each: usize) -> Pick {
    Pick { lane: lane(), workspaces: vec![Workspace::main()], shards: Shard::all().collect(), each }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_of_events_are_made_ahead() {
    let Some(database) = PostgresDatabase::make("days").await else { return };
    let store = database.store().await;
    let now = store.now().await.unwrap();
    store.run(events([form("e", "a@example.com", now).input()]), Mini::new()).await.unwrap();

    store.expire(10).await.unwrap();
    store.expire(10).await.unwrap();
    // By hand: the store takes no event that lies ahead of its now.
    let tomorrow = now.saturating_add(Duration::from_hours(24)).unwrap().as_microsecond();
    let event = format!(
        "insert into events (contact, received_at, key, body) values (null, {tomorrow}, gen_random_uuid(), '\\x01')"
    );
    run(&database, &event).await;

    let parts = "select count(*) from pg_inherits where inhparent = 'events'::regclass";
    assert_eq!(number(&database, parts).await, 8);
    assert_eq!(number(&database, "select count(*) from events_rest").await, 1);
    assert_eq!(number(&database, "select count(*) from events").await, 2);
    run(
        &database,
        "create table events_d100 partition of events for values from (8640000000000) to (8726400000000)",
    )
    .await;
    store.expire(10).await.unwrap();
    assert_eq!(number(&database, parts).await, 8, "a day that is over is dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unmigrated_or_newer_schema_is_refused() {
    let Some(database) = PostgresDatabase::make("schema").await else { return };
    run(&database, "insert into seaql_migrations (version, applied_at) values ('m9999_later', 0)").await;
    let newer = Store::connect(database.config()).await;
    run(&database, "drop schema public cascade; create schema public").await;
    let older = Store::connect(database.config()).await;

    let (one, two) = (database.url(), database.url());
    let both = tokio::join!(Store::migrate(&one), Store::migrate(&two));

    assert!(matches!(newer, Err(StoreError::Inconsistent(_))), "{newer:?}");
    assert!(
        matches!(&older, Err(StoreError::Inconsistent(text)) if text.contains("drumbeat migrate")),
        "{older:?}"
    );
    let mut ran = [both.0.unwrap().run.len(), both.1.unwrap().run.len()];
    ran.sort_unstable();
    assert!(ran[0] == 0 && ran[1] > 0, "one of the two migrated, the other waited: {ran:?}");
    assert_eq!(Store::standing(&one).await.unwrap(), Standing::Current);
    database.store().await.ready().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_session_does_not_hold_the_others_up() {
    let Some(database) = PostgresDatabase::make("frozen").await else { return };
    let store = database.store().await;
    store.ready().await.unwrap();

    let settings = "select count(*) from pg_stat_activity where application_name = 'drumbeat' and datname = current_database()";
    assert!(number(&database, settings).await >= 1);
    // A session of the kind that the store opens ends by itself when its process freezes inside of a transaction.
    let slow = store.run(events([]), Arc::new(Frozen)).await;
    assert!(matches!(slow, Err(StoreError::Unavailable(_))), "{slow:?}");
    store.ready().await.unwrap();
}

/// A fold that takes longer than a session may idle inside of a transaction.
struct Frozen;

impl ports::unit::Fold for Frozen {
    fn catalog(&self) -> Arc<domain::catalog::Catalog> {
        ports::unit::Fold::catalog(&Mini::default())
    }

    fn reach(&self, _event: &domain::input::EventInput) -> ports::unit::Reach {
        ports::unit::Reach::Contact
    }

    fn fold(
        &self,
        _world: &mut domain::world::World,
        _inputs: &[ports::unit::Admitted],
    ) -> Result<(), ports::unit::FoldError> {
        std::thread::sleep(Duration::from_millis(2_600));
        Ok(())
    }
}

/// Another process in the middle of giving a contact one more CRM id.
async fn giving(database: &PostgresDatabase, number: usize) -> PgConnection {
    let mut conn = database.connect().await;
    let change =
        format!("begin; update contacts set crm_ids = '[\"{number}\"]' where email = 'ada@one.example'");
    sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut conn).await.unwrap();
    conn
}

/// Waits until so many sessions wait for a lock; `false` when the unit has ended instead.
async fn until_waiting<T>(database: &PostgresDatabase, sessions: i64, unit: &JoinHandle<T>) -> bool {
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while !unit.is_finished() {
        if number(database, waiting).await == sessions {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Runs a unit over two people, one of whom gains an id each time the unit waits for her row. Each time the unit gets it,
/// the next change already stands behind it.
async fn run_while_growing(database: &PostgresDatabase, unit: Unit) -> Result<UnitReport, StoreError> {
    let store = database.store().await;
    let mut turn = 1;
    let mut other = giving(database, turn).await;
    let unit = tokio::spawn(async move { store.run(unit, Mini::new()).await });
    while until_waiting(database, 1, &unit).await {
        turn += 1;
        let (next, ()) = tokio::join!(giving(database, turn), async {
            until_waiting(database, 2, &unit).await;
            sqlx::raw_sql("commit").execute(&mut other).await.unwrap();
        });
        other = next;
    }
    sqlx::raw_sql("commit").execute(&mut other).await.unwrap();
    unit.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_whose_closure_grows_each_time_it_is_locked_asks_for_fewer_inputs() {
    let Some(database) = PostgresDatabase::make("growing").await else { return };
    let store = database.store().await;
    let now = store.now().await.unwrap();
    let people = ["ada@one.example", "bob@two.example"];
    store.run(events(people.map(|who| form(who, who, now).input())), Mini::new()).await.unwrap();
    let again = |round: usize, who: &str| form(&format!("again {round} {who}"), who, now).input();

    // A unit may slip through before the other session is awake; then once more.
    let mut outcomes = Vec::new();
    while outcomes.len() < 20 && !matches!(outcomes.last(), Some(Err(StoreError::Contended(_)))) {
        let round = outcomes.len();
        outcomes.push(run_while_growing(&database, events(people.map(|who| again(round, who)))).await);
    }
    let held = giving(&database, 99).await;
    let bob = store.run(events([again(99, people[1])]), Mini::new()).await.unwrap();
    drop(held);
    let ada = store.run(events([again(99, people[0])]), Mini::new()).await.unwrap();

    let (last, earlier) = outcomes.split_last().unwrap();
    assert!(matches!(last, Err(StoreError::Contended(_))), "{outcomes:?}");
    assert!(earlier.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!((bob.fresh, ada.fresh), (1, 1), "halves go through, one beside what holds the other up");
}

/// Everything at once: units, stops, marks, settling, voids, takeovers, flags, releases. Afterwards nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_leaves_every_enrollment_with_a_timer_or_an_attempt() {
    let Some(database) = PostgresDatabase::make("storm").await else { return };
    let store = database.store().await;
    let now = store.now().await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for task in 0..3_usize {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..8 {
                let person = |n: usize| format!("c{}@firm{}.example", (n * 7 + task * 3) % 60, n % 6);
                let forms = (0..20).map(|n| form(&format!("f{task}-{round}-{n}"), &person(n), now).input());
                let stops = (20..24).map(|n| stop(&format!("s{task}-{round}-{n}"), &person(n), now).input());
                let mini = Arc::new(Mini { wide: round % 4 == 0, ..Mini::default() });
                let inputs: Vec<_> = forms.chain(stops).collect();
                let mut tries = 0;
                while let Err(error) = store.run(events(inputs.clone()), mini.clone()).await {
                    assert!(matches!(error, StoreError::Contended(_)) && tries < 50, "{error}");
                    tries += 1;
                }
            }
        }));
    }
    let mut loops = Vec::new();
    for number in 1..=3_u128 {
        let (store, over) = (store.clone(), Arc::clone(&over));
        loops.push(tokio::spawn(async move {
            let worker = WorkerId(Uuid::from_u128(number));
            store.beat(worker).await.unwrap();
            let mut turn = 0;
            while !over.load(Ordering::Relaxed) {
                turn += 1;
                let picked = store.pick(&pick(64)).await.unwrap();
                let requests: Vec<_> = picked.iter().map(|one| request(one.touch, one.fence)).collect();
                let marked = store.mark(worker, requests.clone()).await.unwrap();
                let mut ended = Vec::new();
                for (place, (request, marked)) in requests.iter().zip(marked).enumerate() {
                    let Marked::Yes { attempt, .. } = marked else { continue };
                    let result = match (place + turn) % 5 {
                        // A worker that dies says nothing.
                        0 => continue,
                        1 => AttemptResult::Void,
                        2 => {
                            AttemptResult::Unknown { again_at: None, note: Note::new("timeout", "no answer") }
                        }
                        3 => AttemptResult::Rejected(Note::new("no", "refused")),
                        _ => AttemptResult::Sent {
                            remote_id: Some(format!("R{}", request.touch)),
                            delivery: Delivery::Task,
                        },
                    };
                    ended.push(settle(request.touch, attempt, result, now));
                }
                store.run(events(ended), Mini::new()).await.unwrap();
                tokio::task::yield_now().await;
            }
        }));
    }
    let sweeps = {
        let (store, over) = (store.clone(), Arc::clone(&over));
        tokio::spawn(async move {
            let mut turn = 0;
            let take = Take { connector: lane().connector, limit: 10, lease: Duration::from_secs(60) };
            while !over.load(Ordering::Relaxed) {
                turn += 1;
                let state = if turn % 2 == 0 { FlagState::Clear } else { FlagState::Stopped };
                store
                    .set_flag(
                        Flag::Owner(Workspace::main(), "rep@ours.example".parse().unwrap()),
                        state,
                        "storm",
                    )
                    .await
                    .unwrap();
                store.release(&[lane().connector], 50).await.unwrap();
                let taken = store.take_over(Duration::from_millis(50)).await.unwrap();
                let unknown =
                    || AttemptResult::Unknown { again_at: None, note: Note::new("taken_over", "gone") };
                let settled = taken
                    .iter()
                    .map(|one| settle(one.touch, one.attempt, unknown(), now))
                    .collect::<Vec<_>>();
                store.run(events(settled), Mini::new()).await.unwrap();
                let commands = store.due_commands(take.clone()).await.unwrap();
                let done =
                    commands.iter().map(|one| (one.id, ports::dispatch::CommandResult::Done)).collect();
                store.finish_commands(done).await.unwrap();
                store.expire(10).await.unwrap();
            }
        })
    };

    for task in tasks {
        task.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    for task in loops {
        task.await.unwrap();
    }
    sweeps.await.unwrap();

    let lost = "select count(*) from enrollments e where state = 'live' \
                and not exists (select 1 from timers m where m.enrollment = e.id) \
                and not exists (select 1 from in_flight f join touches t on t.id = f.touch where t.enrollment = e.id)";
    assert_eq!(number(&database, lost).await, 0);
    let stray = "select count(*) from timers m where not exists \
                 (select 1 from enrollments e where e.id = m.enrollment and e.state = 'live')";
    assert_eq!(number(&database, stray).await, 0);
    let twice = "select count(*) from touches t where t.state = 'scheduled' \
                 and exists (select 1 from in_flight f where f.touch = t.id)";
    assert_eq!(number(&database, twice).await, 0);
    let people = "select count(*) - count(distinct email) from contacts";
    assert_eq!(number(&database, people).await, 0);
    assert!(number(&database, "select count(*) from attempts").await > 20, "the storm did mark");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(number(&database, deadlocks).await, 0);
}
