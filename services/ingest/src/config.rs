//! The deployment's sources, compiled.

use std::net::SocketAddr;
use std::time::Duration;

use domain::id::{SourceName, Workspace};
use jiff::SignedDuration;
use runtime::config;
use secrecy::ExposeSecret;
use serde_json::Value;
use webhooks::{Secret, Settings, Source, Tolerance};

use crate::door::{Door, Rate};

/// What this service needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may post.
    pub doors: Vec<Door>,
    /// How long a request's head may take.
    pub head_time: Duration,
    /// How long its body may take after that.
    pub body_time: Duration,
}

/// Heads are small and come at once.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// A mobile network needs less, and a slow attack gets no more.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A source that cannot be served, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("source {source_name:?}: {problem}")]
pub struct SourceProblem {
    /// Which one.
    pub source_name: String,
    /// What is wrong, with the key.
    pub problem: String,
}

impl Config {
    /// Compiles the sources of a deployment.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, so that `config check` shows it at once.
    pub fn from_deployment(config: &config::Config) -> Result<Self, Vec<SourceProblem>> {
        let mut doors = Vec::new();
        let mut problems = Vec::new();
        for source in &config.sources {
            match door(source) {
                Ok(door) => doors.push(door),
                Err(problem) => {
                    problems.push(SourceProblem { source_name: source.name.as_str().to_owned(), problem });
                }
            }
        }
        if problems.is_empty() {
            Ok(Self { listen: config.ingest.listen, doors, head_time: HEAD_TIME, body_time: BODY_TIME })
        } else {
            Err(problems)
        }
    }
}

fn door(source: &config::Source) -> Result<Door, String> {
    let name = SourceName::new(source.name.as_str()).map_err(|error| format!("name: {error}"))?;
    let workspace =
        Workspace::new(source.workspace.as_str()).map_err(|error| format!("workspace: {error}"))?;
    let mut secrets = Vec::new();
    for secret in &source.secrets {
        let value = secret.value().map_err(|error| format!("secrets: {error}"))?;
        let secret =
            Secret::new(value.expose_secret()).ok_or_else(|| format!("secrets: {secret} is empty"))?;
        secrets.push(secret);
    }
    let settings = Settings {
        name,
        workspace,
        provider: source.provider.clone(),
        secrets,
        allow_unsigned: source.allow_unsigned,
        verify: source.verify.clone().map(Value::Object),
        map: source.map.clone().map(Value::Object),
        public_url: source.public_url.as_ref().map(|url| url.as_str().to_owned()),
        tolerance: source.tolerance.map(tolerance).transpose()?,
    };
    Ok(Door {
        source: Source::new(settings).map_err(|error| error.to_string())?,
        max_body: source.max_body.as_usize(),
        rate: source.rate.as_ref().map(rate).transpose()?,
    })
}

fn tolerance(written: config::Tolerance) -> Result<Tolerance, String> {
    match written {
        config::Tolerance::Off => Ok(Tolerance::Off),
        config::Tolerance::Within(period) => SignedDuration::try_from(period.get())
            .map(Tolerance::Within)
            .map_err(|_| "tolerance: too long".to_owned()),
    }
}

fn rate(written: &config::Rate) -> Result<Rate, String> {
    let rate = Rate {
        requests: written.requests,
        per: written.per.get(),
        burst: written.burst.unwrap_or(written.requests),
    };
    // The shortest distance between two requests that can be kept is a nanosecond.
    if (rate.per / rate.requests.get()).is_zero() {
        return Err("rate.per: longer than a nanosecond per request".to_owned());
    }
    Ok(rate)
}
