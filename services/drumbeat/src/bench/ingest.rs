//! Signed webhooks to their durable acknowledgement, over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use runtime::config::Role;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Run;
use super::arrivals::{Pace, open_load};
use super::http::{Load, load, signed};
use super::report::tell;
use super::row::Row;
use super::sample::{millis, rate};
use super::servers;
use super::setup::{Deployment, Side};
use crate::exit::{Failure, Outcome};

/// Connections, each with one request under way.
const CONNECTIONS: [usize; 3] = [1, 64, 256];
/// Different signed requests; they are made before the clock runs, and come again.
const REQUESTS: usize = 10_000;

/// Measures the ingest service on a set's bus, and beside it the same endpoint doing nothing, in turns.
pub(super) async fn measure(run: &mut Run, side: &Side) -> Outcome {
    let bare = servers::bare()?;
    let deployment = Deployment::make(side, "ingest", None).await?;
    deployment.topics().await?;
    let started = deployment.start(&[Role::Ingest]).await?;
    let Some(address) = started.ingest else {
        return Err(Failure::Refused("ingest did not start".to_owned()));
    };
    let mut turns = Turns {
        run,
        side,
        bare: (bare.address, requests(bare.address)?),
        mine: (address, requests(address)?),
    };
    for connections in CONNECTIONS {
        let full = turns.full(connections).await?;
        turns.half(connections, full / 2.0).await?;
    }
    started.lifecycle.shutdown().begin();
    started.until_ended().await?;
    bare.stop().await;
    deployment.remove().await
}

/// An endpoint, and the requests that were signed for it.
type Endpoint = (SocketAddr, Arc<Vec<Bytes>>);

struct Turns<'a> {
    run: &'a mut Run,
    side: &'a Side,
    bare: Endpoint,
    mine: Endpoint,
}

impl Turns<'_> {
    /// As fast as the connections allow; gives the rate.
    async fn full(&mut self, connections: usize) -> Result<f64, Failure> {
        let what = connected(connections);
        let mut loads = Vec::new();
        for (who, (to, requests)) in [("R_http", &self.bare), (self.side.bus_name(), &self.mine)] {
            tell(&format!("ingest: {who}, {what}"));
            loads.push(load(&self.run.clock, *to, requests, (connections, self.run.time())).await?);
        }
        let [bare, mine] = &loads[..] else { return Ok(0.0) };
        let reference = rate(bare.times.len(), bare.took);
        let measured = rate(mine.times.len(), mine.took);
        let row = |part, on, load: &Load, rate: f64| {
            Row::new(part, on, what.clone())
                .rate(rate)
                .times(&load.times)
                .parts(&load.rates())
                .note_if(failures(load))
        };
        self.run.report.add(row("reference", "-", bare, reference).note("R_http: HMAC and JSON, no bus"));
        let mine = row("ingest", self.side.bus_name(), mine, measured);
        self.run.report.add(mine.against("R_http", Some(reference)).note(beside(bare)));
        Ok(measured)
    }

    /// Arrivals by the clock, at a rate that the service keeps up with.
    async fn half(&mut self, connections: usize, per_second: f64) -> Outcome {
        if per_second < 1.0 {
            self.run.report.lacks(format!("ingest at half of the rate over {}", connected(connections)));
            return Ok(());
        }
        let pace = Pace { connections, per_second, time: self.run.time() };
        let mut loads = Vec::new();
        for (who, endpoint) in [("R_http", &self.bare), (self.side.bus_name(), &self.mine)] {
            tell(&format!("ingest: {who}, {}, {per_second:.0} a second", connected(connections)));
            let requests = Arc::clone(&endpoint.1);
            let requests = Arc::new(move |index: usize| requests[index % requests.len()].clone());
            let of = (endpoint.0, requests as super::arrivals::Requests);
            loads.push(open_load(&self.run.clock, of, pace, CancellationToken::new()).await?);
        }
        let [bare, mine] = &loads[..] else { return Ok(()) };
        let row =
            Row::new("ingest", self.side.bus_name(), format!("{}, half the rate", connected(connections)))
                .times(&mine.times)
                .note(format!("{per_second:.0} a second by the clock"))
                .note(beside(bare))
                .note_if(failures(mine));
        self.run.report.add(row);
        Ok(())
    }
}

fn connected(connections: usize) -> String {
    if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") }
}

fn failures(load: &Load) -> Option<String> {
    (load.failures > 0).then(|| format!("{} not answered 2xx", load.failures))
}

/// What the endpoint that does nothing took.
fn beside(bare: &Load) -> String {
    let of = |share: f64| bare.times.percentile(share).map(millis).unwrap_or_default();
    format!("doing nothing: {:.2} and {:.2} ms", of(0.5), of(0.99))
}

fn requests(host: SocketAddr) -> Result<Arc<Vec<Bytes>>, Failure> {
    let requests: Result<Vec<Bytes>, Failure> =
        (0..REQUESTS).map(|number| signed(host, &form(number))).collect();
    requests.map(Arc::new)
}

fn form(number: usize) -> Value {
    json!({
        "id": format!("form-{number}"),
        "type": "form_submitted",
        "person": {
            "email": format!("person-{number}@company-{}.example", number % 500),
            "first_name": "Ada",
            "company": format!("Company {}", number % 500),
            "country": "US"
        },
        "data": { "form": "demo-request", "page": "https://www.ours.example/pricing?campaign=spring" }
    })
}

impl Run {
    /// How long a measurement runs.
    pub(super) fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
