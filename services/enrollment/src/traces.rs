//! A batch in traces: a span of its own, and one in the trace of each event.

use ports::bus::Record;
use runtime::telemetry::propagation::{TRACEPARENT, inject, link, set_parent};
use tracing::Span;

/// The spans of a batch; they end with it.
pub(crate) struct Traces {
    /// The batch. It has many causes, so it continues none of their traces and links to some.
    pub(crate) batch: Span,
    /// By record: the context under which it is decided, which goes into the rows of what it sets off.
    pub(crate) causes: Vec<Option<String>>,
    _decisions: Vec<Span>,
}

/// How many traces a batch's span links to: enough to find it from a trace, few enough for any collector. Each decision
/// links to its batch.
const LINKS: usize = 16;

impl Traces {
    /// Begins the spans of records of one unit.
    pub(crate) fn of(records: &[Record]) -> Self {
        let batch = tracing::info_span!(
            "enrollment.batch",
            otel.kind = "consumer",
            messaging.operation.type = "process",
            messaging.destination.name = "events",
            messaging.batch.message_count = records.len(),
        );
        for trace in records.iter().filter_map(received).take(LINKS) {
            link(&batch, trace);
        }
        // Without a recorder none has a context, and nothing is made per event.
        let Some(whole) = inject(&batch) else {
            let causes = records.iter().map(|record| received(record).map(str::to_owned)).collect();
            return Self { batch, causes, _decisions: Vec::new() };
        };
        let decisions: Vec<Span> = records.iter().map(|record| decision(record, &whole)).collect();
        let causes = decisions
            .iter()
            .zip(records)
            .map(|(span, record)| inject(span).or_else(|| received(record).map(str::to_owned)))
            .collect();
        Self { batch, causes, _decisions: decisions }
    }
}

/// The decision on one event, in the trace of its webhook.
fn decision(record: &Record, batch: &str) -> Span {
    let span = tracing::info_span!(
        parent: None,
        "enrollment.decide",
        otel.kind = "consumer",
        messaging.operation.type = "process",
        messaging.destination.partition.id = record.position.partition,
        messaging.kafka.offset = record.position.offset,
    );
    if let Some(trace) = received(record) {
        set_parent(&span, trace);
    }
    link(&span, batch);
    span
}

fn received(record: &Record) -> Option<&str> {
    record.headers.get(TRACEPARENT).map(String::as_str)
}
