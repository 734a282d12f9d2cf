//! The plan of every statement that a store sends.
//!
//! The conformance suite runs with an ear on the store's statements; each text heard is then explained, on PostgreSQL in a
//! database with 200,000 enrollments, on SQLite without statistics, as it runs there. None may read a large table from
//! end to end, but those named in `exceptions.txt` with the reason. A statement in the source that was not heard fails the test too, so
//! that a new one is either looked at or named.

#[path = "../databases/mod.rs"]
mod databases;
mod fill;
mod judge;
mod recorder;
mod workload;

use databases::{PostgresDatabase, SqliteFile};
use sea_orm::sqlx::{self, AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use crate::fill::{FILL, LARGE};
use crate::judge::{all_are_heard, judged, plan, planner_settings, statements, walk};
use crate::recorder::listen;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_goes_by_an_index_on_postgres() {
    listen();
    let Some(database) = PostgresDatabase::make("plans").await else { return };
    workload::work!(PostgresDatabase::make);
    let texts = statements("postgresql");
    let mut conn = database.connect().await;
    sqlx::raw_sql(FILL).execute(&mut conn).await.expect("the tables are as they were");
    sqlx::raw_sql(AssertSqlSafe(planner_settings())).execute(&mut conn).await.expect("the store's settings");

    let mut wrong = Vec::new();
    for text in &texts {
        let mut found = Vec::new();
        walk(&plan(&mut conn, text).await, &mut found);
        wrong.extend(found.into_iter().map(|what| (text.clone(), what)));
    }

    judged("postgresql", &wrong);
    all_are_heard(&texts);
}

// SQLite.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_goes_by_an_index_on_sqlite() {
    listen();
    let file = SqliteFile::make("plans").await.expect("a folder");
    file.store().await;
    workload::work!(SqliteFile::make);
    let mut conn = SqliteConnection::connect(&file.url()).await.expect("the file opens");

    let mut wrong = Vec::new();
    for text in statements("sqlite") {
        let explain = format!("explain query plan {text}");
        let rows = sqlx::query(AssertSqlSafe(explain)).fetch_all(&mut conn).await.expect(&text);
        for row in rows {
            let line: String = row.get(3);
            let Some(scanned) = line.strip_prefix("SCAN ") else { continue };
            let table = table_of(&text, scanned.split(' ').next().unwrap_or_default());
            if LARGE.contains(&table.as_str()) {
                wrong.push((text.clone(), line));
            }
        }
    }

    judged("sqlite", &wrong);
}

/// The table that a name stands for in a statement.
fn table_of(text: &str, name: &str) -> String {
    let words: Vec<&str> = text.split([' ', ',', '(', ')']).filter(|word| !word.is_empty()).collect();
    let stands = words.windows(3).find(|three| {
        LARGE.contains(&three[0]) && (three[1] == name || (three[1] == "as" && three[2] == name))
    });
    stands.map_or(name, |three| three[0]).to_owned()
}
