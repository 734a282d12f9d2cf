//! A shared secret that is sent along: bearer, basic, a header, a query parameter, a member of the body.

use base64::Engine as _;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::candidates::BASE64_PADDED;
use super::{Secret, Verified, VerifyError};
use crate::pointer::Pointer;
use crate::request::Request;
use crate::{form, json};

/// Where the secret is sent.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// `Authorization: Bearer …`
    Bearer,
    /// `Authorization: Basic …`; with a user name the secrets are passwords, else `user:password`.
    Basic { username: Option<String> },
    /// A header of any name, after a prefix.
    Header { name: String, prefix: String },
    /// A query parameter.
    Query { param: String },
    /// A text in the body.
    Body { at: Pointer },
}

/// A place and what is accepted there.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) place: Place,
    pub(crate) secrets: Vec<Secret>,
}

impl Token {
    pub(crate) fn check(&self, request: &Request<'_>) -> Result<Verified, VerifyError> {
        let given = self.given(request).ok_or(VerifyError::Missing)?;
        let mut matches = Choice::from(0);
        for secret in &self.secrets {
            let expected = match &self.place {
                Place::Basic { username: Some(name) } => [name.as_bytes(), b":", secret.bytes()].concat(),
                _ => secret.bytes().to_vec(),
            };
            // Hashes are of one length, so that not even the secret's length shows in the time.
            matches |= Sha256::digest(&given).as_slice().ct_eq(Sha256::digest(&expected).as_slice());
        }
        if bool::from(matches) { Ok(Verified::default()) } else { Err(VerifyError::Mismatch) }
    }

    pub(crate) fn in_body(&self) -> Option<&Pointer> {
        match &self.place {
            Place::Body { at } => Some(at),
            _ => None,
        }
    }

    fn given(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        match &self.place {
            Place::Bearer => Some(credentials(request, "bearer")?.as_bytes().to_vec()),
            Place::Basic { .. } => BASE64_PADDED.decode(credentials(request, "basic")?).ok(),
            Place::Header { name, prefix } => {
                Some(request.headers.get(name)?.strip_prefix(prefix.as_str())?.as_bytes().to_vec())
            }
            Place::Query { param } => Some(request.parameter(param)?.into_bytes()),
            Place::Body { at } => {
                let is_form = request.media_type().as_deref() == Some("application/x-www-form-urlencoded");
                let body = if is_form { form::parse(request.body) } else { json::parse(request.body).ok() };
                Some(at.get(&body?)?.as_str()?.as_bytes().to_vec())
            }
        }
    }
}

fn credentials<'r>(request: &Request<'r>, scheme: &str) -> Option<&'r str> {
    let (name, rest) = request.headers.get("authorization")?.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}
