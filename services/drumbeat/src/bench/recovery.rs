//! A worker killed with requests in flight, to its touches sent again: by the other one, or by its successor.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::Run;
use super::desk::{Answer, Desk};
use super::http::{Connection, signed};
use super::latency::CADENCE;
use super::people::{CADENCES, DELAY, People};
use super::processes::{Process, Program, free};
use super::report::tell;
use super::row::Row;
use super::sample::Sample;
use super::setup::{Deployment, Side, apply};
use crate::exit::{Failure, Outcome};

/// Requests that one worker has under way at most.
const CONCURRENCY: usize = 250;
/// Touches that come due, for both.
const TOUCHES: usize = 600;
/// What the connector of the workers needs: to wait long enough, and to be allowed to repeat.
const CONNECTOR: &str = "timeout = \"30s\"\nidempotency = \"key\"\n";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(2);
/// As long without a new request, and all that will come are there.
const QUIET: Duration = Duration::from_millis(700);
/// After a start, until the shards are shared out.
const SHARED: Duration = Duration::from_secs(3);

/// Kills one of two dispatchers on servers; `up` on the embedded adapters, which is started again at once.
pub(super) async fn measure(run: &mut Run, side: &Side) -> Outcome {
    let times = if run.is_quick() { 1 } else { 3 };
    let deployment = Deployment::make(side, "recovery", None).await?;
    deployment.topics().await?;
    let desks = [Desk::start(&run.clock)?, Desk::start(&run.clock)?];
    let mut sample = Sample::default();
    let mut lost = 0;
    let what = match side {
        Side::Servers { .. } => {
            let mut pair = Pair::start(run, &deployment, desks).await?;
            for turn in 0..times {
                tell(&format!(
                    "recovery on {}: one of two dispatchers is killed ({} of {times})",
                    side.name(),
                    turn + 1
                ));
                lost += pair.turn(run, &mut sample).await?;
            }
            pair.end().await?;
            "one of two dispatchers killed, to its touches sent again"
        }
        Side::Embedded => {
            let [desk, _] = desks;
            let mut lone = Lone::start(run, &deployment, desk).await?;
            for turn in 0..times {
                tell(&format!(
                    "recovery on {}: `up` is killed and started again ({} of {times})",
                    side.name(),
                    turn + 1
                ));
                lost += lone.turn(run, &mut sample).await?;
            }
            lone.end().await?;
            "`up` killed and started again at once, to its touches sent again"
        }
    };
    let row = Row::new("recovery", side.name(), what)
        .times(&sample)
        .longest(&sample)
        .note(format!("{} touches in flight over {times} kills", sample.len() + lost))
        .note_if((lost > 0).then(|| format!("{lost} not sent again within {} s", PATIENCE.as_secs())));
    run.report.add(row);
    deployment.remove().await
}

/// Two dispatchers, each with a CRM of its own, so that it is known whose request it is.
struct Pair {
    desks: [Desk; 2],
    programs: [Program; 2],
    running: [Process; 2],
    people: People,
    store: Arc<store::Store>,
}

impl Pair {
    async fn start(run: &Run, deployment: &Deployment, desks: [Desk; 2]) -> Result<Self, Failure> {
        let (store, catalogs) = deployment.store().await?;
        apply(&store, CADENCES.map(str::to_owned).to_vec()).await?;
        let people = People::new(&store, &catalogs, &run.clock)?;
        let program = |name: &str, desk: &Desk| -> Result<Program, Failure> {
            let config = deployment.variant(name, (&desk.running.url(), CONNECTOR))?;
            Ok(Program::new("dispatcher", &config).set(format!("dispatch.concurrency={CONCURRENCY}")))
        };
        let programs = [program("one.toml", &desks[0])?, program("two.toml", &desks[1])?];
        let mut running = [programs[0].start(run.clock.as_ref())?, programs[1].start(run.clock.as_ref())?];
        for process in &mut running {
            process.ready(run.clock.as_ref()).await?;
        }
        Ok(Self { desks, programs, running, people, store })
    }

    /// Kills the first, and starts it again once the second has sent all. Gives how many touches were not sent again.
    async fn turn(&mut self, run: &Run, sample: &mut Sample) -> Result<usize, Failure> {
        tokio::time::sleep(SHARED).await;
        for desk in &self.desks {
            desk.clear();
            desk.answer(Answer::Later);
        }
        let long_ago = run.clock.now().saturating_sub(DELAY * 2).unwrap_or(Timestamp::MIN);
        self.people.enter("soon", TOUCHES, |_| long_ago).await?;
        let [one, two] = &self.desks;
        in_flight(run, &[one, two]).await?;
        let held = one.waiting();
        let at = run.clock.monotonic();
        self.running[0].kill().await?;
        two.answer(Answer::Now);
        let lost = again(run, (&held, at), &[two], sample).await?;
        self.running[0] = self.programs[0].start(run.clock.as_ref())?;
        self.running[0].ready(run.clock.as_ref()).await?;
        Ok(lost)
    }

    async fn end(self) -> Outcome {
        for process in self.running {
            process.stop().await?;
        }
        self.store.close().await;
        for desk in self.desks {
            desk.running.stop().await;
        }
        Ok(())
    }
}

/// `up`, alone in its folder.
struct Lone {
    desk: Desk,
    program: Program,
    running: Process,
    ingest: SocketAddr,
    posted: usize,
}

impl Lone {
    async fn start(run: &Run, deployment: &Deployment, desk: Desk) -> Result<Self, Failure> {
        let (store, _) = deployment.store().await?;
        apply(&store, vec![CADENCE.to_owned()]).await?;
        store.close().await;
        let config: PathBuf = deployment.variant("one.toml", (&desk.running.url(), CONNECTOR))?;
        let ingest = free()?;
        let program = Program::new("up", &config)
            .set(format!("dispatch.concurrency={CONCURRENCY}"))
            .set(format!("ingest.listen={ingest}"));
        let mut running = program.start(run.clock.as_ref())?;
        running.ready(run.clock.as_ref()).await?;
        Ok(Self { desk, program, running, ingest, posted: 0 })
    }

    async fn turn(&mut self, run: &Run, sample: &mut Sample) -> Result<usize, Failure> {
        self.desk.clear();
        self.desk.answer(Answer::Later);
        let mut connection = Connection::open(self.ingest).await?;
        for _ in 0..CONCURRENCY {
            self.posted += 1;
            let person = json!({ "email": format!("person-{}@bench.example", self.posted) });
            let id = format!("form-{}", self.posted);
            let body = json!({ "id": id, "type": "form_submitted", "person": person, "data": { "form": "at-once" } });
            connection.post(&signed(self.ingest, &body)?).await?;
        }
        in_flight(run, &[&self.desk]).await?;
        let held = self.desk.waiting();
        let at = run.clock.monotonic();
        // One after the other: the folder is claimed by one process at a time.
        self.running.kill().await?;
        self.desk.clear();
        self.desk.answer(Answer::Now);
        self.running = self.program.start(run.clock.as_ref())?;
        self.running.ready(run.clock.as_ref()).await?;
        again(run, (&held, at), &[&self.desk], sample).await
    }

    async fn end(self) -> Outcome {
        self.running.stop().await?;
        self.desk.running.stop().await;
        Ok(())
    }
}

/// Waits until requests are under way, and no more come.
async fn in_flight(run: &Run, desks: &[&Desk]) -> Outcome {
    let began = run.clock.monotonic();
    let count = || desks.iter().map(|desk| desk.waiting().len()).collect::<Vec<usize>>();
    let (mut seen, mut since) = (count(), began);
    loop {
        let (counts, now) = (count(), run.clock.monotonic());
        if counts != seen {
            (seen, since) = (counts, now);
        } else if seen.iter().all(|count| *count > 0) && now.saturating_sub(since) > QUIET {
            return Ok(());
        } else if now.saturating_sub(began) > PATIENCE {
            return Err(Failure::Refused(format!("no requests came to be under way: {seen:?}")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until each of those that were held was asked for again, and takes down how long that took since `at`. Gives how
/// many never were.
async fn again(
    run: &Run,
    (held, at): (&BTreeSet<String>, Duration),
    desks: &[&Desk],
    sample: &mut Sample,
) -> Result<usize, Failure> {
    let after = |key: &str| desks.iter().filter_map(|desk| desk.asked(key)).filter(|asked| *asked > at).min();
    while run.clock.monotonic().saturating_sub(at) < PATIENCE {
        if held.iter().all(|key| after(key).is_some()) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let times: Vec<Duration> =
        held.iter().filter_map(|key| after(key)).map(|asked| asked.saturating_sub(at)).collect();
    times.iter().for_each(|time| sample.push(*time));
    Ok(held.len() - times.len())
}
