//! A file in a folder that goes with the test.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::identity::HashKeys;
use ports::StoreResult;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use store::{Store, StoreConfig};
use tempfile::TempDir;
use testkit::store::{Fixture, ManualClock, StorePorts};

use super::{Opened, keys};

/// A SQLite file.
pub(crate) struct SqliteFile {
    folder: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) opened: Opened,
}

impl SqliteFile {
    /// An empty one.
    #[expect(clippy::unused_async, reason = "made as the other database is, which is asked")]
    pub(crate) async fn make(_case: &str) -> Option<Self> {
        let clock = ManualClock::at("2026-03-02T14:00:00Z".parse().expect("a moment"));
        let folder = tempfile::tempdir().expect("a folder for the test");
        Some(Self { folder, clock: Arc::new(clock), opened: Opened::default() })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}", self.folder.path().join("drumbeat.db").display())
    }

    /// A connection of the test's own.
    pub(crate) async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::from_str(&self.url()).expect("it is an address");
        options.busy_timeout(Duration::from_secs(5)).connect().await.expect("the file opens")
    }

    /// The usual way to open it.
    pub(crate) fn config(&self) -> StoreConfig {
        StoreConfig::new(self.url(), keys(), self.clock.clone())
    }

    /// Opens it.
    pub(crate) async fn store(&self) -> Store {
        self.opened.open(self.config()).await.expect("the file can be opened")
    }
}

#[async_trait]
impl Fixture for SqliteFile {
    async fn open(&self) -> Arc<dyn StorePorts> {
        Arc::new(self.store().await)
    }

    async fn open_with(&self, keys: HashKeys) -> StoreResult<Arc<dyn StorePorts>> {
        let config = StoreConfig { keys, ..self.config() };
        Ok(Arc::new(self.opened.open(config).await?))
    }

    async fn elapse(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn tamper(&self, statement: &str) {
        let mut conn = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut conn)
            .await
            .expect("the test's statement runs");
        conn.close().await.expect("the connection closes");
    }

    async fn holding(&self, bytes: &str) -> Vec<String> {
        let mut conn = self.connect().await;
        let columns = "select t.name, c.name from sqlite_schema t join pragma_table_info(t.name) c \
                       where t.type = 'table' order by 1, 2";
        let mut places = Vec::new();
        for row in sqlx::query(columns).fetch_all(&mut conn).await.expect("columns can be listed") {
            let (table, column): (String, String) = (row.get(0), row.get(1));
            let query = format!(
                "select exists (select 1 from {table} where instr(cast(\"{column}\" as blob), cast('{bytes}' as blob)) > 0)"
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
        false
    }
}
