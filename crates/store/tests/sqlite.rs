//! What only a SQLite file can do: be killed, be shared with another process, keep a clock of its own.

mod databases;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use databases::SqliteFile;
use domain::id::{Shard, Workspace};
use domain::time::Speed;
use domain::touch::Lane;
use ports::StoreError;
use ports::clock::Clock as _;
use ports::dispatch::Pick;
use ports::queries::Queries as _;
use ports::unit::Units as _;
use ports::wake::{Wake, Wakes as _};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions as _, Row as _};
use store::{Standing, Store, StoreConfig};
use testkit::store::{Mini, events, form};

const CHILD: &str = "DRUMBEAT_TEST_STORE_CHILD";

/// Runs a statement on a connection of its own.
async fn run(url: &str, statement: &str) -> Vec<sqlx::sqlite::SqliteRow> {
    let options = SqliteConnectOptions::from_str(url).unwrap().disable_statement_logging();
    let mut conn = options.connect().await.unwrap();
    sqlx::query(AssertSqlSafe(statement.to_owned())).fetch_all(&mut conn).await.unwrap()
}

/// Not a test of its own: the process that the next one kills. Says each event once it was answered.
#[tokio::test]
#[ignore = "run by what_was_answered_survives_a_kill"]
async fn writes_until_it_is_killed() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let file = SqliteFile::make("child").await.unwrap();
    let store = Store::connect(StoreConfig { url, ..file.config() }).await.unwrap();
    let now = store.now().await.unwrap();
    for number in 0.. {
        let id = format!("e{number}");
        store.run(events([form(&id, &format!("{id}@example.com"), now).input()]), Mini::new()).await.unwrap();
        println!("answered {id}");
    }
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let file = SqliteFile::make("kill").await.unwrap();
    file.store().await.close().await;
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(CHILD, file.url())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let answered: Vec<String> = lines
            .map_while(Result::ok)
            .filter_map(|line| line.split_once("answered ").map(|(_, id)| id.to_owned()))
            .take(20 * round)
            .collect();
        child.kill().unwrap();
        child.wait().unwrap();

        let store = file.store().await;
        let now = store.now().await.unwrap();
        assert!(answered.len() >= 20 * round);
        let inputs = answered.iter().map(|id| form(id, &format!("{id}@example.com"), now).input());
        let report = store.run(events(inputs.collect::<Vec<_>>()), Mini::new()).await.unwrap();
        assert_eq!((report.fresh, report.duplicates), (0, answered.len()));
        let check = run(&file.url(), "pragma integrity_check").await;
        assert_eq!(check[0].get::<String, _>(0), "ok");
        let summary = store.summary(&Workspace::main()).await.unwrap();
        assert_eq!(summary.contacts, summary.live, "a unit is there as a whole or not at all");
        store.close().await;
        // The next child begins anew.
        for table in ["dedupe", "identities", "contacts", "enrollments", "touches", "timers", "accounts"] {
            run(&file.url(), &format!("delete from {table}")).await;
        }
    }
}

#[tokio::test]
async fn a_closed_store_leaves_its_file_alone() {
    let file = SqliteFile::make("closed").await.unwrap();
    let store = file.store().await;
    let now = store.now().await.unwrap();
    store.run(events([form("1", "ada@example.com", now).input()]), Mini::new()).await.unwrap();
    store.summary(&Workspace::main()).await.unwrap();
    let beside = |what: &str| {
        let path = file.url().trim_start_matches("sqlite://").to_owned() + what;
        std::path::Path::new(&path).exists()
    };
    assert!(beside("") && beside("-wal"), "the log of changes is beside the file while it is open");

    store.close().await;

    assert!(
        beside("") && !beside("-wal") && !beside("-shm"),
        "what is left beside the file is not in its copy"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_reaches_the_file_without_waiting_for_another_commit() {
    let file = SqliteFile::make("folded").await.unwrap();
    let store = file.store().await;
    let now = store.now().await.unwrap();
    store.run(events([form("1", "ada@example.com", now).input()]), Mini::new()).await.unwrap();

    // The file alone, without the log beside it.
    let copy = SqliteFile::make("copy").await.unwrap();
    let path = |file: &SqliteFile| file.url().trim_start_matches("sqlite://").to_owned();
    let is_there = async || {
        std::fs::copy(path(&file), path(&copy)).unwrap();
        let url = copy.url();
        run(&url, "select 1 from events").await.len() == 1
    };
    let folded = tokio::time::timeout(Duration::from_secs(60), async {
        while !is_there().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });

    assert!(folded.await.is_ok(), "it stays in the log of changes");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_is_noticed_and_waited_for() {
    let file = SqliteFile::make("two").await.unwrap();
    let (up, cli) = (file.store().await, file.store().await);
    let now = up.now().await.unwrap();
    let wakeups = up.wakeups();
    let seen = wakeups.generation(Wake::Touches);

    let writes = (0..2).map(|process| {
        let store = if process == 0 { up.clone() } else { cli.clone() };
        tokio::spawn(async move {
            for number in 0..30 {
                let id = format!("{process}-{number}");
                store
                    .run(events([form(&id, &format!("{id}@example.com"), now).input()]), Mini::new())
                    .await
                    .unwrap();
            }
        })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    assert_eq!(up.summary(&Workspace::main()).await.unwrap().live, 60);
    assert_ne!(wakeups.generation(Wake::Touches), seen);

    // Only the other one writes now.
    let seen = wakeups.generation(Wake::Touches);
    cli.run(events([form("last", "last@example.com", now).input()]), Mini::new()).await.unwrap();
    wakeups.changed(Wake::Touches, seen, Duration::from_secs(10)).await;
    assert_ne!(wakeups.generation(Wake::Touches), seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_come_together_share_a_commit() {
    let file = SqliteFile::make("group").await.unwrap();
    let store = file.store().await;
    let now = store.now().await.unwrap();
    let poisoned = Arc::new(Mini { poison: Some("bad".to_owned()), ..Mini::default() });

    let units = (0..50).map(|number| {
        let (store, poisoned) = (store.clone(), Arc::clone(&poisoned));
        tokio::spawn(async move {
            let id = if number == 25 { "bad".to_owned() } else { format!("e{number}") };
            store.run(events([form(&id, &format!("c{number}@example.com"), now).input()]), poisoned).await
        })
    });
    let mut refused = 0;
    for unit in units.collect::<Vec<_>>() {
        refused += usize::from(matches!(unit.await.unwrap(), Err(StoreError::Rejected(_))));
    }

    assert_eq!(refused, 1, "one that fails takes no other with it");
    assert_eq!(store.summary(&Workspace::main()).await.unwrap().live, 49);
}

/// Not a test of its own: the process whose disk is full for the next one. Says of each event how it was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a_full_disk_fails_every_unit_of_the_group"]
async fn writes_to_a_full_disk() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let file = SqliteFile::make("child").await.unwrap();
    let store = Store::connect(StoreConfig { url, ..file.config() }).await.unwrap();
    let now = store.now().await.unwrap();
    let units = (0..80).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let id = format!("e{number}");
            let mut form = form(&id, &format!("{id}@example.com"), now);
            form.event.detail.data = domain::attributes::Attributes::new().with("text", "x".repeat(60_000));
            let answer = store.run(events([form.input()]), Mini::new()).await;
            println!("{} {id}", if answer.is_ok() { "answered" } else { "failed" });
        })
    });
    for unit in units.collect::<Vec<_>>() {
        unit.await.unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_fails_every_unit_of_the_group() {
    let file = SqliteFile::make("full").await.unwrap();
    file.store().await.close().await;
    // No file of the child may grow beyond one or two megabytes, as the shell counts.
    let command = format!(
        "trap '' XFSZ; ulimit -f 2048; exec '{}' --exact writes_to_a_full_disk --ignored --nocapture",
        std::env::current_exe().unwrap().display()
    );
    let child = Command::new("sh").args(["-c", &command]).env(CHILD, file.url()).output().unwrap();

    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    let said = |word: &str| -> Vec<String> {
        // The first line of it follows the name of the test on its own line.
        let lines = output.lines().filter_map(|line| line.split_once(&format!("{word} ")));
        lines.map(|(_, id)| id.to_owned()).filter(|id| id.starts_with('e')).collect()
    };
    let (answered, failed) = (said("answered"), said("failed"));
    let rows = run(&file.url(), "select email from contacts").await;
    let mut stored: Vec<String> =
        rows.iter().map(|row| row.get::<String, _>(0).trim_end_matches("@example.com").to_owned()).collect();
    let mut expected = answered.clone();
    stored.sort();
    expected.sort();
    assert_eq!(answered.len() + failed.len(), 80, "{output}");
    assert!(failed.len() > 20, "the disk was full: {output}");
    assert_eq!(stored, expected, "what was answered is there, and nothing else");
}

#[tokio::test]
async fn the_clock_keeps_its_origin_and_speed() {
    let file = SqliteFile::make("clock").await.unwrap();
    let fast = StoreConfig { speed: Speed::new(86_400).unwrap(), ..file.config() };
    let store = Store::connect(fast.clone()).await.unwrap();
    let start = store.now().await.unwrap();
    file.clock.advance(Duration::from_secs(2));

    let two_days = store.now().await.unwrap().duration_since(start);
    store.close().await;
    let again = Store::connect(fast).await.unwrap();
    let refused = Store::connect(file.config()).await;

    assert_eq!(two_days.as_secs(), 2 * 86_400);
    assert_eq!(again.now().await.unwrap().duration_since(start).as_secs(), 2 * 86_400);
    assert_eq!(again.business().origin(), start);
    assert_eq!(again.business().business(file.clock.now()), again.now().await.unwrap());
    assert!(matches!(refused, Err(StoreError::Inconsistent(_))), "{refused:?}");
}

#[tokio::test]
async fn a_schema_from_the_future_is_refused() {
    let file = SqliteFile::make("future").await.unwrap();
    assert!(matches!(Store::standing(&file.url()).await, Ok(Standing::Behind(_))));
    file.store().await.close().await;
    assert_eq!(Store::standing(&file.url()).await.unwrap(), Standing::Current);
    run(&file.url(), "insert into seaql_migrations (version, applied_at) values ('m9999_later', 0)").await;

    let refused = Store::connect(file.config()).await;

    assert!(matches!(refused, Err(StoreError::Inconsistent(_))), "{refused:?}");
    assert_eq!(Store::standing(&file.url()).await.unwrap(), Standing::Ahead(vec!["m9999_later".to_owned()]));
}

#[tokio::test]
async fn due_touches_are_found_by_the_partial_index() {
    let file = SqliteFile::make("plan").await.unwrap();
    let store = file.store().await;
    let plan = store.plan_of_pick(&pick()).await.unwrap().join("\n");
    let commands = store.plan_of_due_commands(&pick().lane.connector).await.unwrap().join("\n");

    assert!(plan.contains("INDEX timers_due (lane=? AND workspace=? AND due_at<?)"), "{plan}");
    assert!(
        !plan.contains("SCAN m") && plan.matches("TEMP B-TREE").count() <= 1,
        "only the whole is sorted: {plan}"
    );
    assert!(commands.contains("SEARCH c USING INDEX commands_lane (connector=? AND due_at<?)"), "{commands}");
}

fn pick() -> Pick {
    Pick {
        lane: Lane::from_text("crm:050").unwrap(),
        workspaces: vec![Workspace::main()],
        shards: Shard::all().collect(),
        each: 100,
    }
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let file = SqliteFile::make("closed").await.unwrap();
    let store = file.store().await;
    let now = store.now().await.unwrap();
    store.close().await;

    let refused = store.run(events([form("e", "a@example.com", now).input()]), Mini::new()).await;

    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(matches!(store.ready().await, Err(StoreError::Unavailable(_))));
}

/// By `.cargo/config.toml`. Without the first one each statement with `limit ?` is compiled anew whenever it runs.
#[tokio::test]
async fn the_library_is_built_as_the_workspace_says() {
    let file = SqliteFile::make("built").await.unwrap();
    file.store().await.close().await;

    let rows = run(&file.url(), "pragma compile_options").await;
    let options: Vec<String> = rows.iter().map(|row| row.get(0)).collect();

    for wanted in ["ENABLE_QPSG", "DEFAULT_MEMSTATUS=0"] {
        assert!(options.iter().any(|option| option == wanted), "{wanted} is not among {options:?}");
    }
    assert!(!options.iter().any(|option| option == "ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
}
