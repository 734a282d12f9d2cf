//! What is asked for metrics now and then: what waits in the store, and how far consumers are behind the log.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ports::StoreResult;
use ports::bus::{BusError, Topic, TopicAdmin};
use ports::clock::Clock;
use ports::survey::Survey;
use ports::unit::{Offsets, Units};
use runtime::config::Role;
use runtime::lifecycle::Shutdown;
use runtime::metrics::Metrics;
use store::Store;

/// How often; scrapes are rarely closer together.
const EVERY: Duration = Duration::from_secs(10);
/// Consumer groups whose progress the store keeps, by the topics that they read.
const GROUPS: [(&str, Topic); 3] =
    [("enrollment", Topic::Events), ("projection", Topic::Quarantine), ("projection", Topic::DeadLetter)];

/// Asks for one process.
pub(crate) struct Surveyor {
    pub(crate) store: Arc<Store>,
    pub(crate) topics: Arc<dyn TopicAdmin>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) roles: Vec<Role>,
}

impl Surveyor {
    /// Asks until the shutdown begins. What cannot be asked now keeps its last figure: readiness tells of outages.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), Infallible> {
        // A question that is not answered does not hold up the end.
        tokio::select! {
            () = self.ask() => {}
            () = shutdown.soft() => {}
        }
        Ok(())
    }

    async fn ask(&self) {
        loop {
            if let Err(error) = self.waiting().await {
                tracing::debug!(error = %error, "the store was not surveyed");
            }
            if self.roles.contains(&Role::Enrollment)
                && let Err(error) = self.lag().await
            {
                tracing::debug!(error = %error, "the log was not surveyed");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn waiting(&self) -> StoreResult<()> {
        let waiting = self.store.waiting().await?;
        if self.roles.contains(&Role::Enrollment) {
            self.metrics.outbox_pending(waiting.outbox);
            self.metrics.set_aside("quarantine", waiting.quarantine);
            self.metrics.set_aside("dead_letters", waiting.dead_letters);
        }
        if self.roles.contains(&Role::Dispatcher) {
            let late = waiting.oldest_due.map(|due| {
                let late = self.clock.now().duration_since(self.store.business().wall(due));
                Duration::try_from(late).unwrap_or_default()
            });
            self.metrics.steps_due(waiting.due, late.unwrap_or_default());
        }
        Ok(())
    }

    async fn lag(&self) -> Result<(), BusError> {
        let cluster = self.topics.cluster().await?;
        let stored = self.store.all().await.map_err(|error| BusError::Unavailable(error.to_string()))?;
        let stored: HashMap<(Topic, i32), i64> = stored
            .into_iter()
            .filter(|(of, ..)| *of == cluster)
            .map(|(_, topic, partition, offset)| ((topic, partition), offset.next))
            .collect();
        for (group, topic) in GROUPS {
            for state in self.topics.partitions(topic).await? {
                let next = stored.get(&(topic, state.partition)).copied().unwrap_or(state.begins_at);
                let waiting = u64::try_from(state.ends_at.saturating_sub(next)).unwrap_or_default();
                self.metrics.consumer_lag(group, (topic.as_str(), state.partition), Some(waiting));
            }
        }
        Ok(())
    }
}
