use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;

use super::AdminServer;
use super::Readiness;
use super::Status;
use crate::lifecycle::Budget;
use crate::lifecycle::Lifecycle;
use crate::metrics::Metrics;

/// Asks over a connection of its own, from a thread where blocking is fine.
async fn ask(address: SocketAddr, path: &'static str) -> (u16, String) {
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        text
    });
    let text = asked.await.expect("no panic");
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_tells_health_readiness_and_metrics_until_the_very_end() {
    let readiness = Readiness::new();
    readiness.register("bus");
    let metrics = Metrics::new();
    metrics.dead_lettered("decide");
    let lifecycle = Lifecycle::new(readiness.clone(), Budget::default());
    let (shutdown, tasks) = (lifecycle.shutdown(), lifecycle.tasks());
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = AdminServer::bind(any_port, readiness.clone(), metrics).expect("a port is free");
    let address = server.address();
    tasks.support("admin", server.run(shutdown.clone()));
    let view = shutdown.clone();
    tasks.component("ingest", async move {
        view.soft().await;
        // Still draining: the port goes on answering.
        let (status, text) = ask(address, "/readyz").await;
        assert!(status == 503 && text.contains("\"draining\":true"), "{text}");
        Ok::<(), &str>(())
    });

    assert_eq!(ask(address, "/healthz").await.0, 200);
    let (status, text) = ask(address, "/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains(r#"{"name":"bus","ready":false,"why":"starting"}"#), "{text}");

    readiness.set("bus", Status::Ready);
    assert_eq!(ask(address, "/readyz").await.0, 200);

    let (status, text) = ask(address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(text.contains("text/plain; version=0.0.4"), "{text}");
    assert!(text.contains("drumbeat_dead_letters_total{stage=\"decide\"} 1"), "{text}");
    assert!(text.contains("drumbeat_ready{component=\"bus\"} 1"), "{text}");

    let (status, text) = ask(address, "/nowhere").await;
    assert!(status == 404 && text.contains("application/problem+json"), "{text}");

    shutdown.begin();
    assert_eq!(lifecycle.run().await, Ok(()));
    assert!(TcpStream::connect(address).is_err(), "the port is free again");
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("an address");

    assert!(AdminServer::bind(address, Readiness::new(), Metrics::new()).is_err());
}
