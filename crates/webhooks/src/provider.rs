//! What every provider answers to, and their names.

use std::fmt::Debug;

use crate::fields::Fields;
use crate::item::{Item, Malformed, Part, Unsupported, Untranslatable};
use crate::json;
use crate::mapping::Mapping;
use crate::pointer::Pointer;
use crate::profile::Profile;
use crate::providers::{cloudevents, generic, sendgrid, standard_webhooks, typeform};
use crate::request::Request;
use crate::verify::{Defaults, Verified, Verifier};

/// The names of all providers.
pub const NAMES: [&str; 5] = ["generic", "standard-webhooks", "cloudevents", "typeform", "sendgrid"];

/// The provider of a name.
pub(crate) fn by_name(name: &str) -> Option<&'static dyn Provider> {
    match name {
        "generic" => Some(&generic::Generic),
        "standard-webhooks" => Some(&standard_webhooks::StandardWebhooks),
        "cloudevents" => Some(&cloudevents::CloudEvents),
        "typeform" => Some(&typeform::Typeform),
        "sendgrid" => Some(&sendgrid::SendGrid),
        _ => None,
    }
}

/// One sender of webhooks.
pub(crate) trait Provider: Debug + Sync {
    /// Its name in configuration.
    fn name(&self) -> &'static str;

    /// How it wants to be answered.
    fn profile(&self) -> Profile {
        Profile::DEFAULT
    }

    /// Its own way to prove where a request comes from; none when the `verify` table must say.
    fn own_scheme(&self, defaults: Defaults<'_>) -> Option<Result<Verifier, String>>;

    /// Whether nothing can be translated without a `map` table.
    fn needs_map(&self) -> bool {
        false
    }

    /// Whether it sends bodies of this type.
    fn check_media(&self, request: &Request<'_>) -> Result<(), Unsupported> {
        if is_json(request) { Ok(()) } else { Err(Unsupported { expected: "application/json in UTF-8" }) }
    }

    /// Reads a body into messages.
    fn decode<'a>(&self, request: &Request<'a>, verified: &Verified) -> Result<Vec<Part<'a>>, Malformed> {
        let _ = verified;
        Ok(vec![Part::new(json::parse(request.body)?, json::text(request.body).ok())])
    }

    /// Where the items of a message are, when the mapping does not say.
    fn each(&self) -> Option<&'static [Pointer]> {
        None
    }

    /// What it tells by itself; the mapping is applied on top.
    fn read(&self, item: &Item, mapping: Option<&Mapping>) -> Result<Reading, Untranslatable>;
}

/// What an item tells.
#[derive(Debug)]
pub(crate) enum Reading {
    /// Something that happened.
    Fields(Fields),
    /// Nothing that concerns a cadence: a test, a half-filled form.
    Ignore(&'static str),
}

/// Whether the body says to be JSON in UTF-8, or says nothing.
pub(crate) fn is_json(request: &Request<'_>) -> bool {
    let media_is_json = match request.media_type().as_deref() {
        None => !request.headers.contains("content-type"),
        Some(media) => is_json_media(media),
    };
    media_is_json && is_utf8(request)
}

/// `application/json` and its kin, in lower case.
pub(crate) fn is_json_media(media: &str) -> bool {
    matches!(media, "application/json" | "text/json") || media.ends_with("+json")
}

/// Whether the charset parameter, if any, is one that UTF-8 covers.
pub(crate) fn is_utf8(request: &Request<'_>) -> bool {
    request.charset().is_none_or(|charset| matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_provider() {
        for name in NAMES {
            assert_eq!(by_name(name).map(Provider::name), Some(name));
        }
        assert!(by_name("carrier-pigeon").is_none());
    }
}
