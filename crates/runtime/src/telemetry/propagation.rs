//! Trace context as text: the W3C `traceparent` value.
//!
//! What happens soon continues the trace ([`set_parent`]); what happens days later, or for many causes at
//! once, begins its own and points back ([`link`]).

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header and column that trace context travels under.
pub const TRACEPARENT: &str = "traceparent";

/// The current span's context as a `traceparent`; `None` when traces are not recorded.
#[must_use]
pub fn inject_current() -> Option<String> {
    inject(&Span::current())
}

/// The context of `span` as a `traceparent`; `None` when traces are not recorded.
#[must_use]
pub fn inject(span: &Span) -> Option<String> {
    let mut carrier: HashMap<String, String> = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes `span` continue the trace of `traceparent`. A text that is no trace context, as a stranger may send,
/// changes nothing. Call it before the span is entered.
pub fn set_parent(span: &Span, traceparent: &str) {
    if let Some(context) = extract(traceparent) {
        // Fails without a trace layer or after the span was entered, and then there is nothing to continue.
        let _ = span.set_parent(context);
    }
}

/// Makes `span` point back to the span of `traceparent`. A text that is no trace context changes nothing.
pub fn link(span: &Span, traceparent: &str) {
    if let Some(context) = extract(traceparent) {
        span.add_link(context.span().span_context().clone());
    }
}

/// Whether a text is a trace context that can be continued.
#[must_use]
pub fn is_valid(traceparent: &str) -> bool {
    extract(traceparent).is_some()
}

fn extract(traceparent: &str) -> Option<Context> {
    let carrier: HashMap<String, String> = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    context.span().span_context().is_valid().then_some(context)
}
