//! One attempt: the request, and what its end means for the touch.

use std::time::Duration;

use bytes::Bytes;
use domain::input::{TouchInput, TouchReport};
use domain::touch::{AttemptResult, Note, Touch};
use jiff::{SignedDuration, Timestamp};
use ports::connector::{ConnectorError, Created, Idempotency, Task, Traits};
use tracing::Instrument;

use crate::backoff;
use crate::lanes::Lanes;

/// A marked touch, to be sent now.
pub(crate) struct Marching {
    pub(crate) touch: Touch,
    pub(crate) attempt: i32,
    pub(crate) body: Bytes,
    /// When its first attempt was marked (wall clock).
    pub(crate) since: Timestamp,
    /// When the COMMIT of its mark was about to be sent (monotonic).
    pub(crate) committing_at: Duration,
}

/// An attempt that ended.
pub(crate) struct Sent {
    pub(crate) input: TouchInput,
    /// How long the whole connection is to wait.
    pub(crate) pause: Option<Duration>,
}

/// How long a connection waits whose credentials are wrong: a person must act, and each try may lock an account.
const UNAUTHORIZED: Duration = Duration::from_secs(60);
/// How long a connection waits that is over its limit without saying how long.
const THROTTLED: Duration = Duration::from_secs(5);
/// How long a connection waits whose mark came too late to be used.
const VOID: Duration = Duration::from_millis(250);
/// Beyond the connector's own time-out, which should have ended the call.
const GRACE: Duration = Duration::from_secs(1);

/// Sends one attempt and says what became of it.
pub(crate) async fn send(lanes: &Lanes, march: Marching) -> Sent {
    let span = tracing::info_span!(
        "dispatch.send",
        touch.key = %march.touch.key,
        touch.attempt = march.attempt,
        connector = %lanes.connector.name(),
    );
    if let Some(scheduled_by) = &march.touch.trace {
        runtime::telemetry::propagation::link(&span, scheduled_by);
    }
    attempt(lanes, march).instrument(span).await
}

async fn attempt(lanes: &Lanes, march: Marching) -> Sent {
    let clock = &lanes.deps.clock;
    let started = clock.monotonic();
    let answer = if started.saturating_sub(march.committing_at) > lanes.settings.start_within {
        None
    } else if march.body.is_empty() {
        // Every earlier attempt was void, and now it cannot be rendered any more.
        Some(Err(ConnectorError::Rejected("the task can no longer be rendered".to_owned())))
    } else {
        Some(call(lanes, &march).await)
    };
    let (result, pause) = match answer {
        // The store is too slow for marks to hold: give it some air.
        None => (AttemptResult::Void, Some(VOID)),
        Some(Ok(created)) => {
            (AttemptResult::Sent { remote_id: created.remote_id, delivery: created.delivery }, None)
        }
        Some(Err(error)) => failed(lanes, &march, error),
    };
    let took = clock.monotonic().saturating_sub(started);
    lanes.deps.observer.attempt(lanes.connector.name().as_str(), outcome(&result), took);
    tracing::info!(outcome = outcome(&result), duration_ms = took.as_millis(), "an attempt ended");
    let business = lanes.deps.units.business();
    let report = TouchReport::Attempt { attempt: march.attempt, result };
    Sent { input: TouchInput { touch: march.touch.id, at: business.business(clock.now()), report }, pause }
}

/// How long an attempt may take: a look-up may come before the request, hence twice the time.
pub(crate) fn time_limit(traits: &Traits) -> Duration {
    traits.timeout.saturating_mul(2).saturating_add(GRACE)
}

async fn call(lanes: &Lanes, march: &Marching) -> Result<Created, ConnectorError> {
    let connector = &lanes.connector;
    let traits = connector.traits();
    let task = Task {
        key: march.touch.key,
        attempt: march.attempt,
        body: march.body.clone(),
        channel: march.touch.channel,
        trace: runtime::telemetry::propagation::inject_current(),
    };
    let request = async {
        if march.attempt > 1
            && traits.idempotency == Idempotency::Lookup
            && let Some(found) = connector.look_up(task.key).await?
        {
            return Ok(found);
        }
        connector.create(&task).await
    };
    tokio::time::timeout(time_limit(traits), request)
        .await
        .unwrap_or_else(|_| Err(ConnectorError::Unknown("no answer in time".to_owned())))
}

/// What an error means: a time to try again, or the end.
fn failed(lanes: &Lanes, march: &Marching, error: ConnectorError) -> (AttemptResult, Option<Duration>) {
    let now = lanes.deps.clock.now();
    let wait = backoff::delay(march.touch.key, march.attempt);
    let text = error.to_string();
    let retry = |wait: Duration, code: &str| {
        let at = later(now, wait);
        let note = Note::new(code, text.clone());
        let tried = Duration::try_from(now.duration_since(march.since)).unwrap_or_default();
        if tried >= lanes.settings.give_up_after {
            AttemptResult::Exhausted(note)
        } else {
            AttemptResult::Retry { at, note }
        }
    };
    match error {
        ConnectorError::Rejected(why) => (AttemptResult::Rejected(Note::new("rejected", why)), None),
        ConnectorError::RateLimited { retry_after } => {
            let pause = retry_after.unwrap_or(THROTTLED);
            // The connection's pause is no failure of the touch: it is due again as soon as that is over.
            (retry(pause, "rate_limited"), Some(pause))
        }
        ConnectorError::Unauthorized(_) => (retry(UNAUTHORIZED, "unauthorized"), Some(UNAUTHORIZED)),
        ConnectorError::Transient(_) => (retry(wait, "transient"), None),
        ConnectorError::Unknown(_) => {
            let may = lanes.connector.traits().idempotency != Idempotency::None;
            let tried = Duration::try_from(now.duration_since(march.since)).unwrap_or_default();
            let again_at = (may && tried < lanes.settings.give_up_after).then(|| later(now, wait));
            (AttemptResult::Unknown { again_at, note: Note::new("unknown", text) }, None)
        }
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

fn outcome(result: &AttemptResult) -> &'static str {
    match result {
        AttemptResult::Sent { .. } => "sent",
        AttemptResult::Rejected(_) => "rejected",
        AttemptResult::Retry { .. } => "retry",
        AttemptResult::Exhausted(_) => "exhausted",
        AttemptResult::Unknown { .. } => "unknown",
        AttemptResult::Void => "void",
    }
}
