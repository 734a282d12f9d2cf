//! Settling: what became of attempts is folded into the enrollments as they now are, in batches.

use std::sync::Arc;
use std::time::Duration;

use domain::input::{Input, TouchInput};
use engine::{DomainFold, Keep};
use ports::StoreError;
use ports::unit::Unit;
use tokio::sync::mpsc;

use crate::Deps;

/// Something to fold.
pub(crate) type Settled = TouchInput;

/// The most that one transaction settles.
const BATCH: usize = 256;

/// How long to wait while the store cannot be reached.
const PATIENCE: Duration = Duration::from_millis(200);

/// Settles until the queue ends. Nothing is given up: while the store is away, results wait here.
pub(crate) async fn run(deps: Arc<Deps>, mut queue: mpsc::Receiver<Settled>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        fail::fail_point!("dispatcher.settle.before");
        settle(&deps, std::mem::take(&mut batch)).await;
        fail::fail_point!("dispatcher.settle.after");
    }
}

/// Settles a batch and says how many of it were refused: an input that is at fault is settled apart, logged, and left to
/// the sweep.
pub(crate) async fn settle(deps: &Deps, batch: Vec<Settled>) -> usize {
    let mut refused = 0;
    let mut pending = vec![batch];
    while let Some(batch) = pending.pop() {
        match fold(deps, &batch).await {
            Ok(()) => {}
            Err(error) if error.asks_for_fewer() && batch.len() > 1 => {
                let mut first = batch;
                let second = first.split_off(first.len() / 2);
                pending.push(second);
                pending.push(first);
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(error = %error, "results wait for the store");
                tokio::time::sleep(PATIENCE).await;
                pending.push(batch);
            }
            Err(error) => {
                let touches: Vec<i64> = batch.iter().map(|one| one.touch.0).collect();
                tracing::error!(error = %error, ?touches, "results cannot be settled");
                refused += batch.len();
            }
        }
    }
    refused
}

async fn fold(deps: &Deps, batch: &[Settled]) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    let fold = Arc::new(DomainFold::new(deps.catalogs.current().await?, Keep::Nothing));
    let inputs = batch.iter().cloned().map(Input::Touch).collect();
    deps.units.run(Unit { inputs, advance: None, letters: Vec::new() }, fold).await.map(drop)
}
