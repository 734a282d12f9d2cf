//! The answers.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::{ConnectionType, StatusCode};
use runtime::problem::{Problem, ProblemId};
use serde::Serialize;
use webhooks::Overload;

/// What is answered to a delivery.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is durable; one id per item, in order.
    Accepted { status: u16, ids: Vec<String> },
    /// It is refused, for good or for now.
    Refused(Problem),
    /// It is refused, and the connection is closed: the rest of its body was not read.
    Hangup(Problem),
    /// What a provider asked before it sends events.
    Handshake(HttpResponse),
    /// Nothing is said: this provider takes every answer for a delivery.
    Silence,
}

#[derive(Serialize)]
struct Accepted<'a> {
    accepted: usize,
    ids: &'a [String],
}

/// How long silence lasts, when the sender does not give up before.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

impl Answer {
    /// A refusal that makes this provider send again.
    pub(crate) fn overload(overload: Overload) -> Self {
        match overload {
            Overload::Unavailable { retry_after } => {
                Self::Refused(Problem::new(ProblemId::Unavailable).retry_after(retry_after))
            }
            Overload::TooManyRequests { retry_after } => {
                Self::Refused(Problem::new(ProblemId::RateLimited).retry_after(retry_after))
            }
            Overload::Silence => Self::Silence,
        }
    }

    /// A refusal of what comes too fast, to be repeated after `wait` at the earliest.
    pub(crate) fn over_rate(refusal: Overload, wait: Duration) -> Self {
        Self::overload(match refusal {
            Overload::Unavailable { retry_after } => {
                Overload::Unavailable { retry_after: retry_after.max(wait) }
            }
            Overload::TooManyRequests { retry_after } => {
                Overload::TooManyRequests { retry_after: retry_after.max(wait) }
            }
            Overload::Silence => Overload::Silence,
        })
    }

    /// The status that it is told with; 0 for silence.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Accepted { status, .. } => *status,
            Self::Refused(problem) | Self::Hangup(problem) => problem.id().status().as_u16(),
            Self::Handshake(answer) => answer.status().as_u16(),
            Self::Silence => 0,
        }
    }

    /// The name of a refusal in metrics; none when it is none.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Accepted { .. } | Self::Handshake(_) => None,
            Self::Refused(problem) | Self::Hangup(problem) => Some(problem.id().slug()),
            Self::Silence => Some(ProblemId::Unavailable.slug()),
        }
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        match self {
            Self::Accepted { status, ids } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::ACCEPTED);
                HttpResponse::build(status).json(Accepted { accepted: ids.len(), ids: &ids })
            }
            Self::Refused(problem) => problem.into_response(),
            Self::Handshake(answer) => answer,
            Self::Hangup(problem) => closing(problem.into_response()),
            // Whoever waited this long anyway gets the truth.
            Self::Silence => closing(Problem::new(ProblemId::Unavailable).into_response()),
        }
    }
}

fn closing(mut answer: HttpResponse) -> HttpResponse {
    answer.head_mut().set_connection_type(ConnectionType::Close);
    answer
}
