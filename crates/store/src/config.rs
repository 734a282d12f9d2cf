//! What a store needs to be opened.

use std::sync::Arc;
use std::time::Duration;

use domain::identity::HashKeys;
use domain::time::Speed;
use ports::clock::Clock;

/// How to open a store.
#[derive(Clone)]
pub struct StoreConfig {
    /// `sqlite://path/to/file.db`, or `postgres://user@host:port/database`.
    pub url: String,
    /// The secrets under which identities are hashed: the first for new ones.
    pub keys: HashKeys,
    /// Wall time. On PostgreSQL only the database's clock counts, and this one is not read.
    pub clock: Arc<dyn Clock>,
    /// How fast business time runs; only SQLite takes another than [`Speed::REAL`], and always the same one.
    pub speed: Speed,
    /// How many connections at most, on PostgreSQL; readers, on SQLite.
    pub connections: u32,
    /// How this process is called in the database's list of sessions.
    pub name: String,
    /// How long digests of processed events are kept (at least 30 days, and a week longer than the log keeps events).
    pub dedupe_for: Duration,
    /// How long events, decisions and what ended enrollments leave behind are kept; events and decisions for that long,
    /// what enrollments leave behind no shorter than digests.
    pub keep_for: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How long to wait for a free connection.
    pub acquire_timeout: Duration,
    /// How often another process is looked for, where several write.
    pub poll: Duration,
}

impl StoreConfig {
    /// The usual settings.
    #[must_use]
    pub fn new(url: impl Into<String>, keys: HashKeys, clock: Arc<dyn Clock>) -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            url: url.into(),
            keys,
            clock,
            speed: Speed::REAL,
            connections: 16,
            name: "drumbeat".to_owned(),
            dedupe_for: 30 * DAY,
            keep_for: 180 * DAY,
            statement_timeout: Duration::from_secs(30),
            acquire_timeout: Duration::from_secs(10),
            poll: Duration::from_millis(20),
        }
    }
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.debug_struct("StoreConfig")
            .field("name", &self.name)
            .field("speed", &self.speed)
            .finish_non_exhaustive()
    }
}
