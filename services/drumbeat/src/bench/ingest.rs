//! Signed webhooks to their durable acknowledgement, over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use runtime::config::Role;
use serde_json::{Value, json};

use super::Run;
use super::http::{Load, load, signed};
use super::report::{Row, tell};
use super::sample::rate;
use super::servers;
use super::setup::{Deployment, Side};
use crate::exit::{Failure, Outcome};

/// Connections, each with one request under way.
const CONNECTIONS: [usize; 3] = [1, 64, 256];
/// Different signed requests; they are made before the clock runs, and come again.
const REQUESTS: usize = 10_000;

/// Measures the reference, then the ingest service on a set's bus.
pub(super) async fn measure(run: &mut Run, side: &Side) -> Outcome {
    let reference = reference(run).await?;
    let deployment = Deployment::make(side, "ingest", None).await?;
    deployment.topics().await?;
    let started = deployment.start(&[Role::Ingest]).await?;
    let Some(address) = started.ingest else {
        return Err(Failure::Refused("ingest did not start".to_owned()));
    };
    let requests = requests(address)?;
    for (connections, bare) in CONNECTIONS.into_iter().zip(reference) {
        tell(&format!("ingest on {}, {connections} connections", side.bus_name()));
        let load = load(&run.clock, address, &requests, (connections, run.time())).await?;
        run.report.add(row("ingest", side.bus_name(), connections, &load).against("R_http", Some(bare)));
    }
    started.lifecycle.shutdown().begin();
    started.until_ended().await?;
    deployment.remove().await
}

/// `R_http` at the same numbers of connections.
async fn reference(run: &mut Run) -> Result<Vec<f64>, Failure> {
    let bare = servers::bare()?;
    let requests = requests(bare.address)?;
    let mut rates = Vec::new();
    for connections in CONNECTIONS {
        tell(&format!("R_http, {connections} connections"));
        let load = load(&run.clock, bare.address, &requests, (connections, run.time())).await?;
        rates.push(rate(load.times.len(), load.took));
        run.report.add(row("reference", "-", connections, &load).note("R_http: HMAC and JSON, no bus"));
    }
    bare.stop().await;
    Ok(rates)
}

fn row(part: &'static str, on: &'static str, connections: usize, load: &Load) -> Row {
    let failures = (load.failures > 0).then(|| format!("{} not answered 2xx", load.failures));
    let what =
        if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") };
    Row::new(part, on, what).rate(rate(load.times.len(), load.took)).times(&load.times).note_if(failures)
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
