use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::InMemorySpanExporter;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::trace::SpanExporter;
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::propagation;
use super::traces::Calm;
use super::*;
use crate::config::Config;
use crate::config::LoadOptions;

/// A writer whose lines can be looked at.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text")
    }

    fn json(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn settings(flags: &[(&str, &str)]) -> config::Telemetry {
    let options =
        flags.iter().fold(LoadOptions::bare("/"), |options, (key, value)| options.set(*key, *value));
    Config::load(&options).expect("it loads").telemetry
}

const JSON: (&str, &str) = ("telemetry.log", "json");

fn logged(flags: &[(&str, &str)], work: impl FnOnce()) -> Lines {
    let lines = Lines::default();
    let subscriber = subscriber(&settings(flags), None, lines.clone()).expect("a subscriber");
    tracing::subscriber::with_default(subscriber, work);
    lines
}

/// Runs `work` with traces recorded, and returns the lines and the finished spans.
fn traced(work: impl FnOnce()) -> (Lines, Vec<SpanData>) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let lines = Lines::default();
    let subscriber = subscriber(&settings(&[JSON]), Some(&provider), lines.clone()).expect("a subscriber");
    tracing::subscriber::with_default(subscriber, work);
    (lines, exporter.get_finished_spans().expect("spans"))
}

const REMOTE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_json_line_holds_the_event_and_the_fields_of_its_spans() {
    let lines = logged(&[JSON], || {
        let outer = tracing::info_span!(
            "ingest.accept",
            source.name = "forms",
            delivery.items = tracing::field::Empty
        );
        let _outer = outer.enter();
        outer.record("delivery.items", 3);
        let _inner = tracing::info_span!("bus.publish", source.name = "inner").entered();
        tracing::info!(took_ms = 1.5, ok = true, level = "mine", "accepted {} events", 3);
    });

    let line = &lines.json()[0];
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "accepted 3 events");
    assert_eq!(line["span"], "bus.publish");
    assert_eq!(line["source.name"], "inner");
    assert_eq!(line["delivery.items"], 3);
    assert_eq!((&line["took_ms"], &line["ok"]), (&Value::from(1.5), &Value::from(true)));
    assert!(line["timestamp"].as_str().is_some_and(|text| text.ends_with('Z')));
    assert_eq!(line.get("trace_id"), None, "no traces are recorded");
}

#[test]
fn a_human_line_has_no_colours_away_from_a_terminal() {
    let lines = logged(&[], || tracing::warn!(source.name = "forms", "slow"));

    let text = lines.text();
    assert!(text.contains("WARN slow source.name=\"forms\"") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_filter_decides_what_is_written() {
    let lines = logged(&[("telemetry.filter", "warn,runtime=debug"), JSON], || {
        tracing::debug!("ours");
        tracing::info!(target: "sqlx", "theirs");
    });

    let messages: Vec<Value> = lines.json().iter().map(|line| line["message"].clone()).collect();
    assert_eq!(messages, ["ours"]);
}

#[test]
fn the_tracing_libraries_speak_only_when_asked() {
    let chatter =
        || tracing::error!(target: "opentelemetry_sdk", name = "BatchSpanProcessor.ExportError", "no");

    let quiet = logged(&[("telemetry.filter", "debug"), JSON], chatter);
    let asked = logged(&[("telemetry.filter", "info,opentelemetry_sdk=debug"), JSON], chatter);

    assert_eq!((quiet.json().len(), asked.json().len()), (0, 1));
}

/// Fails as often as told, then succeeds.
#[derive(Debug, Default)]
struct Flaky(AtomicUsize);

impl SpanExporter for Flaky {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { Ok(()) } else { Err(OTelSdkError::InternalFailure("away".to_owned())) }
    }
}

#[test]
fn a_collector_that_is_away_is_told_of_once_when_it_goes_and_once_when_it_is_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let lines = logged(&[JSON], || {
        let calm = Calm::new(Flaky(AtomicUsize::new(50)));
        for _ in 0..60 {
            runtime.block_on(calm.export(Vec::new())).expect("the SDK has nothing to say of it");
        }
    });

    let levels: Vec<Value> = lines.json().iter().map(|line| line["level"].clone()).collect();
    assert_eq!(levels, ["WARN", "INFO"], "{}", lines.text());
}

#[test]
fn lines_within_a_recorded_span_carry_its_ids() {
    let (lines, spans) = traced(|| {
        let span = tracing::info_span!("engine.unit");
        propagation::set_parent(&span, REMOTE);
        let _entered = span.entered();
        tracing::info!("decided");
    });

    let line = &lines.json()[0];
    assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(line["span_id"], spans[0].span_context.span_id().to_string());
}

#[test]
fn trace_context_survives_the_trip_as_text() {
    let mut carried = None;
    let (_, spans) = traced(|| {
        let cause = tracing::info_span!("ingest.accept").entered();
        carried = propagation::inject_current();
        drop(cause);
        let effect = tracing::info_span!("engine.unit");
        propagation::set_parent(&effect, carried.as_deref().expect("a context"));
        drop(effect.entered());
    });

    let [cause, effect] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(effect.span_context.trace_id(), cause.span_context.trace_id());
    assert_eq!(effect.parent_span_id, cause.span_context.span_id());
    let expected = format!("00-{}-{}-01", cause.span_context.trace_id(), cause.span_context.span_id());
    assert_eq!(carried, Some(expected));
}

#[test]
fn a_link_points_back_from_a_trace_of_its_own() {
    let (_, spans) = traced(|| {
        let span = tracing::info_span!("dispatch.send");
        propagation::link(&span, REMOTE);
        drop(span.entered());
    });

    assert_eq!(spans[0].links.len(), 1);
    assert_eq!(
        spans[0].links.iter().next().map(|link| link.span_context.trace_id().to_string()).as_deref(),
        Some("0af7651916cd43dd8448eb211c80319c")
    );
    assert_ne!(spans[0].span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
}

#[test]
fn a_context_that_is_none_changes_nothing() {
    let (_, spans) = traced(|| {
        let span = tracing::info_span!("dispatch.send");
        for text in ["", "nonsense", "00-0-0-01", "00-00000000000000000000000000000000-0000000000000000-01"] {
            propagation::set_parent(&span, text);
            propagation::link(&span, text);
        }
        drop(span.entered());
    });

    assert!(spans[0].links.is_empty());
    assert_eq!(spans[0].parent_span_id, opentelemetry::trace::SpanId::INVALID);
}

#[test]
fn without_traces_there_is_no_context_to_carry() {
    logged(&[], || {
        let _span = tracing::info_span!("ingest.accept").entered();
        assert_eq!(propagation::inject_current(), None);
        propagation::set_parent(&tracing::Span::current(), REMOTE);
        propagation::link(&tracing::Span::current(), REMOTE);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_reach_a_collector_batch_after_batch_and_at_shutdown() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let (arrived, requests) = mpsc::channel();
    #[expect(clippy::disallowed_methods, reason = "it listens until the test process ends")]
    drop(std::thread::spawn(move || collect(&listener, &arrived)));
    let settings = settings(&[("telemetry.otlp_endpoint", &endpoint)]);
    let service = Service { role: "ingest", version: "1.2.3", instance: "the-first".to_owned() };
    let provider = traces::provider(&settings, &service).expect("a provider").expect("traces are on");
    let subscriber = subscriber(&settings, Some(&provider), io::sink).expect("a subscriber");
    let guard = Guard { provider: Some(provider.clone()) };

    let received = tokio::task::spawn_blocking(move || {
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("first.batch").in_scope(|| ());
            provider.force_flush().expect("it is sent");
            tracing::info_span!("second.batch").in_scope(|| ());
        });
        guard.shutdown();
        [(); 2].map(|()| requests.recv_timeout(Duration::from_secs(10)).expect("a batch arrives"))
    });

    let [first, second] = received.await.expect("no panic");
    assert!(first.starts_with("POST /v1/traces "), "{first}");
    assert!(first.contains("application/x-protobuf") && first.contains("first.batch"), "{first}");
    assert!(
        first.contains("drumbeat-ingest") && first.contains("1.2.3") && first.contains("the-first"),
        "{first}"
    );
    assert!(second.contains("second.batch"), "{second}");
}

/// Run by the test below, on a machine without certificate authorities: libraries read these variables as they like.
#[test]
#[ignore = "a part of a_collector_that_speaks_http_needs_no_certificate_authorities"]
fn sets_up_exporters_and_tells() {
    for endpoint in ["http://127.0.0.1:1", "https://127.0.0.1:1"] {
        let settings = settings(&[("telemetry.otlp_endpoint", endpoint)]);
        let service = Service { role: "ingest", version: "1.2.3", instance: "the-first".to_owned() };
        match traces::provider(&settings, &service) {
            Ok(_) => println!("\n{endpoint}: fine"),
            Err(error) => println!("\n{endpoint}: {error}"),
        }
    }
}

#[test]
fn a_collector_that_speaks_http_needs_no_certificate_authorities() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = folder.path().join("none.pem");
    std::fs::write(&none, "").expect("a file");
    let child = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "telemetry::tests::sets_up_exporters_and_tells", "--ignored", "--nocapture"])
        .env("SSL_CERT_FILE", &none)
        .env("SSL_CERT_DIR", folder.path())
        .output()
        .expect("it runs");

    let said = String::from_utf8_lossy(&child.stdout);
    let of = |endpoint: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(endpoint));
        line.unwrap_or_else(|| panic!("nothing of {endpoint}: {said}")).to_owned()
    };
    assert_eq!(of("http://127.0.0.1:1"), ": fine");
    let secure = of("https://127.0.0.1:1");
    assert!(secure.contains("ca-certificates") && secure.contains("SSL_CERT_FILE"), "{secure}");
}

/// Answers every POST with 200 and hands over what it read.
fn collect(listener: &TcpListener, arrived: &mpsc::Sender<String>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count) = stream.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..count]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let length =
                text.to_ascii_lowercase().split("content-length: ").nth(1).and_then(|rest| {
                    rest.split("\r\n").next().and_then(|digits| digits.parse::<usize>().ok())
                });
            let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|position| position + 4);
            if count == 0 {
                break;
            }
            if let (Some(head), Some(length)) = (head, length)
                && bytes.len() >= head + length
            {
                let _ = arrived.send(text);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                bytes.clear();
            }
        }
    }
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let settings = settings(&[("telemetry.filter", "a=b=c")]);

    assert!(matches!(subscriber(&settings, None, io::sink).map(drop), Err(Error::Filter(_))));
}
