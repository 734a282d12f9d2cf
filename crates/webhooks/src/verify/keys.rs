//! Keys, and whether a signature is theirs.

use ed25519_dalek::VerifyingKey as Ed25519Key;
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature as P256Signature, VerifyingKey as P256Key};
use p256::pkcs8::DecodePublicKey;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use super::Secret;
use super::candidates::Encoding;
use super::signed::{Parts, Signed};
use crate::request::Request;

/// A way to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha512,
    Ed25519,
    EcdsaP256,
}

impl Algorithm {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "hmac-sha1" => Some(Self::HmacSha1),
            "hmac-sha256" => Some(Self::HmacSha256),
            "hmac-sha512" => Some(Self::HmacSha512),
            "ed25519" => Some(Self::Ed25519),
            "ecdsa-p256" => Some(Self::EcdsaP256),
            _ => None,
        }
    }
}

/// The keys of one source. A signature counts when it is of any of them.
#[derive(Clone)]
pub(crate) enum Keys {
    Hmac(Algorithm, Vec<Vec<u8>>),
    Ed25519(Vec<Ed25519Key>),
    EcdsaP256(Vec<P256Key>),
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, count) = match self {
            Self::Hmac(_, keys) => ("hmac", keys.len()),
            Self::Ed25519(keys) => ("ed25519", keys.len()),
            Self::EcdsaP256(keys) => ("ecdsa-p256", keys.len()),
        };
        write!(f, "{count} {name} keys")
    }
}

impl Keys {
    /// Reads keys; `encoding` is that of the secrets, none: HMAC keys are taken as they are, public keys in base64.
    pub(crate) fn read(
        algorithm: Algorithm,
        secrets: &[Secret],
        encoding: Option<Encoding>,
    ) -> Result<Self, String> {
        let numbered = |number: usize, what: &str| format!("secret {} is not {what}", number + 1);
        match algorithm {
            Algorithm::HmacSha1 | Algorithm::HmacSha256 | Algorithm::HmacSha512 => {
                let mut keys = Vec::new();
                for (number, secret) in secrets.iter().enumerate() {
                    let key = match encoding {
                        None => Some(secret.bytes().to_vec()),
                        Some(encoding) => secret.text().and_then(|text| encoding.decode(text)),
                    };
                    let key = key.filter(|key| !key.is_empty());
                    keys.push(
                        key.ok_or_else(|| numbered(number, "of the encoding that `key_encoding` names"))?,
                    );
                }
                Ok(Self::Hmac(algorithm, keys))
            }
            Algorithm::Ed25519 => {
                let mut keys = Vec::new();
                for (number, secret) in secrets.iter().enumerate() {
                    let key = ed25519_key(secret, encoding.unwrap_or(Encoding::Base64));
                    keys.push(key.ok_or_else(|| numbered(number, "an ed25519 public key (32 bytes)"))?);
                }
                Ok(Self::Ed25519(keys))
            }
            Algorithm::EcdsaP256 => {
                let mut keys = Vec::new();
                for (number, secret) in secrets.iter().enumerate() {
                    let key = p256_key(secret, encoding.unwrap_or(Encoding::Base64));
                    keys.push(key.ok_or_else(|| {
                        numbered(number, "a P-256 public key (SubjectPublicKeyInfo or PEM)")
                    })?);
                }
                Ok(Self::EcdsaP256(keys))
            }
        }
    }

    /// Whether any signature is of any key. Every HMAC is compared, in constant time, whatever came before.
    pub(crate) fn match_any(
        &self,
        signatures: &[Vec<u8>],
        signed: &Signed,
        request: &Request<'_>,
        parts: Parts<'_>,
    ) -> bool {
        let mut found = false;
        match self {
            Self::Hmac(algorithm, keys) => {
                for key in keys {
                    for signature in signatures {
                        let feed = |take: &mut dyn FnMut(&[u8])| signed.feed(request, parts, take);
                        found |= match algorithm {
                            Algorithm::HmacSha1 => hmac::<Hmac<Sha1>>(key, signature, feed),
                            Algorithm::HmacSha512 => hmac::<Hmac<Sha512>>(key, signature, feed),
                            _ => hmac::<Hmac<Sha256>>(key, signature, feed),
                        };
                    }
                }
            }
            Self::Ed25519(keys) => {
                let mut message = Vec::new();
                signed.feed(request, parts, |piece| message.extend_from_slice(piece));
                for signature in
                    signatures.iter().filter_map(|bytes| ed25519_dalek::Signature::from_slice(bytes).ok())
                {
                    found |= keys.iter().any(|key| key.verify_strict(&message, &signature).is_ok());
                }
            }
            Self::EcdsaP256(keys) => {
                let mut hash = Sha256::new();
                signed.feed(request, parts, |piece| hash.update(piece));
                let hash = hash.finalize();
                for signature in signatures.iter().filter_map(|bytes| p256_signature(bytes)) {
                    found |= keys.iter().any(|key| key.verify_prehash(&hash, &signature).is_ok());
                }
            }
        }
        found
    }
}

fn hmac<M: Mac + KeyInit>(key: &[u8], signature: &[u8], feed: impl FnOnce(&mut dyn FnMut(&[u8]))) -> bool {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return false };
    feed(&mut |piece| mac.update(piece));
    mac.verify_slice(signature).is_ok()
}

/// An ed25519 public key: 32 bytes, with or without the `whpk_` of Standard Webhooks.
pub(crate) fn ed25519_key(secret: &Secret, encoding: Encoding) -> Option<Ed25519Key> {
    let text = secret.text()?;
    let bytes = encoding.decode(text.strip_prefix("whpk_").unwrap_or(text))?;
    Ed25519Key::from_bytes(&bytes.try_into().ok()?).ok()
}

fn p256_key(secret: &Secret, encoding: Encoding) -> Option<P256Key> {
    let text = secret.text()?;
    if text.starts_with("-----BEGIN") {
        return P256Key::from_public_key_pem(text).ok();
    }
    let bytes = encoding.decode(text)?;
    P256Key::from_public_key_der(&bytes).or_else(|_| P256Key::from_sec1_bytes(&bytes)).ok()
}

/// DER, or the two numbers side by side (64 bytes).
fn p256_signature(bytes: &[u8]) -> Option<P256Signature> {
    P256Signature::from_der(bytes).or_else(|_| P256Signature::from_slice(bytes)).ok()
}
