//! The file: its tables, its connections, and what SQLite's errors mean to a caller.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ports::bus::{BusError, Topic};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::EmbeddedConfig;

/// `PRAGMA application_id`: "DRBL".
const APPLICATION: i32 = 0x4452_424c;

/// `PRAGMA user_version`; raised when the tables change.
const FORMAT: i32 = 1;

/// How often a locked file is tried again, half a millisecond apart: 5 seconds.
const LOCK_TRIES: i32 = 10_000;

/// An offset takes 44 bits of a record's id, its partition 12, its topic the rest: a partition's records lie together.
const OFFSET_BITS: u32 = 44;
const PARTITION_BITS: u32 = 12;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS heads (
        topic INTEGER NOT NULL,
        partition INTEGER NOT NULL,
        begins_at INTEGER NOT NULL,
        ends_at INTEGER NOT NULL,
        PRIMARY KEY (topic, partition)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS records (
        id INTEGER PRIMARY KEY,
        appended_at INTEGER NOT NULL,
        key BLOB NOT NULL,
        headers BLOB NOT NULL,
        payload BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS notes (
        reader TEXT NOT NULL,
        topic INTEGER NOT NULL,
        partition INTEGER NOT NULL,
        next INTEGER NOT NULL,
        PRIMARY KEY (reader, topic, partition)
    ) WITHOUT ROWID;
    INSERT OR IGNORE INTO facts VALUES ('cluster', lower(hex(randomblob(16))));
";

/// A topic's number in the file. Stored; never renumber.
pub(super) fn number_of(topic: Topic) -> i64 {
    match topic {
        Topic::Events => 1,
        Topic::Quarantine => 2,
        Topic::DeadLetter => 3,
        Topic::Deliveries => 4,
        Topic::Redeliver => 5,
        Topic::Outcomes => 6,
    }
}

/// The id of a record.
pub(super) fn id_of(topic: Topic, partition: i32, offset: i64) -> i64 {
    (number_of(topic) << (OFFSET_BITS + PARTITION_BITS)) | (i64::from(partition) << OFFSET_BITS) | offset
}

/// The offset in a record's id.
pub(super) fn offset_in(id: i64) -> i64 {
    id & ((1 << OFFSET_BITS) - 1)
}

/// What is known of an open file.
#[derive(Debug, Clone)]
pub(super) struct LogFile {
    path: PathBuf,
    /// Made with the file: offsets are kept under it.
    pub(super) cluster: String,
    /// Of each topic, as the file was made.
    pub(super) partitions: i32,
}

impl LogFile {
    /// Opens or makes the file, with the connection that will write it.
    pub(super) fn open(config: &EmbeddedConfig) -> Result<(Self, Connection), BusError> {
        let path = config.path.clone();
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|problem| BusError::Broken(format!("the folder {}: {problem}", folder.display())))?;
        }
        let mut connection = Connection::open(&path).map_err(|problem| error_of(&path, &problem))?;
        let facts = prepare(&mut connection, config).map_err(|problem| match problem {
            Unfit::Sqlite(problem) => error_of(&path, &problem),
            Unfit::Foreign(why) => BusError::Broken(format!("{}: {why}", path.display())),
        })?;
        let (cluster, partitions) = facts;
        Ok((Self { path, cluster, partitions }, connection))
    }

    /// A connection that only reads.
    pub(super) fn reader(&self) -> Result<Connection, BusError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Connection> {
            // Read-write, because the last connection to go must be able to tidy up; `query_only` keeps it from writing.
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_handler(Some(wait_for_lock))?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        };
        open().map_err(|problem| self.error(&problem))
    }

    /// What an error means to a caller.
    pub(super) fn error(&self, problem: &rusqlite::Error) -> BusError {
        error_of(&self.path, problem)
    }
}

/// Why a file cannot be the log.
enum Unfit {
    Sqlite(rusqlite::Error),
    Foreign(String),
}

impl From<rusqlite::Error> for Unfit {
    fn from(problem: rusqlite::Error) -> Self {
        Self::Sqlite(problem)
    }
}

/// Settings and tables; answers the file's cluster id and number of partitions.
fn prepare(connection: &mut Connection, config: &EmbeddedConfig) -> Result<(String, i32), Unfit> {
    connection.busy_handler(Some(wait_for_lock))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let format: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && tables > 0 {
        return Err(Unfit::Foreign("this file is something else than an event log".to_owned()));
    }
    if format > FORMAT {
        return Err(Unfit::Foreign(format!(
            "made by a later version (format {format}, known up to {FORMAT})"
        )));
    }

    connection.pragma_update(None, "journal_mode", "wal")?;
    // A commit returns after the fsync of the write-ahead log, on every platform.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    connection.set_prepared_statement_cache_capacity(32);
    if let Some(bytes) = config.max_file_bytes {
        let page: u64 = connection
            .pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0).map(i64::cast_unsigned))?;
        let pages = i64::try_from(bytes / page.max(1)).unwrap_or(i64::MAX);
        connection.pragma_update(None, "max_page_count", pages)?;
    }

    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    let stored: Option<i32> = transaction
        .query_row("SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'partitions'", [], |row| row.get(0))
        .optional()?;
    let partitions = stored.unwrap_or(config.partitions);
    transaction.execute("INSERT OR IGNORE INTO facts VALUES ('partitions', ?1)", [partitions.to_string()])?;
    for topic in Topic::ALL {
        for partition in 0..partitions {
            transaction.execute(
                "INSERT OR IGNORE INTO heads VALUES (?1, ?2, 0, 0)",
                (number_of(topic), partition),
            )?;
        }
    }
    let cluster =
        transaction.query_row("SELECT value FROM facts WHERE name = 'cluster'", [], |row| row.get(0))?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok((cluster, partitions))
}

/// Another process is writing: it is done within a millisecond or so.
fn wait_for_lock(tries: i32) -> bool {
    thread::sleep(Duration::from_micros(500));
    tries < LOCK_TRIES
}

fn error_of(path: &Path, problem: &rusqlite::Error) -> BusError {
    let text = format!("{}: {problem}", path.display());
    match problem.sqlite_error_code() {
        Some(
            ErrorCode::NotADatabase
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::SchemaChanged
            | ErrorCode::TypeMismatch,
        ) => BusError::Broken(text),
        // SQLite's own limit, 1 GB a row.
        Some(ErrorCode::TooBig) => BusError::Rejected(text),
        // A full disk, a lock held too long, a failed read or write: they may pass.
        Some(_) => BusError::Unavailable(text),
        // The tables are not ours, or hold what we never write.
        None => BusError::Broken(text),
    }
}

/// Runs what blocks on a thread for that.
pub(super) async fn on_a_thread<T, F>(work: F) -> Result<T, BusError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, BusError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|problem| {
        Err(BusError::Unavailable(format!("the work on the event log was lost: {problem}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_partition_lie_together_and_keep_their_offsets() {
        let longest = (1 << OFFSET_BITS) - 1;
        for topic in Topic::ALL {
            assert_eq!(offset_in(id_of(topic, 255, longest)), longest);
            assert_eq!(id_of(topic, 3, longest) + 1, id_of(topic, 4, 0));
        }
        assert!(id_of(Topic::Outcomes, 4095, longest) > 0);
    }
}
