//! URLs to call or to be called at.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::read_from_text;
use crate::config::redact;

/// A URL as written. Whether it is a good one is judged with the whole configuration; until then it may hold
/// a password, which `Debug` and `Display` hide.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// The URL as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Endpoint {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact::url(&self.0))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redact::url(&self.0).fmt(f)
    }
}

read_from_text!(Endpoint, "url");
