//! Spans as a collector gets them.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::deployment::Shape;
use crate::stub::Seen;

/// A span and the service that sent it.
struct Told {
    service: String,
    span: Span,
}

/// Everything that a collector was sent.
pub(super) struct Spans {
    all: Vec<Told>,
    resources: BTreeMap<String, BTreeSet<String>>,
}

impl Spans {
    pub(super) fn of(requests: &[Seen]) -> Self {
        let (mut all, mut resources) = (Vec::new(), BTreeMap::<String, BTreeSet<String>>::new());
        for request in requests {
            assert_eq!(request.line, "POST /v1/traces");
            assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
            let export = ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap();
            for group in export.resource_spans {
                let attributes = group.resource.unwrap_or_default().attributes;
                let service = attributes
                    .iter()
                    .find(|attribute| attribute.key == "service.name")
                    .and_then(|attribute| attribute.value.as_ref()?.value.clone())
                    .map(|value| if let Value::StringValue(name) = value { name } else { String::new() })
                    .unwrap_or_default();
                resources
                    .entry(service.clone())
                    .or_default()
                    .extend(attributes.into_iter().map(|attribute| attribute.key));
                let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
                all.extend(spans.map(|span| Told { service: service.clone(), span }));
            }
        }
        Self { all, resources }
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Told> + 'a {
        self.all.iter().filter(move |told| told.span.name == name)
    }

    /// From the sender's trace into ours, over the bus to the decision, and by a link to the request at the CRM.
    pub(super) fn assert_one_trace_from_webhook_to_task(
        &self,
        shape: &Shape,
        (trace, parent): (&str, &str),
        at_the_crm: &[Seen],
    ) {
        let of = |role: &'static str| match shape {
            Shape::Embedded => "drumbeat-up",
            Shape::Roles { .. } => role,
        };
        let accepted = self.named("ingest.accept").find(|told| hex::encode(&told.span.trace_id) == trace);
        let accepted = accepted.expect("the webhook continues its sender's trace");
        assert_eq!(hex::encode(&accepted.span.parent_span_id), parent);
        assert_eq!(accepted.service, of("drumbeat-ingest"));

        let decided =
            self.named("enrollment.decide").find(|told| told.span.trace_id == accepted.span.trace_id);
        let decided = decided.expect("the decision is in the same trace");
        assert_eq!(decided.span.parent_span_id, accepted.span.span_id, "handed on in the record's headers");
        assert_eq!(decided.service, of("drumbeat-enrollment"));

        let batch = self.named("enrollment.batch").find(|told| links_to(&told.span, &accepted.span));
        let batch = batch.expect("the batch is linked to the webhook");
        assert_ne!(batch.span.trace_id, accepted.span.trace_id, "a batch has many causes");
        assert!(links_to(&decided.span, &batch.span), "the decision is linked to its batch");

        let sent = self.named("dispatch.send").find(|told| links_to(&told.span, &decided.span));
        let sent = sent.expect("the send is linked to the decision, by what the touch's row holds");
        assert_ne!(sent.span.trace_id, accepted.span.trace_id, "days may lie between: a trace of its own");
        assert!(sent.span.parent_span_id.is_empty());
        assert_eq!(sent.service, of("drumbeat-dispatcher"));
        let request = self.named("egress.send").find(|told| told.span.parent_span_id == sent.span.span_id);
        assert_eq!(request.expect("the request is part of the send").span.trace_id, sent.span.trace_id);

        let sends: BTreeSet<String> =
            self.named("dispatch.send").map(|told| hex::encode(&told.span.trace_id)).collect();
        assert!(!at_the_crm.is_empty());
        for seen in at_the_crm {
            let told = seen.header("traceparent").expect("the CRM is told the trace");
            assert!(sends.contains(told.split('-').nth(1).unwrap()), "{told} is the trace of a send");
        }
        for keys in self.resources.values() {
            for key in ["service.namespace", "service.version", "service.instance.id", "telemetry.sdk.name"] {
                assert!(keys.contains(key), "{key} is missing in {keys:?}");
            }
        }
    }
}

fn links_to(span: &Span, other: &Span) -> bool {
    span.links.iter().any(|link| link.trace_id == other.trace_id && link.span_id == other.span_id)
}
