//! The outbox's relay: in order per shard, deleted only after the bus has acknowledged.

use std::sync::Arc;
use std::time::Duration;

use domain::id::Shard;
use futures::future::join_all;
use ports::bus::Message;
use ports::relay::OutboxRow;
use ports::wake::Wake;
use ports::{StoreError, StoreResult};
use tokio_util::sync::CancellationToken;

use crate::Deps;

const LEASE: Duration = Duration::from_secs(5);
const BATCH: usize = 500;
const NAP: Duration = Duration::from_secs(1);
/// Between two turns that relay little: nobody waits for outcomes, and each turn has some seven statements.
const REST: Duration = Duration::from_millis(50);

/// Relays until `stop`.
pub(crate) async fn run(deps: Arc<Deps>, stop: CancellationToken) {
    let mut leases = Leases::default();
    while !stop.is_cancelled() {
        let seen = deps.wakes.generation(Wake::Outbox);
        match turn(&deps, &mut leases).await {
            Ok(0) => {
                stop.run_until_cancelled(deps.wakes.changed(Wake::Outbox, seen, NAP)).await;
            }
            Ok(count) if count < BATCH => {
                stop.run_until_cancelled(tokio::time::sleep(REST)).await;
            }
            Ok(_) => {}
            Err(error) => {
                leases = Leases::default();
                tracing::warn!(error = %error, "the outbox waits for the store");
                stop.run_until_cancelled(tokio::time::sleep(NAP)).await;
            }
        }
    }
}

/// The shards that are ours to relay.
#[derive(Default)]
struct Leases {
    shards: Vec<Shard>,
    /// Until when they need not be asked for again (monotonic).
    fresh_until: Duration,
}

/// Relays one batch of each leased shard that holds any; says how many messages went.
async fn turn(deps: &Deps, leases: &mut Leases) -> StoreResult<usize> {
    if deps.clock.monotonic() >= leases.fresh_until {
        leases.renew(deps).await?;
    }
    let mine = leases.shards.clone();
    // Beside each other, not in turns: the relay may hold the connection that the renewal waits for.
    tokio::select! {
        relayed = relay(deps, &mine) => relayed,
        error = leases.keep(deps) => Err(error),
    }
}

impl Leases {
    /// Asks again at half of their length, so that there is time for several tries.
    async fn renew(&mut self, deps: &Deps) -> StoreResult<()> {
        let asked_at = deps.clock.monotonic();
        self.shards = deps.outbox.lease(deps.process, usize::from(Shard::COUNT), LEASE).await?;
        self.fresh_until = asked_at + LEASE / 2;
        Ok(())
    }

    /// Keeps them for as long as it is polled; gives what went wrong. The bus may take its time, and the leases must
    /// outlast it, or another relay would send the same at the same time.
    async fn keep(&mut self, deps: &Deps) -> StoreError {
        loop {
            tokio::time::sleep(self.fresh_until.saturating_sub(deps.clock.monotonic())).await;
            if let Err(error) = self.renew(deps).await {
                return error;
            }
        }
    }
}

/// One batch is in flight per shard; after a failure everything from the first unacknowledged one is sent again.
async fn relay(deps: &Deps, shards: &[Shard]) -> StoreResult<usize> {
    let (mut batches, mut problem) = (Vec::new(), None);
    for (shard, rows) in deps.outbox.heads(shards, BATCH).await? {
        match rows {
            Ok(rows) => batches.push(rows),
            Err(error) => {
                tracing::error!(error = %error, shard = shard.0, "a shard of the outbox cannot be relayed");
                problem = Some(error);
            }
        }
    }
    let published = join_all(batches.into_iter().map(|rows| publish(deps, rows))).await;
    fail::fail_point!("enrollment.relay.published");
    let gone: Vec<i64> = published.into_iter().flatten().collect();
    deps.outbox.acknowledged(&gone).await?;
    // As long as others go on, one shard's trouble is its own.
    problem.filter(|_| gone.is_empty()).map_or(Ok(gone.len()), Err)
}

/// Publishes rows of one shard; gives those that are on the log, with all before them.
async fn publish(deps: &Deps, rows: Vec<OutboxRow>) -> Vec<i64> {
    let (ids, messages): (Vec<i64>, Vec<Message>) = rows.into_iter().map(|row| (row.id, row.message)).unzip();
    let answers = deps.publisher.publish(messages).await;
    let acknowledged = answers.iter().take_while(|answer| answer.is_ok()).count();
    if let Some(Err(error)) = answers.get(acknowledged) {
        tracing::warn!(error = %error, "the outbox waits for the bus");
    }
    ids.into_iter().take(acknowledged).collect()
}

#[cfg(test)]
mod tests;
