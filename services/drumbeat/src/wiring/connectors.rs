//! The connectors of the configuration, and the inbox.

use std::sync::Arc;

use crm::rest::{AlreadyExists, Auth, FollowUp, Lookup, RequestTemplate, Rest, Settings};
use dispatcher::Inbox;
use domain::id::ConnectorName;
use domain::touch::Channel;
use egress::{AllowPrivate, Egress, Policy};
use ports::clock::Clock;
use ports::connector::{Connector, Idempotency, Traits};
use runtime::config::{self, Config, SecretError};

use crate::exit::Failure;

/// All of them, the inbox first.
pub(crate) fn connectors(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Arc<dyn Connector>>, Failure> {
    let mut all: Vec<Arc<dyn Connector>> = vec![Arc::new(Inbox::default())];
    for one in &config.connectors {
        if one.kind == "rest" {
            all.push(Arc::new(rest(one, config, Arc::clone(clock))?));
        }
    }
    Ok(all)
}

/// Their names: what cadences may use.
pub(crate) fn names(config: &Config) -> Vec<String> {
    config.connectors.iter().map(|one| one.name.as_str().to_owned()).collect()
}

fn rest(one: &config::Connector, config: &Config, clock: Arc<dyn Clock>) -> Result<Rest, Failure> {
    let settings = settings(one, config)?;
    let policy = Policy {
        allow_private: if one.allow_private { AllowPrivate::Yes } else { AllowPrivate::No },
        connect_timeout: one.connect_timeout.get(),
        total_timeout: settings.traits.timeout,
        ..Policy::default()
    };
    let egress = Egress::new(policy).map_err(|error| Failure::Refused(error.to_string()))?;
    Rest::new(settings, egress, clock).map_err(|error| Failure::Refused(format!("configuration: {error}")))
}

fn settings(one: &config::Connector, config: &Config) -> Result<Settings, Failure> {
    let wrong = |why: String| Failure::Refused(format!("configuration: connector {}: {why}", one.name));
    let auth = one.auth.as_ref().map(auth).transpose().map_err(|error| wrong(error.to_string()))?;
    let rate = one.rate.as_ref();
    Ok(Settings {
        name: ConnectorName::new(one.name.as_str()).map_err(|error| wrong(error.to_string()))?,
        base_url: one
            .base_url
            .as_ref()
            .map(|url| url.as_str().to_owned())
            .ok_or_else(|| wrong("base_url is missing".to_owned()))?,
        auth,
        traits: Traits {
            idempotency: match one.idempotency {
                config::Idempotency::Key => Idempotency::Key,
                config::Idempotency::Lookup => Idempotency::Lookup,
                config::Idempotency::None => Idempotency::None,
            },
            delivers: one.delivers.iter().filter_map(|channel| Channel::parse(channel)).collect(),
            rate: rate.map(|rate| (rate.requests.get(), rate.per.get())),
            concurrency: rate.and_then(|rate| rate.concurrency).unwrap_or(config.dispatch.concurrency).get()
                as usize,
            timeout: one.timeout.get(),
        },
        create: one.create.as_ref().map(template),
        lookup: one.lookup.as_ref().map(|lookup| Lookup { path: lookup.path.clone(), id: lookup.id.clone() }),
        already_exists: one.already_exists.as_ref().map(|rule| AlreadyExists {
            status: rule.status,
            at: rule.at.clone(),
            equals: rule.equals.clone(),
        }),
        withdraw: match &one.withdraw {
            config::FollowUp::Off => FollowUp::Off,
            config::FollowUp::Standard => FollowUp::Standard,
            config::FollowUp::Custom(request) => FollowUp::Custom(template(request)),
        },
    })
}

fn auth(auth: &config::Auth) -> Result<Auth, SecretError> {
    Ok(match auth {
        config::Auth::Bearer(token) => Auth::Bearer(token.value()?.clone()),
        config::Auth::Basic { username, password } => {
            Auth::Basic { username: username.clone(), password: password.value()?.clone() }
        }
        config::Auth::Header { name, value } => {
            Auth::Header { name: name.clone(), value: value.value()?.clone() }
        }
    })
}

fn template(request: &config::Template) -> RequestTemplate {
    RequestTemplate {
        method: request.method.clone(),
        path: request.path.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
        id: request.id.clone(),
    }
}
