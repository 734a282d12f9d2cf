//! From a webhook's answer to what it causes, on an idle deployment: the request at the CRM, and the stop.

use std::net::SocketAddr;
use std::time::Duration;

use domain::id::{EnrollmentUid, Workspace};
use ports::queries::Queries as _;
use runtime::config::Role;
use serde_json::json;
use store::Store;
use uuid::Uuid;

use super::Run;
use super::http::{Connection, signed};
use super::report::{Row, tell};
use super::sample::Sample;
use super::servers::{Arrival, Crm};
use super::setup::{Deployment, Side, apply};
use crate::exit::{Failure, Outcome};

/// Contacts, one after another.
const SAMPLES: usize = 200;
/// Before the first one counts: connections and plans are made by then.
const WARM_UP: usize = 20;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the store is asked whether a stop has come.
const ASK: Duration = Duration::from_millis(1);
/// Between two contacts: idle means that nothing else is under way.
const PAUSE: Duration = Duration::from_millis(10);

const CADENCE: &str = r#"apiVersion: drumbeat/v1
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
    let mut crm = Crm::start(std::sync::Arc::clone(&run.clock))?;
    let deployment = Deployment::make(side, "latency", Some(&crm.url())).await?;
    deployment.topics().await?;
    let (store, _) = deployment.store().await?;
    apply(&store, vec![CADENCE.to_owned()]).await?;
    store.close().await;
    let started = deployment.start(&[Role::Ingest, Role::Enrollment, Role::Dispatcher]).await?;
    let (Some(ingest), Some(store)) = (started.ingest, started.store.clone()) else {
        return Err(Failure::Refused("the roles did not start".to_owned()));
    };
    tell(&format!("latency on {}: {} contacts, one after another", side.name(), WARM_UP + SAMPLES));
    let mut probe =
        Probe { run, crm: &mut crm, store: &store, connection: Connection::open(ingest).await?, ingest };
    let (mut to_crm, mut to_stop) = (Sample::default(), Sample::default());
    let mut lost = 0;
    for number in 0..WARM_UP + SAMPLES {
        let one = probe.one(number).await?;
        if number < WARM_UP {
            continue;
        }
        match one {
            Some((arrived, stopped)) => {
                to_crm.push(arrived);
                to_stop.push(stopped);
            }
            None => lost += 1,
        }
    }
    let lost = (lost > 0).then(|| format!("{lost} took longer than {} s", PATIENCE.as_secs()));
    let count = format!("{} samples, idle", to_crm.len());
    let row = |what: &str, times: &Sample| {
        Row::new("latency", side.name(), what).times(times).note(count.clone()).note_if(lost.clone())
    };
    let rows =
        [row("webhook answered to request at the CRM", &to_crm), row("reply answered to stopped", &to_stop)];
    rows.into_iter().for_each(|row| run.report.add(row));
    started.lifecycle.shutdown().begin();
    started.until_ended().await?;
    crm.running.stop().await;
    deployment.remove().await
}

struct Probe<'a> {
    run: &'a Run,
    crm: &'a mut Crm,
    store: &'a Store,
    connection: Connection,
    ingest: SocketAddr,
}

impl Probe<'_> {
    /// One contact: fills the form, is written to, answers, is left alone. `None`: something took too long.
    async fn one(&mut self, number: usize) -> Result<Option<(Duration, Duration)>, Failure> {
        tokio::time::sleep(PAUSE).await;
        let email = format!("person-{number}@bench.example");
        let answered = self.post(&format!("form-{number}"), "form_submitted", &email).await?;
        let Some(Arrival { at, enrollment }) = self.crm.arrival(&email, PATIENCE).await else {
            return Ok(None);
        };
        let to_crm = at.saturating_sub(answered);
        let uid = Uuid::try_parse(&enrollment)
            .map_err(|error| Failure::Refused(format!("an enrollment's id: {error}")))?;
        tokio::time::sleep(PAUSE).await;
        let answered = self.post(&format!("reply-{number}"), "replied", &email).await?;
        let stopped = self.stopped(EnrollmentUid(uid), answered + PATIENCE).await?;
        Ok(stopped.map(|at| (to_crm, at.saturating_sub(answered))))
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
