//! A connection of either database, and the rows that it gives.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ports::{StoreError, StoreResult};
use sea_orm::sqlx::postgres::{PgArguments, PgRow};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::sqlite::{SqliteArguments, SqliteRow};
use sea_orm::sqlx::{
    self, AssertSqlSafe, Connection as _, PgConnection, Postgres, Row as _, Sqlite, SqliteConnection,
    Transaction, pool::PoolConnection,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::stmt::{Arg, Dialect, Stmt};
use crate::error::{Fail, read};

/// Where statements go.
pub(crate) enum Link {
    /// Outside of a transaction.
    Pg(PoolConnection<Postgres>),
    /// Inside of one; rolled back when dropped.
    PgTransaction(Transaction<'static, Postgres>),
    /// A reader.
    Sqlite(PoolConnection<Sqlite>),
    /// A reader of one moment.
    SqliteTransaction(Transaction<'static, Sqlite>),
    /// The one writer of a file.
    SqliteWriter(Box<SqliteConnection>),
}

/// A connection that counts its statements.
pub(crate) struct Conn {
    link: Link,
    counter: Arc<AtomicU64>,
}

impl Conn {
    pub(crate) fn new(link: Link, counter: Arc<AtomicU64>) -> Self {
        Self { link, counter }
    }

    /// Ends the writer's connection, and waits until its file is closed; another kind of connection is its pool's.
    pub(crate) async fn close(self) -> Result<(), Fail> {
        match self.link {
            Link::SqliteWriter(connection) => connection.close().await.map_err(Fail::from),
            Link::Pg(_) | Link::PgTransaction(_) | Link::Sqlite(_) | Link::SqliteTransaction(_) => Ok(()),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self.link {
            Link::Pg(_) | Link::PgTransaction(_) => Dialect::Postgres,
            Link::Sqlite(_) | Link::SqliteTransaction(_) | Link::SqliteWriter(_) => Dialect::Sqlite,
        }
    }

    /// Begins a statement.
    pub(crate) fn stmt(&self, text: &str) -> Stmt {
        Stmt::new(self.dialect(), text)
    }

    /// Counts a statement. Who listens for it hears its text, which names no value; the tests of the plans do.
    fn tell(&self, stmt: &Stmt) {
        self.counter.fetch_add(1, Ordering::Relaxed);
        let system = match stmt.dialect {
            Dialect::Postgres => "postgresql",
            Dialect::Sqlite => "sqlite",
        };
        tracing::trace!(
            target: "store::statement",
            { db.system.name = system, db.query.text = stmt.text.as_str() },
            "a statement runs"
        );
    }

    /// Runs a statement; says how many rows it changed.
    pub(crate) async fn run(&mut self, stmt: Stmt) -> Result<u64, Fail> {
        self.tell(&stmt);
        match self.split() {
            Side::Pg(conn) => {
                let done = answered(pg_query(stmt).execute(conn)).await?;
                Ok(done.rows_affected())
            }
            Side::Sqlite(conn) => {
                let done = sqlite_query(stmt).execute(conn).await.map_err(Fail::from)?;
                Ok(done.rows_affected())
            }
        }
    }

    /// Runs a statement that must change exactly so many rows: all were locked before.
    pub(crate) async fn run_exactly(
        &mut self,
        stmt: Stmt,
        rows: usize,
        what: &'static str,
    ) -> Result<(), Fail> {
        let changed = self.run(stmt).await?;
        if usize::try_from(changed).ok() == Some(rows) {
            return Ok(());
        }
        Err(Fail::Store(StoreError::Damaged(format!("{what}: {changed} of {rows} rows were written"))))
    }

    /// The rows of a query.
    pub(crate) async fn fetch(&mut self, stmt: Stmt) -> Result<Vec<Row>, Fail> {
        self.tell(&stmt);
        match self.split() {
            Side::Pg(conn) => {
                let rows = answered(pg_query(stmt).fetch_all(conn)).await?;
                Ok(rows.into_iter().map(Row::Pg).collect())
            }
            Side::Sqlite(conn) => {
                let rows = sqlite_query(stmt).fetch_all(conn).await.map_err(Fail::from)?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
        }
    }

    /// The first row of a query.
    pub(crate) async fn first(&mut self, stmt: Stmt) -> Result<Option<Row>, Fail> {
        Ok(self.fetch(stmt).await?.into_iter().next())
    }

    /// The ids that a query gives, alone in their rows.
    pub(crate) async fn ids(&mut self, stmt: Stmt) -> Result<Vec<i64>, Fail> {
        let rows = self.fetch(stmt).await?;
        Ok(rows.iter().map(|row| row.cursor().int()).collect::<StoreResult<_>>()?)
    }

    /// How the database goes about a query, line by line.
    pub(crate) async fn plan(&mut self, stmt: Stmt) -> Result<Vec<String>, Fail> {
        let dialect = self.dialect();
        let explain = match dialect {
            Dialect::Postgres => stmt.explained("explain (costs off) "),
            Dialect::Sqlite => stmt.explained("explain query plan "),
        };
        let mut lines = Vec::new();
        for row in self.fetch(explain).await? {
            let mut row = row.cursor();
            if dialect == Dialect::Sqlite {
                // Three numbers come before the words.
                for _ in 0..3 {
                    row.int()?;
                }
            }
            lines.push(row.text()?);
        }
        Ok(lines)
    }

    /// SQLite's count of commits by other connections; not counted, since it is asked for all the time.
    pub(crate) async fn data_version(&mut self) -> Option<i64> {
        match self.split() {
            Side::Pg(_) => None,
            Side::Sqlite(conn) => {
                let row = sqlx::query("pragma data_version").fetch_one(conn).await.ok()?;
                row.try_get_unchecked(0).ok()
            }
        }
    }

    /// A statement of SQL's own (`savepoint u`), without parameters.
    pub(crate) async fn plain(&mut self, text: &'static str) -> Result<(), Fail> {
        match self.split() {
            Side::Pg(conn) => answered(sqlx::raw_sql(text).execute(conn)).await.map(drop)?,
            Side::Sqlite(conn) => sqlx::raw_sql(text).execute(conn).await.map(drop)?,
        }
        Ok(())
    }

    /// Ends a transaction of PostgreSQL.
    pub(crate) async fn commit(self) -> Result<(), Fail> {
        match self.link {
            Link::PgTransaction(transaction) => answered(transaction.commit()).await,
            Link::Pg(_) | Link::Sqlite(_) | Link::SqliteTransaction(_) | Link::SqliteWriter(_) => Ok(()),
        }
    }

    fn split(&mut self) -> Side<'_> {
        match &mut self.link {
            Link::Pg(conn) => Side::Pg(conn),
            Link::PgTransaction(transaction) => Side::Pg(transaction),
            Link::Sqlite(conn) => Side::Sqlite(conn),
            Link::SqliteTransaction(transaction) => Side::Sqlite(transaction),
            Link::SqliteWriter(conn) => Side::Sqlite(conn),
        }
    }
}

/// What a link leads to.
enum Side<'a> {
    Pg(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
}

/// Begins a transaction on a pooled connection.
pub(crate) async fn begin(pool: &sqlx::PgPool) -> Result<Link, Fail> {
    begun(pool.begin()).await
}

/// Begins to read one moment of a SQLite file.
pub(crate) async fn begin_reading(pool: &sqlx::SqlitePool) -> Result<Link, sqlx::Error> {
    Ok(Link::SqliteTransaction(pool.begin().await?))
}

/// Where a moment of several statements is one: a repeatable read on PostgreSQL.
pub(crate) async fn begin_snapshot(pool: &sqlx::PgPool) -> Result<Link, Fail> {
    let snapshot = pool.begin_with("begin isolation level repeatable read read only");
    begun(snapshot).await
}

/// Waits for a transaction's begin. The driver forgets a begin that is dropped while PostgreSQL answers it, and gives its connection
/// back with the transaction open; so that is noted before the connection goes back.
async fn begun(
    beginning: impl Future<Output = Result<Transaction<'static, Postgres>, sqlx::Error>> + Send,
) -> Result<Link, Fail> {
    // What is declared later is dropped sooner.
    let mut beginning = Box::pin(beginning);
    let mut waited_for = Beginning { ended: false };
    let begun = answered(&mut beginning).await?;
    waited_for.ended = true;
    Ok(Link::PgTransaction(begun))
}

/// A begin that is waited for.
struct Beginning {
    ended: bool,
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if !self.ended {
            ABANDONED_UNTIL.store(passed().saturating_add(DOUBT), Ordering::Relaxed);
        }
    }
}

/// Until when connections that come back may have a transaction open, in seconds since the first look.
static ABANDONED_UNTIL: AtomicU64 = AtomicU64::new(0);

/// What PostgreSQL answers. It ends a statement by itself when its time is up (`statement_timeout`), so one that is not answered
/// even then never will be: the link is silent, and the connection is given up.
async fn answered<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Fail> {
    // Boxed, since many are waited for within one another.
    match tokio::time::timeout(PATIENCE, Box::pin(asked)).await {
        Ok(answer) => answer.map_err(Fail::from),
        Err(_) => {
            doubt();
            Err(Fail::Store(StoreError::Unavailable("PostgreSQL does not answer".to_owned())))
        }
    }
}

/// A little longer than a statement may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(35);

/// Until when connections that come back are doubted, in seconds since the first look: one was given up, which comes back too.
static DOUBTED_UNTIL: AtomicU64 = AtomicU64::new(0);
/// In seconds.
const DOUBT: u64 = 60;

fn doubt() {
    DOUBTED_UNTIL.store(passed().saturating_add(DOUBT), Ordering::Relaxed);
}

fn passed() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed().as_secs()
}

/// Whether a connection that comes back is to be kept. The pool itself would wait for the answer of a silent one for good, and
/// count it as taken: what was under way when its statement was dropped has a moment to end.
pub(crate) async fn is_alive(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let is_before = |until: &AtomicU64| {
        let until = until.load(Ordering::Relaxed);
        until > 0 && passed() <= until
    };
    let answers = async {
        // Asks for nothing where nothing is under way.
        conn.flush().await?;
        if is_before(&ABANDONED_UNTIL) {
            // Ends a transaction that was left open, too; one that failed refuses, and its connection goes.
            sqlx::raw_sql("begin; rollback").execute(&mut *conn).await?;
        }
        if is_before(&DOUBTED_UNTIL) { conn.ping().await } else { Ok(()) }
    };
    match tokio::time::timeout(SHORT, answers).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => {
            doubt();
            Err(sqlx::Error::PoolTimedOut)
        }
    }
}

/// How long a connection that comes back may take to say that it lives.
const SHORT: Duration = Duration::from_secs(2);

fn pg_query(stmt: Stmt) -> Query<'static, Postgres, PgArguments> {
    let mut query = sqlx::query(AssertSqlSafe(stmt.text));
    for arg in stmt.args {
        query = match arg {
            Arg::Int(value) => query.bind(value),
            Arg::Text(value) => query.bind(value),
            Arg::Bytes(value) => query.bind(value),
            Arg::Uuid(value) => query.bind(value),
            Arg::Ints(values) => query.bind(values),
            Arg::Texts(values) => query.bind(values),
            Arg::BytesList(values) => query.bind(values),
            Arg::Uuids(values) => query.bind(values),
        };
    }
    query
}

fn sqlite_query(stmt: Stmt) -> Query<'static, Sqlite, SqliteArguments> {
    let mut query = sqlx::query(AssertSqlSafe(stmt.text));
    for arg in stmt.args {
        query = match arg {
            Arg::Int(value) => query.bind(value),
            Arg::Text(value) => query.bind(value),
            Arg::Bytes(value) => query.bind(value),
            Arg::Uuid(value) => query.bind(value.map(|id| id.into_bytes().to_vec())),
            // Sets reach SQLite as one JSON text.
            Arg::Ints(values) => query.bind(serde_json::json!(values).to_string()),
            Arg::Texts(values) => query.bind(serde_json::json!(values).to_string()),
            Arg::BytesList(_) | Arg::Uuids(_) => query,
        };
    }
    query
}

/// A row of either database.
pub(crate) enum Row {
    Pg(PgRow),
    Sqlite(SqliteRow),
}

impl Row {
    /// Reads the columns in order.
    pub(crate) fn cursor(&self) -> Cursor<'_> {
        Cursor { row: self, next: 0 }
    }
}

/// Reads a row's columns in order.
pub(crate) struct Cursor<'a> {
    row: &'a Row,
    next: usize,
}

macro_rules! get {
    ($self:ident, $type:ty) => {{
        let place = $self.next;
        $self.next += 1;
        match $self.row {
            Row::Pg(row) => row.try_get_unchecked::<$type, _>(place),
            Row::Sqlite(row) => row.try_get_unchecked::<$type, _>(place),
        }
        .map_err(|error| read(place, &error))
    }};
}

impl Cursor<'_> {
    pub(crate) fn int(&mut self) -> StoreResult<i64> {
        get!(self, i64)
    }

    pub(crate) fn opt_int(&mut self) -> StoreResult<Option<i64>> {
        get!(self, Option<i64>)
    }

    /// A number that fits a smaller type.
    pub(crate) fn small<T: TryFrom<i64>>(&mut self) -> StoreResult<T> {
        let place = self.next;
        T::try_from(self.int()?).map_err(|_| {
            StoreError::Damaged(format!("its column {place} holds a number that is out of range"))
        })
    }

    pub(crate) fn text(&mut self) -> StoreResult<String> {
        get!(self, String)
    }

    pub(crate) fn opt_text(&mut self) -> StoreResult<Option<String>> {
        get!(self, Option<String>)
    }

    pub(crate) fn bytes(&mut self) -> StoreResult<Vec<u8>> {
        get!(self, Vec<u8>)
    }

    pub(crate) fn uuid(&mut self) -> StoreResult<Uuid> {
        get!(self, Uuid)
    }

    pub(crate) fn opt_uuid(&mut self) -> StoreResult<Option<Uuid>> {
        get!(self, Option<Uuid>)
    }
}
