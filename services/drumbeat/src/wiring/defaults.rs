//! What the deployment sets for all cadences.

use std::collections::HashMap;

use domain::catalog::Defaults;
use domain::id::ConnectorName;
use domain::time::{Days, Limit, Quota, Slot, Span, TimeOfDay, Window};
use domain::touch::Channel;
use runtime::config::{Cap, Config};

use crate::exit::Failure;

/// The defaults of the catalog.
pub(crate) fn defaults(config: &Config) -> Result<Defaults, Failure> {
    let zone =
        jiff::tz::TimeZone::get(&config.defaults.zone).map_err(|error| wrong("defaults.zone", &error))?;
    let mut delivers = HashMap::new();
    for connector in &config.connectors {
        let name =
            ConnectorName::new(connector.name.as_str()).map_err(|error| wrong("connectors.name", &error))?;
        let channels = connector.delivers.iter().filter_map(|channel| Channel::parse(channel)).collect();
        delivers.insert(name, channels);
    }
    Ok(Defaults {
        zone,
        window: window(&config.defaults.window)?,
        per_contact: caps("limits.per_contact", &config.limits.per_contact)?,
        per_owner: caps("limits.per_owner", &config.limits.per_owner)?,
        delivers,
    })
}

fn window(window: &runtime::config::Window) -> Result<Window, Failure> {
    let runtime::config::Window::Spans(spans) = window else {
        return Ok(Window::Any);
    };
    let slots = spans
        .iter()
        .map(|span| {
            Slot::new(
                Days::parse(&span.days)?,
                TimeOfDay::parse(&span.from)?,
                TimeOfDay::parse_end(&span.to)?,
            )
        })
        .collect::<Result<Vec<_>, _>>()
        .and_then(Window::weekly);
    slots.map_err(|error| wrong("defaults.window", &error))
}

fn caps(key: &str, caps: &[Cap]) -> Result<Vec<Limit<Channel>>, Failure> {
    caps.iter()
        .map(|cap| {
            let per = Span::parse(&cap.per).map_err(|error| wrong(key, &error))?;
            let quota = Quota::new(cap.max.get(), per).map_err(|error| wrong(key, &error))?;
            Ok(Limit { quota, channel: cap.channel.as_deref().and_then(Channel::parse) })
        })
        .collect()
}

fn wrong(key: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::Refused(format!("configuration: {key}: {error}"))
}
