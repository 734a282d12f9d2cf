//! Pick, view, mark, take over, release.

mod mark;
mod pick;
mod release;
mod takeover;
mod view;

pub(crate) use pick::{FREE, LANES};

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::catalog::Catalog;
use domain::id::{Shard, TouchId};
use domain::touch::Lane;
use domain::world::World;
use jiff::Timestamp;
use ports::StoreResult;
use ports::dispatch::{Dispatch, MarkRequest, Marked, Picked, TakenOver, WorkerId};
use ports::wake::Wake;

use crate::Store;
use crate::error::Fail;

impl Store {
    /// How the database finds due touches: its plan, line by line. For the test that holds the partial index to it, and
    /// for operators who wonder.
    ///
    /// # Errors
    /// As every port's.
    #[doc(hidden)]
    pub async fn plan_of_pick(&self, lane: &Lane, shards: &[Shard]) -> StoreResult<Vec<String>> {
        self.reading(pick::plan(self, lane, shards)).await
    }
}

#[async_trait]
impl Dispatch for Store {
    #[tracing::instrument(name = "store.pick", level = "debug", skip_all)]
    async fn pick(&self, lane: &Lane, shards: &[Shard], per_shard: usize) -> StoreResult<Vec<Picked>> {
        self.reading(pick::pick(self, lane, shards, per_shard)).await
    }

    async fn next_due(&self) -> StoreResult<Option<Timestamp>> {
        self.reading(pick::next_due(self)).await
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
        let work = mark::Mark { worker, clock: Arc::clone(&self.clock), requests };
        let marked = self.database.transact(Arc::new(work)).await.map_err(Fail::into_error);
        fail::fail_point!("store.mark.committed");
        marked
    }

    async fn take_over(&self, older_than: Duration) -> StoreResult<Vec<TakenOver>> {
        let work = takeover::TakeOver { older_than };
        self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)
    }

    async fn release(&self, slice: usize) -> StoreResult<usize> {
        let work = release::Release { slice, cursor: Arc::clone(&self.release_cursor) };
        let released = self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)?;
        if released > 0 {
            self.signals.raise(Wake::Touches);
        }
        Ok(released)
    }

    async fn lanes(&self) -> StoreResult<Vec<Lane>> {
        self.reading(pick::lanes(self)).await
    }
}
