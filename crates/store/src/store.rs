//! Opening a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::identity::HashKeys;
use jiff::Timestamp;
use migration::{MigrateError, Migrated, Standing};
use ports::clock::Clock;
use ports::{StoreError, StoreResult};

use crate::config::StoreConfig;
use crate::error::Fail;
use crate::ids::RowIds;
use crate::session::{Database, dialect_of, exists, for_migration, with_reason};
use crate::sql::{Conn, Dialect};
use crate::wake::{Signals, Wakeups};
use crate::workers::Announced;

/// A store, cheap to clone. All ports of the store are implemented on it.
#[derive(Clone)]
pub struct Store {
    pub(crate) database: Arc<Database>,
    pub(crate) keys: Arc<HashKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<RowIds>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) announced: Arc<Announced>,
    pub(crate) dedupe_for: Duration,
    pub(crate) keep_for: Duration,
    /// Where the sweep of held touches goes on.
    pub(crate) release_cursor: Arc<AtomicI64>,
    poll: Duration,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("database", &self.database).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a store. A SQLite file is made and migrated; PostgreSQL must have been migrated before ([`Store::migrate`]).
    /// Refused are a schema of a newer version, an older one on PostgreSQL, secrets that the store does not know while it
    /// knows others, and another clock speed than the store's.
    ///
    /// # Errors
    /// `Inconsistent` for what a person must look at, `Unavailable` when the database cannot be reached.
    pub async fn connect(config: StoreConfig) -> StoreResult<Self> {
        let signals = Arc::new(Signals::default());
        let database = match dialect_of(&config.url)? {
            Dialect::Sqlite => {
                Self::migrate(&config.url).await?;
                Database::open_sqlite(&config, Arc::clone(&signals)).await.map_err(Fail::into_error)?
            }
            Dialect::Postgres => {
                let database = Database::open_postgres(&config).map_err(Fail::into_error)?;
                with_reason(&config.url, require_current(&database).await).await?;
                database
            }
        };
        let store = Self {
            database: Arc::new(database),
            keys: Arc::new(config.keys),
            clock: config.clock,
            ids: Arc::new(RowIds::default()),
            signals,
            announced: Arc::new(Announced::default()),
            dedupe_for: config.dedupe_for,
            keep_for: config.keep_for,
            release_cursor: Arc::default(),
            poll: config.poll,
        };
        store.learn_keys().await?;
        Ok(store)
    }

    /// Brings a store's schema up to date; concurrent callers wait for each other.
    ///
    /// # Errors
    /// `Inconsistent` for a schema of a newer version, `Unavailable` when the database cannot be reached.
    pub async fn migrate(url: &str) -> StoreResult<Migrated> {
        let pool = for_migration(url).await.map_err(Fail::into_error)?;
        let outcome = migration::migrate(&pool).await.map_err(|error| match error {
            MigrateError::Newer(_) => StoreError::Inconsistent(error.to_string()),
            MigrateError::Database(inner) => match Fail::from(inner).into_error() {
                StoreError::Unavailable(text) => StoreError::Unavailable(text),
                other => {
                    StoreError::Inconsistent(format!("the schema could not be brought up to date: {other}"))
                }
            },
        });
        // What fails in closing does not undo a migration.
        let _ = pool.close().await;
        with_reason(url, outcome).await
    }

    /// How a store's schema compares with the one that this program knows. Changes nothing, and makes no file.
    ///
    /// # Errors
    /// `Unavailable` when the database cannot be reached.
    pub async fn standing(url: &str) -> StoreResult<Standing> {
        if !exists(url).map_err(Fail::into_error)? {
            return Ok(Standing::Behind(migration::names()));
        }
        let pool = for_migration(url).await.map_err(Fail::into_error)?;
        let standing = migration::standing(&pool).await.map_err(|error| Fail::from(error).into_error());
        let _ = pool.close().await;
        with_reason(url, standing).await
    }

    /// Signals for services of the same process.
    #[must_use]
    pub fn wakeups(&self) -> Wakeups {
        let poll = (self.database.dialect() == Dialect::Postgres).then_some(self.poll);
        Wakeups { signals: Arc::clone(&self.signals), poll }
    }

    /// Whether the store answers; for readiness.
    ///
    /// # Errors
    /// `Unavailable` when it does not.
    pub async fn ready(&self) -> StoreResult<()> {
        let ask = async {
            let mut conn = self.database.reader().await?;
            let stmt = conn.stmt("select 1");
            conn.fetch(stmt).await.map(drop)
        };
        self.reading(ask).await
    }

    /// Lets transactions under way end, then closes all connections.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// How many statements were run so far, those of transactions that were rolled back included.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.database.statements().load(Ordering::Relaxed)
    }

    /// The outcome of reading, as ports tell it.
    pub(crate) async fn reading<T>(
        &self,
        work: impl Future<Output = Result<T, Fail>> + Send,
    ) -> StoreResult<T> {
        work.await.map_err(Fail::into_error)
    }

    /// Business time.
    pub(crate) async fn business_now(&self, conn: &mut Conn) -> Result<Timestamp, Fail> {
        let wall = self.database.time.wall(conn).await?;
        Ok(self.database.time.business().business(wall))
    }
}

async fn require_current(database: &Database) -> StoreResult<()> {
    let standing =
        migration::standing(&database.orm()).await.map_err(|error| Fail::from(error).into_error())?;
    match standing {
        Standing::Current => Ok(()),
        Standing::Behind(names) => {
            let text = format!(
                "the schema is older than this program (missing: {}): run `drumbeat migrate`",
                names.join(", ")
            );
            Err(StoreError::Inconsistent(text))
        }
        Standing::Ahead(names) => Err(StoreError::Inconsistent(MigrateError::Newer(names).to_string())),
    }
}
