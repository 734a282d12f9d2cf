//! One attempt: the request, and what its end means for the touch.

use std::time::Duration;

use bytes::Bytes;
use domain::input::{TouchInput, TouchReport};
use domain::touch::{AttemptResult, Touch};
use jiff::Timestamp;
use ports::connector::{ConnectorError, Created, Idempotency, Task, Traits};
use tracing::{Instrument, Span, field};

use crate::line::Line;
use crate::outage::Reached;
use crate::verdict::{self, Pause, Trial};

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

impl Marching {
    /// Whether its request may still start.
    pub(crate) fn is_in_time(&self, now: Duration, start_within: Duration) -> bool {
        now.saturating_sub(self.committing_at) <= start_within
    }
}

/// An attempt that ended.
pub(crate) struct Sent {
    pub(crate) input: TouchInput,
    /// Whether the whole connection is to wait.
    pub(crate) pause: Option<Pause>,
    /// How long the request took, if it went well.
    pub(crate) went_in: Option<Duration>,
    pub(crate) reached: Reached,
    /// When its request started (monotonic).
    pub(crate) started: Duration,
}

/// Beyond the connector's own time-out, which should have ended the call.
const GRACE: Duration = Duration::from_secs(1);

/// Sends one attempt and says what became of it.
pub(crate) async fn send(line: &Line, march: Marching) -> Sent {
    let span = tracing::info_span!(
        "dispatch.send",
        otel.status_code = field::Empty,
        attempt.outcome = field::Empty,
        touch.key = %march.touch.key,
        touch.attempt = march.attempt,
        connector = %line.connector.name(),
    );
    if let Some(scheduled_by) = &march.touch.trace {
        runtime::telemetry::propagation::link(&span, scheduled_by);
    }
    attempt(line, march).instrument(span).await
}

async fn attempt(line: &Line, march: Marching) -> Sent {
    let clock = &line.deps.clock;
    let started = clock.monotonic();
    let (answer, reached, requested) = if !march.is_in_time(started, line.settings.start_within) {
        (None, Reached::Unsaid, false)
    } else if march.body.is_empty() {
        // Every earlier attempt was void, and now it cannot be rendered any more.
        let why = "the task can no longer be rendered".to_owned();
        (Some(Err(ConnectorError::Rejected(why))), Reached::Unsaid, false)
    } else {
        observe_lateness(line, march.touch.due_at);
        let answer = call(line, &march).await;
        let reached = verdict::reached(&answer);
        (Some(answer), reached, true)
    };
    let (result, pause) = match answer {
        None => (AttemptResult::Void, None),
        Some(Ok(created)) => {
            (AttemptResult::Sent { remote_id: created.remote_id, delivery: created.delivery }, None)
        }
        Some(Err(error)) => verdict::of(error, &trial(line, &march)),
    };
    let took = clock.monotonic().saturating_sub(started);
    let name = line.connector.name().as_str();
    line.deps.observer.attempt(name, outcome(&result), requested.then_some(took));
    let span = Span::current();
    span.record("attempt.outcome", outcome(&result));
    if !matches!(result, AttemptResult::Sent { .. }) {
        span.record("otel.status_code", "ERROR");
    }
    tracing::info!(outcome = outcome(&result), duration_ms = took.as_millis(), "an attempt ended");
    let went_in = matches!(result, AttemptResult::Sent { .. }).then_some(took);
    Sent { input: report(line, &march, result), pause, went_in, reached, started }
}

fn observe_lateness(line: &Line, due: Timestamp) {
    let late = line.deps.clock.now().duration_since(line.deps.units.business().wall(due));
    line.deps.observer.lateness(Duration::try_from(late).unwrap_or_default());
}

fn report(line: &Line, march: &Marching, result: AttemptResult) -> TouchInput {
    let at = line.deps.units.business().business(line.deps.clock.now());
    TouchInput { touch: march.touch.id, at, report: TouchReport::Attempt { attempt: march.attempt, result } }
}

impl Sent {
    /// Tries again by then: that the CRM is away is no failure of the touch.
    pub(crate) fn again_by(&mut self, by: Timestamp) {
        let TouchReport::Attempt { result, .. } = &mut self.input.report else { return };
        if let AttemptResult::Retry { at, .. } | AttemptResult::Unknown { again_at: Some(at), .. } = result {
            *at = by.min(*at);
        }
    }
}

/// A marked touch whose request will not start: it is scheduled as it was.
pub(crate) fn void(line: &Line, march: &Marching) -> TouchInput {
    let result = AttemptResult::Void;
    line.deps.observer.attempt(line.connector.name().as_str(), outcome(&result), None);
    tracing::info!(
        touch.key = %march.touch.key,
        touch.attempt = march.attempt,
        connector = %line.connector.name(),
        "a mark is void: its request did not start in time"
    );
    report(line, march, result)
}

/// How long an attempt may take: a look-up may come before the request, hence twice the time.
pub(crate) fn time_limit(traits: &Traits) -> Duration {
    traits.timeout.saturating_mul(2).saturating_add(GRACE)
}

async fn call(line: &Line, march: &Marching) -> Result<Created, ConnectorError> {
    let connector = &line.connector;
    let traits = connector.traits();
    let task = Task {
        key: march.touch.key,
        attempt: march.attempt,
        body: march.body.clone(),
        channel: march.touch.channel,
        // Where no traces are recorded, the context of the decision passes through.
        trace: runtime::telemetry::propagation::inject_current().or_else(|| march.touch.trace.clone()),
    };
    let request = async {
        if march.attempt > 1
            && traits.idempotency == Idempotency::Lookup
            && let Some(found) = connector.look_up(task.key).await?
        {
            return Ok(found);
        }
        fail::fail_point!("dispatcher.call.before");
        let created = connector.create(&task).await;
        fail::fail_point!("dispatcher.call.after");
        created
    };
    tokio::time::timeout(time_limit(traits), request)
        .await
        .unwrap_or_else(|_| Err(ConnectorError::Unknown("no answer in time".to_owned())))
}

fn trial(line: &Line, march: &Marching) -> Trial {
    Trial {
        key: march.touch.key,
        attempt: march.attempt,
        since: march.since,
        now: line.deps.clock.now(),
        idempotency: line.connector.traits().idempotency,
        give_up_after: line.settings.give_up_after,
    }
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
