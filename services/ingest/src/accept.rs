//! One request, from its first byte to its answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, CONTENT_LENGTH, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use contracts::{Delivery, Verdict};
use domain::touch::Note;
use jiff::Timestamp;
use ports::bus::{BusError, Message, Publisher};
use ports::clock::Clock;
use runtime::lifecycle::Shutdown;
use runtime::metrics::Metrics;
use runtime::problem::{Problem, ProblemId};
use runtime::telemetry::propagation;
use tracing::{Instrument, Span, field};
use webhooks::{Handshake, Headers, Request, Source};

use crate::answer::{Answer, SILENCE};
use crate::body::{self, Body, Bounds};
use crate::deliveries::Deliveries;
use crate::door::{Door, Rate};
use crate::handshake;
use crate::messages::Outcomes;
use crate::rate::Limiter;

/// What is kept of a provider's deadline for the way back.
const MARGIN: Duration = Duration::from_secs(1);

/// The label that all sources share which are none; no name of a source begins like this.
const UNKNOWN: &str = "_unknown";

/// What every request is served with.
pub(crate) struct State {
    pub(crate) entries: HashMap<String, Entry>,
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) deliveries: Deliveries,
    pub(crate) shutdown: Shutdown,
    pub(crate) body_time: Duration,
}

/// A source that is being served.
pub(crate) struct Entry {
    source: Source,
    max_body: usize,
    rate: Option<Rate>,
    limiter: Option<Limiter>,
}

impl Entry {
    pub(crate) fn new(door: Door, clock: &Arc<dyn Clock>) -> Self {
        let Door { source, max_body, rate } = door;
        let limiter = rate.and_then(|rate| Limiter::new(rate, Arc::clone(clock)));
        Self { source, max_body, rate, limiter }
    }
}

/// How a delivery was judged, and what it is told.
struct Judgement {
    verdict: Verdict,
    answer: Answer,
    reason: Option<Note>,
    accepted: u32,
    quarantined: u32,
    size: usize,
}

impl Judgement {
    fn new(verdict: Verdict, answer: Answer) -> Self {
        Self { verdict, answer, reason: None, accepted: 0, quarantined: 0, size: 0 }
    }

    fn refused(verdict: Verdict, answer: Answer, reason: Note) -> Self {
        Self { reason: Some(reason), ..Self::new(verdict, answer) }
    }
}

/// `/hooks/{source}`, every method.
pub(crate) async fn hook(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    let mut unread = Some(payload);
    let answer = answer(&request, &mut unread, state).await;
    match unread {
        None => answer,
        Some(payload) => body::unread(answer, payload),
    }
}

/// Anything else.
pub(crate) async fn nowhere(payload: web::Payload) -> HttpResponse {
    body::unread(Problem::new(ProblemId::NotFound).into_response(), payload)
}

/// Answers, and takes the payload once it was read to its end.
async fn answer(
    request: &HttpRequest,
    payload: &mut Option<web::Payload>,
    state: web::Data<State>,
) -> HttpResponse {
    let began = state.clock.monotonic();
    let Some(entry) = request.match_info().get("source").and_then(|name| state.entries.get(name)) else {
        // The path is a stranger's: it makes no label and no line.
        state.metrics.events_ingested(UNKNOWN, ProblemId::UnknownSource.slug(), 1);
        return Problem::new(ProblemId::UnknownSource).into_response();
    };
    let handshake = entry.source.profile().handshake;
    if handshake == Handshake::CloudEvents && request.method() == Method::OPTIONS {
        let answer = Answer::Handshake(handshake::cloud_events(request, entry.rate));
        let judgement = Judgement::new(Verdict::Handshake, answer);
        state.note(entry, &judgement, began);
        return judgement.answer.into_response();
    }
    if request.method() != Method::POST {
        let refusal = ProblemId::MethodNotAllowed.slug();
        state.metrics.events_ingested(entry.source.name().as_str(), refusal, 1);
        let allowed = if handshake == Handshake::CloudEvents { "POST, OPTIONS" } else { "POST" };
        let mut answer = Problem::new(ProblemId::MethodNotAllowed).into_response();
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        return answer;
    }
    let span = tracing::info_span!(
        "ingest.accept",
        otel.kind = "server",
        source.name = %entry.source.name(),
        delivery.verdict = field::Empty,
        delivery.accepted = field::Empty,
        delivery.quarantined = field::Empty,
        http.response.status_code = field::Empty,
    );
    if let Some(sent_along) = sent_along(request) {
        propagation::set_parent(&span, sent_along);
    }
    let judgement = judge(entry, request, payload, &state).instrument(span.clone()).await;
    span.record("delivery.verdict", judgement.verdict.as_str());
    span.record("delivery.accepted", judgement.accepted);
    span.record("delivery.quarantined", judgement.quarantined);
    span.record("http.response.status_code", judgement.answer.status());
    span.in_scope(|| state.note(entry, &judgement, began));
    if matches!(judgement.answer, Answer::Silence) {
        tokio::select! {
            () = tokio::time::sleep(SILENCE) => {}
            () = state.shutdown.soft() => {}
        }
    }
    judgement.answer.into_response()
}

async fn judge(
    entry: &Entry,
    request: &HttpRequest,
    payload: &mut Option<web::Payload>,
    state: &State,
) -> Judgement {
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let bounds = Bounds { limit: entry.max_body, announced, time: state.body_time };
    let body = match body::read(payload, bounds).await {
        Body::Whole(body) => {
            *payload = None;
            body
        }
        Body::TooLarge { read } => {
            let limit = entry.max_body;
            let problem = Problem::new(ProblemId::TooLarge).detail(format!("the limit is {limit} bytes"));
            let reason = Note::new("too_large", format!("more than {limit} bytes"));
            return Judgement {
                size: read,
                ..Judgement::refused(Verdict::TooLarge, Answer::Hangup(problem), reason)
            };
        }
        Body::TooSlow => {
            let problem = Problem::new(ProblemId::TooSlow);
            let reason = Note::new("too_slow", "the body did not end in time");
            return Judgement::refused(Verdict::Malformed, Answer::Hangup(problem), reason);
        }
        Body::Broken => {
            let problem = Problem::new(ProblemId::MalformedBody).detail("the body ends before its end");
            let reason = Note::new("broken_off", "the sender broke off");
            return Judgement::refused(Verdict::Malformed, Answer::Hangup(problem), reason);
        }
    };
    let headers: Headers =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let delivery = Request {
        method: request.method().as_str(),
        query: request.query_string(),
        headers: &headers,
        body: &body,
        received_at: state.clock.now(),
    };
    let judged = match outcomes(entry, &delivery, sent_along(request)) {
        Ok(outcomes) => settle(entry, outcomes, state).await,
        Err(refused) => *refused,
    };
    Judgement { size: body.len(), ..judged }
}

/// Verified, allowed, of the right type, read and translated, in this order.
fn outcomes(
    entry: &Entry,
    delivery: &Request<'_>,
    sent_along: Option<&str>,
) -> Result<Outcomes, Box<Judgement>> {
    let source = &entry.source;
    let refused = |verdict, answer, reason| Box::new(Judgement::refused(verdict, answer, reason));
    let verified = source.verify(delivery).map_err(|error| {
        let answer = Answer::Refused(Problem::new(ProblemId::BadSignature));
        refused(Verdict::Unverified, answer, Note::new(error.as_str(), error.to_string()))
    })?;
    if let Some(Err(wait)) = entry.limiter.as_ref().map(Limiter::take) {
        let answer = Answer::over_rate(source.profile().over_rate, wait);
        return Err(refused(
            Verdict::RateLimited,
            answer,
            Note::new("rate_limited", "over the source's rate"),
        ));
    }
    source.check_media(delivery).map_err(|error| {
        let problem = Problem::new(ProblemId::UnsupportedMediaType).detail(error.to_string());
        let reason = Note::new("unsupported_media_type", error.to_string());
        refused(Verdict::Malformed, Answer::Refused(problem), reason)
    })?;
    let items = source.decode(delivery, &verified).map_err(|error| {
        let problem = Problem::new(ProblemId::MalformedBody).detail(error.to_string());
        let reason = Note::new(error.as_str(), error.to_string());
        refused(Verdict::Malformed, Answer::Refused(problem), reason)
    })?;
    // Where no traces are recorded, the sender's context passes through.
    let ours = propagation::inject(&Span::current());
    let trace = ours.as_deref().or(sent_along);
    Ok(Outcomes::of(source, items, delivery.received_at, trace))
}

/// The sender's trace context, when it is one.
fn sent_along(request: &HttpRequest) -> Option<&str> {
    let text = request.headers().get(propagation::TRACEPARENT)?.to_str().ok()?;
    propagation::is_valid(text).then_some(text)
}

/// Makes everything durable, then says so.
async fn settle(entry: &Entry, outcomes: Outcomes, state: &State) -> Judgement {
    let Outcomes { ids, messages, accepted, quarantined, ignored, reason } = outcomes;
    let profile = entry.source.profile();
    let limit = profile.deadline.saturating_sub(MARGIN).max(MARGIN);
    if let Err(error) = publish(state.publisher.as_ref(), messages, limit).await {
        if matches!(error, BusError::Unavailable(_)) {
            tracing::warn!(error = %error, "a delivery could not be made durable");
        } else {
            tracing::error!(error = %error, "a delivery could not be made durable, and repeating it may not help");
        }
        let reason = Note::new("bus_unavailable", "the bus did not acknowledge it");
        return Judgement::refused(Verdict::Unavailable, Answer::overload(profile.overload), reason);
    }
    let name = entry.source.name().as_str();
    for (outcome, count) in [("accepted", accepted), ("quarantined", quarantined), ("ignored", ignored)] {
        if count > 0 {
            state.metrics.events_ingested(name, outcome, u64::from(count));
        }
    }
    let verdict = if quarantined == 0 { Verdict::Accepted } else { Verdict::Quarantined };
    let answer = Answer::Accepted { status: profile.success, ids };
    Judgement { reason, accepted, quarantined, ..Judgement::new(verdict, answer) }
}

/// All of them, or the first failure. What was published of a failed delivery is found again by its digest when the
/// sender repeats it.
async fn publish(publisher: &dyn Publisher, messages: Vec<Message>, limit: Duration) -> Result<(), BusError> {
    if messages.is_empty() {
        return Ok(());
    }
    let sent = messages.len();
    let late = |_| BusError::Unavailable(format!("no acknowledgement within {} s", limit.as_secs()));
    let results = tokio::time::timeout(limit, publisher.publish(messages)).await.map_err(late)?;
    if results.len() != sent {
        return Err(BusError::Broken(format!("{} answers to {sent} messages", results.len())));
    }
    results.into_iter().find_map(Result::err).map_or(Ok(()), Err)
}

impl State {
    fn note(&self, entry: &Entry, judgement: &Judgement, began: Duration) {
        let name = entry.source.name();
        let now = self.clock.monotonic();
        let took = now.saturating_sub(began);
        self.metrics.delivery_answered(name.as_str(), took);
        let (status, refusal) = (judgement.answer.status(), judgement.answer.refusal());
        if let Some(problem) = refusal {
            self.metrics.events_ingested(name.as_str(), problem, 1);
        }
        let passed_on = self.deliveries.note(
            Delivery {
                workspace: entry.source.workspace().clone(),
                source: name.clone(),
                at: received_at(self.clock.now(), took),
                verdict: judgement.verdict,
                status,
                reason: judgement.reason.clone(),
                accepted: judgement.accepted,
                quarantined: judgement.quarantined,
                size: judgement.size as u64,
                took,
                sampled_of: 1,
            },
            now,
        );
        if passed_on && (refusal.is_some() || judgement.quarantined > 0) {
            let verdict = judgement.verdict.as_str();
            let reason = judgement.reason.as_ref().map_or("", |reason| reason.code.as_str());
            tracing::info!(source.name = %name, verdict, reason, status, "a delivery was not simply accepted");
        }
    }
}

fn received_at(now: Timestamp, took: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(took).ok().and_then(|took| now.checked_sub(took).ok()).unwrap_or(now)
}
