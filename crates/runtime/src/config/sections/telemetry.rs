use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::values::Endpoint;

/// `[telemetry]`: logs and traces. Metrics are always at `/metrics`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// "human" for a terminal, "json" for a log collector: one object a line, with trace and span ids.
    pub log: LogFormat,
    /// Which log lines are written, as levels by module: "info", "info,ingest=debug", "warn,sqlx=error". The
    /// variable `RUST_LOG` wins over the file.
    pub filter: String,
    /// Where traces go, as OTLP over HTTP or HTTPS with protobuf: the collector's base URL, for example
    /// "http://127.0.0.1:4318". Absent: no traces are recorded. The usual variables `OTEL_EXPORTER_OTLP_HEADERS`,
    /// `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_BSP_…` are honoured.
    pub otlp_endpoint: Option<Endpoint>,
    /// The share of traces recorded, from 0.0 to 1.0, when the caller has not decided.
    pub sample: f64,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

impl std::str::FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is no log format; write \"human\" or \"json\"")),
        }
    }
}
