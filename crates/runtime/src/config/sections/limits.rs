use std::borrow::Cow;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;

/// `[limits]`: caps across all cadences of a workspace. A cadence may set tighter ones.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Caps on touches of one contact, for example `[{ max = 3, per = "7d", channel = "email" }]`.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(schema_with = "caps")]
    pub per_contact: Vec<Cap>,
    /// Caps on touches of one owner, for example `[{ max = 50, per = "1d" }]`.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(schema_with = "caps")]
    pub per_owner: Vec<Cap>,
}

/// At most so many touches in so much time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// Touches, at least 1.
    pub max: NonZeroU32,
    /// The time, as in a cadence: `1d` is a calendar day in the owner's zone, anything else slides.
    pub per: String,
    /// Only touches of this channel; absent: of all together.
    pub channel: Option<String>,
}

/// Reads one cap or a list of them, as cadence files do.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Cap>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "expected a cap such as { max = 3, per = \"7d\", channel = \"email\" }, or a list of them"
    )]
    enum Written {
        One(Cap),
        Many(Vec<Cap>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::One(cap) => vec![cap],
        Written::Many(caps) => caps,
    })
}

fn caps(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let cap = Cap::json_schema(generator);
    let name: Cow<'static, str> = Cap::schema_name();
    schemars::json_schema!({ "title": name, "anyOf": [{ "type": "array", "items": cap }, cap] })
}
