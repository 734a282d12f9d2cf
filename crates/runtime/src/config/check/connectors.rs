//! Connectors.

use std::collections::BTreeMap;

use super::Report;
use super::adapters::unknown_channel;
use super::texts;
use crate::config::Auth;
use crate::config::Config;
use crate::config::Connector;
use crate::config::FollowUp;
use crate::config::Idempotency;
use crate::config::Template;
use crate::config::finding::Part;
use crate::config::vocabulary::near;

/// The connector that exists without being configured.
const INBOX: &str = "inbox";

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let mut names = BTreeMap::new();
    for (index, connector) in config.connectors.iter().enumerate() {
        let place = format!("connectors[{index}]");
        let name = (connector.workspace.clone(), connector.name.clone());
        if let Some(first) = names.insert(name, index) {
            report.error(
                format!("{place}.name"),
                format!(
                    "connectors[{first}] is called {:?} already; names are unique in a workspace",
                    connector.name.as_str()
                ),
            );
        }
        kind(config, connector, &place, report);
        for channel in &connector.delivers {
            unknown_channel(report, format!("{place}.delivers"), channel);
        }
        bounds(connector, &place, report);
        requests(connector, &place, report);
        if let Some(auth) = &connector.auth {
            report.secret(format!("{place}.auth"), Part::Connectors, auth.secret().value());
            if let Auth::Header { name, .. } = auth {
                header(report, &format!("{place}.auth.header.name"), name);
            }
        }
    }
}

fn kind(config: &Config, connector: &Connector, place: &str, report: &mut Report<'_>) {
    let kinds = &config.provenance.vocabulary.connectors;
    if !kinds.contains(&connector.kind) {
        let meant = near(&connector.kind, kinds.iter().map(String::as_str)).map_or_else(
            || format!("known are {}", kinds.join(", ")),
            |meant| format!("did you mean {meant:?}?"),
        );
        report.error(
            format!("{place}.kind"),
            format!("there is no connector kind {:?}; {meant}", connector.kind),
        );
        return;
    }
    let inbox = connector.kind == INBOX;
    if connector.name.as_str() == INBOX && !inbox {
        report.error(format!("{place}.name"), "\"inbox\" is the built-in connector; choose another name");
    }
    match &connector.base_url {
        None if !inbox => report.error(format!("{place}.base_url"), "it is missing; write https://host/path"),
        Some(_) if inbox => report.error(format!("{place}.base_url"), "the inbox calls nobody; remove it"),
        None => {}
        Some(text) => base_url(connector, text.as_str(), place, report),
    }
    if inbox && connector.auth.is_some() {
        report.error(format!("{place}.auth"), "the inbox calls nobody; remove it");
    }
}

fn base_url(connector: &Connector, text: &str, place: &str, report: &mut Report<'_>) {
    let key = format!("{place}.base_url");
    let url = match texts::http_url(text) {
        Ok(url) => url,
        Err(message) => return report.error(key, message),
    };
    if url.query().is_some() || url.fragment().is_some() {
        report.error(key.clone(), "paths are added to it, so it has neither a query nor a fragment");
    }
    let private = texts::is_private(&url);
    if private && !connector.allow_private {
        report.error(
            key.clone(),
            "this is an address of a private network, which is refused; set allow_private = true if it is meant",
        );
    }
    if url.scheme() == "http" && !private && connector.auth.is_some() {
        report.warning(key, "credentials would travel unencrypted; use https");
    }
}

fn bounds(connector: &Connector, place: &str, report: &mut Report<'_>) {
    for (name, period) in [("timeout", connector.timeout), ("connect_timeout", connector.connect_timeout)] {
        if period.is_zero() {
            report.error(format!("{place}.{name}"), "it must be longer than nothing");
        }
    }
    if connector.connect_timeout > connector.timeout {
        report.error(
            format!("{place}.connect_timeout"),
            "it must not be longer than timeout; set connect_timeout beside timeout, below it",
        );
    }
    if connector.rate.as_ref().is_some_and(|rate| rate.per.is_zero()) {
        report.error(format!("{place}.rate.per"), "it must be longer than nothing, such as \"10s\"");
    }
}

fn requests(connector: &Connector, place: &str, report: &mut Report<'_>) {
    if connector.update != FollowUp::Off {
        report.error(
            format!("{place}.update"),
            "not supported yet: open tasks are withdrawn after a stop, but a new owner or date does not reach the CRM; leave it out",
        );
    }
    match (connector.idempotency, &connector.lookup) {
        (Idempotency::Lookup, None) => report.error(
            format!("{place}.lookup"),
            "idempotency = \"lookup\" needs the request that finds a task, such as lookup = { path = \
             \"/tasks?key={{ key }}\", id = \"/0/id\" }",
        ),
        (Idempotency::Key | Idempotency::None, Some(_)) => {
            report.warning(format!("{place}.lookup"), "it is used only with idempotency = \"lookup\"");
        }
        (_, None) => {}
        (Idempotency::Lookup, Some(lookup)) => {
            path(report, format!("{place}.lookup.path"), &lookup.path);
            pointer(report, format!("{place}.lookup.id"), &lookup.id);
        }
    }
    if let Some(create) = &connector.create {
        template(report, &format!("{place}.create"), create);
    }
    for (name, follow_up) in [("withdraw", &connector.withdraw), ("update", &connector.update)] {
        if let FollowUp::Custom(custom) = follow_up {
            template(report, &format!("{place}.{name}"), custom);
        }
    }
    if let Some(rule) = &connector.already_exists {
        if let Some(at) = &rule.at {
            pointer(report, format!("{place}.already_exists.at"), at);
        }
        if rule.equals.is_some() && rule.at.is_none() {
            report.error(
                format!("{place}.already_exists.at"),
                "it says where the value of equals stands; it is missing",
            );
        }
        if rule.status.is_some_and(|status| !(200..600).contains(&status)) {
            report.error(format!("{place}.already_exists.status"), "this is no status of an answer");
        }
    }
}

fn template(report: &mut Report<'_>, place: &str, template: &Template) {
    if let Some(method) = &template.method
        && !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str())
    {
        report.error(
            format!("{place}.method"),
            format!("{method:?} is no method; write POST, PUT, PATCH, DELETE or GET"),
        );
    }
    if let Some(text) = &template.path {
        path(report, format!("{place}.path"), text);
    }
    if let Some(id) = &template.id {
        pointer(report, format!("{place}.id"), id);
    }
    for name in template.headers.keys() {
        let key = format!("{place}.headers.{name}");
        header(report, &key, name);
        if name.eq_ignore_ascii_case("authorization") {
            report.error(key, "credentials belong into auth, as a reference");
        } else if ["host", "content-length", "transfer-encoding", "connection"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own))
        {
            report.error(key, "this header is set by the client; remove it");
        }
    }
}

fn header(report: &mut Report<'_>, key: &str, name: &str) {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(legal) {
        report.error(key, format!("{name:?} is no header name"));
    }
}

fn path(report: &mut Report<'_>, key: String, text: &str) {
    if !text.starts_with('/') {
        report.error(key, "it is added to base_url and begins with /");
    }
}

fn pointer(report: &mut Report<'_>, key: String, text: &str) {
    if !texts::is_pointer(text) {
        report.error(key, format!("{text:?} is no JSON pointer; write one such as \"/data/id\""));
    }
}
