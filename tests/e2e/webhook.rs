//! Signed webhooks.

use egress::{AllowPrivate, Egress, Method, Policy, Request};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// The secret of the source `forms`.
pub(crate) const SECRET: &str = "e2e-secret-of-the-forms-source";

/// Posts to one ingest.
#[derive(Clone)]
pub(crate) struct Sender {
    client: Egress,
    url: String,
}

/// What ingest answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

impl Sender {
    pub(crate) fn new(ingest: &str) -> Self {
        let policy = Policy { allow_private: AllowPrivate::Yes, ..Policy::default() };
        Self { client: Egress::new(policy).unwrap(), url: format!("http://{ingest}/hooks/forms") }
    }

    /// Posts an event, signed; the error is that of the connection.
    pub(crate) async fn try_post(&self, body: &Value) -> Result<Answer, egress::Error> {
        self.post_signed(body.to_string().into_bytes(), "", None).await
    }

    /// Posts signed bytes to the source's address with something appended to it, in a trace.
    pub(crate) async fn post_signed(
        &self,
        body: Vec<u8>,
        query: &str,
        traceparent: Option<&str>,
    ) -> Result<Answer, egress::Error> {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(&body);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let mut headers = vec![("X-Signature", signature.as_str())];
        headers.extend(traceparent.map(|trace| ("traceparent", trace)));
        self.post_to(&format!("{}{query}", self.url), body, &headers).await
    }

    /// Posts to another source than the configured one.
    pub(crate) async fn post_elsewhere(&self, source: &str, body: Vec<u8>) -> Result<Answer, egress::Error> {
        self.post_to(&self.url.replace("/forms", &format!("/{source}")), body, &[]).await
    }

    /// Posts bytes as they are.
    pub(crate) async fn post_raw(
        &self,
        body: Vec<u8>,
        signature: Option<&str>,
    ) -> Result<Answer, egress::Error> {
        let headers: Vec<_> = signature.map(|signature| ("X-Signature", signature)).into_iter().collect();
        self.post_to(&self.url, body, &headers).await
    }

    async fn post_to(
        &self,
        url: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, egress::Error> {
        let mut request =
            Request::new(Method::Post, url).header("Content-Type", "application/json").body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.client.send(request).await?;
        let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        let retry_after = response.headers.get("retry-after").map(str::to_owned);
        Ok(Answer { status: response.status, retry_after, body })
    }

    /// Posts an event that must be accepted: again while ingest asks for that, as a provider does, since a broker on a busy
    /// machine may not acknowledge in time.
    pub(crate) async fn post(&self, body: &Value) -> Value {
        for _ in 0..TRIES {
            let answer = self.try_post(body).await.unwrap();
            if answer.status != 503 {
                assert_eq!(answer.status, 202, "{}", answer.body);
                return answer.body;
            }
        }
        panic!("{body} was answered 503 {TRIES} times");
    }
}

/// Each takes the second and a half that ingest waits for the broker.
const TRIES: usize = 20;

/// An event of the source `forms`, with an id of its own.
pub(crate) fn event(id: &str, kind: &str, email: &str) -> Value {
    json!({ "id": id, "type": kind, "person": { "email": email } })
}

/// The same with data.
pub(crate) fn event_with(id: &str, kind: &str, email: &str, data: Value) -> Value {
    let mut event = event(id, kind, email);
    event["data"] = data;
    event
}
