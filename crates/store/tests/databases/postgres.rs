//! A database of a running PostgreSQL, copied from a migrated template.

use std::io::Write as _;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::identity::HashKeys;
use ports::StoreResult;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};
use store::{Store, StoreConfig};
use testkit::store::{Fixture, ManualClock, StorePorts};
use tokio::sync::OnceCell;

use super::{Opened, keys};

/// A PostgreSQL database.
pub(crate) struct PostgresDatabase {
    url: String,
    pub(crate) opened: Opened,
}

/// Names databases by the process that made them.
const PREFIX: &str = "drumbeat_store_";
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

impl PostgresDatabase {
    /// An empty one; none, and noted as skipped, where no server is named.
    pub(crate) async fn make(case: &str) -> Option<Self> {
        let Ok(admin) = std::env::var("DRUMBEAT_TEST_POSTGRES") else {
            let required = std::env::var("DRUMBEAT_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
            assert!(!required, "DRUMBEAT_REQUIRE_POSTGRES=1, and DRUMBEAT_TEST_POSTGRES names no server");
            note_skipped(case);
            return None;
        };
        let template = TEMPLATE.get_or_init(|| make_template(&admin)).await;
        let name = format!("{PREFIX}{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(&admin, &format!("create database {name} template {template}")).await;
        Some(Self { url: with_database(&admin, &name), opened: Opened::default() })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// The usual way to open it. The clock is far off, since only the database's counts.
    pub(crate) fn config(&self) -> StoreConfig {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        StoreConfig { connections: 8, ..StoreConfig::new(self.url(), keys(), Arc::new(clock)) }
    }

    /// Opens it.
    pub(crate) async fn store(&self) -> Store {
        self.opened.open(self.config()).await.expect("the database can be opened")
    }

    /// A connection of the test's own.
    pub(crate) async fn connect(&self) -> PgConnection {
        connect(&self.url).await
    }
}

async fn make_template(admin: &str) -> String {
    drop_left_over(admin).await;
    let name = format!("{PREFIX}{}_template", std::process::id());
    run(admin, &format!("create database {name}")).await;
    Store::migrate(&with_database(admin, &name)).await.expect("an empty database can be migrated");
    name
}

/// How many databases of earlier runs may lie about: each drop waits for a checkpoint, so they go in one sweep now and then.
const LEFT_OVER: usize = 200;

/// Drops what processes that are gone have left behind.
async fn drop_left_over(admin: &str) {
    let mut conn = connect(admin).await;
    let rows = sqlx::query("select datname from pg_database where datname like 'drumbeat\\_store\\_%'")
        .fetch_all(&mut conn)
        .await
        .expect("databases can be listed");
    if rows.len() < LEFT_OVER {
        return;
    }
    for row in rows {
        let name: String = row.get(0);
        let process = name.trim_start_matches(PREFIX).split('_').next().unwrap_or_default().to_owned();
        if !std::path::Path::new("/proc").join(process).exists() {
            // Another test process may be at it too.
            let _ = sqlx::raw_sql(AssertSqlSafe(format!("drop database if exists {name} with (force)")))
                .execute(&mut conn)
                .await;
        }
    }
}

async fn connect(url: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(url).expect("DRUMBEAT_TEST_POSTGRES is an address");
    options.disable_statement_logging().connect().await.expect("the server of DRUMBEAT_TEST_POSTGRES answers")
}

async fn run(url: &str, statement: &str) {
    let mut conn = connect(url).await;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&mut conn)
        .await
        .expect("the test's statement runs");
    conn.close().await.expect("the connection closes");
}

/// The address of another database on the same server.
fn with_database(admin: &str, name: &str) -> String {
    let (address, options) =
        admin.split_once('?').map_or((admin, String::new()), |(a, b)| (a, format!("?{b}")));
    let end = address.rfind('/').filter(|end| *end > "postgres://".len()).unwrap_or(address.len());
    format!("{}/{name}{options}", &address[..end])
}

fn note_skipped(case: &str) {
    let Ok(path) = std::env::var("DRUMBEAT_SKIPS") else { return };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    let line = format!("store on PostgreSQL: {case} (DRUMBEAT_TEST_POSTGRES names no server)\n");
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("DRUMBEAT_SKIPS can be appended to");
}

/// Every moment in the store, so that making them older lets time pass.
const MOMENTS: [(&str, &[&str]); 11] = [
    ("dedupe", &["seen_at", "received_at"]),
    ("workers", &["beat_at", "unbroken_since"]),
    ("in_flight", &["at", "taken_at"]),
    ("timers", &["due_at"]),
    ("touches", &["due_at"]),
    ("commands", &["due_at", "created_at", "done_at"]),
    ("enrollments", &["ended_at"]),
    ("decisions", &["at"]),
    ("leases", &["held_until"]),
    ("budgets", &["forget_after"]),
    ("events", &["received_at"]),
];

#[async_trait]
impl Fixture for PostgresDatabase {
    async fn open(&self) -> Arc<dyn StorePorts> {
        Arc::new(self.store().await)
    }

    async fn open_with(&self, keys: HashKeys) -> StoreResult<Arc<dyn StorePorts>> {
        let config = StoreConfig { keys, ..self.config() };
        Ok(Arc::new(self.opened.open(config).await?))
    }

    async fn elapse(&self, by: Duration) {
        let by = by.as_micros();
        let sets = |columns: &[&str]| {
            let sets: Vec<String> =
                columns.iter().map(|column| format!("{column} = {column} - {by}")).collect();
            sets.join(", ")
        };
        let mut statements: Vec<String> =
            MOMENTS.iter().map(|(table, columns)| format!("update {table} set {}", sets(columns))).collect();
        let older = format!("json_build_array((u ->> 0)::bigint - {by}, (u ->> 1)::bigint)");
        let uses = format!(
            "select json_agg({older} order by (u ->> 0)::bigint) from json_array_elements(uses::json) u"
        );
        statements.push(format!("update budgets set uses = coalesce(({uses})::text, '[]')"));
        let older = format!("jsonb_set(h, '{{until}}', to_jsonb((h ->> 'until')::bigint - {by}))");
        let holders = format!("select jsonb_agg({older}) from jsonb_array_elements(holders::jsonb) h");
        statements.push(format!("update permits set holders = coalesce(({holders})::text, '[]')"));
        // At once, in one transaction: real time counts too, for a worker that beats meanwhile.
        run(&self.url, &statements.join("; ")).await;
    }

    async fn tamper(&self, statement: &str) {
        run(&self.url, statement).await;
    }

    async fn holding(&self, bytes: &str) -> Vec<String> {
        let mut conn = self.connect().await;
        let columns = "select table_name::text, column_name::text, data_type::text from information_schema.columns \
                       where table_schema = 'public' order by 1, 2";
        let mut places = Vec::new();
        for row in sqlx::query(columns).fetch_all(&mut conn).await.expect("columns can be listed") {
            let (table, column, kind): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            let value = if kind == "bytea" {
                format!("\"{column}\"")
            } else {
                format!("convert_to(\"{column}\"::text, 'UTF8')")
            };
            let query = format!(
                "select exists (select 1 from {table} where position('{bytes}'::bytea in {value}) > 0)"
            );
            let found = sqlx::query(AssertSqlSafe(query))
                .fetch_one(&mut conn)
                .await
                .expect("a column can be searched");
            if found.get(0) {
                places.push(format!("{table}.{column}"));
            }
        }
        places
    }

    async fn count(&self, table: &str) -> i64 {
        let mut conn = self.connect().await;
        let query = format!("select count(*) from {table}");
        sqlx::query(AssertSqlSafe(query)).fetch_one(&mut conn).await.expect("rows can be counted").get(0)
    }

    fn statements(&self) -> u64 {
        self.opened.statements()
    }

    fn is_concurrent(&self) -> bool {
        true
    }
}
