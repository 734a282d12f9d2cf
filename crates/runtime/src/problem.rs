//! HTTP errors as RFC 9457 problem details.
//!
//! A problem tells a caller what to do. It never carries the cause of a failure, a secret or a part of the
//! request: those go to the log of the place that handled the failure.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::Responder;
use actix_web::ResponseError;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use serde::Serialize;

/// The media type of problems.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Every problem there is. A new one does not compile until it has a status, a slug and a title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemId {
    /// No source of this name.
    UnknownSource,
    /// Nothing at this path.
    NotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// The body is over the limit.
    TooLarge,
    /// The body did not end in time.
    TooSlow,
    /// The signature is missing or wrong, or the delivery is outside the replay window.
    BadSignature,
    /// More requests than the source may send.
    RateLimited,
    /// A media type that the source does not send.
    UnsupportedMediaType,
    /// A body that the provider does not send.
    MalformedBody,
    /// It cannot be made durable now.
    Unavailable,
    /// A mistake of ours.
    Internal,
}

impl ProblemId {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::UnknownSource,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::TooSlow,
        Self::BadSignature,
        Self::RateLimited,
        Self::UnsupportedMediaType,
        Self::MalformedBody,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The status code.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::UnknownSource | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BadSignature => StatusCode::UNAUTHORIZED,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MalformedBody => StatusCode::BAD_REQUEST,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The last part of the `type`, stable for ever.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown-source",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::BadSignature => "bad-signature",
            Self::RateLimited => "rate-limited",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::MalformedBody => "malformed-body",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// The `type`: a URN, since the problems are the same on every deployment's host.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("urn:drumbeat:problem:{}", self.slug())
    }

    /// One line for people, the same for every occurrence.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::UnknownSource => "There is no source of this name",
            Self::NotFound => "There is nothing here",
            Self::MethodNotAllowed => "This method is not taken here",
            Self::TooLarge => "The body is too large",
            Self::TooSlow => "The body did not end in time",
            Self::BadSignature => "The signature is missing, wrong or out of date",
            Self::RateLimited => "Too many requests",
            Self::UnsupportedMediaType => "This media type is not taken here",
            Self::MalformedBody => "The body is not what this source sends",
            Self::Unavailable => "The delivery cannot be taken now, send it again later",
            Self::Internal => "Something went wrong here",
        }
    }
}

/// One occurrence of a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    id: ProblemId,
    detail: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
}

/// The document on the wire.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl Problem {
    /// An occurrence without further words.
    #[must_use]
    pub fn new(id: ProblemId) -> Self {
        Self { id, detail: None, retry_after: None }
    }

    /// With a sentence on this occurrence: what to change, such as the limit that was passed. Never a cause,
    /// a secret or a part of the request. Ignored for [`ProblemId::Internal`] and
    /// [`ProblemId::BadSignature`], of which nobody is told more.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        if !matches!(self.id, ProblemId::Internal | ProblemId::BadSignature) {
            self.detail = Some(detail.into());
        }
        self
    }

    /// With the time after which it is worth trying again, rounded up to seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Which problem it is.
    #[must_use]
    pub fn id(&self) -> ProblemId {
        self.id
    }

    /// The answer.
    #[must_use]
    pub fn into_response(self) -> HttpResponse {
        self.response()
    }

    fn response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.id.status());
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            answer.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        let document = Document {
            r#type: self.id.type_uri(),
            title: self.id.title(),
            status: self.id.status().as_u16(),
            detail: self.detail.as_deref(),
        };
        let body = serde_json::to_string(&document).expect("a document of strings and a number is JSON");
        answer.content_type(CONTENT_TYPE).body(body)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id.title())
    }
}

impl std::error::Error for Problem {}

impl Responder for Problem {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.into_response()
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.id.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.response()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    fn body(answer: HttpResponse) -> Value {
        let bytes = answer.into_body().try_into_bytes().expect("the body is whole");
        serde_json::from_slice(&bytes).expect("it is JSON")
    }

    fn header<'a>(answer: &'a HttpResponse, name: &str) -> &'a str {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[test]
    fn a_problem_is_a_problem_document() {
        let problem = Problem::new(ProblemId::TooLarge).detail("the limit is 1MiB");

        let answer = problem.into_response();

        assert_eq!(answer.status(), 413);
        assert_eq!(header(&answer, "content-type"), CONTENT_TYPE);
        assert_eq!(
            body(answer),
            json!({ "type": "urn:drumbeat:problem:too-large", "title": "The body is too large", "status": 413, "detail": "the limit is 1MiB" })
        );
    }

    #[test]
    fn every_problem_has_a_slug_of_its_own_and_an_error_status() {
        let mut slugs: Vec<&str> = ProblemId::ALL.iter().map(|id| id.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();

        assert_eq!(slugs.len(), ProblemId::ALL.len());
        assert!(
            ProblemId::ALL.iter().all(|id| id.status().is_client_error() || id.status().is_server_error())
        );
    }

    #[test]
    fn retry_after_is_rounded_up_to_seconds() {
        for (millis, seconds) in [(1, "1"), (1000, "1"), (1001, "2"), (30_000, "30")] {
            let problem = Problem::new(ProblemId::Unavailable).retry_after(Duration::from_millis(millis));

            assert_eq!(header(&problem.into_response(), "retry-after"), seconds);
        }
    }

    #[test]
    fn nobody_is_told_more_about_a_bad_signature_or_a_mistake_of_ours() {
        for id in [ProblemId::BadSignature, ProblemId::Internal] {
            let answer = Problem::new(id).detail("the database said: password is hunter2").into_response();

            assert_eq!(body(answer).get("detail"), None);
        }
    }

    #[test]
    fn a_handler_may_fail_with_a_problem() {
        let answer = Problem::new(ProblemId::UnknownSource).error_response();

        assert_eq!(answer.status(), 404);
        assert_eq!(body(answer)["title"], "There is no source of this name");
    }
}
