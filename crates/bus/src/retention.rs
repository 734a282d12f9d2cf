//! How long topics keep their records.

use std::time::Duration;

use ports::bus::Topic;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long each topic keeps its records. Topics hold people: what expires there is erased there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Canonical events; 14 days.
    pub events: Duration,
    /// Deliveries that could not be translated; 14 days.
    pub quarantine: Duration,
    /// Events whose processing failed; 14 days.
    pub deadletter: Duration,
    /// Verdicts of deliveries; 3 days.
    pub deliveries: Duration,
    /// Deliveries to translate again; 14 days.
    pub redeliver: Duration,
    /// What the engine decided and did; 30 days.
    pub outcomes: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events: 14 * DAY,
            quarantine: 14 * DAY,
            deadletter: 14 * DAY,
            deliveries: 3 * DAY,
            redeliver: 14 * DAY,
            outcomes: 30 * DAY,
        }
    }
}

impl Retention {
    /// How long a topic keeps its records.
    #[must_use]
    pub fn of(&self, topic: Topic) -> Duration {
        match topic {
            Topic::Events => self.events,
            Topic::Quarantine => self.quarantine,
            Topic::DeadLetter => self.deadletter,
            Topic::Deliveries => self.deliveries,
            Topic::Redeliver => self.redeliver,
            Topic::Outcomes => self.outcomes,
        }
    }
}
