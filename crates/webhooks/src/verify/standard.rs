//! Standard Webhooks (<https://www.standardwebhooks.com>), and Svix, whose header names differ.

use super::candidates::{BASE64, BASE64_PADDED, Encoding, MOST, parts};
use super::keys::{Algorithm, Keys, ed25519_key};
use super::signature::Unit;
use super::signed::{Parts, Signed};
use super::{Secret, Tolerance, Verified, VerifyError};
use crate::request::Request;
use base64::Engine as _;

/// Shorter keys can be guessed; the specification asks for 24 to 64 bytes.
const SHORTEST_KEY: usize = 24;

/// The two sets of header names. A request is judged by one of them, never by a mixture.
const HEADER_SETS: [[&str; 3]; 2] = [
    ["webhook-id", "webhook-timestamp", "webhook-signature"],
    ["svix-id", "svix-timestamp", "svix-signature"],
];

/// Symmetric (`v1`) and asymmetric (`v1a`) keys of one source.
#[derive(Debug, Clone)]
pub(crate) struct StandardWebhooks {
    signed: Signed,
    symmetric: Keys,
    asymmetric: Keys,
    tolerance: Tolerance,
}

impl StandardWebhooks {
    /// Reads secrets: `whsec_` and base64 (the prefix may be missing), or `whpk_` and a public key.
    pub(crate) fn new(secrets: &[Secret], tolerance: Tolerance) -> Result<Self, String> {
        let mut symmetric = Vec::new();
        let mut asymmetric = Vec::new();
        for (number, secret) in secrets.iter().enumerate() {
            let number = number + 1;
            let text = secret.text().ok_or_else(|| format!("secret {number} is not text"))?;
            if text.starts_with("whpk_") {
                let key = ed25519_key(secret, Encoding::Base64);
                asymmetric.push(key.ok_or_else(|| {
                    format!("secret {number} is not a public key (\"whpk_\" and 32 bytes in base64)")
                })?);
                continue;
            }
            if text.starts_with("whsk_") {
                return Err(format!(
                    "secret {number} is a private key; the receiver needs the public one (\"whpk_…\")"
                ));
            }
            let key = BASE64.decode(text.strip_prefix("whsec_").unwrap_or(text));
            let key = key.ok().filter(|key| key.len() >= SHORTEST_KEY);
            symmetric.push(key.ok_or_else(|| {
                format!("secret {number} is not \"whsec_\" and at least {SHORTEST_KEY} bytes in base64")
            })?);
        }
        Ok(Self {
            signed: Signed::parse("{id}.{ts}.{body}")?,
            symmetric: Keys::Hmac(Algorithm::HmacSha256, symmetric),
            asymmetric: Keys::Ed25519(asymmetric),
            tolerance,
        })
    }

    pub(crate) fn check(&self, request: &Request<'_>) -> Result<Verified, VerifyError> {
        let headers = |set: [&str; 3]| {
            let [id, time, signature] =
                set.map(|name| request.headers.get(name).filter(|value| !value.is_empty()));
            Some((id?, time?, signature?))
        };
        let (id, time, signature) = HEADER_SETS.into_iter().find_map(headers).ok_or(VerifyError::Missing)?;
        let sent_at = Unit::Seconds.read(time).ok_or(VerifyError::BadTimestamp)?;
        let of_version = |prefix| -> Vec<Vec<u8>> {
            parts(signature, Some(' '), prefix)
                .take(MOST)
                .filter_map(|part| BASE64_PADDED.decode(part).ok())
                .collect()
        };
        let named = Parts { id, time, url: "" };
        let symmetric = self.symmetric.match_any(&of_version("v1,"), &self.signed, request, named);
        let asymmetric = self.asymmetric.match_any(&of_version("v1a,"), &self.signed, request, named);
        if !symmetric && !asymmetric {
            return Err(VerifyError::Mismatch);
        }
        self.tolerance.check(sent_at, request.received_at)?;
        Ok(Verified { message_id: Some(id.to_owned()), sent_at: Some(sent_at) })
    }
}
