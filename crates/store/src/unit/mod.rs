//! The unit: load, decide, commit, in one transaction with a number of statements that does not grow with the batch.

mod closure;
mod dedupe;
mod erasing;
mod load;
mod offset;
mod write;

pub(crate) use dedupe::key;
pub(crate) use erasing::nameless;
pub(crate) use load::{Hold, Loader};
pub(crate) use offset::advance;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::decision::{Cause, Decision};
use domain::enrollment::EnrollmentState;
use domain::id::{ConnectorName, Digest, EnrollmentId};
use domain::identity::HashKeys;
use domain::input::Input;
use domain::touch::TimerKind;
use domain::world::{Ids, World};
use ports::StoreError;
use ports::unit::{Admitted, Fold, FoldError, Standing, Unit, UnitReport};
use uuid::Uuid;

use self::closure::Closure;
use crate::error::Fail;
use crate::session::{Tx, Work};
use crate::sql::micros;
use crate::unit::write::Writing;

/// How often the closure is found again before the caller is told.
pub(crate) const FINDS: u32 = 3;

/// A run of a unit.
pub(crate) struct UnitWork {
    pub(crate) unit: Arc<Unit>,
    pub(crate) fold: Arc<dyn Fold>,
    pub(crate) keys: Arc<HashKeys>,
    pub(crate) dedupe_for: std::time::Duration,
    pub(crate) ids: Ids,
    /// What an earlier run found, so that each finds at least that.
    pub(crate) hint: Arc<Mutex<Closure>>,
}

#[async_trait]
impl Work for UnitWork {
    type Out = UnitReport;

    async fn run(&self, tx: &mut Tx) -> Result<UnitReport, Fail> {
        let now = tx.now().await?;
        // A zombie fails here, before any work; the compare-and-set at the end decides.
        offset::check(&mut tx.conn, &self.unit.advances).await?;
        let events = dedupe::keys(&self.unit.inputs);
        let mut admitted = self.admit(tx, &events).await?;
        let mut world = World::new(now, self.fold.catalog(), Arc::clone(&self.keys), self.ids);
        world.clock = tx.business();
        if admitted.iter().any(|one| one.standing != Standing::Duplicate) {
            self.load(tx, &mut world, &mut admitted).await?;
        }
        let held = world.touches.iter().filter(|(_, touch)| !touch.reserved.is_empty());
        let reserved = held.map(|(id, touch)| (*id, touch.reserved.clone())).collect();
        let before = erasing::Before::look(&world, &admitted);
        let report = self.decide(&mut world, &admitted)?;
        let erased = before.map(|before| before.erased(&world)).unwrap_or_default();
        let writing = Writing {
            world: &world,
            admitted: &admitted,
            letters: &self.unit.letters,
            reserved: &reserved,
            keys: &self.keys,
            events: &events,
            erased: &erased,
        };
        writing.write(tx).await?;
        advance(&mut tx.conn, &self.unit.advances).await?;
        fail::fail_point!("store.unit.uncommitted");
        Ok(report)
    }
}

impl UnitWork {
    /// Tells new events, whose keys are given, from known ones.
    async fn admit(&self, tx: &mut Tx, events: &[Uuid]) -> Result<Vec<Admitted>, Fail> {
        let wall = tx.wall().await?;
        let horizon = wall.saturating_sub(self.dedupe_for).unwrap_or(jiff::Timestamp::MIN);
        let standings = dedupe::standings(&mut tx.conn, (&self.unit.inputs, events), (wall, horizon)).await?;
        let now = tx.now().await?;
        let inputs = self.unit.inputs.iter().cloned().map(|input| match input {
            Input::Event(event) => Input::Event(event.capped(now, wall)),
            other => other,
        });
        Ok(inputs.zip(standings).map(|(input, standing)| Admitted { input, standing }).collect())
    }

    /// Finds, locks, checks and reads what the inputs touch, and drops timers that were overtaken.
    async fn load(&self, tx: &mut Tx, world: &mut World, admitted: &mut Vec<Admitted>) -> Result<(), Fail> {
        let mut closure = self.hint.lock().unwrap_or_else(PoisonError::into_inner).clone();
        closure.find(&mut tx.conn, admitted, &*self.fold, &self.keys).await?;
        let mut loader = Loader { conn: &mut tx.conn, world };
        let grown = loader.lock_people(&closure).await?;
        if let Some(grown) = closure.growth(&grown, loader.world, &self.keys) {
            *self.hint.lock().unwrap_or_else(PoisonError::into_inner) = grown;
            return Err(Fail::Grew);
        }
        loader.lock_cadences(&closure).await?;
        admitted.retain(|one| match &one.input {
            Input::Timer(seen) => world.timers.get(&seen.enrollment).is_some_and(|timer| {
                timer.kind == seen.kind && micros(timer.due_at) == micros(seen.due_at) && timer.held.is_none()
            }),
            Input::Event(_) | Input::Touch(_) => true,
        });
        Ok(())
    }

    fn decide(&self, world: &mut World, admitted: &[Admitted]) -> Result<UnitReport, Fail> {
        let live =
            world.enrollments.iter().filter(|(_, one)| one.state.is_live()).map(|(id, _)| *id).collect();
        let folded = catch_unwind(AssertUnwindSafe(|| self.fold.fold(world, admitted)));
        match folded {
            Ok(Ok(())) if world.out_of_ids => Err(Fail::OutOfIds),
            Ok(Ok(())) => Ok(report(world, admitted, &live)),
            Ok(Err(FoldError::OutOfIds)) => Err(Fail::OutOfIds),
            Ok(Err(FoldError::Input(text))) => Err(StoreError::Rejected(text).into()),
            Err(_) => Err(StoreError::Rejected("the decision panicked".to_owned()).into()),
        }
    }
}

/// What a fold did to a world whose enrollments in `live` were live.
fn report(world: &World, admitted: &[Admitted], live: &BTreeSet<EnrollmentId>) -> UnitReport {
    use domain::world::Mark;
    let duplicates = admitted.iter().filter(|one| one.standing == Standing::Duplicate).count();
    // What comes due within a second of the wall counts as soon; for the rest the dispatcher looks itself.
    let ahead = world.clock.wall(world.now).saturating_add(std::time::Duration::from_secs(1));
    let soon = ahead.map_or(world.now, |wall| world.clock.business(wall));
    let timers = world.timers.changes().filter(|(_, mark, _)| *mark != Mark::Deleted);
    let touches = timers.filter(|(_, _, timer)| {
        timer.kind == TimerKind::Touch && timer.held.is_none() && timer.due_at <= soon
    });
    let (mut enrolled, mut ended) = (0, 0);
    for (id, mark, enrollment) in world.enrollments.changes() {
        let new = mark == Mark::Inserted;
        enrolled += usize::from(new);
        ended += usize::from(!enrollment.state.is_live() && (new || live.contains(id)));
    }
    UnitReport {
        fresh: admitted.len() - duplicates,
        duplicates,
        touches_scheduled: touches.count(),
        enrolled,
        ended,
        commands_queued: world.commands.len(),
        stopped_by: stopped_by(world, admitted),
        crossed: crossed(world),
    }
}

/// When the events were received that made contacts leave, by a rule or by hand.
fn stopped_by(world: &World, admitted: &[Admitted]) -> Vec<jiff::Timestamp> {
    let left = |item: &Decision| {
        matches!(item, Decision::Ended { state: EnrollmentState::Exited | EnrollmentState::Removed, .. })
    };
    let mut causes: BTreeSet<Digest> = BTreeSet::new();
    for record in world.decisions.iter().filter(|record| record.items.iter().any(left)) {
        if let Cause::Event { digest, .. } = &record.cause {
            causes.insert(*digest);
        }
    }
    if causes.is_empty() {
        return Vec::new();
    }
    let events = admitted.iter().filter_map(|one| match &one.input {
        Input::Event(event) if one.standing != Standing::Duplicate => Some(&event.event),
        _ => None,
    });
    events.filter(|event| causes.contains(&event.digest)).map(|event| event.received_at).collect()
}

/// Where touches went whose stop came just after their mark.
fn crossed(world: &World) -> Vec<ConnectorName> {
    let items = world.decisions.iter().flat_map(|record| &record.items);
    let keys = items.filter_map(|item| match item {
        Decision::Touched { key, what, .. } if what.code == "crossed" => Some(*key),
        _ => None,
    });
    let lane = |key| world.touches.iter().find(|(_, touch)| touch.key == key).map(|(_, touch)| touch);
    keys.filter_map(lane).map(|touch| touch.lane.connector.clone()).collect()
}

/// How many row ids a unit is given at first.
pub(crate) fn ids_for(unit: &Unit) -> i64 {
    i64::try_from(unit.inputs.len()).unwrap_or(i64::MAX / 16).saturating_mul(6) + 32
}
