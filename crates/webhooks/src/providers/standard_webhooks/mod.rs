//! Senders that follow Standard Webhooks, and Svix and what is built on it (Resend and others).

use serde_json::Value;

use crate::fields::{Fields, Target};
use crate::item::{Item, Malformed, MessageId, Part, Untranslatable};
use crate::json;
use crate::mapping::Mapping;
use crate::provider::{Provider, Reading};
use crate::providers::canonical;
use crate::request::Request;
use crate::verify::{self, Defaults, Verified, Verifier};

/// See the module.
#[derive(Debug)]
pub(crate) struct StandardWebhooks;

impl Provider for StandardWebhooks {
    fn name(&self) -> &'static str {
        "standard-webhooks"
    }

    fn own_scheme(&self, defaults: Defaults<'_>) -> Option<Result<Verifier, String>> {
        Some(verify::compile(&serde_json::json!({ "scheme": "standard-webhooks" }), defaults))
    }

    fn decode<'a>(&self, request: &Request<'a>, verified: &Verified) -> Result<Vec<Part<'a>>, Malformed> {
        let body = json::parse(request.body)?;
        let kind = body.get("type").and_then(Value::as_str).map(str::to_owned);
        let occurred_at = body.get("timestamp").filter(|time| !time.is_null()).cloned();
        let message = verified.message_id.clone().map(|id| MessageId { scope: String::new(), id });
        Ok(vec![Part { message, kind, occurred_at, ..Part::new(body, json::text(request.body).ok()) }])
    }

    fn read(&self, item: &Item, mapping: Option<&Mapping>) -> Result<Reading, Untranslatable> {
        let mut fields = Fields::new();
        if let Some(kind) = &item.kind {
            fields.set(Target::Kind, kind.as_str());
        }
        fields.copy(Target::OccurredAt, item.occurred_at.as_ref());
        if mapping.is_none() {
            canonical::read(item.body.get("data"), &mut fields)?;
        }
        Ok(Reading::Fields(fields))
    }
}

#[cfg(test)]
mod tests;
