//! What services tell, as metrics and readiness.

use std::time::Duration;

use runtime::health::{Readiness, Status};
use runtime::metrics::{ConnectorState, Metrics};

/// Tells metrics and readiness.
#[derive(Clone)]
pub(crate) struct Observers {
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
}

/// The readiness check of the loop that applies events.
const EVENTS: &str = "events";
/// The readiness check of the dispatcher.
const DISPATCH: &str = "dispatch";
/// The readiness check of partitions that wait for a person.
const PARTITIONS: &str = "partitions";

impl Observers {
    /// Registers the checks of enrollment: not ready until its loop has begun.
    pub(crate) fn expect_enrollment(&self) {
        self.readiness.register(EVENTS);
        self.readiness.set(PARTITIONS, Status::Ready);
    }

    /// Registers the check of the dispatcher: not ready until its heart has beaten.
    pub(crate) fn expect_dispatcher(&self) {
        self.readiness.register(DISPATCH);
    }
}

impl enrollment::Observer for Observers {
    fn batch(&self, fresh: usize, duplicates: usize, took: Duration) {
        self.metrics.unit_committed(fresh + duplicates, took);
    }

    fn dead(&self, count: usize) {
        for _ in 0..count {
            self.metrics.dead_lettered("enrollment");
        }
    }

    fn stopped(&self, why: &[String]) {
        let status = if why.is_empty() { Status::Ready } else { Status::not_ready(why.join("; ")) };
        self.readiness.set(PARTITIONS, status);
    }

    fn troubled(&self, why: Option<&str>) {
        self.readiness.set(EVENTS, why.map_or(Status::Ready, Status::not_ready));
    }
}

impl dispatcher::Observer for Observers {
    fn attempt(&self, connector: &str, outcome: &'static str, took: Option<Duration>) {
        self.metrics.dispatch_attempted(connector, outcome, took);
    }

    fn lateness(&self, late: Duration) {
        self.metrics.step_dispatched(late);
    }

    fn passed_over(&self, why: &'static str) {
        tracing::debug!(why, "a due touch was not marked");
    }

    fn left(&self, connector: &str) {
        self.metrics.withdrawal_given_up(connector);
    }

    fn waiting(&self, connector: &str, wait: Duration) {
        self.metrics.permit_waited(connector, wait);
    }

    fn connection(&self, connector: &str, standing: dispatcher::Connection, in_flight: usize) {
        let state = match standing {
            dispatcher::Connection::Open => ConnectorState::Open,
            dispatcher::Connection::Busy => ConnectorState::Busy,
            dispatcher::Connection::RateLimited => ConnectorState::RateLimited,
            dispatcher::Connection::Paused => ConnectorState::Paused,
            dispatcher::Connection::Away => ConnectorState::Away,
        };
        self.metrics.connector(connector, state, in_flight);
    }

    fn troubled(&self, why: Option<&str>) {
        self.readiness.set(DISPATCH, why.map_or(Status::Ready, Status::not_ready));
    }
}
