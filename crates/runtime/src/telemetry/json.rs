//! Log lines as JSON objects, with the ids that join them to traces.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use serde_json::Map;
use serde_json::Value;
use tracing::Event;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::FormatEvent;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::FormattedFields;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::registry::LookupSpan;

/// One object a line: `timestamp`, `level`, `target`, `message`, `span`, `trace_id`, `span_id`, then the
/// fields of the surrounding spans, the innermost winning, and of the event itself. Fields never overwrite
/// the names above.
pub(super) struct Lines;

/// How the fields of spans are kept until a line needs them: as JSON.
pub(super) struct Fields(JsonFields);

impl Fields {
    pub(super) fn new() -> Self {
        Self(JsonFields::new())
    }
}

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        self.0.format_fields(writer, fields)
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        let mut members = parse(&current.fields);
        fields.record(&mut Members(&mut members));
        current.fields = Value::Object(members).to_string();
        Ok(())
    }
}

impl<S> FormatEvent<S, Fields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Fields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Map::new();
        let mut span_name = None;
        if let Some(scope) = context.event_scope() {
            for span in scope.from_root() {
                span_name = Some(span.name());
                if let Some(formatted) = span.extensions().get::<FormattedFields<Fields>>() {
                    fields.extend(parse(&formatted.fields));
                }
            }
        }
        event.record(&mut Members(&mut fields));

        let mut line = Map::new();
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        line.insert("timestamp".to_owned(), Value::from(timestamp));
        line.insert("level".to_owned(), Value::from(event.metadata().level().as_str()));
        line.insert("target".to_owned(), Value::from(event.metadata().target()));
        line.insert("message".to_owned(), fields.remove("message").unwrap_or_else(|| Value::from("")));
        if let Some(name) = span_name {
            line.insert("span".to_owned(), Value::from(name));
        }
        // The trace layer activates a span's context while the span is entered.
        Context::map_current(|current| {
            let span = current.span();
            let ids = span.span_context();
            if ids.is_valid() {
                line.insert("trace_id".to_owned(), Value::from(ids.trace_id().to_string()));
                line.insert("span_id".to_owned(), Value::from(ids.span_id().to_string()));
            }
        });
        for (name, value) in fields {
            line.entry(name).or_insert(value);
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

fn parse(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

/// Collects fields as JSON members.
struct Members<'a>(&'a mut Map<String, Value>);

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), Value::from(format!("{value:?}")));
    }
}
