//! Sources.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;

use super::Report;
use super::texts;
use crate::config::ByteSize;
use crate::config::Config;
use crate::config::Source;
use crate::config::Tolerance;
use crate::config::finding::Part;
use crate::config::vocabulary::near;

/// Providers without a way of verifying deliveries of their own.
const GENERIC: &str = "generic";
const CLOUDEVENTS: &str = "cloudevents";

/// A shared secret below this can be found by trying, once a signed delivery was seen.
const SHORT_SECRET: usize = 16;

/// Bodies above this are read whole into memory for every delivery, which is remarked.
const LARGE_BODY: ByteSize = ByteSize::new(64 * 1024 * 1024);

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let mut names = BTreeMap::new();
    for (index, source) in config.sources.iter().enumerate() {
        let place = format!("sources[{index}]");
        if let Some(first) = names.insert(source.name.clone(), index) {
            report.error(
                format!("{place}.name"),
                format!(
                    "sources[{first}] is called {:?} already; names are unique in a deployment",
                    source.name.as_str()
                ),
            );
        }
        provider(config, source, &place, report);
        secrets(source, &place, report);
        bounds(source, &place, report);
        if let Some(public_url) = &source.public_url {
            match texts::http_url(public_url.as_str()) {
                Err(message) => report.error(format!("{place}.public_url"), message),
                Ok(url) if !url.path().ends_with(&format!("/hooks/{}", source.name)) => report.warning(
                    format!("{place}.public_url"),
                    format!(
                        "it does not end in /hooks/{}; that is right only if a proxy rewrites the path",
                        source.name
                    ),
                ),
                Ok(_) => {}
            }
        }
    }
}

fn provider(config: &Config, source: &Source, place: &str, report: &mut Report<'_>) {
    let providers = &config.provenance.vocabulary.providers;
    if !providers.contains(&source.provider) {
        let meant = near(&source.provider, providers.iter().map(String::as_str)).map_or_else(
            || format!("known are {}; any other sender can be a \"generic\" one", providers.join(", ")),
            |meant| format!("did you mean {meant:?}?"),
        );
        report.error(
            format!("{place}.provider"),
            format!("there is no provider {:?}; {meant}", source.provider),
        );
        return;
    }
    if source.provider == GENERIC && source.map.is_none() {
        report.error(
            format!("{place}.map"),
            "a generic source needs a mapping; write at least kind = { const = \"form_submitted\" } and email = \
             \"/email\"",
        );
    }
    let own_scheme = ![GENERIC, CLOUDEVENTS].contains(&source.provider.as_str());
    if !own_scheme && source.verify.is_none() && !source.allow_unsigned {
        report.error(
            format!("{place}.verify"),
            format!(
                "a {} source says how it is verified, such as verify = {{ scheme = \"bearer\" }}, or \
                 allow_unsigned = true",
                source.provider
            ),
        );
    }
}

fn secrets(source: &Source, place: &str, report: &mut Report<'_>) {
    match (source.secrets.is_empty(), source.allow_unsigned) {
        (true, false) => report.error(
            format!("{place}.secrets"),
            "there is no secret to verify deliveries with; write secrets = [\"env:NAME\"], or allow_unsigned = true to \
             take anything",
        ),
        (false, true) => report.error(
            format!("{place}.allow_unsigned"),
            "there are secrets and deliveries are taken without them; remove one of the two",
        ),
        (true, true) => report.warning(
            format!("{place}.allow_unsigned"),
            "anybody who knows the URL can enroll and stop contacts",
        ),
        (false, false) => {}
    }
    for (index, secret) in source.secrets.iter().enumerate() {
        let key = format!("{place}.secrets[{index}]");
        let weak = report
            .secret(key.clone(), Part::Sources, secret.value())
            .is_some_and(|secret| secret.expose_secret().len() < SHORT_SECRET);
        if weak {
            report.warning(
                key,
                format!(
                    "it is shorter than {SHORT_SECRET} characters and can be guessed; where you may choose it, take a \
                     random one, such as `openssl rand -hex 32` prints"
                ),
            );
        }
    }
}

fn bounds(source: &Source, place: &str, report: &mut Report<'_>) {
    match source.tolerance {
        Some(Tolerance::Off) => report.warning(
            format!("{place}.tolerance"),
            "there is no replay window: a recorded delivery can be posted again at any time (its events are recognised \
             only while their digests are kept)",
        ),
        Some(Tolerance::Within(period)) if period.is_zero() => {
            report.error(format!("{place}.tolerance"), "no delivery could be in time; write \"5m\", or \"off\"");
        }
        Some(Tolerance::Within(_)) | None => {}
    }
    if source.max_body.bytes() == 0 {
        report.error(format!("{place}.max_body"), "no delivery could be taken; write \"1MiB\"");
    }
    if source.max_body > LARGE_BODY {
        report.warning(
            format!("{place}.max_body"),
            format!("bodies are read whole into memory; more than {LARGE_BODY} each can exhaust it"),
        );
    }
    if source.rate.as_ref().is_some_and(|rate| rate.per.is_zero()) {
        report.error(format!("{place}.rate.per"), "it must be longer than nothing, such as \"1s\"");
    }
}
