//! The store of the small world.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::id::{Shard, Workspace};
use domain::input::{Input, TimerInput};
use domain::time::BusinessClock;
use domain::touch::TimerKind;
use jiff::Timestamp;
use ports::bus::{Message, Position, StoredOffset, Topic};
use ports::content::{Activation, Applied, Content, Document, NewDocument};
use ports::dispatch::{Flag, FlagState, Flags};
use ports::relay::{AsideList, Asides, Heads, Outbox, SetAside};
use ports::unit::{Advance, Fold, Housekeeping, Offsets, Unit, UnitReport, Units};
use ports::{StoreError, StoreResult};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Failure, State, World};

/// Moves the offsets on, if all are where the caller believes.
fn advance(state: &mut State, advances: &[Advance]) -> StoreResult<()> {
    match state.failures.pop_front() {
        Some(Failure::Error(error)) => return Err(error),
        Some(Failure::Overtaken(at)) => state.stored = Some(at),
        None => {}
    }
    for advance in advances {
        let stored = state.stored_of(advance.partition);
        if *stored != advance.from {
            return Err(StoreError::Conflict(format!("{stored:?} is stored, not {:?}", advance.from)));
        }
    }
    for advance in advances {
        *state.stored_of(advance.partition) = Some(advance.to.next);
    }
    Ok(())
}

#[async_trait]
impl Units for World {
    async fn run(&self, unit: Unit, _: Arc<dyn Fold>) -> StoreResult<UnitReport> {
        self.with(|state| state.runs += 1);
        self.until(|state| !state.held).await;
        self.with(|state| {
            let (mut ids, mut timers) = (Vec::new(), Vec::new());
            for input in &unit.inputs {
                match input {
                    Input::Event(event) => ids.push(event.event.id.as_str().to_owned()),
                    Input::Timer(timer) => timers.push(timer.clone()),
                    Input::Touch(_) => unreachable!("touches are the dispatcher's"),
                }
            }
            let at_fault = ids.iter().any(|id| state.poison.contains(id))
                || timers.iter().any(|timer| state.stuck.contains(timer));
            if state.failures.is_empty() && at_fault {
                return Err(StoreError::Rejected("it cannot be folded".to_owned()));
            }
            advance(state, &unit.advances)?;
            let fresh = unit.inputs.len();
            state.applied.extend(ids);
            state.letters.extend(unit.letters);
            Ok(UnitReport { fresh, ..UnitReport::default() })
        })
    }

    async fn due_timers(&self, limit: usize) -> StoreResult<Vec<TimerInput>> {
        Ok(self.with(|state| {
            state.looks += 1;
            let mut due = state.due.pop_front().unwrap_or_default();
            due.extend(state.stuck.iter().cloned());
            due.truncate(limit);
            due
        }))
    }

    async fn next_timer(&self, _: &[TimerKind]) -> StoreResult<Option<Timestamp>> {
        Ok(self.with(|state| {
            let due = state.stuck.first().or(state.due.front().and_then(|due| due.first()));
            due.map(|timer| timer.due_at)
        }))
    }

    async fn now(&self) -> StoreResult<Timestamp> {
        Ok(Timestamp::UNIX_EPOCH)
    }

    fn business(&self) -> BusinessClock {
        BusinessClock::REAL
    }
}

#[async_trait]
impl Offsets for World {
    async fn stored(&self, _: &str, _: Topic, partition: i32) -> StoreResult<Option<StoredOffset>> {
        Ok(self.with(|state| state.stored_of(partition).map(|next| StoredOffset { next, last_id: None })))
    }

    async fn all(&self) -> StoreResult<Vec<(String, Topic, i32, StoredOffset)>> {
        unreachable!("nobody lists here")
    }

    async fn set(&self, _: &str, _: Position) -> StoreResult<()> {
        unreachable!("an offset is set by a person only")
    }
}

#[async_trait]
impl Housekeeping for World {
    async fn expire(&self, _: usize) -> StoreResult<usize> {
        self.with(|state| {
            state.asked.push(Instant::now());
            state.expired.pop_front().unwrap_or(Ok(0))
        })
    }

    async fn check_keys(&self) -> StoreResult<()> {
        Ok(())
    }
}

#[async_trait]
impl Flags for World {
    async fn set_flag(&self, _: Flag, _: FlagState, _: &str) -> StoreResult<()> {
        unreachable!("nothing is restored here")
    }

    async fn stopped(&self) -> StoreResult<Vec<Flag>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Content for World {
    async fn epoch(&self) -> StoreResult<i64> {
        Ok(1)
    }

    async fn in_force(&self) -> StoreResult<(i64, Vec<Document>)> {
        Ok((1, Vec::new()))
    }

    async fn apply(&self, _: Vec<NewDocument>, _: Activation, _: &str) -> StoreResult<Vec<Applied>> {
        unreachable!("nothing is applied here")
    }

    async fn current(&self, _: &Workspace) -> StoreResult<Vec<Document>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Outbox for World {
    async fn lease(&self, owner: Uuid, want: usize, length: Duration) -> StoreResult<Vec<Shard>> {
        Ok(self.with(|state| {
            let now = Instant::now();
            let mut held = Vec::new();
            for shard in Shard::all() {
                let lease = state.leases.get(&shard.0);
                let free = lease.is_none_or(|(by, until)| *by == owner || *until <= now);
                if free && held.len() < want {
                    state.leases.insert(shard.0, (owner, now + length));
                    held.push(shard);
                }
            }
            held
        }))
    }

    async fn heads(&self, shards: &[Shard], limit: usize) -> StoreResult<Heads> {
        Ok(self.with(|state| {
            let mut heads = Heads::new();
            for (shard, rows) in state.outbox.iter().filter(|(_, rows)| !rows.is_empty()) {
                if !shards.contains(&Shard(*shard)) {
                    continue;
                }
                state.heads.push(*shard);
                let damaged = || StoreError::Damaged("its header cannot be read".to_owned());
                let rows = rows.iter().take(limit).cloned().collect();
                let head = if state.unreadable.contains(shard) { Err(damaged()) } else { Ok(rows) };
                heads.insert(Shard(*shard), head);
            }
            heads
        }))
    }

    async fn acknowledged(&self, ids: &[i64]) -> StoreResult<()> {
        self.with(|state| {
            for rows in state.outbox.values_mut() {
                rows.retain(|row| !ids.contains(&row.id));
            }
        });
        Ok(())
    }

    async fn append(&self, _: Vec<Message>) -> StoreResult<()> {
        unreachable!("letters go with their unit")
    }
}

#[async_trait]
impl Asides for World {
    async fn project(&self, rows: Vec<SetAside>, moved: Option<Advance>) -> StoreResult<()> {
        self.with(|state| {
            state.runs += 1;
            advance(state, moved.as_slice())?;
            state.projected.extend(rows);
            Ok(())
        })
    }

    async fn list(
        &self,
        _: AsideList,
        _: &Workspace,
        _: Option<i64>,
        _: usize,
    ) -> StoreResult<Vec<SetAside>> {
        unreachable!("nobody lists here")
    }

    async fn find(&self, _: AsideList, _: &Workspace, _: i64) -> StoreResult<Option<SetAside>> {
        unreachable!("nobody looks here")
    }

    async fn redriven(&self, _: AsideList, _: &[i64]) -> StoreResult<()> {
        unreachable!("nobody drives again here")
    }
}
