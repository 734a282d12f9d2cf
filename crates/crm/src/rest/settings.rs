//! What the configuration says of a `rest` connector.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::id::ConnectorName;
use ports::connector::{ConnectorError, Traits};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::answer::{self, Verdict};

/// The settings of one connector.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub name: ConnectorName,
    /// The URL that paths are added to.
    pub base_url: String,
    /// How requests prove who sends them.
    pub auth: Option<Auth>,
    /// What it allows.
    pub traits: Traits,
    /// The request that creates a task; absent: POST to `/tasks` with the canonical task.
    pub create: Option<RequestTemplate>,
    /// How a task is found by its key.
    pub lookup: Option<Lookup>,
    /// When an answer means that the task was there already.
    pub already_exists: Option<AlreadyExists>,
    /// Taking an open task back.
    pub withdraw: FollowUp,
}

/// How requests prove who sends them.
#[derive(Debug, Clone)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer(SecretString),
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// A header with a secret value.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: SecretString,
    },
}

impl Auth {
    pub(super) fn header(&self) -> (String, String) {
        match self {
            Self::Bearer(token) => ("Authorization".to_owned(), format!("Bearer {}", token.expose_secret())),
            Self::Basic { username, password } => {
                let pair = STANDARD.encode(format!("{username}:{}", password.expose_secret()));
                ("Authorization".to_owned(), format!("Basic {pair}"))
            }
            Self::Header { name, value } => (name.clone(), value.expose_secret().to_owned()),
        }
    }

    /// What must never come back in what is said of an answer.
    pub(super) fn secrets(&self) -> Vec<String> {
        let secret = match self {
            Self::Bearer(secret)
            | Self::Basic { password: secret, .. }
            | Self::Header { value: secret, .. } => secret.expose_secret().to_owned(),
        };
        let (_, sent) = self.header();
        let sent = sent.split_once(' ').map_or(sent.as_str(), |(_, pair)| pair).to_owned();
        [secret, sent].into_iter().filter(|text| !text.is_empty()).collect()
    }
}

/// A request with placeholders in MiniJinja over the canonical task. In the body an expression becomes a JSON value
/// (`{"title": {{ subject }}}`), in the path it is percent-encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestTemplate {
    /// The method; POST when absent.
    pub method: Option<String>,
    /// The path after the base URL; `/tasks` when absent.
    pub path: Option<String>,
    /// More headers.
    pub headers: BTreeMap<String, String>,
    /// The body; absent: the canonical task.
    pub body: Option<String>,
    /// Where the answer holds the task's id (RFC 6901); `/id` when absent.
    pub id: Option<String>,
}

/// A request that finds a task by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Path and query after the base URL, with `{{ key }}`.
    pub path: String,
    /// Where the answer holds the found task's id (RFC 6901); nothing there: it does not exist.
    pub id: String,
}

/// When an answer means that the task was there already.
#[derive(Debug, Clone, PartialEq)]
pub struct AlreadyExists {
    /// The status; 409 when absent.
    pub status: Option<u16>,
    /// A pointer into the answer (RFC 6901); absent: the status alone decides.
    pub at: Option<String>,
    /// What must stand there; absent: anything.
    pub equals: Option<Value>,
}

/// A request about a task that was created earlier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FollowUp {
    /// Not sent.
    #[default]
    Off,
    /// The usual one.
    Standard,
    /// This one.
    Custom(RequestTemplate),
}

/// A wrong setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connector {connector}: {setting}: {why}")]
pub struct SettingsError {
    /// Whose.
    pub connector: String,
    /// Which.
    pub setting: &'static str,
    /// What is wrong, and what to write instead.
    pub why: String,
}

impl Settings {
    /// The whole URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.trim_end_matches('/'))
    }

    /// The task's id in a CRM's answer, when the answer means that the task is there.
    pub(super) fn accept(&self, verdict: Verdict) -> Result<Option<String>, ConnectorError> {
        let pointer = self.create.as_ref().and_then(|create| create.id.as_deref()).unwrap_or("/id");
        match verdict {
            Verdict::Success(body) => Ok(answer::id_at(body.as_ref(), pointer)),
            Verdict::Conflict { status, body, .. } | Verdict::Refused { status, body, .. }
                if self.means_already_there(status, body.as_ref()) =>
            {
                Ok(answer::id_at(body.as_ref(), pointer))
            }
            Verdict::Conflict { body, text, .. } => match answer::id_at(body.as_ref(), pointer) {
                Some(id) => Ok(Some(id)),
                None => Err(ConnectorError::Unknown(text)),
            },
            other => Err(other.into_error()),
        }
    }

    fn means_already_there(&self, status: u16, body: Option<&Value>) -> bool {
        let Some(rule) = &self.already_exists else {
            return false;
        };
        if rule.status.unwrap_or(409) != status {
            return false;
        }
        let Some(pointer) = &rule.at else {
            return true;
        };
        let found = body.and_then(|body| body.pointer(pointer)).filter(|value| !value.is_null());
        match (&rule.equals, found) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(expected), Some(found)) => expected == found,
        }
    }
}
