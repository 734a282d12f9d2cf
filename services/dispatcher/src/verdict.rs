//! What a failed attempt means: a time to try again, a wait for the whole connection, or the end.

use std::time::Duration;

use domain::id::TouchKey;
use domain::touch::{AttemptResult, Note};
use jiff::{SignedDuration, Timestamp};
use ports::connector::{ConnectorError, Idempotency};

use crate::backoff;
use crate::outage::Reached;

/// How long a connection waits whose credentials are wrong: a person must act, and each try may lock an account.
const UNAUTHORIZED: Duration = Duration::from_secs(60);
/// How long a connection waits that is over its limit without saying how long.
const THROTTLED: Duration = Duration::from_secs(5);

/// Why a whole connection waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The CRM asked for it.
    Asked,
    /// The CRM refused the credentials.
    Unauthorized,
}

/// How long a whole connection is to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) wait: Duration,
    pub(crate) why: Why,
}

/// An attempt that failed. Times are wall-clock.
pub(crate) struct Trial {
    pub(crate) key: TouchKey,
    pub(crate) attempt: i32,
    /// When the first attempt was marked.
    pub(crate) since: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) idempotency: Idempotency,
    /// How long transient errors are tried, from the first attempt.
    pub(crate) give_up_after: Duration,
}

impl Trial {
    fn is_over(&self) -> bool {
        Duration::try_from(self.now.duration_since(self.since)).unwrap_or_default() >= self.give_up_after
    }

    fn later(&self, wait: Duration) -> Timestamp {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        self.now.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    fn retry(&self, wait: Duration, note: Note) -> AttemptResult {
        if self.is_over() {
            AttemptResult::Exhausted(note)
        } else {
            AttemptResult::Retry { at: self.later(wait), note }
        }
    }
}

/// Whether the whole connection is to wait after an error.
pub(crate) fn pause(error: &ConnectorError) -> Option<Pause> {
    match error {
        ConnectorError::RateLimited { retry_after } => {
            Some(Pause { wait: retry_after.unwrap_or(THROTTLED), why: Why::Asked })
        }
        ConnectorError::Unauthorized(_) => Some(Pause { wait: UNAUTHORIZED, why: Why::Unauthorized }),
        ConnectorError::Rejected(_) | ConnectorError::Transient(_) | ConnectorError::Unknown(_) => None,
    }
}

/// Whether a request that ended so says that the CRM is there.
pub(crate) fn reached<T>(answer: &Result<T, ConnectorError>) -> Reached {
    match answer {
        Ok(_)
        | Err(
            ConnectorError::Rejected(_)
            | ConnectorError::RateLimited { .. }
            | ConnectorError::Unauthorized(_),
        ) => Reached::Yes,
        Err(ConnectorError::Transient(_) | ConnectorError::Unknown(_)) => Reached::No,
    }
}

/// What becomes of the touch, and whether the whole connection is to wait.
pub(crate) fn of(error: ConnectorError, trial: &Trial) -> (AttemptResult, Option<Pause>) {
    let pause = pause(&error);
    let wait = pause.map_or_else(|| backoff::delay(trial.key, trial.attempt), |pause| pause.wait);
    let text = error.to_string();
    let result = match error {
        ConnectorError::Rejected(why) => AttemptResult::Rejected(Note::new("rejected", why)),
        // The connection's pause is no failure of the touch: it is due again as soon as that is over.
        ConnectorError::RateLimited { .. } => trial.retry(wait, Note::new("rate_limited", text)),
        ConnectorError::Unauthorized(_) => trial.retry(wait, Note::new("unauthorized", text)),
        ConnectorError::Transient(_) => trial.retry(wait, Note::new("transient", text)),
        ConnectorError::Unknown(_) => {
            let may_repeat = trial.idempotency != Idempotency::None && !trial.is_over();
            let again_at = may_repeat.then(|| trial.later(wait));
            AttemptResult::Unknown { again_at, note: Note::new("unknown", text) }
        }
    };
    (result, pause)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn trial(hours: i64, idempotency: Idempotency) -> Trial {
        let since: Timestamp = "2026-03-06T14:00:00Z".parse().unwrap();
        Trial {
            key: TouchKey(Uuid::from_u128(7)),
            attempt: 3,
            since,
            now: since + SignedDuration::from_hours(hours),
            idempotency,
            give_up_after: DAY,
        }
    }

    #[test]
    fn transient_errors_are_tried_for_a_day_and_then_fail() {
        let error = || ConnectorError::Transient("no connection".to_owned());

        let (early, pause) = of(error(), &trial(23, Idempotency::Key));
        let (late, _) = of(error(), &trial(24, Idempotency::Key));

        assert!(
            matches!(&early, AttemptResult::Retry { at, .. } if *at > trial(23, Idempotency::Key).now),
            "{early:?}"
        );
        assert_eq!(pause, None);
        assert!(matches!(&late, AttemptResult::Exhausted(note) if note.code == "transient"), "{late:?}");
    }

    #[test]
    fn a_rate_limit_holds_the_connection_as_long_as_the_crm_says() {
        let wait = Duration::from_secs(42);
        let trial = trial(0, Idempotency::Key);

        let (result, pause) = of(ConnectorError::RateLimited { retry_after: Some(wait) }, &trial);

        assert_eq!(pause, Some(Pause { wait, why: Why::Asked }));
        assert!(matches!(result, AttemptResult::Retry { at, .. } if at == trial.later(wait)));
    }

    #[test]
    fn wrong_credentials_hold_the_connection() {
        let (result, pause) =
            of(ConnectorError::Unauthorized("HTTP 401".to_owned()), &trial(0, Idempotency::Key));

        assert_eq!(pause, Some(Pause { wait: UNAUTHORIZED, why: Why::Unauthorized }));
        assert!(matches!(result, AttemptResult::Retry { .. }));
    }

    #[test]
    fn a_refusal_is_final_at_once() {
        let (result, pause) =
            of(ConnectorError::Rejected("HTTP 422".to_owned()), &trial(0, Idempotency::Key));

        assert!(matches!(&result, AttemptResult::Rejected(note) if note.text == "HTTP 422"), "{result:?}");
        assert_eq!(pause, None);
    }

    #[test]
    fn an_unknown_outcome_is_repeated_only_where_that_is_safe() {
        let unknown = |hours, idempotency| {
            of(ConnectorError::Unknown("no answer".to_owned()), &trial(hours, idempotency)).0
        };

        assert!(matches!(unknown(0, Idempotency::Key), AttemptResult::Unknown { again_at: Some(_), .. }));
        assert!(matches!(unknown(0, Idempotency::Lookup), AttemptResult::Unknown { again_at: Some(_), .. }));
        assert!(matches!(unknown(0, Idempotency::None), AttemptResult::Unknown { again_at: None, .. }));
        assert!(matches!(unknown(25, Idempotency::Key), AttemptResult::Unknown { again_at: None, .. }));
    }
}
