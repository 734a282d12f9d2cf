//! The outbox's relay: in order per shard, deleted only after the bus has acknowledged.

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
    // Asked for again at half of their length: a lease that ran out during a slow publish would be another's.
    if deps.clock.monotonic() >= leases.fresh_until {
        let asked_at = deps.clock.monotonic();
        leases.shards = deps.outbox.lease(deps.process, usize::from(Shard::COUNT), LEASE).await?;
        leases.fresh_until = asked_at + LEASE / 2;
    }
    let pending = deps.outbox.pending().await?;
    let mine = pending.into_iter().filter(|shard| leases.shards.contains(shard));
    let mut sum = 0;
    for relayed in join_all(mine.map(|shard| relay(deps, shard))).await {
        sum += relayed?;
    }
    Ok(sum)
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
    deps.outbox.acknowledged(&ids[..acknowledged]).await?;
    Ok(acknowledged)
}
