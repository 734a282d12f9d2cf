//! The connector `rest`: any HTTP API, with the canonical task or a templated request.

mod answer;
mod requests;
mod retry_after;
mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::id::{ConnectorName, TouchKey};
use domain::touch::Delivery;
use egress::{Egress, Method, Request, Response};
use ports::clock::Clock;
use ports::connector::{CanonicalTask, Connector, ConnectorError, Created, Task, Traits};
use serde_json::json;

pub use settings::{AlreadyExists, Auth, FollowUp, Lookup, RequestTemplate, Settings, SettingsError};

use crate::rest::answer::Verdict;
use crate::rest::requests::{Rendered, Requests};

/// See the module.
pub struct Rest {
    settings: Settings,
    requests: Requests,
    egress: Egress,
    clock: Arc<dyn Clock>,
}

impl Rest {
    /// Checks the settings and compiles their templates.
    ///
    /// # Errors
    /// When a URL, pointer or template is wrong; the message names the setting.
    pub fn new(settings: Settings, egress: Egress, clock: Arc<dyn Clock>) -> Result<Self, SettingsError> {
        let requests = Requests::compile(&settings)?;
        Ok(Self { settings, requests, egress, clock })
    }

    async fn send(&self, rendered: &Rendered, extra: &[(&str, String)]) -> Result<Response, egress::Error> {
        let mut request = Request::new(rendered.method(), self.settings.url(&rendered.path))
            .body(rendered.body.clone().into_bytes())
            .timeout(self.settings.traits.timeout);
        if !rendered.body.is_empty() {
            request = request.header("Content-Type", "application/json");
        }
        request = request.header("Accept", "application/json");
        if let Some((name, value)) = self.settings.auth.as_ref().map(Auth::header) {
            request = request.header(name, value);
        }
        for (name, value) in &rendered.headers {
            request = request.header(name, value);
        }
        for (name, value) in extra {
            request = request.header(*name, value);
        }
        self.egress.send(request).await
    }

    fn sort(&self, answer: Result<Response, egress::Error>) -> Verdict {
        let secrets = self.settings.auth.as_ref().map(Auth::secrets).unwrap_or_default();
        answer::sort(answer, self.clock.now(), &secrets)
    }
}

#[async_trait]
impl Connector for Rest {
    fn name(&self) -> &ConnectorName {
        &self.settings.name
    }

    fn traits(&self) -> &Traits {
        &self.settings.traits
    }

    fn render(&self, task: &CanonicalTask) -> Result<Bytes, ConnectorError> {
        let rendered = self.requests.create(task).map_err(ConnectorError::Rejected)?;
        Ok(rendered.to_bytes())
    }

    async fn create(&self, task: &Task) -> Result<Created, ConnectorError> {
        let rendered = Rendered::from_bytes(&task.body).map_err(ConnectorError::Rejected)?;
        let mut extra =
            vec![("Idempotency-Key", task.key.to_string()), ("Drumbeat-Attempt", task.attempt.to_string())];
        if let Some(trace) = &task.trace {
            extra.push(("traceparent", trace.clone()));
        }
        let delivery = if self.settings.traits.delivers.contains(&task.channel) {
            Delivery::Delivered
        } else {
            Delivery::Task
        };
        let verdict = self.sort(self.send(&rendered, &extra).await);
        let remote_id = self.settings.accept(verdict)?;
        Ok(Created { remote_id, delivery })
    }

    async fn look_up(&self, key: TouchKey) -> Result<Option<Created>, ConnectorError> {
        let Some((rendered, pointer)) = self.requests.look_up(&json!({ "key": key.to_string() }))? else {
            return Err(ConnectorError::Rejected("this connector has no lookup request".to_owned()));
        };
        match self.sort(self.send(&rendered, &[]).await) {
            Verdict::Success(body) => Ok(answer::id_at(body.as_ref(), pointer)
                .map(|id| Created { remote_id: Some(id), delivery: Delivery::Task })),
            Verdict::Refused { status: 404 | 410, .. } => Ok(None),
            other => Err(other.into_error()),
        }
    }

    async fn withdraw(
        &self,
        key: TouchKey,
        remote_id: Option<&str>,
        reason: &str,
    ) -> Result<(), ConnectorError> {
        let about = json!({ "key": key.to_string(), "id": remote_id, "reason": reason });
        let Some(rendered) = self.requests.withdraw(&about)? else {
            return Ok(());
        };
        match self.sort(self.send(&rendered, &[]).await) {
            Verdict::Success(_) | Verdict::Refused { status: 404 | 410, .. } => Ok(()),
            other => Err(other.into_error()),
        }
    }

    async fn probe(&self) -> Result<(), ConnectorError> {
        let rendered = Rendered::bare(Method::Head, String::new());
        match self.sort(self.send(&rendered, &[]).await) {
            Verdict::Success(_) | Verdict::Refused { .. } | Verdict::Conflict { .. } => Ok(()),
            other => Err(other.into_error()),
        }
    }
}

#[cfg(test)]
mod tests;
