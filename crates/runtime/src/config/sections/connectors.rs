use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error as _;
use serde_json::Value;

use crate::config::values::Endpoint;
use crate::config::values::Name;
use crate::config::values::Period;
use crate::config::values::Secret;

/// `[[connectors]]`: where tasks go. The built-in inbox exists without being named.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// The name that cadences use; unique in its workspace.
    pub name: Name,
    /// The workspace whose cadences may use it; "main" when absent.
    #[serde(default = "Name::main")]
    pub workspace: Name,
    /// What it speaks to: "rest", or "inbox" for tasks worked here.
    pub kind: String,
    /// The URL that the paths below are added to.
    pub base_url: Option<Endpoint>,
    /// How requests prove who sends them.
    pub auth: Option<Auth>,
    /// The most requests sent; absent: no limit but the concurrency.
    pub rate: Option<ConnectorRate>,
    /// What may be done when nobody knows whether a request was carried out: "key" (a repeat with the same
    /// key is safe), "lookup" (look first), "none" (a person decides); "key" when absent.
    #[serde(default)]
    pub idempotency: Idempotency,
    /// Channels that this connector carries out itself: their touches are done when dispatched.
    #[serde(default)]
    pub delivers: Vec<String>,
    /// true: addresses of private networks may be called, for a CRM that lives there.
    #[serde(default)]
    pub allow_private: bool,
    /// Time for name resolution, TCP and TLS; `dispatch.connect_timeout` when absent.
    pub connect_timeout: Period,
    /// Time for a whole request; `dispatch.timeout` when absent.
    pub timeout: Period,
    /// The request that creates a task; absent: POST to `/tasks` with the canonical task.
    pub create: Option<Template>,
    /// How a task is found by its key, for idempotency "lookup".
    pub lookup: Option<Lookup>,
    /// When an answer means that the task was there already.
    pub already_exists: Option<AlreadyExists>,
    /// Withdrawing a task that no longer holds: true for `DELETE /tasks/{{ id }}`, or the request to send
    /// instead.
    #[serde(default)]
    #[schemars(schema_with = "follow_up")]
    pub withdraw: FollowUp,
    /// Changing owner or due time of an open task: true for `PATCH /tasks/{{ id }}`, or the request to send
    /// instead.
    #[serde(default)]
    #[schemars(schema_with = "follow_up")]
    pub update: FollowUp,
}

/// How requests prove who sends them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// A token, sent as `Authorization: Bearer …`.
    Bearer(Secret),
    /// A user name and a password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A header with a secret value.
    Header {
        /// The header's name.
        name: String,
        /// Its value.
        value: Secret,
    },
}

impl Auth {
    pub(crate) fn secret(&self) -> &Secret {
        match self {
            Self::Bearer(secret)
            | Self::Basic { password: secret, .. }
            | Self::Header { value: secret, .. } => secret,
        }
    }

    pub(crate) fn secret_mut(&mut self) -> &mut Secret {
        match self {
            Self::Bearer(secret)
            | Self::Basic { password: secret, .. }
            | Self::Header { value: secret, .. } => secret,
        }
    }
}

/// The most requests sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorRate {
    /// Requests per period.
    pub requests: NonZeroU32,
    /// The period, for example "10s".
    pub per: Period,
    /// The most requests in flight of each dispatcher; `dispatch.concurrency` when absent.
    pub concurrency: Option<NonZeroU32>,
}

/// What may be done when nobody knows whether a request was carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Idempotency {
    /// A repeat with the same key is safe.
    #[default]
    Key,
    /// The task is looked for first.
    Lookup,
    /// A person decides.
    None,
}

/// A request with placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The method; POST when absent.
    pub method: Option<String>,
    /// The path after `base_url`, a template.
    pub path: Option<String>,
    /// More headers, their values templates. Credentials belong into `auth`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, a template; absent: the canonical task.
    pub body: Option<String>,
    /// Where the answer holds the task's id, a JSON pointer; "/id" when absent.
    pub id: Option<String>,
}

/// A request that finds a task by its key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The path and query after `base_url`, a template.
    pub path: String,
    /// Where the answer holds the found task's id, a JSON pointer. Nothing there: it does not exist.
    pub id: String,
}

/// When an answer means that the task was there already.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlreadyExists {
    /// The status; 409 when absent.
    pub status: Option<u16>,
    /// A JSON pointer into the answer; absent: the status alone decides.
    pub at: Option<String>,
    /// What must stand there; absent: anything.
    #[schemars(with = "Option<Scalar>")]
    pub equals: Option<Value>,
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes a value that stays as written")]
enum Scalar {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// A request about a task that was created earlier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FollowUp {
    /// Not sent.
    #[default]
    Off,
    /// The connector's own request.
    Standard,
    /// This request.
    Custom(Template),
}

impl<'de> Deserialize<'de> for FollowUp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(false) => Ok(Self::Off),
            Value::Bool(true) => Ok(Self::Standard),
            table @ Value::Object(_) => {
                serde_json::from_value(table).map(Self::Custom).map_err(D::Error::custom)
            }
            _ => Err(D::Error::custom(
                "expected true, false or a request such as { method = \"POST\", path = \"/tasks/{{ id }}/close\" }",
            )),
        }
    }
}

fn follow_up(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let template = Template::json_schema(generator);
    schemars::json_schema!({ "anyOf": [{ "type": "boolean" }, template] })
}
