//! The client.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use tracing::Span;
use tracing::field::Empty;

use crate::error::BuildError;
use crate::error::Error;
use crate::guard;
use crate::message::Headers;
use crate::message::Method;
use crate::message::Request;
use crate::message::Response;
use crate::policy::Policy;
use crate::resolver::Forbidden;
use crate::resolver::GuardedResolver;
use crate::resolver::Lookup;
use crate::resolver::SystemLookup;
use crate::tls;

/// How long an unused connection is kept. Short, since a connection that the other side closes just as a
/// request leaves makes that request's outcome unknown.
const IDLE: Duration = Duration::from_secs(15);

/// A guarded HTTP client with a connection pool of its own; cheap to clone.
#[derive(Clone)]
pub struct Egress {
    client: reqwest::Client,
    policy: Arc<Policy>,
}

impl Egress {
    /// Makes a client that keeps to `policy`, resolving names with the operating system.
    ///
    /// # Errors
    /// When TLS cannot be set up or the policy's user agent is not a legal header.
    pub fn new(policy: Policy) -> Result<Self, BuildError> {
        Self::with_lookup(policy, Arc::new(SystemLookup))
    }

    pub(crate) fn with_lookup(policy: Policy, lookup: Arc<dyn Lookup>) -> Result<Self, BuildError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config()?)
            .dns_resolver(Arc::new(GuardedResolver { lookup, allow_private: policy.allow_private }))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(policy.connect_timeout)
            .timeout(policy.total_timeout)
            .pool_idle_timeout(IDLE)
            .user_agent(policy.user_agent.as_str())
            .build()
            .map_err(|error| BuildError::Client(chain(&error)))?;
        Ok(Self { client, policy: Arc::new(policy) })
    }

    /// The bounds this client keeps to.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Sends `request` once and reads the whole answer.
    ///
    /// # Errors
    /// [`Error::outcome`] says whether the request can have been carried out.
    #[tracing::instrument(
        name = "egress.send",
        skip_all,
        fields(
            otel.kind = "client",
            http.request.method = request.method.as_str(),
            server.address = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
        )
    )]
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let result = self.exchange(request).await;
        let span = Span::current();
        match &result {
            Ok(response) => span.record("http.response.status_code", response.status),
            Err(error) => span.record("error.type", error.kind()),
        };
        result
    }

    async fn exchange(&self, request: Request) -> Result<Response, Error> {
        let url = guard::admit(&request.url, self.policy.allow_private)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        Span::current().record("server.address", host.as_str());
        let timeout =
            request.timeout.map_or(self.policy.total_timeout, |asked| asked.min(self.policy.total_timeout));

        let mut outgoing = self
            .client
            .request(method(request.method), url)
            .headers(headers(&request.headers)?)
            .timeout(timeout);
        if !request.body.is_empty() {
            outgoing = outgoing.body(request.body);
        }
        let mut answer = outgoing.send().await.map_err(|error| before_answer(&error, timeout))?;

        let status = answer.status().as_u16();
        let limit = self.policy.max_body;
        let announced = answer.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        if request.method != Method::Head && announced > limit {
            return Err(Error::TooLarge { status, limit });
        }
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let mut body = BytesMut::new();
        while let Some(chunk) =
            answer.chunk().await.map_err(|error| within_answer(&error, status, timeout))?
        {
            if body.len() + chunk.len() > limit {
                return Err(Error::TooLarge { status, limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body: body.freeze() })
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("policy", &self.policy).finish_non_exhaustive()
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

fn headers(fields: &Headers) -> Result<HeaderMap, Error> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields.iter() {
        let illegal = || Error::InvalidHeader { name: name.to_owned() };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| illegal())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| illegal())?;
        // Keeps the value out of the library's own debug output and of HTTP/2's shared compression table.
        value.set_sensitive(true);
        map.append(name, value);
    }
    Ok(map)
}

/// Judges an error that came before the status line was read. Only an error of the connector itself proves
/// that nothing was sent; everything else may have left.
fn before_answer(error: &reqwest::Error, timeout: Duration) -> Error {
    if let Some(forbidden) = find::<Forbidden>(error) {
        return Error::Refused { host: forbidden.host.clone(), range: forbidden.range };
    }
    if error.is_builder() {
        return Error::InvalidUrl { why: "the http client does not accept it".to_owned() };
    }
    if error.is_connect() {
        return Error::Connect { why: chain(error) };
    }
    if error.is_timeout() {
        return Error::TimedOut { after: timeout, status: None };
    }
    Error::Interrupted { why: chain(error), status: None }
}

/// Judges an error that came while the body was read.
fn within_answer(error: &reqwest::Error, status: u16, timeout: Duration) -> Error {
    if error.is_timeout() {
        return Error::TimedOut { after: timeout, status: Some(status) };
    }
    Error::Interrupted { why: chain(error), status: Some(status) }
}

/// The first error of type `E` among `error`'s causes.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut current = Some(error);
    while let Some(this) = current {
        if let Some(found) = this.downcast_ref::<E>() {
            return Some(found);
        }
        current = this.source();
    }
    None
}

/// The causes of `error` as one line, without the outermost message, which repeats the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut current = error.source();
    while let Some(this) = current {
        let text = this.to_string();
        if causes.last().is_none_or(|last| *last != text) {
            causes.push(text);
        }
        current = this.source();
    }
    if causes.is_empty() { "no cause was given".to_owned() } else { causes.join(": ") }
}
