//! Logs and traces.
//!
//! Logs go to standard error, for people or as JSON. Traces go to a collector as OTLP over HTTP when one is
//! configured; without one, spans only give context to log lines. Trace context travels as W3C `traceparent`
//! text, in Kafka headers, CRM requests and stored rows ([`propagation`]).
//!
//! Fields that hold what a person could be reached by are never recorded: spans skip all arguments and name
//! the fields they record.

mod json;
pub mod propagation;
mod traces;

#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::panic;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::config;
use crate::config::LogFormat;

/// How long a stopping process waits for its last spans to leave.
const FLUSH: Duration = Duration::from_secs(2);

/// Who is speaking: attributes of every trace.
#[derive(Clone, Debug)]
pub struct Service {
    /// The role, for example "ingest"; the service's name is `drumbeat-` and this.
    pub role: &'static str,
    /// The version of the build.
    pub version: &'static str,
    /// Tells this process from others of its role.
    pub instance: String,
}

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log filter is none.
    #[error("telemetry.filter is not a filter: {0}")]
    Filter(String),
    /// The exporter of traces cannot be built.
    #[error(
        "traces cannot be sent to telemetry.otlp_endpoint: {0}. For an https endpoint this machine must know certificate \
         authorities: install the package ca-certificates, or name a file of them in SSL_CERT_FILE; a collector on this \
         machine or network can be reached with http"
    )]
    Exporter(String),
    /// The operating system gives no reactor for the exporter.
    #[error("traces cannot be sent: {0}")]
    Thread(std::io::Error),
    /// Something else in this process set up logging before.
    #[error("logging is set up already")]
    Twice,
}

/// Keeps telemetry alive; what is still to be sent leaves when it is shut down or dropped.
#[derive(Debug)]
#[must_use = "dropping it at once ends the recording of traces"]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

impl Guard {
    /// Sends what is left, for at most two seconds. It blocks: call it when the asynchronous work is over.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take()
            && let Err(error) = provider.shutdown_with_timeout(FLUSH)
        {
            tracing::warn!(error = %error, "the last spans could not be sent");
        }
    }
}

/// Sets up logs and traces for the whole process, and logs panics. Call it once, first thing in `main`.
///
/// # Errors
/// A filter or endpoint that cannot be used, or a second call.
pub fn init(settings: &config::Telemetry, service: &Service) -> Result<Guard, Error> {
    let provider = traces::provider(settings, service)?;
    let subscriber = subscriber(settings, provider.as_ref(), std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::Twice)?;
    panic::set_hook(Box::new(log_panic));
    Ok(Guard { provider })
}

fn log_panic(info: &panic::PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(panic.message = message, panic.location = location, "a task panicked");
}

/// The subscriber that writes logs to `writer` and hands spans to `provider`.
fn subscriber<W>(
    settings: &config::Telemetry,
    provider: Option<&SdkTracerProvider>,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = logs_filter(&settings.filter)?;
    let traces = provider.map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("drumbeat"))
            .with_location(false)
            .with_threads(false)
            .with_filter(traces::filter())
    });
    let logs = log_layer(settings.log, writer).with_filter(filter);
    Ok(tracing_subscriber::registry().with(traces).with(logs))
}

/// The filter as written, without the tracing SDK's own words unless they are asked for: a collector that is away would
/// fill the log, and [`traces`] says it once.
fn logs_filter(written: &str) -> Result<EnvFilter, Error> {
    let parse =
        |text: &str| EnvFilter::builder().parse(text).map_err(|error| Error::Filter(error.to_string()));
    if written.contains("opentelemetry") {
        return parse(written);
    }
    parse(&format!(
        "{written},opentelemetry=off,opentelemetry_sdk=off,opentelemetry_otlp=off,opentelemetry_http=off"
    ))
}

fn log_layer<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let base = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Human => {
            let colours =
                std::io::stderr().is_terminal() && std::env::vars_os().all(|(name, _)| name != "NO_COLOR");
            base.with_ansi(colours).with_target(false).boxed()
        }
        LogFormat::Json => {
            base.with_ansi(false).fmt_fields(json::Fields::new()).event_format(json::Lines).boxed()
        }
    }
}
