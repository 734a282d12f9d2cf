use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error as _;
use serde_json::Value;

/// `[defaults]`: what cadences that say nothing take.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// The IANA time zone of contacts whose own and whose owner's zone are unknown.
    pub zone: String,
    /// When touches may fall due: `{ days = ["mon", "fri"], from = "09:00", to = "17:30" }`, a list of such,
    /// or "any".
    #[schemars(schema_with = "window")]
    pub window: Window,
}

/// When touches may fall due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// At any time.
    Any,
    /// Within these spans.
    Spans(Vec<WindowSpan>),
}

/// The same hours on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowSpan {
    /// Days of the week: mon, tue, wed, thu, fri, sat, sun.
    pub days: Vec<String>,
    /// The local time at which it opens, for example "09:00".
    pub from: String,
    /// The local time at which it closes, for example "17:30".
    pub to: String,
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Value::deserialize(deserializer)?;
        let spans = match &written {
            Value::String(text) if text == "any" => return Ok(Self::Any),
            Value::Object(_) => serde_json::from_value(written).map(|span| vec![span]),
            Value::Array(_) => serde_json::from_value(written),
            _ => {
                return Err(D::Error::custom(
                    "expected \"any\", or { days = [\"mon\", …], from = \"09:00\", to = \"17:30\" }, or a list of such",
                ));
            }
        };
        spans.map(Self::Spans).map_err(D::Error::custom)
    }
}

fn window(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let span = WindowSpan::json_schema(generator);
    schemars::json_schema!({ "anyOf": [{ "type": "string" }, span, { "type": "array", "items": span }] })
}
