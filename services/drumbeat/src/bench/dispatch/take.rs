//! Taking and completing alone, as other queues are measured: picked, marked, settled by a fold that decides nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::catalog::Catalog;
use domain::id::Shard;
use domain::input::{EventInput, Input, TouchInput, TouchReport};
use domain::touch::{AttemptResult, Delivery, Lane, TouchState};
use domain::world::World;
use jiff::Timestamp;
use ports::dispatch::{Dispatch as _, FlagKeys, MarkRequest, Marked, Pick, WorkerId};
use ports::unit::{Admitted, Fold, FoldError, Reach, Unit, Units as _};
use runtime::lifecycle::Tasks;
use store::Store;

use super::super::fill::{Due, Rows};
use super::super::report::tell;
use super::super::row::Row;
use super::super::sample::rate;
use super::super::setup::Side;
use super::{Bench, DELAY, row, unfinished};
use crate::exit::Failure;
use crate::wiring;

/// Who takes at a time, each of shards of their own.
const TAKERS: usize = 4;
/// How many are taken and completed at once.
const BATCH: usize = 500;

impl Bench {
    /// Due touches are taken and completed, without a look at what they are.
    pub(super) async fn take(&mut self, side: &Side, count: usize) -> Result<Row, Failure> {
        let count = count * 2;
        tell(&format!("dispatch on {}: {count} touches are taken and completed", side.store_name()));
        let long_ago = self.clock.now().saturating_sub(DELAY).unwrap_or(Timestamp::MIN);
        self.filler.add(&self.soon, count, (Due::At(long_ago), Rows::Both)).await?;
        let catalog = self.catalogs.current().await?;
        let shards: Vec<Shard> = Shard::all().collect();
        tell(&format!("dispatch: the takers begin on {}", super::touches(count)));
        let began = self.clock.monotonic();
        let until = began + self.time * super::PATIENCE;
        let mut running = Vec::new();
        for mine in shards.chunks(shards.len() / TAKERS) {
            let taker = Taker {
                store: Arc::clone(&self.store),
                clock: Arc::clone(&self.clock),
                fold: Arc::new(Complete(Arc::clone(&catalog))),
                worker: WorkerId(wiring::fresh_id()),
                lane: self.soon.touch.lane.clone(),
                flags: FlagKeys {
                    workspace: self.soon.touch.workspace.clone(),
                    cadence: self.soon.enrollment.cadence.clone(),
                    owner: self.soon.touch.owner.clone(),
                    connector: self.soon.touch.lane.connector.clone(),
                },
                shards: mine.to_vec(),
            };
            running.push(Tasks::detached().spawn("bench.take", taker.run(until)));
        }
        let mut done = 0;
        for one in running {
            done += one.await.map_err(|error| Failure::Refused(error.to_string()))??;
        }
        let took = self.clock.monotonic().saturating_sub(began);
        Ok(row(side, "take and complete alone", count)
            .rate(rate(done, took))
            .note(format!("{TAKERS} at once, by up to {BATCH}"))
            .note_if(unfinished(count, done)))
    }
}

struct Taker {
    store: Arc<Store>,
    clock: Arc<dyn ports::clock::Clock>,
    fold: Arc<Complete>,
    worker: WorkerId,
    lane: Lane,
    flags: FlagKeys,
    shards: Vec<Shard>,
}

impl Taker {
    /// Until nothing is due any more; gives how many were completed.
    async fn run(self, until: Duration) -> Result<usize, Failure> {
        let pick = Pick {
            lane: self.lane,
            workspaces: vec![self.flags.workspace.clone()],
            shards: self.shards,
            each: BATCH,
        };
        let mut done = 0;
        while self.clock.monotonic() < until {
            let picked = self.store.pick(&pick).await?;
            if picked.is_empty() {
                break;
            }
            let requests: Vec<MarkRequest> = picked
                .iter()
                .map(|one| MarkRequest {
                    touch: one.touch,
                    fence: one.fence,
                    flags: self.flags.clone(),
                    body: Bytes::from_static(b"{}"),
                    reservations: Vec::new(),
                })
                .collect();
            let marks = self.store.mark(self.worker, requests).await?;
            let inputs: Vec<Input> = picked
                .iter()
                .zip(&marks)
                .filter_map(|(one, mark)| match mark {
                    Marked::Yes { attempt, .. } => Some((one, *attempt)),
                    Marked::Lost | Marked::Held(_) | Marked::Full { .. } => None,
                })
                .map(|(one, attempt)| {
                    let result = AttemptResult::Sent { remote_id: None, delivery: Delivery::Delivered };
                    let report = TouchReport::Attempt { attempt, result };
                    Input::Touch(TouchInput { touch: one.touch, at: one.due_at, report })
                })
                .collect();
            if inputs.is_empty() {
                return Err(Failure::Refused("due touches of the bench cannot be marked".to_owned()));
            }
            done += inputs.len();
            let unit = Unit { inputs, ..Unit::default() };
            self.store.run(unit, Arc::<Complete>::clone(&self.fold)).await?;
        }
        Ok(done)
    }
}

/// What was sent is done; nothing comes next.
struct Complete(Arc<Catalog>);

impl Fold for Complete {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.0)
    }

    fn reach(&self, _: &EventInput) -> Reach {
        Reach::Contact
    }

    fn fold(&self, world: &mut World, inputs: &[Admitted]) -> Result<(), FoldError> {
        for admitted in inputs {
            let Input::Touch(input) = &admitted.input else { continue };
            let Some(touch) = world.touches.get_mut(&input.touch) else {
                return Err(FoldError::Input("a touch that was taken is not there".to_owned()));
            };
            touch.state = TouchState::Done;
            (touch.sent_at, touch.completed_at) = (Some(input.at), Some(input.at));
        }
        Ok(())
    }
}
