//! Opening a SQLite file.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use domain::time::{BusinessClock, Speed};
use jiff::Timestamp;
use ports::StoreError;
use sea_orm::SqlxSqliteConnector;
use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::{Database, DatabaseLink, Source, Time, Writer};
use crate::config::StoreConfig;
use crate::error::Fail;
use crate::sql::{Conn, Link, micros, moment};
use crate::wake::Signals;

impl Database {
    /// Opens a file whose schema is current: its writer and its readers.
    pub(crate) async fn open_sqlite(config: &StoreConfig, signals: Arc<Signals>) -> Result<Self, Fail> {
        let statements = Arc::new(AtomicU64::new(0));
        let writing = Writing { options: options(&config.url)?, statements: Arc::clone(&statements) };
        let mut conn = writing.open_patiently().await?;
        let business = business_clock(&mut conn, config).await?;
        conn.plain(IMPATIENT).await?;
        let time = Arc::new(Time { source: Source::Process(Arc::clone(&config.clock)), business });
        let readers = SqlitePoolOptions::new()
            .max_connections(config.connections.max(2))
            .acquire_timeout(config.acquire_timeout)
            .test_before_acquire(false)
            .connect_lazy_with(options(&config.url)?.read_only(true));
        let folding = writing.open().await?;
        let writer = Writer::start((conn, folding), writing, Arc::clone(&time), signals);
        Ok(Self { link: DatabaseLink::Sqlite { readers, writer }, time, statements })
    }
}

/// How the writer opens its file.
pub(super) struct Writing {
    options: SqliteConnectOptions,
    statements: Arc<AtomicU64>,
}

impl Writing {
    pub(super) async fn open(&self) -> Result<Conn, Fail> {
        let mut conn = self.open_patiently().await?;
        conn.plain(IMPATIENT).await?;
        Ok(conn)
    }

    async fn open_patiently(&self) -> Result<Conn, Fail> {
        let connection = self.options.connect().await?;
        Ok(Conn::new(Link::SqliteWriter(Box::new(connection)), Arc::clone(&self.statements)))
    }
}

/// Waiting for another process is the writer's, in shorter steps than SQLite's own.
const IMPATIENT: &str = "pragma busy_timeout = 0";

/// A pool of one for migrations; makes the file.
pub(super) async fn for_migration(url: &str) -> Result<sea_orm::DatabaseConnection, Fail> {
    let options = options(url)?.create_if_missing(true).busy_timeout(Duration::from_secs(30));
    if let Some(folder) = options.get_filename().parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            StoreError::Unavailable(format!("the store's folder cannot be made: {}", error.kind()))
        })?;
    }
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

pub(super) fn exists(url: &str) -> Result<bool, Fail> {
    Ok(SqliteConnectOptions::from_str(url)?.get_filename().exists())
}

/// When the log of changes has so many pages (of 4 KiB) that were not folded into the file beside it, a COMMIT folds them.
const AT_ONCE: &str = "8000";

/// How many rows a query's thread may be ahead of its reader: with fewer, the two wait for each other in the middle of a set.
const ROWS: usize = 2_000;

fn options(url: &str) -> Result<SqliteConnectOptions, Fail> {
    Ok(SqliteConnectOptions::from_str(url)?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .statement_cache_capacity(300)
        .row_buffer_size(ROWS)
        .busy_timeout(Duration::from_secs(5))
        .pragma("wal_autocheckpoint", AT_ONCE)
        .pragma("temp_store", "memory")
        .pragma("cache_size", "-32000")
        .pragma("mmap_size", "268435456")
        .disable_statement_logging())
}

/// Origin and speed as kept in the store; kept now, at its first start.
async fn business_clock(conn: &mut Conn, config: &StoreConfig) -> Result<BusinessClock, Fail> {
    let first =
        [("clock.origin", micros(config.clock.now())), ("clock.speed", i64::from(config.speed.get()))];
    let known = conn.stmt("select name from settings where name = 'clock.speed'");
    let first = if conn.first(known).await?.is_some() { Vec::new() } else { Vec::from(first) };
    for (name, value) in first {
        let stmt = conn
            .stmt("insert into settings (name, value) values (")
            .bind(name)
            .sql(", ")
            .bind(value.to_string());
        conn.run(stmt.sql(") on conflict do nothing")).await?;
    }
    let origin: i64 = setting(conn, "clock.origin").await?;
    let kept: u32 = setting(conn, "clock.speed").await?;
    let speed = Speed::new(kept)
        .ok_or_else(|| StoreError::Inconsistent("the store's clock stands still".to_owned()))?;
    if speed != config.speed {
        let text = format!(
            "this store's clock runs at speed {kept} since its first start, the configuration says {}: keep it, or begin \
             with another file",
            config.speed.get()
        );
        return Err(StoreError::Inconsistent(text).into());
    }
    let origin: Timestamp = moment(origin);
    Ok(BusinessClock::new(origin, speed))
}

async fn setting<T: std::str::FromStr>(conn: &mut Conn, name: &'static str) -> Result<T, Fail> {
    let stmt = conn.stmt("select value from settings where name = ").bind(name);
    let text = conn.first(stmt).await?.map(|row| row.cursor().text()).transpose()?;
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| StoreError::Inconsistent(format!("the store's setting {name} cannot be read")).into())
}
