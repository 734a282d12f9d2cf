//! Store, bus, clock, keys, telemetry, limits and defaults.

use std::net::SocketAddr;

use secrecy::ExposeSecret;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::Report;
use super::texts;
use crate::config::Backend;
use crate::config::BusKind;
use crate::config::ByteSize;
use crate::config::Config;
use crate::config::OptionValue;
use crate::config::Origin;
use crate::config::Period;
use crate::config::SecurityKey;
use crate::config::Window;
use crate::config::finding::Part;
use crate::config::merged;
use crate::config::sections::KeyError;
use crate::config::vocabulary::near;

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    listeners(config, report);
    store(config, report);
    keys(config, report);
    bus(config, report);
    clock(config, report);
    telemetry(config, report);
    dispatch(config, report);
    limits(config, report);
    defaults(config, report);
}

fn listeners(config: &Config, report: &mut Report<'_>) {
    let all: [(&str, SocketAddr); 3] = [
        ("ingest.listen", config.ingest.listen),
        ("console.listen", config.console.listen),
        ("admin.listen", config.admin.listen),
    ];
    for (position, (key, address)) in all.iter().enumerate() {
        let taken = all[..position].iter().find(|(_, other)| {
            other.port() == address.port()
                && address.port() != 0
                && (other.ip() == address.ip()
                    || other.ip().is_unspecified()
                    || address.ip().is_unspecified())
        });
        if let Some((other, _)) = taken {
            report.error(*key, format!("the port {} is {other}'s already; choose another", address.port()));
        }
    }
    if config.ingest.max_body.bytes() == 0 {
        report.error("ingest.max_body", "no delivery could be taken; write \"1MiB\"");
    }
    if !config.console.listen.ip().is_loopback() {
        report.warning(
            "console.listen",
            "the console is reachable from other machines; keep it behind your own access control",
        );
    }
}

fn store(config: &Config, report: &mut Report<'_>) {
    let store = &config.store;
    positive(report, "store.acquire_timeout", store.acquire_timeout);
    positive(report, "store.keep", store.keep);
    let url = match store.url.value() {
        Ok(url) => url,
        Err(error) => {
            report.secret("store.url", Part::Store, Err(error));
            return;
        }
    };
    let from_environment = matches!(config.provenance.origin("store.url"), Origin::Environment(_));
    if store.url.holds_password() && !from_environment {
        report.error(
            "store.url",
            "the URL holds a password; put the URL into a variable and write url = \"env:DATABASE_URL\"",
        );
    }
    match store.url.backend() {
        None => report.error("store.url", "it names no store; it must begin with sqlite:// or postgres://"),
        Some(Backend::Sqlite) if store.url.sqlite_path().is_none() => {
            report.error("store.url", "an embedded store needs a file, such as sqlite://{data}/drumbeat.db");
        }
        Some(Backend::Sqlite) => {}
        Some(Backend::Postgres) => match Url::parse(url.expose_secret()) {
            Err(error) => report.error("store.url", format!("this is not a URL ({error})")),
            Ok(url)
                if url.host_str().is_none_or(str::is_empty)
                    && !url.query_pairs().any(|(key, _)| key == "host") =>
            {
                report.error("store.url", "it names no host; write postgres://USER@HOST/DATABASE");
            }
            Ok(url) if url.path().trim_matches('/').is_empty() => {
                report.error("store.url", "it names no database; write postgres://USER@HOST/DATABASE");
            }
            Ok(_) => {}
        },
    }
}

fn keys(config: &Config, report: &mut Report<'_>) {
    let keys = &config.security.keys;
    if keys.is_empty() && config.store.url.backend() == Some(Backend::Postgres) {
        report.add(
            super::Severity::Error,
            "security.keys".to_owned(),
            "with PostgreSQL a key is needed: make one with `openssl rand -base64 32`, keep it with your backups and \
             write keys = [\"env:DRUMBEAT_KEY\"]"
                .to_owned(),
            Some(Part::Keys),
        );
    }
    let mut seen: Vec<SecurityKey> = Vec::new();
    for (index, secret) in keys.iter().enumerate() {
        let place = format!("security.keys[{index}]");
        match SecurityKey::read(secret) {
            Ok(key) if seen.iter().any(|other| other.expose() == key.expose()) => {
                report.error(place, "this key stands in the list twice; remove one");
            }
            Ok(key) => seen.push(key),
            Err(KeyError::Secret(error)) => {
                report.secret(place, Part::Keys, Err(error));
            }
            Err(error) => {
                report.add(super::Severity::Error, place, error.to_string(), Some(Part::Keys));
            }
        }
    }
}

/// Settings of librdkafka that Drumbeat's guarantees rest on, and which it therefore sets itself.
const OWN_OPTIONS: [&str; 16] = [
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "linger.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "queue.buffering.max.ms",
    "request.required.acks",
    "transactional.id",
];

/// Settings of librdkafka that bound the size of a message.
const SIZE_OPTIONS: [&str; 5] = [
    "message.max.bytes",
    "max.partition.fetch.bytes",
    "fetch.message.max.bytes",
    "fetch.max.bytes",
    "receive.message.max.bytes",
];

fn bus(config: &Config, report: &mut Report<'_>) {
    let bus = &config.bus;
    let retention = [
        ("events", bus.retention.events),
        ("quarantine", bus.retention.quarantine),
        ("deadletter", bus.retention.deadletter),
        ("redeliver", bus.retention.redeliver),
        ("outcomes", bus.retention.outcomes),
        ("deliveries", bus.retention.deliveries),
    ];
    for (topic, period) in retention {
        positive(report, &format!("bus.retention.{topic}"), period);
    }
    if bus.kind == BusKind::Kafka && bus.brokers.is_empty() {
        report.error("bus.brokers", "with kind = \"kafka\" brokers are needed, such as [\"kafka-1:9092\"]");
    }
    for (index, broker) in bus.brokers.iter().enumerate() {
        if !texts::is_host_port(broker) {
            report.error(
                format!("bus.brokers[{index}]"),
                format!("{broker:?} is no broker; write \"host:port\""),
            );
        }
    }
    let (needed, whose) = largest_body(config);
    let needed = needed.bytes().saturating_mul(2);
    let wanted =
        || format!("at least {}, twice {whose}, so that every accepted body fits", ByteSize::new(needed));
    if bus.topics.max_message.bytes() < needed {
        report.error(
            "bus.topics.max_message",
            format!("{} is too small; it must be {}", bus.topics.max_message, wanted()),
        );
    }
    for (name, value) in bus.options.iter() {
        let key = merged::join("bus.options", name);
        if OWN_OPTIONS.contains(&name) {
            report.error(key, "Drumbeat sets this itself, since its guarantees rest on it; remove it");
            continue;
        }
        match value {
            OptionValue::Secret(secret) => {
                report.secret(key, Part::Bus, secret.value());
            }
            OptionValue::Plain(text) if SIZE_OPTIONS.contains(&name) => {
                if text.parse::<u64>().is_ok_and(|size| size < needed) {
                    report.error(key, format!("{text} is too small; it must be {}", wanted()));
                }
            }
            OptionValue::Plain(_) => {}
        }
    }
}

/// The largest body that is accepted, and whose it is.
fn largest_body(config: &Config) -> (ByteSize, String) {
    config
        .sources
        .iter()
        .enumerate()
        .map(|(index, source)| (source.max_body, format!("sources[{index}].max_body ({})", source.max_body)))
        .chain([(config.ingest.max_body, format!("ingest.max_body ({})", config.ingest.max_body))])
        .max_by_key(|(size, _)| *size)
        .unwrap_or((config.ingest.max_body, "ingest.max_body".to_owned()))
}

fn clock(config: &Config, report: &mut Report<'_>) {
    if !config.clock.is_real() && config.store.url.backend() == Some(Backend::Postgres) {
        report.error(
            "clock.speed",
            "only the embedded store can run on a fast clock; remove it or use sqlite://",
        );
    }
}

fn telemetry(config: &Config, report: &mut Report<'_>) {
    let telemetry = &config.telemetry;
    if let Err(error) = EnvFilter::builder().parse(&telemetry.filter) {
        report.error(
            "telemetry.filter",
            format!("this is not a filter ({error}); write levels such as \"info,ingest=debug\""),
        );
    }
    if !(0.0..=1.0).contains(&telemetry.sample) {
        report.error("telemetry.sample", "the share must lie between 0.0 and 1.0");
    }
    if let Some(Err(message)) =
        telemetry.otlp_endpoint.as_ref().map(|endpoint| texts::http_url(endpoint.as_str()))
    {
        report.error("telemetry.otlp_endpoint", message);
    }
}

fn dispatch(config: &Config, report: &mut Report<'_>) {
    let dispatch = &config.dispatch;
    positive(report, "dispatch.poll", dispatch.poll);
    positive(report, "dispatch.timeout", dispatch.timeout);
    positive(report, "dispatch.connect_timeout", dispatch.connect_timeout);
    if dispatch.connect_timeout > dispatch.timeout {
        report.error("dispatch.connect_timeout", "it must not be longer than dispatch.timeout");
    }
    if !dispatch.enabled {
        report.warning("dispatch.enabled", "nothing is sent until this is true again");
    }
}

fn limits(config: &Config, report: &mut Report<'_>) {
    let lists = [("per_contact", &config.limits.per_contact), ("per_owner", &config.limits.per_owner)];
    for (name, caps) in lists {
        for (index, cap) in caps.iter().enumerate() {
            let place = format!("limits.{name}[{index}]");
            if !texts::is_cadence_duration(&cap.per) {
                report.error(
                    format!("{place}.per"),
                    format!(
                        "{:?} is not a period; write a number and s, m, h, d or w, such as \"7d\"",
                        cap.per
                    ),
                );
            }
            if let Some(channel) = &cap.channel {
                unknown_channel(report, format!("{place}.channel"), channel);
            }
        }
    }
}

/// Reports a channel that does not exist.
pub(super) fn unknown_channel(report: &mut Report<'_>, key: String, channel: &str) {
    let channels = &report.config.provenance.vocabulary.channels;
    if channels.iter().any(|known| known == channel) {
        return;
    }
    let meant = near(channel, channels.iter().map(String::as_str)).map_or_else(
        || format!("known are {}", channels.join(", ")),
        |meant| format!("did you mean {meant:?}?"),
    );
    report.error(key, format!("there is no channel {channel:?}; {meant}"));
}

fn defaults(config: &Config, report: &mut Report<'_>) {
    let zone = &config.defaults.zone;
    if jiff::tz::TimeZone::get(zone).is_err() {
        let all: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let meant = near(zone, all.iter().map(String::as_str)).map_or_else(
            || "write an IANA name such as \"Europe/Berlin\"".to_owned(),
            |meant| format!("did you mean {meant:?}?"),
        );
        report.error("defaults.zone", format!("there is no time zone {zone:?}; {meant}"));
    }
    let Window::Spans(spans) = &config.defaults.window else { return };
    if spans.is_empty() {
        report.error("defaults.window", "no touch could ever fall due; write \"any\" or at least one span");
    }
    for (index, span) in spans.iter().enumerate() {
        let place =
            if spans.len() == 1 { "defaults.window".to_owned() } else { format!("defaults.window[{index}]") };
        if span.days.is_empty() {
            report.error(
                format!("{place}.days"),
                "no day is named; write some of mon, tue, wed, thu, fri, sat, sun",
            );
        }
        for day in &span.days {
            if !["mon", "tue", "wed", "thu", "fri", "sat", "sun"].contains(&day.as_str()) {
                report.error(
                    format!("{place}.days"),
                    format!("{day:?} is no day; write mon, tue, wed, thu, fri, sat or sun"),
                );
            }
        }
        match (texts::minutes(&span.from), texts::minutes(&span.to)) {
            (Some(from), Some(to)) if from >= to => {
                report.error(
                    place,
                    format!("it opens at {} and closes at {}; it must close later", span.from, span.to),
                );
            }
            (Some(_), Some(_)) => {}
            (from, _) => {
                let (end, text) = if from.is_none() { ("from", &span.from) } else { ("to", &span.to) };
                report
                    .error(format!("{place}.{end}"), format!("{text:?} is no time of day; write \"09:00\""));
            }
        }
    }
}

fn positive(report: &mut Report<'_>, key: &str, period: Period) {
    if period.is_zero() {
        report.error(key, "it must be longer than nothing");
    }
}
