use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;
use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error as _;

use crate::config::values::ByteSize;
use crate::config::values::Name;
use crate::config::values::Period;
use crate::config::values::Secret;

/// `[bus]`: how events travel from ingest to the engine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// "embedded" for a durable log in a file, or "kafka".
    pub kind: BusKind,
    /// The file of the embedded log; `{data}` stands for the data folder.
    #[schemars(with = "String")]
    pub path: PathBuf,
    /// Addresses of Kafka brokers to begin with, each `host:port`.
    pub brokers: Vec<String>,
    /// Prefix of the consumer groups.
    pub group: Name,
    /// The topics.
    pub topics: Topics,
    /// How long each topic keeps its messages; people's data there is erased by expiry alone.
    pub retention: Retention,
    /// Settings of librdkafka, passed on as written, for example `"security.protocol" = "sasl_ssl"`.
    /// Passwords are references (`env:NAME`, `file:PATH`). In an environment name `_` stands for the dot:
    /// `DRUMBEAT__BUS__OPTIONS__SECURITY_PROTOCOL`.
    pub options: Options,
}

/// What carries the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BusKind {
    /// A durable log in a file of this machine.
    Embedded,
    /// Apache Kafka.
    Kafka,
}

/// `[bus.topics]`: what `drumbeat topics` creates.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Topics {
    /// Prefix of the topics' names.
    pub prefix: Name,
    /// Partitions of each topic; the most replicas of enrollment that can work at once.
    pub partitions: NonZeroU32,
    /// Copies of each message in the Kafka cluster.
    pub replication: NonZeroU16,
    /// The largest message, on the clients and on the topics; at least twice the largest `max_body`.
    pub max_message: ByteSize,
}

/// `[bus.retention]`: how long each topic keeps its messages.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Canonical events.
    pub events: Period,
    /// Deliveries that could not be translated.
    pub quarantine: Period,
    /// Events that could not be processed.
    pub deadletter: Period,
    /// Quarantined deliveries on their way back.
    pub redeliver: Period,
    /// Decisions and actions.
    pub outcomes: Period,
    /// Verdicts of deliveries.
    pub deliveries: Period,
}

/// Settings of librdkafka by name.
#[derive(Clone, Debug, Default)]
pub struct Options(BTreeMap<String, OptionValue>);

/// One setting: plain, or a reference to a secret.
#[derive(Clone)]
pub enum OptionValue {
    /// The value.
    Plain(String),
    /// Where the value is kept.
    Secret(Secret),
}

impl Options {
    /// All settings, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The setting called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OptionValue> {
        self.0.get(name)
    }

    pub(crate) fn secrets_mut(&mut self) -> impl Iterator<Item = (&str, &mut Secret)> {
        self.0.iter_mut().filter_map(|(name, value)| match value {
            OptionValue::Plain(_) => None,
            OptionValue::Secret(secret) => Some((name.as_str(), secret)),
        })
    }

    /// Whether a setting of this name holds a secret.
    pub(crate) fn is_secret(name: &str) -> bool {
        name.contains("password") || name.contains("secret") || name == "ssl.key.pem"
    }
}

impl fmt::Debug for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => text.fmt(f),
            Self::Secret(secret) => secret.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected text, a number, or true or false")]
        enum Scalar {
            Flag(bool),
            Integer(i64),
            Float(f64),
            Text(String),
        }
        let written: BTreeMap<String, Scalar> = BTreeMap::deserialize(deserializer)?;
        let mut options = BTreeMap::new();
        for (name, value) in written {
            let text = match value {
                Scalar::Flag(flag) => flag.to_string(),
                Scalar::Integer(integer) => integer.to_string(),
                Scalar::Float(float) => float.to_string(),
                Scalar::Text(text) => text,
            };
            let value = if Self::is_secret(&name) || text.starts_with("env:") || text.starts_with("file:") {
                let secret =
                    text.parse().map_err(|error: String| D::Error::custom(format!("{name}: {error}")))?;
                OptionValue::Secret(secret)
            } else {
                OptionValue::Plain(text)
            };
            options.insert(name, value);
        }
        Ok(Self(options))
    }
}

impl JsonSchema for Options {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "librdkafka settings".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean"], "format": "secret" }
        })
    }
}
