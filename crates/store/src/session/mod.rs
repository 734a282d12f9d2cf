//! Sessions with the database: transactions with retries, readers, and the database's now.

mod caught;
mod postgres;
mod sqlite;
mod writer;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use domain::time::BusinessClock;
use jiff::Timestamp;
use ports::clock::Clock;
use ports::{StoreError, StoreResult};
use sea_orm::sqlx::{PgPool, SqlitePool};
use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};

pub(crate) use writer::Writer;

use crate::error::Fail;
use crate::sql::{Conn, Dialect, moment};

/// A transaction's body. Run again after a deadlock, so it keeps nothing of an earlier run.
#[async_trait]
pub(crate) trait Work: Send + Sync + 'static {
    /// What it gives.
    type Out: Send + 'static;

    /// Where it stands in a group commit of SQLite.
    fn turn(&self) -> Turn {
        Turn::Any
    }

    /// Runs it.
    async fn run(&self, tx: &mut Tx) -> Result<Self::Out, Fail>;
}

/// Where a transaction stands in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// In the order of arrival.
    Any,
    /// After all others: a stop in the same group is then seen by the mark.
    Last,
}

/// The inside of a transaction.
pub(crate) struct Tx {
    pub(crate) conn: Conn,
    time: Arc<Time>,
    now: Option<Timestamp>,
}

/// Whose clock counts.
#[derive(Debug)]
pub(crate) struct Time {
    source: Source,
    business: BusinessClock,
}

enum Source {
    Database,
    Process(Arc<dyn Clock>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Database => "Database",
            Self::Process(_) => "Process",
        })
    }
}

impl Time {
    /// Wall time.
    pub(crate) async fn wall(&self, conn: &mut Conn) -> Result<Timestamp, Fail> {
        match &self.source {
            Source::Process(clock) => Ok(clock.now()),
            Source::Database => {
                let stmt = conn.stmt("select (extract(epoch from clock_timestamp()) * 1000000)::bigint");
                let row = conn.first(stmt).await?;
                let micros = row.map(|row| row.cursor().int()).transpose()?;
                let micros =
                    micros.ok_or_else(|| StoreError::Unavailable("the database has no time".to_owned()))?;
                Ok(moment(micros))
            }
        }
    }

    /// How wall time maps to business time.
    pub(crate) fn business(&self) -> BusinessClock {
        self.business
    }
}

impl Tx {
    fn new(conn: Conn, time: Arc<Time>) -> Self {
        Self { conn, time, now: None }
    }

    /// Wall time, the same throughout the transaction.
    pub(crate) async fn wall(&mut self) -> Result<Timestamp, Fail> {
        if let Some(now) = self.now {
            return Ok(now);
        }
        let now = self.time.wall(&mut self.conn).await?;
        self.now = Some(now);
        Ok(now)
    }

    /// Business time, the same throughout the transaction.
    pub(crate) async fn now(&mut self) -> Result<Timestamp, Fail> {
        let wall = self.wall().await?;
        Ok(self.time.business.business(wall))
    }

    /// How wall time maps to business time.
    pub(crate) fn business(&self) -> BusinessClock {
        self.time.business
    }
}

/// An open database.
#[derive(Debug)]
pub(crate) struct Database {
    link: DatabaseLink,
    pub(crate) time: Arc<Time>,
    statements: Arc<AtomicU64>,
}

#[derive(Debug)]
enum DatabaseLink {
    Postgres {
        pool: PgPool,
        /// Heartbeats have a connection of their own.
        beats: PgPool,
    },
    Sqlite {
        readers: SqlitePool,
        writer: Writer,
    },
}

/// How often a transaction is run when others are in its way.
const RUNS: u32 = 6;

impl Database {
    pub(crate) fn dialect(&self) -> Dialect {
        match self.link {
            DatabaseLink::Postgres { .. } => Dialect::Postgres,
            DatabaseLink::Sqlite { .. } => Dialect::Sqlite,
        }
    }

    pub(crate) fn statements(&self) -> &AtomicU64 {
        &self.statements
    }

    /// For sea-orm's entities: reading, and on PostgreSQL writing, outside of hot paths.
    pub(crate) fn orm(&self) -> DatabaseConnection {
        match &self.link {
            DatabaseLink::Postgres { pool, .. } => {
                SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone())
            }
            DatabaseLink::Sqlite { readers, .. } => {
                SqlxSqliteConnector::from_sqlx_sqlite_pool(readers.clone())
            }
        }
    }

    /// A connection to read by.
    pub(crate) async fn reader(&self) -> Result<Conn, Fail> {
        let link = match &self.link {
            DatabaseLink::Postgres { pool, .. } => crate::sql::Link::Pg(pool.acquire().await?),
            DatabaseLink::Sqlite { readers, .. } => crate::sql::Link::Sqlite(readers.acquire().await?),
        };
        Ok(Conn::new(link, Arc::clone(&self.statements)))
    }

    /// A connection on which several statements read one moment.
    pub(crate) async fn snapshot(&self) -> Result<Conn, Fail> {
        let link = match &self.link {
            DatabaseLink::Postgres { pool, .. } => crate::sql::begin_snapshot(pool).await?,
            DatabaseLink::Sqlite { readers, .. } => crate::sql::begin_reading(readers).await?,
        };
        Ok(Conn::new(link, Arc::clone(&self.statements)))
    }

    /// Runs a transaction; what is in its way for a moment is tried again.
    pub(crate) async fn transact<W: Work>(&self, work: Arc<W>) -> Result<W::Out, Fail> {
        match &self.link {
            DatabaseLink::Postgres { pool, .. } => self.transact_on(pool, &work).await,
            DatabaseLink::Sqlite { writer, .. } => writer.run(work).await,
        }
    }

    /// The same on the connection of heartbeats, so that work never keeps one back.
    pub(crate) async fn beat<W: Work>(&self, work: Arc<W>) -> Result<W::Out, Fail> {
        match &self.link {
            DatabaseLink::Postgres { beats, .. } => self.transact_on(beats, &work).await,
            DatabaseLink::Sqlite { writer, .. } => writer.run(work).await,
        }
    }

    async fn transact_on<W: Work>(&self, pool: &PgPool, work: &Arc<W>) -> Result<W::Out, Fail> {
        let mut run = 1;
        loop {
            match self.once(pool, work).await {
                Err(Fail::Contended(text)) if run < RUNS => {
                    tracing::debug!(run, reason = %text, "a transaction is run again");
                    tokio::time::sleep(Duration::from_millis(u64::from(run) * 2)).await;
                    run += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn once<W: Work>(&self, pool: &PgPool, work: &Arc<W>) -> Result<W::Out, Fail> {
        let link = crate::sql::begin(pool).await?;
        let mut tx = Tx::new(Conn::new(link, Arc::clone(&self.statements)), Arc::clone(&self.time));
        // Dropped on an error or when the caller gives up: rolled back.
        let out = caught::run(&**work, &mut tx).await?;
        tx.conn.commit().await?;
        Ok(out)
    }

    /// Ends all connections.
    pub(crate) async fn close(&self) {
        match &self.link {
            DatabaseLink::Postgres { pool, beats } => {
                let both = async { tokio::join!(pool.close(), beats.close()) };
                if tokio::time::timeout(CLOSING, both).await.is_err() {
                    tracing::warn!("connections that PostgreSQL does not answer on are left to it");
                }
            }
            DatabaseLink::Sqlite { readers, writer } => {
                // The last connection to go folds the log of changes (`-wal`) into the file; a reader could not.
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

/// How long connections have to end. They end with the process in any case.
const CLOSING: Duration = Duration::from_secs(5);

/// Which database an address means.
pub(crate) fn dialect_of(url: &str) -> StoreResult<Dialect> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok(Dialect::Postgres),
        Some("sqlite") => Ok(Dialect::Sqlite),
        _ => Err(StoreError::Inconsistent(
            "the store's address begins neither with sqlite: nor with postgres:".to_owned(),
        )),
    }
}

/// A pool of one, for migrations.
pub(crate) async fn for_migration(url: &str) -> Result<DatabaseConnection, Fail> {
    match dialect_of(url)? {
        Dialect::Postgres => postgres::for_migration(url),
        Dialect::Sqlite => sqlite::for_migration(url).await,
    }
}

/// Says of a database that could not be reached why that is.
pub(crate) async fn with_reason<T>(url: &str, outcome: StoreResult<T>) -> StoreResult<T> {
    match (dialect_of(url), outcome) {
        (Ok(Dialect::Postgres), Err(error @ StoreError::Unavailable(_))) => {
            Err(postgres::reason(url).await.unwrap_or(error))
        }
        (_, outcome) => outcome,
    }
}

/// Whether there is a database at an address: a SQLite file may not have been made yet.
pub(crate) fn exists(url: &str) -> Result<bool, Fail> {
    match dialect_of(url)? {
        Dialect::Postgres => Ok(true),
        Dialect::Sqlite => sqlite::exists(url),
    }
}
