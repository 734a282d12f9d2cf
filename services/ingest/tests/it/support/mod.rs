//! A running ingest, a bus that records, a clock that is moved, and a client that speaks HTTP by hand.

mod bus;
mod client;
mod clock;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use domain::id::{SourceName, Workspace};
use ingest::{Config, Deps, Door, Ingest, Rate};
use ports::bus::Consumers;
use runtime::health::Readiness;
use runtime::lifecycle::Shutdown;
use runtime::metrics::Metrics;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use webhooks::{Secret, Settings, Source, Tolerance};

pub(crate) use bus::{Mode, OneRedelivery, RecordingBus};
pub(crate) use client::{Answer, Call};
pub(crate) use clock::ManualClock;

pub(crate) const SECRET: &str = "a secret of the partner";

/// A running ingest. [`Harness::finish`] it, so that a crash in it is seen.
pub(crate) struct Harness {
    pub(crate) address: SocketAddr,
    pub(crate) bus: Arc<RecordingBus>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) shutdown: Shutdown,
    running: JoinHandle<Result<(), ingest::Error>>,
}

const PATIENT: Duration = Duration::from_secs(10);

pub(crate) fn start(doors: Vec<Door>) -> Harness {
    start_with(doors, None)
}

/// One that waits for neither head nor body for long.
pub(crate) fn start_hasty(doors: Vec<Door>) -> Harness {
    run(doors, None, (Mode::Takes, Duration::from_millis(300)))
}

/// One that waits for a minute.
pub(crate) fn start_patient(doors: Vec<Door>) -> Harness {
    run(doors, None, (Mode::Takes, Duration::from_secs(60)))
}

pub(crate) fn start_with(doors: Vec<Door>, consumers: Option<Arc<dyn Consumers>>) -> Harness {
    run(doors, consumers, (Mode::Takes, PATIENT))
}

/// One whose bus begins in a mode.
pub(crate) fn start_as(mode: Mode, doors: Vec<Door>, consumers: Arc<dyn Consumers>) -> Harness {
    run(doors, Some(consumers), (mode, PATIENT))
}

fn run(
    doors: Vec<Door>,
    consumers: Option<Arc<dyn Consumers>>,
    (mode, patience): (Mode, Duration),
) -> Harness {
    let bus = Arc::new(RecordingBus::default());
    bus.set(mode);
    let clock = Arc::new(ManualClock::default());
    let (metrics, readiness, shutdown) = (Metrics::new(), Readiness::new(), Shutdown::new());
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config { listen, doors, head_time: patience, body_time: patience };
    let deps = Deps {
        publisher: bus.clone(),
        consumers,
        clock: clock.clone(),
        readiness: readiness.clone(),
        metrics: metrics.clone(),
    };
    let ingest = Ingest::bind(config, deps).unwrap();
    let address = ingest.address();
    let running = tokio::spawn(ingest.run(shutdown.clone()));
    Harness { address, bus, clock, metrics, readiness, shutdown, running }
}

impl Harness {
    /// A request to a source.
    pub(crate) fn post(&self, source: &str, body: impl Into<Vec<u8>>) -> Call {
        Call::new(self.address, "POST", &format!("/hooks/{source}"), body.into())
    }

    pub(crate) async fn finish(self) {
        self.shutdown.begin();
        self.running.await.unwrap().unwrap();
    }
}

/// Settings of a source that verifies with HMAC-SHA256 in hex over `ts.body`.
pub(crate) fn partner() -> Settings {
    Settings {
        name: SourceName::new("partner").unwrap(),
        workspace: Workspace::main(),
        provider: "generic".to_owned(),
        secrets: vec![Secret::new(SECRET).unwrap()],
        allow_unsigned: false,
        verify: Some(json!({
            "scheme": "hmac-sha256", "header": "X-Signature", "signed": "{ts}.{body}", "timestamp_header": "X-Timestamp",
        })),
        map: Some(json!({
            "each": "/events", "kind": "/kind", "id": "/id", "email": "/email", "occurred_at": "/at", "data": "/data",
        })),
        public_url: None,
        tolerance: None,
    }
}

/// A source that verifies nothing.
pub(crate) fn open(name: &str, provider: &str, map: Option<Value>) -> Settings {
    Settings {
        name: SourceName::new(name).unwrap(),
        provider: provider.to_owned(),
        secrets: Vec::new(),
        allow_unsigned: true,
        verify: None,
        map,
        tolerance: Some(Tolerance::Off),
        ..partner()
    }
}

pub(crate) fn door(settings: Settings) -> Door {
    Door { source: Source::new(settings).unwrap(), max_body: 1024 * 1024, rate: None }
}

pub(crate) fn rated(settings: Settings, requests: u32, per: Duration) -> Door {
    let requests = NonZeroU32::new(requests).unwrap();
    Door { rate: Some(Rate { requests, per, burst: requests }), ..door(settings) }
}

/// A batch of one form fill.
pub(crate) fn form_fill() -> Value {
    json!({ "events": [{ "kind": "form_submitted", "id": "e-1", "email": "ada@example.com", "data": { "form": "demo" } }] })
}
