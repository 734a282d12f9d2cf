//! A CRM, as the dispatcher sees it.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::id::{ConnectorName, TouchKey};
use domain::touch::{Channel, Delivery};

/// A task to create: rendered once, the same bytes on every attempt.
#[derive(Debug, Clone)]
pub struct Task {
    /// The idempotency key.
    pub key: TouchKey,
    /// Which attempt, from 1.
    pub attempt: i32,
    /// The request as rendered by [`Connector::render`].
    pub body: Bytes,
    /// How the contact is touched.
    pub channel: Channel,
    /// The W3C `traceparent` to send along.
    pub trace: Option<String>,
}

/// The CRM has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its id there.
    pub remote_id: Option<String>,
    /// Whether the connector itself carries the channel out.
    pub delivery: Delivery,
}

/// A connector's failure, by what it says of the task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// Certainly not done; the connection is over its limit. The pause is the connection's, not the touch's.
    #[error("the CRM asks to wait{}", .retry_after.map(|wait| format!(" {} s", wait.as_secs())).unwrap_or_default())]
    RateLimited {
        /// How long, where it says so.
        retry_after: Option<Duration>,
    },
    /// Certainly not done; may work later.
    #[error("the CRM cannot take it now: {0}")]
    Transient(String),
    /// Certainly not done, and never will be as it is.
    #[error("the CRM refused it: {0}")]
    Rejected(String),
    /// Certainly not done: the credentials are wrong. A matter of the connection.
    #[error("the CRM did not accept our credentials: {0}")]
    Unauthorized(String),
    /// Nobody knows: the request may have been carried out.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// What may be done about an unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// A repeat with the same key is safe.
    Key,
    /// The CRM can be asked by key first.
    Lookup,
    /// Neither: a person decides.
    None,
}

/// What a connector allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traits {
    /// How an unknown outcome is resolved.
    pub idempotency: Idempotency,
    /// The channels that it carries out itself.
    pub delivers: Vec<Channel>,
    /// Requests per period, if limited.
    pub rate: Option<(u32, Duration)>,
    /// Requests at the same time.
    pub concurrency: usize,
    /// After this long a request counts as hung.
    pub timeout: Duration,
}

/// The canonical task of the contract (design §6), as JSON.
pub type CanonicalTask = serde_json::Value;

/// A CRM.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &ConnectorName;

    /// What it allows.
    fn traits(&self) -> &Traits;

    /// The request for a task, rendered once and stored.
    ///
    /// # Errors
    /// `Rejected` when its template does not fit the task.
    fn render(&self, task: &CanonicalTask) -> Result<Bytes, ConnectorError>;

    /// Creates the task.
    async fn create(&self, task: &Task) -> Result<Created, ConnectorError>;

    /// Whether the CRM has a task of this key; only where [`Idempotency::Lookup`].
    async fn look_up(&self, key: TouchKey) -> Result<Option<Created>, ConnectorError>;

    /// Takes an open task back.
    async fn withdraw(
        &self,
        key: TouchKey,
        remote_id: Option<&str>,
        reason: &str,
    ) -> Result<(), ConnectorError>;

    /// Whether it answers and knows us; cheap.
    async fn probe(&self) -> Result<(), ConnectorError>;
}
