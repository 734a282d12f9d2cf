//! What an answer means: done, certainly not done, or nobody knows.

use std::time::Duration;

use egress::{Outcome, Response};
use jiff::Timestamp;
use ports::connector::ConnectorError;
use serde_json::Value;

use super::retry_after;

/// An answer, sorted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// 2xx with an empty or JSON body.
    Success(Option<Value>),
    /// 409: the task may be there already.
    Conflict {
        /// The status.
        status: u16,
        /// The body, where it is JSON.
        body: Option<Value>,
        /// For people.
        text: String,
    },
    /// Certainly not done, and never will be.
    Refused {
        /// The status.
        status: u16,
        /// The body, where it is JSON.
        body: Option<Value>,
        /// For people.
        text: String,
    },
    /// Certainly not done: over the limit.
    Throttled(Option<Duration>),
    /// Certainly not done: our credentials.
    Unauthorized(String),
    /// Certainly not done, may work later.
    Transient(String),
    /// Nobody knows.
    Unknown(String),
}

impl Verdict {
    pub(super) fn into_error(self) -> ConnectorError {
        match self {
            Self::Throttled(retry_after) => ConnectorError::RateLimited { retry_after },
            Self::Unauthorized(text) => ConnectorError::Unauthorized(text),
            Self::Transient(text) => ConnectorError::Transient(text),
            Self::Refused { text, .. } => ConnectorError::Rejected(text),
            Self::Conflict { text, .. } | Self::Unknown(text) => ConnectorError::Unknown(text),
            Self::Success(_) => ConnectorError::Unknown("the answer names no task".to_owned()),
        }
    }
}

/// Sorts an answer, or the lack of one. None of our `secrets` comes back in its words.
pub(super) fn sort(answer: Result<Response, egress::Error>, now: Timestamp, secrets: &[String]) -> Verdict {
    match answer {
        Ok(response) => sort_response(&response, now, secrets),
        Err(error) => match error.outcome() {
            Outcome::NotSent => Verdict::Transient(error.to_string()),
            Outcome::Unknown => Verdict::Unknown(error.to_string()),
            Outcome::Answered(status) if (200..300).contains(&status) => {
                Verdict::Unknown(format!("HTTP {status}, but {error}"))
            }
            Outcome::Answered(status) => by_status(status, None, None, secrets),
        },
    }
}

fn sort_response(response: &Response, now: Timestamp, secrets: &[String]) -> Verdict {
    let body = serde_json::from_slice::<Value>(&response.body).ok();
    if response.is_success() {
        return if response.body.iter().all(u8::is_ascii_whitespace) {
            Verdict::Success(None)
        } else if body.is_some() {
            Verdict::Success(body)
        } else {
            Verdict::Unknown(format!(
                "HTTP {} with a body that is not JSON: is this the API's URL?",
                response.status
            ))
        };
    }
    by_status(response.status, body, retry_after::read(&response.headers, now), secrets)
}

fn by_status(status: u16, body: Option<Value>, wait: Option<Duration>, secrets: &[String]) -> Verdict {
    let text = describe(status, body.as_ref(), secrets);
    match status {
        429 => Verdict::Throttled(wait),
        503 if wait.is_some() => Verdict::Throttled(wait),
        401 => Verdict::Unauthorized(text),
        // Locked: nothing was done, and the lock passes.
        423 => Verdict::Transient(text),
        409 => Verdict::Conflict { status, body, text },
        300..400 => Verdict::Refused {
            status,
            body,
            text: format!(
                "HTTP {status}, a redirect, which is never followed: set base_url to where it leads"
            ),
        },
        // The server gave up waiting, or says too early: it may have seen the request.
        408 | 425 => Verdict::Unknown(text),
        400..500 => Verdict::Refused { status, body, text },
        _ => Verdict::Unknown(text),
    }
}

/// The words of the CRM where it has some, short, without addresses and without what we know it by: they end in the
/// touch's note.
fn describe(status: u16, body: Option<&Value>, secrets: &[String]) -> String {
    const WHERE: [&str; 8] = [
        "/message",
        "/detail",
        "/error/message",
        "/error_description",
        "/title",
        "/errors/0/message",
        "/error",
        "/0/message",
    ];
    let words = body
        .and_then(|body| WHERE.iter().find_map(|pointer| body.pointer(pointer).and_then(Value::as_str)))
        .map(|words| {
            mask(&secrets.iter().fold(words.to_owned(), |words, secret| words.replace(secret, HIDDEN)))
        })
        .map(|words| words.chars().take(200).collect::<String>());
    words.map_or_else(|| format!("HTTP {status}"), |words| format!("HTTP {status}: {words}"))
}

/// What stands for what is left out.
const HIDDEN: &str = "…";

/// The words, without those that may be someone's address or number; a number may be written as several words.
fn mask(text: &str) -> String {
    let of_a_number = |word: &str| word.bytes().all(|byte| b"+-()./,;:0123456789".contains(&byte));
    let digits = |word: &str| word.bytes().filter(u8::is_ascii_digit).count();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut kept = Vec::with_capacity(words.len());
    for run in words.chunk_by(|one, next| of_a_number(one) && of_a_number(next)) {
        if run.iter().any(|word| word.contains('@'))
            || run.iter().map(|word| digits(word)).sum::<usize>() >= 7
        {
            kept.push(HIDDEN);
        } else {
            kept.extend(run);
        }
    }
    kept.join(" ")
}

/// The id at a pointer, as text: CRMs answer numbers and strings alike. What no id can be is none: it would be stored, and
/// put into the paths of later requests.
pub(super) fn id_at(body: Option<&Value>, pointer: &str) -> Option<String> {
    match body?.pointer(pointer)? {
        Value::String(id) if is_plausible(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// A database's text takes no NUL, and a path of dots leads elsewhere.
fn is_plausible(id: &str) -> bool {
    !id.is_empty() && id.len() <= 255 && !id.chars().any(char::is_control) && !matches!(id, "." | "..")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_success_is_empty_or_json_and_anything_else_is_unknown() {
        let answer = |body: &'static [u8]| {
            sort(
                Ok(Response {
                    status: 201,
                    headers: egress::Headers::new(),
                    body: bytes::Bytes::from_static(body),
                }),
                Timestamp::UNIX_EPOCH,
                &[],
            )
        };

        assert_eq!(answer(b""), Verdict::Success(None));
        assert_eq!(answer(b" \n"), Verdict::Success(None));
        assert_eq!(answer(b"{\"id\":7}"), Verdict::Success(Some(json!({ "id": 7 }))));
        assert!(matches!(answer(b"<html>maintenance</html>"), Verdict::Unknown(_)));
    }

    #[test]
    fn each_status_says_what_became_of_the_task() {
        let wait = Some(Duration::from_secs(3));
        assert_eq!(by_status(429, None, wait, &[]), Verdict::Throttled(wait));
        assert_eq!(by_status(503, None, wait, &[]), Verdict::Throttled(wait));
        for status in [500, 502, 503, 504, 520, 408, 425] {
            assert!(matches!(by_status(status, None, None, &[]), Verdict::Unknown(_)), "{status}");
        }
        for status in [400, 403, 404, 405, 410, 413, 415, 422, 301, 302, 307] {
            assert!(matches!(by_status(status, None, None, &[]), Verdict::Refused { .. }), "{status}");
        }
        assert!(matches!(by_status(401, None, None, &[]), Verdict::Unauthorized(_)));
        assert!(matches!(by_status(423, None, None, &[]), Verdict::Transient(_)));
        assert!(matches!(by_status(409, None, None, &[]), Verdict::Conflict { .. }));
    }

    #[test]
    fn the_words_of_the_crm_are_kept_without_addresses() {
        let body = json!({ "message": "owner ada@example.com (+1 555 123-4567, 5551234567) is unknown" });
        assert_eq!(describe(422, Some(&body), &[]), "HTTP 422: owner … … is unknown");
        let body = json!({ "message": "call +1 (415) 555 01 42 or room 12 of 34" });
        assert_eq!(describe(422, Some(&body), &[]), "HTTP 422: call … or room 12 of 34");
    }

    #[test]
    fn a_crm_that_repeats_our_credentials_is_not_quoted() {
        let body = json!({ "error": "Bearer our-token:x is not valid (token=our-token)" });

        let told = describe(401, Some(&body), &["our-token".to_owned()]);

        assert_eq!(told, "HTTP 401: Bearer …:x is not valid (token=…)");
    }

    #[test]
    fn ids_are_read_as_text() {
        assert_eq!(id_at(Some(&json!({ "id": 7 })), "/id").as_deref(), Some("7"));
        assert_eq!(id_at(Some(&json!({ "data": { "id": "x" } })), "/data/id").as_deref(), Some("x"));
        assert_eq!(id_at(Some(&json!({ "id": null })), "/id"), None);
        assert_eq!(id_at(None, "/id"), None);
    }

    #[test]
    fn an_id_that_cannot_be_one_is_none() {
        for id in ["", "a\0b", "a\r\nb", ".", "..", "x".repeat(256).as_str()] {
            assert_eq!(id_at(Some(&json!({ "id": id })), "/id"), None, "{id:?}");
        }
        assert_eq!(
            id_at(Some(&json!({ "id": "a/../b c" })), "/id").as_deref(),
            Some("a/../b c"),
            "escaped when used"
        );
    }
}
