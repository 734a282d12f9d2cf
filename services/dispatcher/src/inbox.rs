//! The built-in inbox: the touch row is the task, so sending it is settling it.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::id::{ConnectorName, TouchKey};
use domain::touch::Delivery;
use ports::connector::{CanonicalTask, Connector, ConnectorError, Created, Idempotency, Task, Traits};

/// Keeps the canonical task as the attempt's body; reps work it with `drumbeat tasks` or the console.
pub struct Inbox {
    name: ConnectorName,
    traits: Traits,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            name: ConnectorName::inbox(),
            traits: Traits {
                idempotency: Idempotency::Key,
                delivers: Vec::new(),
                rate: None,
                concurrency: 256,
                timeout: Duration::from_secs(5),
            },
        }
    }
}

#[async_trait]
impl Connector for Inbox {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn traits(&self) -> &Traits {
        &self.traits
    }

    fn render(&self, task: &CanonicalTask) -> Result<Bytes, ConnectorError> {
        Ok(task.to_string().into())
    }

    async fn create(&self, _: &Task) -> Result<Created, ConnectorError> {
        Ok(Created { remote_id: None, delivery: Delivery::Task })
    }

    async fn look_up(&self, _: TouchKey) -> Result<Option<Created>, ConnectorError> {
        Ok(Some(Created { remote_id: None, delivery: Delivery::Task }))
    }

    async fn withdraw(&self, _: TouchKey, _: Option<&str>, _: &str) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn probe(&self) -> Result<(), ConnectorError> {
        Ok(())
    }
}
