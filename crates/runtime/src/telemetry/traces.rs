//! The exporter of traces.

mod calm;
mod plain;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::Protocol;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_otlp::WithHttpConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::Sampler;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::EnvFilter;

pub(super) use calm::Calm;
use plain::Plain;

use super::Error;
use super::Service;
use crate::config;

/// How long one export may take.
const EXPORT: Duration = Duration::from_secs(5);

/// Which spans become traces: our own and the libraries', but not those of the client that sends them.
pub(super) fn filter() -> EnvFilter {
    EnvFilter::new(
        "info,hyper=off,hyper_util=off,h2=off,reqwest=off,rustls=off,opentelemetry=off,opentelemetry_sdk=off,opentelemetry_otlp=off",
    )
}

/// The provider that sends spans to the configured collector; `None` when there is none.
///
/// Spans leave in batches from a thread of the SDK's own, with the blocking HTTP client: the asynchronous one
/// needs a reactor, which that thread has not, and would fail after the first batch.
pub(super) fn provider(
    settings: &config::Telemetry,
    service: &Service,
) -> Result<Option<SdkTracerProvider>, Error> {
    let Some(endpoint) = &settings.otlp_endpoint else { return Ok(None) };
    let endpoint = format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'));
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint.as_str())
        .with_timeout(EXPORT);
    if endpoint.starts_with("http://") {
        // The exporter's own client needs certificate authorities whatever the address.
        exporter = exporter.with_http_client(Plain::new(EXPORT).map_err(Error::Thread)?);
    } else {
        // That client takes the process's TLS provider. Whoever installed one before wins.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let exporter = exporter.build().map_err(|error| Error::Exporter(error.to_string()))?;
    let resource = Resource::builder()
        .with_service_name(format!("drumbeat-{}", service.role))
        .with_attributes([
            KeyValue::new("service.namespace", "drumbeat"),
            KeyValue::new("service.version", service.version),
            KeyValue::new("service.instance.id", service.instance.clone()),
        ])
        .build();
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample)));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(Calm::new(exporter))
        .with_sampler(sampler)
        .with_resource(resource)
        .build();
    Ok(Some(provider))
}
