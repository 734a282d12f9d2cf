//! Settling: what became of attempts is folded into the enrollments as they now are, in batches.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::id::TouchId;
use domain::input::{Input, TouchInput};
use engine::{DomainFold, Keep};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use ports::StoreError;
use ports::unit::Unit;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::Deps;

/// Something to fold.
pub(crate) type Settled = TouchInput;

/// The most that one transaction settles.
const BATCH: usize = 256;
/// How many transactions settle at a time: one waits for its statements' turns and the disk most of its time.
const AT_ONCE: usize = 4;
/// How much must wait for another one to be worth while, for each that runs: small ones cost more a touch.
const ENOUGH: usize = 64;

/// How soon after another one a transaction may settle less than that. The first of a trickle is settled at once; of the rest
/// nobody waits for what is written so late, and each transaction has some twenty-five statements, however little it settles.
const REST: Duration = Duration::from_millis(50);

/// How long to wait while the store cannot be reached.
const PATIENCE: Duration = Duration::from_millis(200);

/// Settles until the queue ends. Nothing is given up: while the store is away, results wait here.
pub(crate) async fn run(deps: Arc<Deps>, mut queue: mpsc::Receiver<Settled>) {
    let (mut waiting, mut arriving) = (VecDeque::new(), Vec::with_capacity(BATCH));
    let mut running = FuturesUnordered::new();
    let mut busy: HashSet<TouchId> = HashSet::new();
    let mut is_open = true;
    let mut rested_at = Instant::now();
    loop {
        while another_is_worth_while(running.len(), waiting.len())
            && (waiting.len() >= ENOUGH || Instant::now() >= rested_at || !is_open)
        {
            let batch = take(&mut waiting, &busy);
            if batch.is_empty() {
                break;
            }
            rested_at = Instant::now() + REST;
            let touches: Vec<TouchId> = batch.iter().map(|one| one.touch).collect();
            busy.extend(&touches);
            let deps = &deps;
            running.push(async move {
                fail::fail_point!("dispatcher.settle.before");
                settle(deps, batch).await;
                fail::fail_point!("dispatcher.settle.after");
                touches
            });
        }
        tokio::select! {
            biased;
            Some(touches) = running.next(), if !running.is_empty() => {
                for touch in &touches {
                    busy.remove(touch);
                }
            }
            count = queue.recv_many(&mut arriving, BATCH), if is_open && waiting.len() < BATCH => {
                is_open = count > 0;
                waiting.extend(arriving.drain(..));
            }
            () = tokio::time::sleep_until(rested_at), if running.is_empty() && !waiting.is_empty() => {}
            else => return,
        }
    }
}

/// Whether to settle what waits beside what is being settled.
fn another_is_worth_while(running: usize, waiting: usize) -> bool {
    running < AT_ONCE && waiting >= ENOUGH * running
}

/// The next batch: the oldest, but what is said of a touch comes after what was said of it before.
fn take(waiting: &mut VecDeque<Settled>, busy: &HashSet<TouchId>) -> Vec<Settled> {
    let mut batch = Vec::with_capacity(waiting.len().min(BATCH));
    let mut kept = VecDeque::new();
    while batch.len() < BATCH
        && let Some(one) = waiting.pop_front()
    {
        if busy.contains(&one.touch) { kept.push_back(one) } else { batch.push(one) }
    }
    while let Some(one) = kept.pop_back() {
        waiting.push_front(one);
    }
    batch
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
    deps.units.run(Unit { inputs, ..Unit::default() }, fold).await.map(drop)
}

#[cfg(test)]
mod tests {
    use domain::input::TouchReport;
    use domain::touch::AttemptResult;

    use super::*;

    fn said(touch: i64, attempt: i32) -> Settled {
        let report = TouchReport::Attempt { attempt, result: AttemptResult::Void };
        TouchInput { touch: TouchId(touch), at: jiff::Timestamp::UNIX_EPOCH, report }
    }

    #[test]
    fn the_more_is_being_settled_the_more_must_wait_for_another_transaction() {
        let most = |waiting| (0..).take_while(|running| another_is_worth_while(*running, waiting)).count();

        assert_eq!([0, 63, 64, 127, 128, 191, 192].map(most), [1, 1, 2, 2, 3, 3, 4]);
        // More than that never waits: the queue is left alone meanwhile.
        assert_eq!(most(BATCH), AT_ONCE);
    }

    #[test]
    fn what_is_said_of_a_touch_waits_for_what_was_said_of_it_before() {
        let mut waiting: VecDeque<Settled> = [said(1, 1), said(2, 1), said(1, 2), said(3, 1)].into();

        let batch = take(&mut waiting, &HashSet::from([TouchId(1)]));

        assert_eq!(batch, [said(2, 1), said(3, 1)]);
        assert_eq!(waiting, [said(1, 1), said(1, 2)], "in their order");
    }
}
