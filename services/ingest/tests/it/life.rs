//! Readiness, shutdown, and what is never logged.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Mode, door, form_fill, partner, start};

async fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it did not come to be");
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_is_who_reaches_the_bus() {
    let harness = start(vec![door(partner())]);
    until(|| harness.readiness.report().ready).await;

    harness.bus.set(Mode::Down);
    until(|| !harness.readiness.report().ready).await;

    harness.bus.set(Mode::Takes);
    until(|| harness.readiness.report().ready).await;
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_finished_and_a_new_one_is_not_taken() {
    let harness = start(vec![door(partner())]);
    harness.bus.set(Mode::Holds);
    let under_way = tokio::spawn(harness.post("partner", form_fill().to_string()).signed().send());
    until(|| harness.bus.calls() == 1).await;

    harness.shutdown.begin();
    let address = harness.address;
    let mut refused = false;
    for _ in 0..2_000 {
        refused = tokio::net::TcpStream::connect(address).await.is_err();
        if refused {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(refused);
    harness.bus.gate.add_permits(1);

    assert_eq!(under_way.await.unwrap().status, 202);
    assert_eq!(harness.bus.events().len(), 1);
    harness.finish().await;
}

/// All that this process logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_body_or_secret_is_logged() {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(Log::default).clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let harness = start(vec![door(partner())]);

    let body = json!({ "events": [
        { "kind": "form_submitted", "email": "m4rker@example.com" },
        { "kind": "m4rker kind", "email": "m4rker@example.com" },
        { "kind": "form_submitted", "email": "m4rker" },
    ] });
    assert_eq!(harness.post("partner", body.to_string()).signed().send().await.status, 202);
    let with_token = harness
        .post("partner?access_token=m4rker", body.to_string())
        .header("authorization", "Bearer m4rker");
    with_token.send().await.is_problem(401, "bad-signature");
    harness.post("partner", "{\"m4rker").signed().send().await.is_problem(400, "malformed-body");
    harness.bus.set(Mode::Down);
    harness.post("partner", body.to_string()).signed().send().await.is_problem(503, "unavailable");
    harness.finish().await;

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("ingest.accept") && logged.contains("could not be made durable"), "{logged}");
    assert!(!logged.contains("m4rker"), "{logged}");
    assert!(!logged.contains(crate::support::SECRET));
}
