//! Any sender: a `verify` table says how it proves itself, a `map` table where things are.

use crate::fields::Fields;
use crate::item::{Item, Malformed, MessageId, Part, Unsupported, Untranslatable};
use crate::mapping::Mapping;
use crate::provider::{Provider, Reading, is_json, is_utf8};
use crate::request::Request;
use crate::verify::{Defaults, Verified, Verifier};
use crate::{form, json};

const FORM: &str = "application/x-www-form-urlencoded";

/// See the module.
#[derive(Debug)]
pub(crate) struct Generic;

impl Provider for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn own_scheme(&self, _: Defaults<'_>) -> Option<Result<Verifier, String>> {
        None
    }

    fn needs_map(&self) -> bool {
        true
    }

    fn check_media(&self, request: &Request<'_>) -> Result<(), Unsupported> {
        let is_form = request.media_type().as_deref() == Some(FORM) && is_utf8(request);
        if is_form || is_json(request) {
            return Ok(());
        }
        Err(Unsupported { expected: "application/json or application/x-www-form-urlencoded, in UTF-8" })
    }

    fn decode<'a>(&self, request: &Request<'a>, verified: &Verified) -> Result<Vec<Part<'a>>, Malformed> {
        let raw = json::text(request.body).ok();
        let body = if request.media_type().as_deref() == Some(FORM) {
            form::parse(request.body).ok_or(Malformed::Form)?
        } else {
            json::parse(request.body)?
        };
        let message = verified.message_id.clone().map(|id| MessageId { scope: String::new(), id });
        Ok(vec![Part { message, ..Part::new(body, raw) }])
    }

    fn read(&self, _: &Item, _: Option<&Mapping>) -> Result<Reading, Untranslatable> {
        Ok(Reading::Fields(Fields::new()))
    }
}

#[cfg(test)]
mod tests;
