//! A collector that is away: said once when it goes and once when it is back, and never the reason that anything waits.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::trace::SpanExporter;

/// Exports with another exporter; spans that cannot leave are dropped and counted, since keeping them would cost memory
/// for as long as the collector is away.
#[derive(Debug)]
pub(in crate::telemetry) struct Calm<E> {
    exporter: E,
    away: AtomicBool,
    lost: AtomicU64,
}

impl<E> Calm<E> {
    pub(in crate::telemetry) fn new(exporter: E) -> Self {
        Self { exporter, away: AtomicBool::new(false), lost: AtomicU64::new(0) }
    }
}

impl<E: SpanExporter> SpanExporter for Calm<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        match self.exporter.export(batch).await {
            Ok(()) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    let lost = self.lost.swap(0, Ordering::Relaxed);
                    tracing::info!(spans.lost = lost, "the collector takes traces again");
                }
            }
            Err(error) => {
                self.lost.fetch_add(count, Ordering::Relaxed);
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error = %error, "the collector does not take traces; spans are dropped until it does");
                }
            }
        }
        // The SDK would log each failure again.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
