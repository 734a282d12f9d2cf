//! The `verify` table of a source.

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;

use super::candidates::Encoding;
use super::keys::{Algorithm, Keys};
use super::signature::{Signature, TimestampRule, Unit};
use super::signed::Signed;
use super::standard::StandardWebhooks;
use super::token::{Place, Token};
use super::{Scheme, Secret, Tolerance, Verifier};
use crate::mapping::near;
use crate::pointer::Pointer;

/// What a source's other settings say, for its verifier.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Defaults<'a> {
    pub(crate) secrets: &'a [Secret],
    /// As configured; none: five minutes.
    pub(crate) tolerance: Option<Tolerance>,
}

impl Defaults<'_> {
    pub(crate) fn tolerance(&self) -> Tolerance {
        self.tolerance.unwrap_or(Tolerance::Within(SignedDuration::from_mins(5)))
    }
}

const SCHEMES: [&str; 11] = [
    "hmac-sha1",
    "hmac-sha256",
    "hmac-sha512",
    "ed25519",
    "ecdsa-p256",
    "standard-webhooks",
    "bearer",
    "basic",
    "header",
    "query",
    "body",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    scheme: String,
    header: Option<String>,
    prefix: Option<String>,
    separator: Option<char>,
    encoding: Option<String>,
    signed: Option<String>,
    key_encoding: Option<String>,
    timestamp_header: Option<String>,
    timestamp_prefix: Option<String>,
    timestamp_unit: Option<String>,
    id_header: Option<String>,
    username: Option<String>,
    param: Option<String>,
    at: Option<String>,
}

/// Compiles a `verify` table.
pub(crate) fn compile(table: &Value, defaults: Defaults<'_>) -> Result<Verifier, String> {
    let written = Written::deserialize(table).map_err(|error| error.to_string())?;
    written.check_names()?;
    if defaults.secrets.is_empty() {
        return Err(format!("scheme {:?} needs at least one of `secrets`", written.scheme));
    }
    let scheme = match written.scheme.as_str() {
        "standard-webhooks" => {
            Scheme::Standard(StandardWebhooks::new(defaults.secrets, defaults.tolerance())?)
        }
        "bearer" | "basic" | "header" | "query" | "body" => {
            Scheme::Token(Token { place: written.place()?, secrets: defaults.secrets.to_vec() })
        }
        _ => Scheme::Signature(written.signature(defaults)?),
    };
    Ok(Verifier::new(scheme))
}

impl Written {
    /// Refuses settings that the scheme would not look at.
    fn check_names(&self) -> Result<(), String> {
        let scheme = self.scheme.as_str();
        if !SCHEMES.contains(&scheme) {
            return Err(near::unknown("scheme", scheme, SCHEMES));
        }
        let signs = Algorithm::parse(scheme).is_some();
        let settings = [
            ("header", self.header.is_some(), signs || scheme == "header"),
            ("prefix", self.prefix.is_some(), signs || scheme == "header"),
            ("separator", self.separator.is_some(), signs),
            ("encoding", self.encoding.is_some(), signs),
            ("signed", self.signed.is_some(), signs),
            ("key_encoding", self.key_encoding.is_some(), signs),
            ("timestamp_header", self.timestamp_header.is_some(), signs),
            ("timestamp_prefix", self.timestamp_prefix.is_some(), self.timestamp_header.is_some()),
            ("timestamp_unit", self.timestamp_unit.is_some(), self.timestamp_header.is_some()),
            ("id_header", self.id_header.is_some(), signs),
            ("username", self.username.is_some(), scheme == "basic"),
            ("param", self.param.is_some(), scheme == "query"),
            ("at", self.at.is_some(), scheme == "body"),
        ];
        match settings.into_iter().find(|(_, given, used)| *given && !used) {
            Some((name, ..)) => Err(format!("`{name}` means nothing here, with scheme {scheme:?}")),
            None => self.check_headers(),
        }
    }

    /// A header of another form is never sent, so nothing would ever be taken.
    fn check_headers(&self) -> Result<(), String> {
        let headers = [
            ("header", &self.header),
            ("timestamp_header", &self.timestamp_header),
            ("id_header", &self.id_header),
        ];
        let wrong = headers.into_iter().find_map(|(name, header)| {
            let header = header.as_deref().filter(|header| !is_field_name(header))?;
            Some(format!("`{name}`: {header:?} is no name of a header; write one such as \"X-Signature\""))
        });
        wrong.map_or(Ok(()), Err)
    }

    fn place(&self) -> Result<Place, String> {
        let needs = |name: &str| format!("scheme {:?} needs `{name}`", self.scheme);
        Ok(match self.scheme.as_str() {
            "basic" => Place::Basic { username: self.username.clone() },
            "header" => Place::Header {
                name: self.header.clone().ok_or_else(|| needs("header"))?,
                prefix: self.prefix.clone().unwrap_or_default(),
            },
            "query" => Place::Query { param: self.param.clone().ok_or_else(|| needs("param"))? },
            "body" => {
                let at = self.at.as_deref().ok_or_else(|| needs("at"))?;
                Place::Body { at: Pointer::parse(at).map_err(|error| error.to_string())? }
            }
            _ => Place::Bearer,
        })
    }

    fn signature(&self, defaults: Defaults<'_>) -> Result<Signature, String> {
        let algorithm =
            Algorithm::parse(&self.scheme).ok_or_else(|| near::unknown("scheme", &self.scheme, SCHEMES))?;
        let header = self.header.clone().ok_or_else(|| format!("scheme {:?} needs `header`", self.scheme))?;
        let encoding = read_encoding("encoding", self.encoding.as_deref().unwrap_or("hex"))?;
        let key = match self.key_encoding.as_deref() {
            None | Some("raw") => None,
            Some(name) => Some(read_encoding("key_encoding", name)?),
        };
        let signed = Signed::parse(self.signed.as_deref().unwrap_or("{body}"))
            .map_err(|error| format!("`signed`: {error}"))?;
        if signed.has_time() != self.timestamp_header.is_some() {
            return Err(
                "`signed` holds {ts} exactly when `timestamp_header` says where it is sent".to_owned()
            );
        }
        if signed.has_id() != self.id_header.is_some() {
            return Err("`signed` holds {id} exactly when `id_header` says where it is sent".to_owned());
        }
        let timestamp =
            self.timestamp_header.as_ref().map(|header| self.timestamp(header, defaults)).transpose()?;
        Ok(Signature {
            header,
            encoding,
            prefix: self.prefix.clone().unwrap_or_default(),
            separator: self.separator,
            signed,
            keys: Keys::read(algorithm, defaults.secrets, key)?,
            timestamp,
            id_header: self.id_header.clone(),
        })
    }

    fn timestamp(&self, header: &str, defaults: Defaults<'_>) -> Result<TimestampRule, String> {
        let unit = match self.timestamp_unit.as_deref() {
            None | Some("s") => Unit::Seconds,
            Some("ms") => Unit::Milliseconds,
            Some(other) => return Err(near::unknown("timestamp_unit", other, ["s", "ms"])),
        };
        Ok(TimestampRule {
            header: header.to_owned(),
            prefix: self.timestamp_prefix.clone().unwrap_or_default(),
            unit,
            tolerance: defaults.tolerance(),
        })
    }
}

/// A token, as RFC 9110 (5.1, 5.6.2) has the names of headers.
fn is_field_name(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_fine)
}

fn read_encoding(what: &str, name: &str) -> Result<Encoding, String> {
    Encoding::parse(name).ok_or_else(|| near::unknown(what, name, ["hex", "base64", "base64url"]))
}
