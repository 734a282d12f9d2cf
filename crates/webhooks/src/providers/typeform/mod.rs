//! Typeform: one response per request, signed over its raw bytes.
//!
//! <https://www.typeform.com/developers/webhooks/>

mod answers;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::event::EventKind;
use serde_json::Value;

use crate::fields::{Fields, Group, Target};
use crate::item::{Item, Untranslatable};
use crate::mapping::Mapping;
use crate::profile::Profile;
use crate::provider::{Provider, Reading};
use crate::verify::{self, Defaults, Verifier};

/// See the module.
#[derive(Debug)]
pub(crate) struct Typeform;

impl Provider for Typeform {
    fn name(&self) -> &'static str {
        "typeform"
    }

    fn profile(&self) -> Profile {
        // It repeats 503 and 429 every few minutes for ten hours; 404 and 410 switch the webhook off at once.
        Profile { deadline: Duration::from_secs(30), ..Profile::DEFAULT }
    }

    fn own_scheme(&self, defaults: Defaults<'_>) -> Option<Result<Verifier, String>> {
        let table = serde_json::json!({
            "scheme": "hmac-sha256", "header": "Typeform-Signature", "prefix": "sha256=", "encoding": "base64",
        });
        Some(verify::compile(&table, defaults))
    }

    fn read(&self, item: &Item, _: Option<&Mapping>) -> Result<Reading, Untranslatable> {
        match item.body.get("event_type").and_then(Value::as_str) {
            Some("form_response") => {}
            // Someone is still filling it in; the whole form comes by itself.
            Some("form_response_partial") => return Ok(Reading::Ignore("partial_response")),
            Some(other) => return Err(Untranslatable::unknown_kind(other)),
            None => return Err(Untranslatable::wrong_shape("event_type: expected form_response")),
        }
        let response = item.body.get("form_response").filter(|response| response.is_object());
        let response =
            response.ok_or_else(|| Untranslatable::wrong_shape("form_response: expected an object"))?;

        let mut fields = Fields::new();
        fields.set(Target::Kind, EventKind::FormSubmitted.as_str());
        fields.copy(Target::Id, item.body.get("event_id"));
        fields.copy(Target::OccurredAt, response.get("submitted_at"));
        fields.put_copy(Group::Data, "form", response.get("form_id"));
        fields.put_copy(Group::Data, "title", response.pointer("/definition/title"));
        fields.put_copy(Group::Data, "response", response.get("token"));
        fields.put_copy(Group::Data, "score", response.pointer("/calculated/score"));
        hidden(response, &mut fields);
        answers::read(response, &mut fields);
        Ok(Reading::Fields(fields))
    }
}

/// Hidden fields come from the form's address: campaign parameters, and keys where a link was made for one person.
fn hidden(response: &Value, fields: &mut Fields) {
    let Some(Value::Object(members)) = response.get("hidden") else { return };
    fields.put(Group::Data, "hidden", Value::Object(members.clone()));
    for (name, value) in members {
        if let Some(target @ (Target::Email | Target::Phone | Target::CrmId)) = Target::parse(name) {
            fields.set(target, value.clone());
        }
    }
}
