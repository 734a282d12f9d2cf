//! Due touches through the real dispatcher: picked, judged, marked, sent, settled, the next one scheduled.

use std::sync::Arc;
use std::time::Duration;

use domain::event::{Detail, Event, EventKind};
use domain::id::{ConnectorName, SourceName};
use engine::Catalogs;
use jiff::{SignedDuration, Timestamp};
use ports::dispatch::WorkerId;
use runtime::lifecycle::Tasks;
use store::Store;
use tokio_util::sync::CancellationToken;

use super::Run;
use super::mix::person_event;
use super::noop::{Counted, Noop, Seen};
use super::partition::{BATCH, Partition};
use super::report::{Row, seconds, tell};
use super::sample::rate;
use super::setup::{CONNECTOR, Deployment, Side, apply};
use crate::exit::{Failure, Outcome};
use crate::wiring;

/// Touches of a drain for each second of a measurement.
const A_SECOND: usize = 2000;
/// How long a drain may take, for each second of a measurement.
const PATIENCE: u32 = 12;
/// When the first step of the cadence is due after entry. Entries are dated back or on, so that touches come due when
/// the bench wants them to.
const DELAY: SignedDuration = SignedDuration::from_hours(1);
/// Before the first touch of a lateness run is due, once all are scheduled.
const LEAD: SignedDuration = SignedDuration::from_secs(2);

const CADENCES: [&str; 2] = [
    r#"apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: soon }
spec:
  goal: meeting_booked
  connector: crm
  window: any
  entry: { triggers: [ { on: form_submitted, when: event.form == "soon" } ] }
  steps:
    - { id: first, channel: email, after: 1h, completion: automatic, purpose: Say hello, cta: Answer in a line }
    - { id: second, channel: email, after: 30d, completion: automatic, purpose: Ask again }
"#,
    r#"apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: later }
spec:
  goal: meeting_booked
  connector: crm
  window: any
  entry: { triggers: [ { on: form_submitted, when: event.form == "later" } ] }
  steps:
    - { id: first, channel: email, after: 60d, completion: automatic, purpose: Say hello, cta: Answer in a line }
"#,
];

/// Measures on a set's store: with nothing else scheduled, and with many touches in the future.
pub(super) async fn measure(run: &mut Run, side: &Side) -> Outcome {
    let reference = run.r_pg(side).await;
    let deployment = Deployment::make(side, "dispatch", None).await?;
    let (store, catalogs) = deployment.store().await?;
    apply(&store, CADENCES.map(str::to_owned).to_vec()).await?;
    let mut bench = Bench::new(run, (&store, &catalogs), &deployment)?;

    let count = A_SECOND * usize::try_from(run.seconds).unwrap_or(usize::MAX);
    let drained = bench.drain(side, count).await?.against("R_pg", reference);
    let rate = drained.per_second.unwrap_or_default();
    run.report.add(drained);
    run.report.add(bench.lateness(side, rate / 2.0).await?);
    if run.future > 0 {
        let began = deployment.clock.monotonic();
        bench.future(side, run.future).await?;
        let took = deployment.clock.monotonic().saturating_sub(began);
        let among = format!(", {} more in the future", run.future);
        let mut drained = bench.drain(side, count).await?.against("R_pg", reference);
        drained.what.push_str(&among);
        run.report.add(drained.note(format!("the future ones entered in {}", seconds(took))));
        let mut late = bench.lateness(side, rate / 2.0).await?;
        late.what.push_str(&among);
        run.report.add(late);
    }
    store.close().await;
    deployment.remove().await
}

struct Bench {
    store: Arc<Store>,
    catalogs: Arc<Catalogs>,
    clock: Arc<dyn ports::clock::Clock>,
    partition: Partition,
    source: SourceName,
    connector: ConnectorName,
    time: Duration,
    entered: usize,
}

impl Bench {
    fn new(
        run: &Run,
        (store, catalogs): (&Arc<Store>, &Arc<Catalogs>),
        deployment: &Deployment,
    ) -> Result<Self, Failure> {
        let wrong = |error: domain::id::NameError| Failure::Refused(error.to_string());
        Ok(Self {
            store: Arc::clone(store),
            catalogs: Arc::clone(catalogs),
            clock: Arc::clone(&deployment.clock),
            partition: Partition::new(store, catalogs, &deployment.clock, 0),
            source: SourceName::new("bench").map_err(wrong)?,
            connector: ConnectorName::new(CONNECTOR).map_err(wrong)?,
            time: run.time(),
            entered: 0,
        })
    }

    /// All due at once before the dispatcher starts; until the last is settled.
    async fn drain(&mut self, side: &Side, count: usize) -> Result<Row, Failure> {
        tell(&format!("dispatch on {}: {count} touches come due", side.store_name()));
        let long_ago = self.clock.now().saturating_sub(DELAY * 2).unwrap_or(Timestamp::MIN);
        self.enter("soon", count, |_| long_ago).await?;
        let (seen, done, took) = self.dispatch(count, self.time * PATIENCE, Duration::ZERO).await?;
        let unfinished = (done < count).then(|| format!("{} of {count} not settled in time", count - done));
        Ok(Row::new("dispatch", side.store_name(), format!("{count} due touches, whole cycle"))
            .rate(rate(done, took))
            .note_if(unfinished)
            .note_if(seen.other()))
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
        let entering = self.partition.busy.as_secs_f64() / self.entered.max(1) as f64 * count as f64;
        let first = self.clock.now() + LEAD + SignedDuration::from_secs_f64(entering * 2.0);
        let step = self.time / u32::try_from(count).unwrap_or(u32::MAX);
        let due = |index: usize| first + step * u32::try_from(index).unwrap_or(u32::MAX);
        self.enter("soon", count, |index| due(index).saturating_sub(DELAY).unwrap_or(Timestamp::MIN)).await?;
        let ahead = Duration::try_from(first.duration_since(self.clock.now())).unwrap_or_default();
        let in_time = !ahead.is_zero();
        let (seen, done, _) = self.dispatch(count, ahead + self.time * PATIENCE, ahead).await?;
        let unfinished = (done < count).then(|| format!("{} of {count} not settled in time", count - done));
        Ok(Row::new("dispatch", side.store_name(), format!("due to marked, {per_second:.0} a second"))
            .times(&seen.late())
            .note(format!("{} touches", seen.late().len()))
            .note_if((!in_time).then_some("the first were due before the dispatcher began"))
            .note_if(unfinished)
            .note_if(seen.other()))
    }

    /// Scheduled far off, by entries in bulk.
    async fn future(&mut self, side: &Side, count: usize) -> Outcome {
        tell(&format!("dispatch on {}: {count} touches are scheduled in the future", side.store_name()));
        let now = self.clock.now();
        self.enter("later", count, |_| now).await
    }

    /// Enters people through the unit, each at the time given.
    async fn enter(&mut self, form: &str, count: usize, at: impl Fn(usize) -> Timestamp) -> Outcome {
        let mut index = 0;
        while index < count {
            let slice = BATCH.min(count - index);
            let events: Result<Vec<Arc<Event>>, Failure> =
                (index..index + slice).map(|index| self.entry(form, at(index)).map(Arc::new)).collect();
            self.partition.process(events?).await?;
            index += slice;
        }
        Ok(())
    }

    fn entry(&mut self, form: &str, at: Timestamp) -> Result<Event, Failure> {
        let who = self.entered.to_string();
        self.entered += 1;
        let mut detail = Detail::default();
        detail.data.set("form", form);
        detail.contact.set("first_name", "Ada");
        person_event(&self.source, (EventKind::FormSubmitted, detail), (&who, &who), at)
    }

    /// Runs a dispatcher until `count` touches are settled, at most `limit`. Gives what it did, how many it settled,
    /// and how long that took, without the first `ahead`.
    async fn dispatch(
        &self,
        count: usize,
        limit: Duration,
        ahead: Duration,
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
            wakes: Arc::new(self.store.wakeups()),
            catalogs: Arc::clone(&self.catalogs),
            connectors: vec![Arc::new(Noop::new(self.connector.clone()))],
            clock: Arc::clone(&self.clock),
            new_worker: Arc::new(|| WorkerId(wiring::fresh_id())),
            observer,
        };
        let stop = CancellationToken::new();
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
