//! What librdkafka tells us: its log lines, and the partitions that it gives and takes.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The context of clients that are no members of a group.
#[derive(Debug, Default)]
pub(super) struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        trouble(&error, reason);
    }
}

/// librdkafka goes on by itself; what it means is seen where something fails. That a broker is away it also logs, once a
/// connection; here it comes twice a second from every client.
pub(super) fn trouble(error: &KafkaError, reason: &str) {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {
            tracing::debug!(kafka.error = %error, kafka.reason = reason, "trouble with Kafka");
        }
        _ => tracing::warn!(kafka.error = %error, kafka.reason = reason, "trouble with Kafka"),
    }
}

pub(super) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::error!(kafka.facility = facility, "{line}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(kafka.facility = facility, "{line}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(kafka.facility = facility, "{line}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(kafka.facility = facility, "{line}"),
    }
}

/// A partition by its topic's full name.
pub(super) type Place = (String, i32);

/// What a rebalance said, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// These are ours, and librdkafka waits to be told where to start.
    Given(Vec<Place>),
    /// These are no longer ours.
    Taken(Vec<Place>),
}

/// Changes that the consumer has not seen yet, and what librdkafka was told to read.
#[derive(Debug, Default)]
pub(super) struct Changes {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    news: Vec<Change>,
    assigned: BTreeSet<Place>,
}

impl Changes {
    pub(super) fn given(&self, places: Vec<Place>) {
        self.lock().news.push(Change::Given(places));
    }

    /// Notes that partitions are taken, and says which of them librdkafka had been told to read.
    pub(super) fn taken(&self, places: Vec<Place>) -> Vec<Place> {
        let mut inner = self.lock();
        let assigned = places.iter().filter(|place| inner.assigned.remove(*place)).cloned().collect();
        inner.news.push(Change::Taken(places));
        assigned
    }

    /// Notes that librdkafka was told to read these.
    pub(super) fn assigned(&self, places: impl IntoIterator<Item = Place>) {
        self.lock().assigned.extend(places);
    }

    /// What is new since the last time.
    pub(super) fn news(&self) -> Vec<Change> {
        std::mem::take(&mut self.lock().news)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that holds the lock can leave the lists half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
