//! Pick, view, mark, take over, release.

mod mark;
pub(crate) mod pick;
mod release;
mod takeover;
mod view;

pub(crate) use pick::{FREE, LANES, PLACES};

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::catalog::Catalog;
use domain::id::{ConnectorName, TouchId};
use domain::touch::Lane;
use domain::world::World;
use jiff::Timestamp;
use ports::StoreResult;
use ports::dispatch::{Dispatch, HeldTouches, MarkRequest, Marked, Pick, Picked, TakenOver, WorkerId};
use ports::wake::Wake;

use crate::error::Fail;
use crate::sql::Dialect;
use crate::{Store, commands};

impl Store {
    /// How the database finds due touches: its plan, line by line. For the test that holds the partial index to it, and
    /// for operators who wonder.
    ///
    /// # Errors
    /// As every port's.
    #[doc(hidden)]
    pub async fn plan_of_pick(&self, pick: &Pick) -> StoreResult<Vec<String>> {
        self.reading(pick::plan(self, pick)).await
    }

    /// The same of a connector's due commands.
    ///
    /// # Errors
    /// As every port's.
    #[doc(hidden)]
    pub async fn plan_of_due_commands(&self, connector: &ConnectorName) -> StoreResult<Vec<String>> {
        let read = async {
            let mut conn = self.database.reader().await?;
            commands::plan(&mut conn, connector).await
        };
        self.reading(read).await
    }
}

#[async_trait]
impl Dispatch for Store {
    #[tracing::instrument(name = "store.pick", level = "debug", skip_all)]
    async fn pick(&self, pick: &Pick) -> StoreResult<Vec<Picked>> {
        self.reading(pick::pick(self, pick)).await
    }

    async fn next_due(&self, connector: &ConnectorName) -> StoreResult<Option<Timestamp>> {
        self.reading(pick::next_due(self, Some(connector))).await
    }

    #[tracing::instrument(name = "store.view", level = "debug", skip_all, fields(touches = touches.len()))]
    async fn view(&self, touches: &[TouchId], catalog: Arc<Catalog>) -> StoreResult<World> {
        self.reading(view::view(self, touches, catalog)).await
    }

    #[tracing::instrument(name = "store.mark", level = "debug", skip_all, fields(touches = requests.len()))]
    async fn mark(&self, worker: WorkerId, requests: Vec<MarkRequest>) -> StoreResult<Vec<Marked>> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        // SQLite has one process, and a frozen one holds the file.
        let beats = self.database.dialect() == Dialect::Postgres && self.announced.knew(worker);
        let row = if beats { mark::WorkerRow::Needed } else { mark::WorkerRow::NotNeeded };
        let work = mark::Mark { worker, row, clock: Arc::clone(&self.clock), requests };
        let marked = self.database.transact(Arc::new(work)).await.map_err(Fail::into_error);
        fail::fail_point!("store.mark.committed");
        marked
    }

    async fn take_over(&self, older_than: Duration) -> StoreResult<Vec<TakenOver>> {
        let work = takeover::TakeOver { older_than };
        self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)
    }

    async fn release(&self, known: &[ConnectorName], slice: usize) -> StoreResult<usize> {
        let cursor = Arc::clone(&self.release_cursor);
        let work = release::Release { slice, known: known.to_vec(), cursor };
        let released = self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)?;
        if released > 0 {
            self.signals.raise(Wake::Touches);
        }
        Ok(released)
    }

    async fn hold_strays(&self, known: &[ConnectorName], slice: usize) -> StoreResult<usize> {
        let mut lanes = self.lanes().await?;
        lanes.retain(|lane| !known.contains(&lane.connector));
        if lanes.is_empty() {
            return Ok(0);
        }
        let work = release::HoldStrays { lanes, slice };
        self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)
    }

    async fn held(&self) -> StoreResult<Vec<HeldTouches>> {
        self.reading(release::held(self)).await
    }

    async fn lanes(&self) -> StoreResult<Vec<Lane>> {
        self.reading(pick::lanes(self)).await
    }
}
