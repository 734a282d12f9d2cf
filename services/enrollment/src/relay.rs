//! The outbox's relay: in order per shard, deleted only after the bus has acknowledged.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::id::Shard;
use futures::future::join_all;
use ports::StoreResult;
use ports::wake::Wake;
use tokio_util::sync::CancellationToken;

use crate::Deps;

const LEASE: Duration = Duration::from_secs(5);
const BATCH: usize = 500;
const NAP: Duration = Duration::from_secs(1);

/// Relays until `stop`.
pub(crate) async fn run(deps: Arc<Deps>, stop: CancellationToken) {
    let mut leases = Leases::default();
    while !stop.is_cancelled() {
        let seen = deps.wakes.generation(Wake::Outbox);
        match turn(&deps, &mut leases).await {
            Ok(0) => {
                stop.run_until_cancelled(deps.wakes.changed(Wake::Outbox, seen, NAP)).await;
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
    let pending = deps.outbox.pending().await?;
    let mine: Vec<Shard> = pending.into_iter().filter(|shard| leases.shards.contains(shard)).collect();
    let mut relayed = pin!(join_all(mine.iter().map(|shard| relay(deps, *shard))));
    let answers = loop {
        let rest = leases.fresh_until.saturating_sub(deps.clock.monotonic());
        tokio::select! {
            answers = &mut relayed => break answers,
            // The bus takes its time: the leases must outlast it, or another relay would send the same at the same time.
            () = tokio::time::sleep(rest) => leases.renew(deps).await?,
        }
    };
    let (mut sum, mut problem) = (0, None);
    for (shard, answer) in mine.iter().zip(answers) {
        match answer {
            Ok(count) => sum += count,
            Err(error) => {
                tracing::error!(error = %error, shard = shard.0, "a shard of the outbox cannot be relayed");
                problem = Some(error);
            }
        }
    }
    // As long as others go on, one shard's trouble is its own.
    problem.filter(|_| sum == 0).map_or(Ok(sum), Err)
}

impl Leases {
    /// Asks again at half of their length, so that there is time for several tries.
    async fn renew(&mut self, deps: &Deps) -> StoreResult<()> {
        let asked_at = deps.clock.monotonic();
        self.shards = deps.outbox.lease(deps.process, usize::from(Shard::COUNT), LEASE).await?;
        self.fresh_until = asked_at + LEASE / 2;
        Ok(())
    }
}

/// One batch is in flight per shard; after a failure everything from the first unacknowledged one is sent again.
async fn relay(deps: &Deps, shard: Shard) -> StoreResult<usize> {
    let rows = deps.outbox.head(shard, BATCH).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let answers = deps.publisher.publish(rows.into_iter().map(|row| row.message).collect()).await;
    let acknowledged = answers.iter().take_while(|answer| answer.is_ok()).count();
    fail::fail_point!("enrollment.relay.published");
    if let Some(Err(error)) = answers.get(acknowledged) {
        tracing::warn!(error = %error, "the outbox waits for the bus");
    }
    let gone: Vec<i64> = ids.into_iter().take(acknowledged).collect();
    deps.outbox.acknowledged(&gone).await?;
    Ok(gone.len())
}

#[cfg(test)]
mod tests;
