//! What webhook providers send, as pure functions: is it authentic, what does it say, which canonical events is it.
//!
//! A [`Source`] is one configured sender. It [verifies](Source::verify) a [`Request`] over its raw bytes,
//! [decodes](Source::decode) the body into [`Item`]s and [translates](Source::translate) each into a canonical event.
//! One folder per provider lies under `providers`; a new one is a folder and one match arm in `provider::by_name`.
//! `docs/how-to/add-a-provider.md` has the list of files.
//!
//! Nothing here does I/O, reads a clock or logs; nothing here keeps state between requests: the same bytes give the
//! same answer today and in a replay. No error holds a value of the request.

mod convert;
mod digest;
mod event;
mod fields;
mod form;
mod item;
mod json;
mod mapping;
mod pointer;
mod profile;
mod provider;
mod providers;
mod redact;
mod request;
mod source;
#[cfg(test)]
mod testing;
mod verify;

pub use fields::{Group, Target};
pub use item::{Item, Malformed, MessageId, Reason, Unsupported, Untranslatable};
pub use json::{JsonError, MAX_DEPTH};
pub use mapping::{Mapping, MappingError};
pub use pointer::{Pointer, PointerError};
pub use profile::{Handshake, Overload, Profile};
pub use provider::NAMES as PROVIDERS;
pub use redact::redact;
pub use request::{Headers, Request};
pub use source::{Outcome, Settings, SettingsError, Source, Translated};
pub use verify::{Secret, Tolerance, Verified, Verifier, VerifyError};
