//! CloudEvents 1.0 over HTTP: structured, binary and batch (the specification's HTTP binding and webhook texts).

mod binary;
mod envelope;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::identity::Email;
use serde_json::Value;

use crate::fields::{Fields, Target};
use crate::item::{Item, Malformed, Part, Unsupported, Untranslatable};
use crate::json;
use crate::mapping::Mapping;
use crate::profile::{Handshake, Overload, Profile};
use crate::provider::{Provider, Reading, is_utf8};
use crate::providers::canonical;
use crate::request::Request;
use crate::verify::{Defaults, Verified, Verifier};

/// See the module.
#[derive(Debug)]
pub(crate) struct CloudEvents;

/// How the events are laid into the request.
enum Mode {
    Structured,
    Batch,
    Binary,
}

fn mode(request: &Request<'_>) -> Result<Mode, Unsupported> {
    let media = request.media_type().unwrap_or_default();
    let unsupported = Unsupported { expected: "CloudEvents in JSON (structured or batch) or in binary mode" };
    match media.as_str() {
        "application/cloudevents+json" | "application/cloudevents" if is_utf8(request) => {
            Ok(Mode::Structured)
        }
        "application/cloudevents-batch+json" | "application/cloudevents-batch" if is_utf8(request) => {
            Ok(Mode::Batch)
        }
        other if other.starts_with("application/cloudevents") => Err(unsupported),
        _ => Ok(Mode::Binary),
    }
}

impl Provider for CloudEvents {
    fn name(&self) -> &'static str {
        "cloudevents"
    }

    fn profile(&self) -> Profile {
        Profile {
            // The webhook specification knows 429 with Retry-After, and nothing for an outage.
            overload: Overload::TooManyRequests { retry_after: Duration::from_secs(5) },
            handshake: Handshake::CloudEvents,
            ..Profile::DEFAULT
        }
    }

    fn own_scheme(&self, _: Defaults<'_>) -> Option<Result<Verifier, String>> {
        None
    }

    fn check_media(&self, request: &Request<'_>) -> Result<(), Unsupported> {
        mode(request).map(|_| ())
    }

    fn decode<'a>(&self, request: &Request<'a>, _: &Verified) -> Result<Vec<Part<'a>>, Malformed> {
        let mode = mode(request).map_err(|_| Malformed::CloudEvent("another format than JSON"))?;
        match mode {
            Mode::Binary => Ok(vec![envelope::part(binary::read(request)?)?]),
            Mode::Structured => Ok(vec![envelope::part(json::parse(request.body)?)?]),
            Mode::Batch => {
                let Value::Array(events) = json::parse(request.body)? else {
                    return Err(Malformed::CloudEvent("a batch is an array"));
                };
                // One bad event must not cost the others of its batch.
                let checked = events.into_iter().map(|event| {
                    envelope::part(event.clone()).unwrap_or_else(|problem| Part {
                        problem: Some(problem.to_string()),
                        ..Part::new(event, None)
                    })
                });
                Ok(checked.collect())
            }
        }
    }

    fn read(&self, item: &Item, mapping: Option<&Mapping>) -> Result<Reading, Untranslatable> {
        let mut fields = Fields::new();
        if let Some(kind) = &item.kind {
            fields.set(Target::Kind, kind.as_str());
        }
        fields.copy(Target::OccurredAt, item.occurred_at.as_ref());
        if mapping.is_none() {
            canonical::read(item.body.get("data"), &mut fields)?;
            let subject =
                item.body.get("subject").and_then(Value::as_str).filter(|text| Email::parse(text).is_ok());
            if let (None, Some(email)) = (fields.get(Target::Email), subject) {
                fields.set(Target::Email, email);
            }
        }
        Ok(Reading::Fields(fields))
    }
}
