//! What is asked for metrics now and then: what waits in the store, and how far consumers are behind the log.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ports::StoreResult;
use ports::bus::{BusError, Consumers, PartitionState, Topic, TopicAdmin};
use ports::clock::Clock;
use ports::survey::Survey;
use ports::unit::{Offsets, Units};
use runtime::config::Role;
use runtime::health::{Readiness, Status};
use runtime::lifecycle::Shutdown;
use runtime::metrics::Metrics;
use store::Store;

/// How often; scrapes are rarely closer together.
const EVERY: Duration = Duration::from_secs(10);
/// Consumer groups whose progress the store keeps, by the topics that they read.
const GROUPS: [(&str, Topic); 3] =
    [("enrollment", Topic::Events), ("projection", Topic::Quarantine), ("projection", Topic::DeadLetter)];

/// The group whose progress Kafka keeps, or the embedded log: ingest has no store.
const REDELIVER: (&str, Topic) = ("redeliver", Topic::Redeliver);

/// The readiness check of the store.
const STORE: &str = "store";
/// How often it is asked whether it answers, and how long it may take.
const KNOCK: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(6);

/// Asks for one process.
pub(crate) struct Surveyor {
    /// `None`: ingest alone.
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) topics: Arc<dyn TopicAdmin>,
    pub(crate) consumers: Arc<dyn Consumers>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) roles: Vec<Role>,
}

impl Surveyor {
    /// Asks until the shutdown begins. What cannot be asked now keeps its last figure: readiness tells of outages.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), Infallible> {
        // A question that is not answered does not hold up the end.
        tokio::select! {
            () = self.ask() => {}
            () = self.knock() => {}
            () = shutdown.soft() => {}
        }
        Ok(())
    }

    /// A store that says nothing at all fails nothing either, so it is asked now and then.
    async fn knock(&self) {
        let Some(store) = &self.store else { return std::future::pending().await };
        loop {
            let status = match tokio::time::timeout(ANSWER, store.ready()).await {
                Ok(Ok(())) => Status::Ready,
                Ok(Err(error)) => Status::not_ready(error.to_string()),
                Err(_) => Status::not_ready("the store does not answer"),
            };
            self.readiness.set(STORE, status);
            tokio::time::sleep(KNOCK).await;
        }
    }

    async fn ask(&self) {
        loop {
            if let Some(store) = &self.store {
                if let Err(error) = self.waiting(store).await {
                    tracing::debug!(error = %error, "the store was not surveyed");
                }
                if self.roles.contains(&Role::Enrollment)
                    && let Err(error) = self.lag(store).await
                {
                    tracing::debug!(error = %error, "the log was not surveyed");
                }
            }
            if self.roles.contains(&Role::Ingest)
                && let Err(error) = self.redeliveries().await
            {
                tracing::debug!(error = %error, "redeliveries were not surveyed");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn waiting(&self, store: &Store) -> StoreResult<()> {
        let waiting = store.waiting().await?;
        if self.roles.contains(&Role::Enrollment) {
            self.metrics.outbox_pending(waiting.outbox);
            self.metrics.set_aside("quarantine", waiting.quarantine);
            self.metrics.set_aside("dead_letters", waiting.dead_letters);
        }
        if self.roles.contains(&Role::Dispatcher) {
            let late = waiting.oldest_due.map(|due| {
                let late = self.clock.now().duration_since(store.business().wall(due));
                Duration::try_from(late).unwrap_or_default()
            });
            self.metrics.steps_due(waiting.due, late.unwrap_or_default());
        }
        Ok(())
    }

    async fn redeliveries(&self) -> Result<(), BusError> {
        let (group, topic) = REDELIVER;
        let noted = self.consumers.noted(group, topic).await?;
        for state in self.topics.partitions(topic).await? {
            // What lies before the first that is left has expired.
            let next = noted.get(&state.partition).copied().unwrap_or(0).max(state.begins_at);
            self.behind(group, (topic, &state), next);
        }
        Ok(())
    }

    fn behind(&self, group: &str, (topic, state): (Topic, &PartitionState), next: i64) {
        let waiting = u64::try_from(state.ends_at.saturating_sub(next)).unwrap_or_default();
        self.metrics.consumer_lag(group, (topic.as_str(), state.partition), Some(waiting));
    }

    async fn lag(&self, store: &Store) -> Result<(), BusError> {
        let cluster = self.topics.cluster().await?;
        let stored = store.all().await.map_err(|error| BusError::Unavailable(error.to_string()))?;
        let stored: HashMap<(Topic, i32), i64> = stored
            .into_iter()
            .filter(|(of, ..)| *of == cluster)
            .map(|(_, topic, partition, offset)| ((topic, partition), offset.next))
            .collect();
        for (group, topic) in GROUPS {
            for state in self.topics.partitions(topic).await? {
                let next = stored.get(&(topic, state.partition)).copied().unwrap_or(state.begins_at);
                self.behind(group, (topic, &state), next);
            }
        }
        Ok(())
    }
}
