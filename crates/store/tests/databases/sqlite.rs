//! A file in a folder that goes with the test.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::identity::HashKeys;
use ports::StoreResult;
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

    fn statements(&self) -> u64 {
        self.opened.statements()
    }

    fn is_concurrent(&self) -> bool {
        false
    }
}
