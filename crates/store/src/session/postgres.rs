//! Opening PostgreSQL.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use domain::time::{BusinessClock, Speed};
use ports::StoreError;
use sea_orm::SqlxPostgresConnector;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{Connection as _, PgConnection};

use super::{Database, DatabaseLink, Source, Time};
use crate::config::StoreConfig;
use crate::error::Fail;
use crate::sql::is_alive;

/// How long [`reason`] tries.
const PROBE: Duration = Duration::from_secs(2);

impl Database {
    /// Opens pools on PostgreSQL, without looking at the schema.
    pub(crate) fn open_postgres(config: &StoreConfig) -> Result<Self, Fail> {
        if config.speed != Speed::REAL {
            let text =
                "business time can be scaled on an embedded store only: PostgreSQL's clock is everybody's";
            return Err(StoreError::Inconsistent(text.to_owned()).into());
        }
        let options = options(config)?;
        let pool = PgPoolOptions::new()
            .max_connections(config.connections.max(2))
            .acquire_timeout(config.acquire_timeout)
            .test_before_acquire(false)
            .after_release(|conn, _| Box::pin(is_alive(conn)))
            .connect_lazy_with(options.clone());
        let beats = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(2))
            .after_release(|conn, _| Box::pin(is_alive(conn)))
            .connect_lazy_with(options.application_name(&format!("{} heartbeat", config.name)));
        Ok(Self {
            link: DatabaseLink::Postgres { pool, beats },
            time: Arc::new(Time { source: Source::Database, business: BusinessClock::REAL }),
            statements: Arc::new(AtomicU64::new(0)),
        })
    }
}

/// A pool of one for migrations: no limit on a statement's time.
pub(super) fn for_migration(url: &str) -> Result<sea_orm::DatabaseConnection, Fail> {
    let options = PgConnectOptions::from_str(url)?.application_name("drumbeat migrate");
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// What is in the way of a connection, by trying for one. A pool does not say: it tries again until its time is over.
pub(super) async fn reason(url: &str) -> Option<StoreError> {
    let options = PgConnectOptions::from_str(url).ok()?.application_name("drumbeat probe");
    let place = format!("PostgreSQL at {}:{}", options.get_host(), options.get_port());
    match tokio::time::timeout(PROBE, PgConnection::connect_with(&options)).await {
        Err(_) => Some(StoreError::Unavailable(format!("{place} does not answer"))),
        Ok(Err(problem)) => Some(match Fail::from(problem).into_error() {
            StoreError::Unavailable(text) => StoreError::Unavailable(format!("{place}: {text}")),
            other => other,
        }),
        Ok(Ok(conn)) => {
            drop(conn.close().await);
            None
        }
    }
}

fn options(config: &StoreConfig) -> Result<PgConnectOptions, Fail> {
    let statement_timeout = config.statement_timeout.as_millis().to_string();
    let settings = [
        // A process that froze inside of a transaction must not hold the others up.
        ("idle_in_transaction_session_timeout", "2000"),
        ("statement_timeout", statement_timeout.as_str()),
        ("tcp_user_timeout", "10000"),
        ("tcp_keepalives_idle", "10"),
        // The statements are the same however many rows they carry, and every one of them goes by an index.
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_mergejoin", "off"),
        ("enable_hashjoin", "off"),
        ("random_page_cost", "1.1"),
        ("jit", "off"),
        ("timezone", "UTC"),
    ];
    Ok(PgConnectOptions::from_str(&config.url)?
        .application_name(&config.name)
        .statement_cache_capacity(300)
        .options(settings))
}
