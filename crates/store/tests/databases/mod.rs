//! A database of its own for each test.
#![allow(
    dead_code,
    unused_imports,
    clippy::allow_attributes,
    reason = "each test file uses its own part of this"
)]

mod postgres;
mod sqlite;

pub(crate) use postgres::PostgresDatabase;
pub(crate) use sqlite::SqliteFile;

use std::sync::Mutex;

use domain::identity::HashKeys;
use ports::StoreResult;
use store::{Store, StoreConfig};

/// The stores opened on a database.
#[derive(Debug, Default)]
pub(crate) struct Opened(Mutex<Vec<Store>>);

impl Opened {
    async fn open(&self, config: StoreConfig) -> StoreResult<Store> {
        let store = Store::connect(config).await?;
        self.0.lock().expect("no test panics while it opens a store").push(store.clone());
        Ok(store)
    }

    fn statements(&self) -> u64 {
        self.0.lock().expect("no test panics while it opens a store").iter().map(Store::statements).sum()
    }

    /// Closes all of them.
    pub(crate) async fn close(&self) {
        let stores = std::mem::take(&mut *self.0.lock().expect("no test panics while it opens a store"));
        for store in stores {
            store.close().await;
        }
    }
}

/// The secret of the suite.
pub(crate) fn keys() -> HashKeys {
    testkit::store::keys()
}
