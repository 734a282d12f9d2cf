use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;
use std::str::FromStr;

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::config::redact;
use crate::config::settle;
use crate::config::values::Period;
use crate::config::values::Secret;
use crate::config::values::SecretError;
use crate::config::values::read_from_text;

/// `[store]`: the database of contacts, enrollments and touches.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `sqlite://PATH` for the embedded store (a relative path is from this file's folder, `{data}` stands
    /// for the data folder), or `postgres://USER@HOST/DATABASE`. A URL with a password is a secret: write
    /// `env:NAME` or `file:PATH`, or set `DRUMBEAT__STORE__URL` itself.
    pub url: StoreUrl,
    /// The most connections held to PostgreSQL.
    pub connections: NonZeroU32,
    /// How long a unit of work waits for a free connection.
    pub acquire_timeout: Period,
    /// How long events and decisions are kept, and what ended enrollments leave behind.
    pub keep: Period,
}

/// The two kinds of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A SQLite file in this process.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// The URL of the store. `Debug` and `Display` hide a password and show a reference as such.
#[derive(Clone)]
pub struct StoreUrl(Written);

#[derive(Clone)]
enum Written {
    Literal(String),
    Referenced(Secret),
}

impl StoreUrl {
    /// The URL to connect to.
    ///
    /// # Errors
    /// When it is kept in a variable or file that is missing or empty.
    pub fn value(&self) -> Result<SecretString, SecretError> {
        match &self.0 {
            Written::Literal(url) => Ok(SecretString::from(url.as_str())),
            Written::Referenced(secret) => secret.value().cloned(),
        }
    }

    /// Which kind of store it names; `None` when it names neither or cannot be had.
    #[must_use]
    pub fn backend(&self) -> Option<Backend> {
        let url = self.value().ok()?;
        match url.expose_secret().split(':').next()? {
            "sqlite" => Some(Backend::Sqlite),
            "postgres" | "postgresql" => Some(Backend::Postgres),
            _ => None,
        }
    }

    /// The file behind a `sqlite://` URL.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<std::path::PathBuf> {
        let url = self.value().ok()?;
        let path = url.expose_secret().strip_prefix("sqlite://")?;
        let path = path.split('?').next().unwrap_or(path);
        (!path.is_empty() && path != ":memory:").then(|| path.into())
    }

    /// Whether a password is part of a literal URL.
    pub(crate) fn holds_password(&self) -> bool {
        match &self.0 {
            Written::Literal(url) => Url::parse(url).is_ok_and(|url| url.password().is_some()),
            Written::Referenced(_) => false,
        }
    }

    pub(crate) fn secret_mut(&mut self) -> Option<&mut Secret> {
        match &mut self.0 {
            Written::Literal(_) => None,
            Written::Referenced(secret) => Some(secret),
        }
    }

    /// Makes the path of a literal `sqlite://` URL absolute.
    pub(crate) fn settle(&mut self, base: &Path, data: &Path) {
        let Written::Literal(url) = &mut self.0 else { return };
        let Some(rest) = url.strip_prefix("sqlite://") else { return };
        if rest.starts_with(":memory:") {
            return;
        }
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let path = base.join(settle::place(Path::new(path), data));
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        *url = format!("sqlite://{}{query}", path.display());
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("env:") || text.starts_with("file:") {
            return text.parse().map(|secret| Self(Written::Referenced(secret)));
        }
        let known =
            ["sqlite://", "postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        if !known {
            return Err("it names no store; write sqlite://PATH, postgres://USER@HOST/DATABASE, or env:NAME"
                .to_owned());
        }
        Ok(Self(Written::Literal(text.to_owned())))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Written::Referenced(secret) => secret.fmt(f),
            Written::Literal(url) => f.write_str(&redact::url(url)),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

read_from_text!(StoreUrl, "store url");
