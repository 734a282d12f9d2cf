//! The register of what must be ready.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde::Serialize;

/// Whether a component can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It can.
    Ready,
    /// It cannot, and why: one line for the operator, without secrets.
    NotReady(String),
}

impl Status {
    /// Not ready, for this reason.
    pub fn not_ready(why: impl Into<String>) -> Self {
        Self::NotReady(why.into())
    }
}

/// A handle on the readiness of the process; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    draining: bool,
    checks: BTreeMap<&'static str, Status>,
}

/// What `/readyz` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether the process can do its work.
    pub ready: bool,
    /// Whether it is shutting down.
    pub draining: bool,
    /// All components, in order of their names.
    pub checks: Vec<Check>,
}

/// One component in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Whether it is ready.
    pub ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Readiness {
    /// Nothing registered yet, and therefore not ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a component that has yet to become ready.
    pub fn register(&self, name: &'static str) {
        self.set(name, Status::not_ready("starting"));
    }

    /// Says how a component is now, registering it if it is new. A change is logged.
    pub fn set(&self, name: &'static str, status: Status) {
        let before = self.state().checks.insert(name, status.clone());
        if before.as_ref() == Some(&status) {
            return;
        }
        match (before, status) {
            (_, Status::Ready) => tracing::info!(component = name, "ready"),
            (Some(Status::Ready), Status::NotReady(why)) => {
                tracing::warn!(component = name, why, "no longer ready");
            }
            (_, Status::NotReady(why)) => tracing::info!(component = name, why, "not ready"),
        }
    }

    /// Makes the process not ready for good.
    pub fn drain(&self) {
        self.state().draining = true;
    }

    /// How everything is now.
    #[must_use]
    pub fn report(&self) -> Report {
        let state = self.state();
        let checks: Vec<Check> = state
            .checks
            .iter()
            .map(|(&name, status)| match status {
                Status::Ready => Check { name, ready: true, why: None },
                Status::NotReady(why) => Check { name, ready: false, why: Some(why.clone()) },
            })
            .collect();
        let ready = !state.draining && !checks.is_empty() && checks.iter().all(|check| check.ready);
        Report { ready, draining: state.draining, checks }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and a map of states is never half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_everything_registered_is() {
        let readiness = Readiness::new();
        assert!(!readiness.report().ready, "nothing has registered yet");

        readiness.register("bus");
        readiness.set("store", Status::Ready);
        assert!(!readiness.report().ready);

        readiness.set("bus", Status::Ready);
        assert!(readiness.report().ready);

        readiness.set("store", Status::not_ready("the database is away"));
        let report = readiness.report();
        assert!(!report.ready);
        assert_eq!(report.checks[1].why.as_deref(), Some("the database is away"));
    }

    #[test]
    fn a_draining_process_is_not_ready_again() {
        let readiness = Readiness::new();
        readiness.set("bus", Status::Ready);

        readiness.drain();
        readiness.set("bus", Status::Ready);

        assert!(!readiness.report().ready && readiness.report().draining);
    }
}
