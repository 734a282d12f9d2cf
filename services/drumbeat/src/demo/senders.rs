//! Those who post webhooks, each signing in its own way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use egress::{AllowPrivate, Egress, Method, Policy, Request};
use hmac::{Hmac, KeyInit as _, Mac as _};
use ports::clock::Clock;
use serde_json::{Value, json};
use sha2::Sha256;

use super::Missed;
use super::folder::{CRM_SECRET, FORMS_SECRET, MAIL_SECRET};
use crate::exit::Failure;

/// How long the start may take.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often readiness is asked for.
const POLL: Duration = Duration::from_millis(25);

/// What ingest answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    /// Requires that it was accepted.
    pub(super) fn accepted(self) -> Result<Self, Missed> {
        if self.status == 202 {
            return Ok(self);
        }
        Err(Missed(format!(
            "ingest answered {} to a webhook that it should have taken: {}",
            self.status, self.body
        )))
    }
}

/// Posts to one ingest.
#[derive(Clone)]
pub(super) struct Senders {
    client: Egress,
    ingest: SocketAddr,
    clock: Arc<dyn Clock>,
}

impl Senders {
    pub(super) fn new(ingest: SocketAddr, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let policy = Policy { allow_private: AllowPrivate::Yes, ..Policy::default() };
        let client = Egress::new(policy).map_err(|error| Failure::Refused(error.to_string()))?;
        Ok(Self { client, ingest, clock })
    }

    /// A form, signed with HMAC-SHA256 over its bytes.
    pub(super) async fn form(&self, body: &Value) -> Result<Answer, Missed> {
        let body = body.to_string();
        let signature = format!("sha256={}", hex::encode(hmac(FORMS_SECRET.as_bytes(), body.as_bytes())));
        self.post("website-forms", body, &[("X-Signature", signature)]).await
    }

    /// A form whose signature was made with another secret.
    pub(super) async fn forged_form(&self, body: &Value) -> Result<Answer, Missed> {
        let body = body.to_string();
        let signature = format!("sha256={}", hex::encode(hmac(b"a guess", body.as_bytes())));
        self.post("website-forms", body, &[("X-Signature", signature)]).await
    }

    /// What became of a mail, as Standard Webhooks has it.
    pub(super) async fn mail(&self, id: &str, kind: &str, data: Value) -> Result<Answer, Missed> {
        let body = json!({ "type": kind, "data": data }).to_string();
        let at = self.clock.now().as_second();
        let key = MAIL_SECRET.strip_prefix("whsec_").and_then(|key| BASE64_STANDARD.decode(key).ok());
        let key =
            key.ok_or_else(|| Missed("the secret of the mails is no Standard Webhooks secret".to_owned()))?;
        let signed = BASE64_STANDARD.encode(hmac(&key, format!("{id}.{at}.{body}").as_bytes()));
        let headers = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", format!("v1,{signed}")),
        ];
        self.post("mail-events", body, &headers).await
    }

    /// What a rep did with a task, with the CRM's token.
    pub(super) async fn task(&self, key: &str, result: &str) -> Result<Answer, Missed> {
        let body = json!({
            "event": "task.completed",
            "event_id": format!("done-{key}"),
            "task": { "external_key": key, "result": result },
        });
        self.post("crm-tasks", body.to_string(), &[("X-Webhook-Token", CRM_SECRET.to_owned())]).await
    }

    /// Waits until every role is ready.
    pub(super) async fn ready(&self, admin: SocketAddr) -> Result<(), Missed> {
        let asking = async {
            loop {
                let request = Request::new(Method::Get, format!("http://{admin}/readyz"));
                if self.client.send(request).await.is_ok_and(|response| response.is_success()) {
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let late = |_| Missed(format!("nobody was ready within {} s", READY_WITHIN.as_secs()));
        tokio::time::timeout(READY_WITHIN, asking).await.map_err(late)
    }

    async fn post(&self, source: &str, body: String, headers: &[(&str, String)]) -> Result<Answer, Missed> {
        let mut request = Request::new(Method::Post, format!("http://{}/hooks/{source}", self.ingest))
            .header("Content-Type", "application/json")
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| Missed(format!("ingest was not reached: {error}")))?;
        let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        Ok(Answer { status: response.status, body })
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}
