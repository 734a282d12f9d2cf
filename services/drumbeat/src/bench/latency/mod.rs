//! From a webhook's answer to what it causes, idle and at half load: the request at the CRM, and the stop.

mod capacity;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::id::{EnrollmentUid, Workspace};
use ports::queries::Queries as _;
use runtime::config::Role;
use runtime::lifecycle::Tasks;
use serde_json::json;
use store::Store;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Run;
use super::arrivals::{Pace, open_load};
use super::http::{Connection, WARM_UP as BEFORE_LOAD, signed};
use super::mix::CADENCES;
use super::report::tell;
use super::row::Row;
use super::sample::{Sample, rate};
use super::servers::{Arrival, Crm};
use super::setup::{Deployment, Side, apply};
use super::webhooks::{Webhooks, cadence_at_once};
use crate::exit::{Failure, Outcome};
use crate::wiring::Started;

/// Contacts, one after another.
const SAMPLES: usize = 200;
/// Before the first one counts: connections and plans are made by then.
const WARM_UP: usize = 20;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many that took longer say enough: the process does less than is asked of it, and times mean nothing.
const MOST_LOST: usize = 10;
/// How often the store is asked whether a stop has come.
const ASK: Duration = Duration::from_millis(1);
/// Between two contacts: idle means that nothing else is under way.
const PAUSE: Duration = Duration::from_millis(10);
/// Connections of the load.
const CONNECTIONS: usize = 64;
/// The longest that the load lasts: it is stopped after the last contact, whatever each of them waited for.
const LOAD: Duration = Duration::from_hours(1);

/// A touch at once, another days later.
pub(super) const CADENCE: &str = r#"apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: at-once }
spec:
  goal: meeting_booked
  connector: crm
  window: any
  entry: { triggers: [ { on: form_submitted, when: event.form == "at-once" } ] }
  steps:
    - { id: first, channel: email, completion: automatic, purpose: Say hello, cta: Answer in a line }
    - { id: second, channel: email, after: 3d, purpose: Ask again }
"#;

/// Measures on a set, all roles in this process.
pub(super) async fn measure(run: &mut Run, side: &Side) -> Outcome {
    let mut crm = Crm::start(Arc::clone(&run.clock))?;
    let deployment = Deployment::make(side, "latency", Some(&crm.url())).await?;
    deployment.topics().await?;
    let (store, _) = deployment.store().await?;
    let cadences = (0..CADENCES).map(cadence_at_once).chain([CADENCE.to_owned()]);
    apply(&store, cadences.collect()).await?;
    store.close().await;
    let started = deployment.start(&[Role::Ingest, Role::Enrollment, Role::Dispatcher]).await?;
    let (Some(ingest), Some(store)) = (started.ingest, started.store.clone()) else {
        return Err(Failure::Refused("the roles did not start".to_owned()));
    };
    let samples = if run.is_quick() { SAMPLES / 5 } else { SAMPLES };
    let mut probe = Probe {
        run,
        crm: &mut crm,
        store: &store,
        connection: Connection::open(ingest).await?,
        ingest,
        made: 0,
    };
    tell(&format!("latency on {}: {} contacts, one after another", side.name(), WARM_UP + samples));
    let mut rows = probe.many((WARM_UP, samples), side, "idle").await?;

    let webhooks = Webhooks::new(ingest)?;
    tell(&format!("latency on {}: a backlog of mixed webhooks", side.name()));
    let drained = probe.capacity(&started, &webhooks).await?;
    rows.push(
        Row::new("latency", side.name(), "a backlog of mixed webhooks to effects, all roles in one process")
            .rate(drained),
    );
    let full = probe.sustained((&started, side), &webhooks, drained).await?;
    rows.push(
        Row::new("latency", side.name(), "mixed webhooks by the clock, the most that it keeps up with")
            .rate(full),
    );
    tell(&format!("latency on {}: the same contacts at {:.0} webhooks a second", side.name(), full / 2.0));
    let pace = Pace { connections: CONNECTIONS, per_second: full / 2.0, time: LOAD };
    let (stop, clock) = (CancellationToken::new(), Arc::clone(&probe.run.clock));
    let (of, told) = ((ingest, webhooks.requests()), stop.clone());
    let load = Tasks::detached().spawn("bench.load", async move { open_load(&clock, of, pace, told).await });
    tokio::time::sleep(BEFORE_LOAD).await;
    let before = (processed(&started).await?, probe.run.clock.monotonic());
    let loaded = probe.many((0, samples), side, "at half load").await?;
    let after = (processed(&started).await?, probe.run.clock.monotonic());
    stop.cancel();
    let load = load.await.map_err(|error| Failure::Refused(error.to_string()))??;
    let kept = rate(after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    let note = format!("{:.0} webhooks a second beside it, {kept:.0} of them applied", full / 2.0);
    let failed = (load.failures > 0).then(|| format!("{} of those not answered 2xx", load.failures));
    rows.extend(loaded.into_iter().map(|row| row.note(note.clone()).note_if(failed.clone())));

    rows.into_iter().for_each(|row| run.report.add(row));
    started.lifecycle.shutdown().begin();
    started.until_ended().await?;
    crm.running.stop().await;
    deployment.remove().await
}

/// How many events enrollment has committed, as its metrics tell.
async fn processed(started: &Started) -> Result<usize, Failure> {
    let (_, text) = Connection::open(started.admin).await?.get("/metrics").await?;
    sum_of(&text, "drumbeat_unit_events_sum")
        .ok_or_else(|| Failure::Refused("the metrics tell no events".to_owned()))
}

/// A metric's value, over all of its labels; `None`: it is not there yet, or no number.
fn sum_of(text: &str, name: &str) -> Option<usize> {
    let mut sum = None;
    for line in
        text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
    {
        let value: f64 = line.rsplit(' ').next()?.parse().ok()?;
        *sum.get_or_insert(0.0) += value;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    sum.map(|sum: f64| sum as usize)
}

/// What became of a contact.
enum One {
    /// Its touch took too long.
    Unsent,
    /// Its touch arrived after so long; and so long after its reply it was left alone, unless that took too long.
    Sent { arrived: Duration, stopped: Option<Duration> },
}

struct Probe<'a> {
    run: &'a Run,
    crm: &'a mut Crm,
    store: &'a Store,
    connection: Connection,
    ingest: SocketAddr,
    made: usize,
}

impl Probe<'_> {
    /// So many contacts, the first ones not counted.
    async fn many(
        &mut self,
        (warm_up, samples): (usize, usize),
        side: &Side,
        how: &str,
    ) -> Result<Vec<Row>, Failure> {
        let (mut to_crm, mut to_stop) = (Sample::default(), Sample::default());
        let (mut unsent, mut unstopped) = (0, 0);
        for number in 0..warm_up + samples {
            self.made += 1;
            let one = self.one(self.made).await?;
            if number < warm_up {
                continue;
            }
            match one {
                One::Unsent => unsent += 1,
                One::Sent { arrived, stopped } => {
                    to_crm.push(arrived);
                    match stopped {
                        Some(stopped) => to_stop.push(stopped),
                        None => unstopped += 1,
                    }
                }
            }
            if unsent + unstopped >= MOST_LOST {
                break;
            }
        }
        let is_cut_short = unsent + unstopped >= MOST_LOST;
        let row = |what: &str, times: &Sample, lost: usize| {
            let lost = (lost > 0).then(|| format!("{lost} took longer than {} s", PATIENCE.as_secs()));
            let row = Row::new("latency", side.name(), format!("{what}, {how}"));
            let row = row.times(times).longest(times).note(format!("{} samples", times.len())).note_if(lost);
            row.note_if(is_cut_short.then(|| format!("given up after {MOST_LOST} of those")))
        };
        Ok(vec![
            row("webhook answered to request at the CRM", &to_crm, unsent),
            row("reply answered to stopped", &to_stop, unstopped),
        ])
    }

    /// One contact: fills the form, is written to, answers, is left alone.
    async fn one(&mut self, number: usize) -> Result<One, Failure> {
        tokio::time::sleep(PAUSE).await;
        let email = format!("probe-{number}@bench.example");
        let answered = self.post(&format!("probe-{number}"), "form_submitted", &email).await?;
        let Some(Arrival { at, enrollment }) = self.crm.arrival(&email, PATIENCE).await else {
            return Ok(One::Unsent);
        };
        let arrived = at.saturating_sub(answered);
        let uid = Uuid::try_parse(&enrollment)
            .map_err(|error| Failure::Refused(format!("an enrollment's id: {error}")))?;
        tokio::time::sleep(PAUSE).await;
        let answered = self.post(&format!("reply-{number}"), "replied", &email).await?;
        let stopped = self.stopped(EnrollmentUid(uid), answered + PATIENCE).await?;
        Ok(One::Sent { arrived, stopped: stopped.map(|at| at.saturating_sub(answered)) })
    }

    /// Posts an event, and gives the moment when its answer was there.
    async fn post(&mut self, id: &str, kind: &str, email: &str) -> Result<Duration, Failure> {
        let person = json!({ "email": email, "first_name": "Ada" });
        let mut body = json!({ "id": id, "type": kind, "person": person, "data": { "form": "at-once" } });
        if kind == "replied" {
            body["classification"] = json!("positive");
        }
        let request = signed(self.ingest, &body)?;
        let status = self.connection.post(&request).await?;
        let answered = self.run.clock.monotonic();
        if status == 202 {
            Ok(answered)
        } else {
            Err(Failure::Refused(format!("ingest answered {status} to {kind}")))
        }
    }

    /// When the enrollment was seen to have ended.
    async fn stopped(&self, uid: EnrollmentUid, until: Duration) -> Result<Option<Duration>, Failure> {
        loop {
            let found = self.store.enrollment(&Workspace::main(), uid).await?;
            let now = self.run.clock.monotonic();
            if found.is_some_and(|enrollment| !enrollment.state.is_live()) {
                return Ok(Some(now));
            }
            if now > until {
                return Ok(None);
            }
            tokio::time::sleep(ASK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_not_with_others() {
        let text = "# TYPE a_sum x\na_sum{r=\"1\"} 3\na_sum{r=\"2\"} 4\na_summary 9\n";

        assert_eq!(sum_of(text, "a_sum"), Some(7));
        assert_eq!(sum_of(text, "b_sum"), None);
    }
}
