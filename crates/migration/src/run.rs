//! Running the migrations, once, whoever comes first.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};
use sea_orm_migration::{MigratorTrait, seaql_migrations};

use crate::Migrator;

/// What a database looks like beside the migrations compiled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The schema is the one that this program knows.
    Current,
    /// Migrations are missing, in order.
    Behind(Vec<String>),
    /// A newer program has migrated it: this one must not touch it.
    Ahead(Vec<String>),
}

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The migrations that were run, in order.
    pub run: Vec<String>,
}

/// Why a schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Start a newer program.
    #[error("the store was migrated by a newer version (it has {}): run that one", .0.join(", "))]
    Newer(Vec<String>),
    /// The database's own words.
    #[error("the store could not be migrated")]
    Database(#[from] DbErr),
}

/// The advisory lock that one migration holds on PostgreSQL ("drmb" in ASCII).
const LOCK: i64 = 0x6472_6d62;

/// The migrations compiled in, in order.
#[must_use]
pub fn names() -> Vec<String> {
    Migrator::migrations().iter().map(|one| one.name().to_owned()).collect()
}

/// Compares a database with the migrations compiled in. Reads only.
///
/// # Errors
/// The database's.
pub async fn standing<C: ConnectionTrait>(db: &C) -> Result<Standing, DbErr> {
    let known = names();
    let found: BTreeSet<String> = applied(db).await?.into_iter().collect();
    let ahead: Vec<String> = found.iter().filter(|name| !known.contains(name)).cloned().collect();
    if !ahead.is_empty() {
        return Ok(Standing::Ahead(ahead));
    }
    let behind: Vec<String> = known.into_iter().filter(|name| !found.contains(name)).collect();
    Ok(if behind.is_empty() { Standing::Current } else { Standing::Behind(behind) })
}

/// Brings a database up to date. The connection must be a pool of one, since a lock of the session is held on
/// PostgreSQL; on SQLite the caller holds the data folder.
///
/// # Errors
/// [`MigrateError::Newer`] for a schema from the future, else the database's.
pub async fn migrate(db: &DatabaseConnection) -> Result<Migrated, MigrateError> {
    let locks = db.get_database_backend() == DbBackend::Postgres;
    if locks {
        db.execute_unprepared(&format!("select pg_advisory_lock({LOCK})")).await?;
    }
    let outcome = migrate_alone(db).await;
    if locks {
        db.execute_unprepared(&format!("select pg_advisory_unlock({LOCK})")).await?;
    }
    outcome
}

async fn migrate_alone(db: &DatabaseConnection) -> Result<Migrated, MigrateError> {
    match standing(db).await? {
        Standing::Ahead(names) => Err(MigrateError::Newer(names)),
        Standing::Current => Ok(Migrated { run: Vec::new() }),
        Standing::Behind(names) => {
            Migrator::up(db, None).await?;
            Ok(Migrated { run: names })
        }
    }
}

/// The names in the table of migrations; none when there is no such table.
async fn applied<C: ConnectionTrait>(db: &C) -> Result<Vec<String>, DbErr> {
    use sea_orm::{EntityTrait, Statement};
    let backend = db.get_database_backend();
    let exists = match backend {
        DbBackend::Postgres => "select 1 as there where to_regclass('seaql_migrations') is not null",
        _ => "select 1 as there from sqlite_master where name = 'seaql_migrations'",
    };
    if db.query_one_raw(Statement::from_string(backend, exists)).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = seaql_migrations::Entity::find().all(db).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}
