//! Due touches through the real dispatcher: picked, judged, marked, sent, settled, the next one scheduled; alone, and with
//! many more scheduled in the future.

mod remote;
mod take;

use std::sync::Arc;
use std::time::Duration;

use domain::id::ConnectorName;
use engine::Catalogs;
use jiff::{SignedDuration, Timestamp};
use ports::clock::Clock;
use ports::connector::Connector;
use ports::dispatch::WorkerId;
use runtime::lifecycle::Tasks;
use store::Store;
use tokio_util::sync::CancellationToken;

use super::Run;
use super::fill::{Due, Filler, Pattern, Rows};
use super::noop::{Counted, Noop, Seen};
use super::people::{CADENCES, DELAY, People};
use super::report::{seconds, tell};
use super::row::{Better, Row, thousands};
use super::sample::rate;
use super::servers;
use super::setup::{CONNECTOR, Deployment, Side, apply};
use crate::exit::{Failure, Outcome};
use crate::wiring;

/// Touches of a drain for each second of a measurement.
const A_SECOND: usize = 2000;
/// How long a drain may take, for each second of a measurement.
const PATIENCE: u32 = 12;
/// Before the first touch of a lateness run is due, once all are scheduled.
const LEAD: SignedDuration = SignedDuration::from_secs(2);
/// Touches in the future at which everything is measured again, up to the number that was asked for.
const STEPS: [usize; 2] = [100_000, 1_000_000];
/// Requests that are under way at most when touches go over HTTP: the default, and what a large CRM may allow.
const AT_A_TIME: [u32; 2] = [8, 64];
/// Tables whose updates are to be made in place.
const UPDATED: [&str; 2] = ["enrollments", "touches"];

/// Measures on a set's store.
pub(super) async fn measure(run: &mut Run, side: &Side) -> Outcome {
    let sink = servers::sink()?;
    let deployment = Deployment::make(side, "dispatch", Some(&sink.url())).await?;
    let (store, catalogs) = deployment.store().await?;
    apply(&store, CADENCES.map(str::to_owned).to_vec()).await?;
    let mut bench = Bench::new(run, (&store, &catalogs), &deployment).await?;

    let reference = run.r_pg(side).await;
    let mut alone = None;
    for future in steps(run.future) {
        let among = bench.until(side, future).await?;
        deployment.rest().await?;
        let measured = bench.step(side, reference, &among).await?;
        for mut row in measured {
            let same = |other: &&Row| row.what.strip_suffix(&among.0) == Some(other.what.as_str());
            let without = alone.iter().flatten().find(same).and_then(|other: &Row| other.per_second);
            row = row.against("with none ahead", without);
            run.report.add(row);
        }
        if alone.is_none() {
            let rows =
                run.report.rows.iter().filter(|row| row.part == "dispatch" && row.on == side.store_name());
            alone = Some(rows.cloned().collect::<Vec<Row>>());
            for at_a_time in AT_A_TIME {
                let rows = bench.over_http(side, &deployment, at_a_time).await?;
                rows.into_iter().for_each(|row| run.report.add(row));
            }
        }
    }
    store.close().await;
    if let Some(updates) = deployment.updates(&UPDATED).await? {
        for (table, updated, in_place) in updates.into_iter().filter(|(_, updated, _)| *updated > 0.0) {
            let row = Row::new("dispatch", side.store_name(), format!("updates of {table} in place (HOT)"))
                .amount(in_place / updated * 100.0, "%", Better::Higher)
                .note(format!("of {} over the whole part", thousands(updated)));
            run.report.add(row);
        }
    }
    sink.stop().await;
    deployment.remove().await
}

/// None, some, and as many as were asked for.
fn steps(most: usize) -> Vec<usize> {
    let mut steps = vec![0];
    steps.extend(STEPS.into_iter().filter(|step| *step < most));
    if most > 0 {
        steps.push(most);
    }
    steps
}

/// What is said of a measurement beside touches in the future: a suffix of its name, and a note.
struct Among(String, Option<String>);

struct Bench {
    store: Arc<Store>,
    catalogs: Arc<Catalogs>,
    clock: Arc<dyn Clock>,
    people: People,
    filler: Filler,
    soon: Pattern,
    later: Pattern,
    future: usize,
    connector: ConnectorName,
    time: Duration,
}

impl Bench {
    async fn new(
        run: &Run,
        (store, catalogs): (&Arc<Store>, &Arc<Catalogs>),
        deployment: &Deployment,
    ) -> Result<Self, Failure> {
        let mut people = People::new(store, catalogs, &deployment.clock)?;
        let now = deployment.clock.now();
        for cadence in ["soon", "later"] {
            people.enter(cadence, 1, |_| now).await?;
        }
        Ok(Self {
            store: Arc::clone(store),
            catalogs: Arc::clone(catalogs),
            clock: Arc::clone(&deployment.clock),
            people,
            filler: Filler::new(store, catalogs, &deployment.clock),
            soon: Pattern::of(store, "soon").await?,
            later: Pattern::of(store, "later").await?,
            future: 0,
            connector: ConnectorName::new(CONNECTOR).map_err(|error| Failure::Refused(error.to_string()))?,
            time: run.time(),
        })
    }

    /// Fills up to so many touches in the future.
    async fn until(&mut self, side: &Side, future: usize) -> Result<Among, Failure> {
        let missing = future.saturating_sub(self.future);
        if missing == 0 {
            return Ok(Among(String::new(), None));
        }
        let ahead = thousands_of(future);
        tell(&format!("dispatch on {}: {ahead} touches are scheduled in the future", side.store_name()));
        let due = Due::After(self.clock.now());
        let took = self.filler.add(&self.later, missing, (due, Rows::Both)).await?;
        self.future = future;
        let note = format!("{} of those ahead made in {}", thousands_of(missing), seconds(took));
        Ok(Among(format!(", {ahead} ahead"), Some(note)))
    }

    /// Everything that is measured beside so many in the future.
    async fn step(
        &mut self,
        side: &Side,
        reference: Option<f64>,
        Among(ahead, note): &Among,
    ) -> Result<Vec<Row>, Failure> {
        let count = A_SECOND * usize::try_from(self.time.as_secs()).unwrap_or(usize::MAX);
        let take = self.take(side, count).await?.against("R_pg", reference);
        let drained = self.drain(side, count).await?.against("R_pg", reference).note_if(note.clone());
        let half = drained.per_second.unwrap_or_default() / 2.0;
        let late = self.lateness(side, half).await?;
        let mut rows = vec![take, drained, late];
        for row in &mut rows {
            row.what.push_str(ahead);
        }
        Ok(rows)
    }

    /// All due at once before the dispatcher starts; until the last is settled.
    async fn drain(&mut self, side: &Side, count: usize) -> Result<Row, Failure> {
        tell(&format!("dispatch on {}: {count} touches come due", side.store_name()));
        let noop = Arc::new(Noop::new(self.connector.clone()));
        let (seen, done, took) = self.drained(noop, count).await?;
        Ok(row(side, "whole cycle", count)
            .rate(rate(done, took))
            .note_if(unfinished(count, done))
            .note_if(seen.other()))
    }

    async fn drained(
        &mut self,
        connector: Arc<dyn Connector>,
        count: usize,
    ) -> Result<(Arc<Seen>, usize, Duration), Failure> {
        let long_ago = self.clock.now().saturating_sub(DELAY * 2).unwrap_or(Timestamp::MIN);
        self.people.enter("soon", count, |_| long_ago).await?;
        self.dispatch(connector, count, (self.time * PATIENCE, Duration::ZERO)).await
    }

    /// Due one after another, evenly, at a rate that the dispatcher can keep up with.
    async fn lateness(&mut self, side: &Side, per_second: f64) -> Result<Row, Failure> {
        tell(&format!("lateness on {}: {per_second:.0} touches a second come due", side.store_name()));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of touches, from a rate that was measured"
        )]
        let count = ((per_second * self.time.as_secs_f64()) as usize).max(1);
        // They are entered within this time, or the first ones would be due before the dispatcher begins.
        let busy = self.people.partition.busy.as_secs_f64();
        let entering = busy / self.people.entered.max(1) as f64 * count as f64;
        let first = self.clock.now() + LEAD + SignedDuration::from_secs_f64(entering * 2.0);
        let step = self.time / u32::try_from(count).unwrap_or(u32::MAX);
        let due = |index: usize| first + step * u32::try_from(index).unwrap_or(u32::MAX);
        let entry = |index| due(index).saturating_sub(DELAY).unwrap_or(Timestamp::MIN);
        self.people.enter("soon", count, entry).await?;
        let ahead = Duration::try_from(first.duration_since(self.clock.now())).unwrap_or_default();
        let in_time = !ahead.is_zero();
        let noop = Arc::new(Noop::new(self.connector.clone()));
        let (seen, done, _) = self.dispatch(noop, count, (ahead + self.time * PATIENCE, ahead)).await?;
        Ok(Row::new("dispatch", side.store_name(), "due to its request, at half of that rate")
            .times(&seen.late())
            .note(format!("{} touches, {per_second:.0} a second", seen.late().len()))
            .note_if((!in_time).then_some("the first were due before the dispatcher began"))
            .note_if(unfinished(count, done))
            .note_if(seen.other()))
    }

    /// Runs a dispatcher until `count` touches are settled, at most `limit`. Gives what it did, how many it settled,
    /// and how long that took, without the first `ahead`.
    async fn dispatch(
        &self,
        connector: Arc<dyn Connector>,
        count: usize,
        (limit, ahead): (Duration, Duration),
    ) -> Result<(Arc<Seen>, usize, Duration), Failure> {
        let seen = Arc::new(Seen::default());
        let units = Arc::new(Counted::new(Arc::clone(&self.store)));
        let mut settled = units.settled();
        let observer: Arc<Seen> = Arc::clone(&seen);
        let deps = dispatcher::Deps {
            units,
            dispatch: Arc::<Store>::clone(&self.store),
            commands: Arc::<Store>::clone(&self.store),
            workers: Arc::<Store>::clone(&self.store),
            permits: Arc::<Store>::clone(&self.store),
            wakes: Arc::new(self.store.wakeups()),
            catalogs: Arc::clone(&self.catalogs),
            connectors: vec![connector],
            clock: Arc::clone(&self.clock),
            new_worker: Arc::new(|| WorkerId(wiring::fresh_id())),
            observer,
        };
        let stop = CancellationToken::new();
        tell(&format!("dispatch: the dispatcher begins on {}", touches(count)));
        let began = self.clock.monotonic();
        let running = Tasks::detached()
            .spawn("bench.dispatcher", dispatcher::run(dispatcher::Settings::default(), deps, stop.clone()));
        // Running out of time is an answer too: it is told.
        let _ = tokio::time::timeout(limit, settled.wait_for(|done| *done >= count)).await;
        let took = self.clock.monotonic().saturating_sub(began).saturating_sub(ahead);
        let done = *settled.borrow();
        stop.cancel();
        running.await.map_err(|error| Failure::Refused(error.to_string()))?;
        Ok((seen, done, took))
    }
}

fn touches(count: usize) -> String {
    format!("{} touches", thousands_of(count))
}

fn row(side: &Side, what: &str, count: usize) -> Row {
    Row::new("dispatch", side.store_name(), what).note(format!("{} due touches", thousands_of(count)))
}

fn unfinished(count: usize, done: usize) -> Option<String> {
    (done < count).then(|| format!("{} of {count} not settled in time", count - done))
}

fn thousands_of(count: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    thousands(count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_future_is_filled_in_steps_up_to_what_was_asked_for() {
        assert_eq!(steps(0), [0]);
        assert_eq!(steps(10_000), [0, 10_000]);
        assert_eq!(steps(100_000), [0, 100_000]);
        assert_eq!(steps(1_000_000), [0, 100_000, 1_000_000]);
        assert_eq!(steps(10_000_000), [0, 100_000, 1_000_000, 10_000_000]);
    }
}
