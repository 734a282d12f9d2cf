//! The adapters: store and bus, embedded or not.

use std::sync::Arc;
use std::time::Duration;

use bus::{EmbeddedConfig, EmbeddedLog, KafkaBus, KafkaConfig, Retention, TopicLayout};
use domain::identity::{HashKey, HashKeys};
use domain::time::Speed;
use ports::StoreError;
use ports::bus::{Consumers, Publisher, TopicAdmin};
use ports::clock::Clock;
use runtime::config::{BusKind, Config, OptionValue};
use secrecy::ExposeSecret as _;
use store::{Store, StoreConfig};

use crate::exit::Failure;
use crate::wiring::{fresh_id, random_key};

/// The bus, in its parts.
#[derive(Clone)]
pub(crate) struct Bus {
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) consumers: Arc<dyn Consumers>,
    pub(crate) admin: Arc<dyn TopicAdmin>,
}

/// The secrets under which identities are hashed.
pub(crate) fn keys(config: &Config) -> Result<HashKeys, Failure> {
    let keys = config
        .security_keys(random_key)
        .map_err(|error| Failure::Refused(format!("configuration: security.keys: {error}")))?;
    let mut keys = keys.iter().map(|key| HashKey::new(*key.expose()));
    let first =
        keys.next().ok_or_else(|| Failure::Refused("configuration: security.keys is empty".to_owned()))?;
    Ok(HashKeys::new(first, keys.collect()))
}

/// Opens the store; an embedded one is made and brought up to date by itself.
pub(crate) async fn open_store(
    config: &Config,
    clock: &Arc<dyn Clock>,
    name: &str,
) -> Result<Arc<Store>, Failure> {
    let speed = Speed::new(config.clock.speed.get())
        .ok_or_else(|| Failure::Refused("configuration: clock.speed is out of range".to_owned()))?;
    let settings = StoreConfig {
        speed,
        connections: config.store.connections.get(),
        name: format!("drumbeat-{name}"),
        keep_for: config.store.keep.get(),
        dedupe_for: dedupe_for(config),
        acquire_timeout: config.store.acquire_timeout.get(),
        poll: config.dispatch.poll.get(),
        ..StoreConfig::new(url(config)?, keys(config)?, Arc::clone(clock))
    };
    let opened = Store::connect(settings).await;
    Ok(Arc::new(opened.map_err(|error| of_store(config, error))?))
}

/// A failure of the store that says which one is meant.
pub(crate) fn of_store(config: &Config, error: StoreError) -> Failure {
    let place = match config.store.url.sqlite_path() {
        Some(path) => path.display().to_string(),
        None => match config.store.url.value() {
            Ok(url) => server(url.expose_secret()),
            Err(_) => "store.url".to_owned(),
        },
    };
    match Failure::from(error) {
        Failure::Unreachable(why) => Failure::Unreachable(format!("{place}: {why}")),
        Failure::Refused(why) => Failure::Refused(format!("{place}: {why}")),
        usage @ Failure::Usage(_) => usage,
    }
}

/// Host and database of a URL, without user and password.
fn server(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("PostgreSQL at {}", rest.split(['?', '#']).next().unwrap_or_default())
}

/// At least 30 days, and a week longer than the log keeps events: what can come again is still known.
fn dedupe_for(config: &Config) -> Duration {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    (config.bus.retention.events.get() + 7 * DAY).max(30 * DAY)
}

/// The store's URL; a relative path of a file is from the configuration's folder.
pub(crate) fn url(config: &Config) -> Result<String, Failure> {
    if let Some(path) = config.store.url.sqlite_path() {
        return Ok(format!("sqlite://{}", path.display()));
    }
    let url = config
        .store
        .url
        .value()
        .map_err(|error| Failure::Refused(format!("configuration: store.url: {error}")))?;
    Ok(url.expose_secret().to_owned())
}

/// Opens the bus.
pub(crate) async fn open_bus(config: &Config, clock: &Arc<dyn Clock>) -> Result<Bus, Failure> {
    match config.bus.kind {
        BusKind::Embedded => {
            let settings = EmbeddedConfig {
                retention: retention(config),
                max_message_bytes: config.bus.topics.max_message.as_usize(),
                ..EmbeddedConfig::new(&config.bus.path)
            };
            let log = Arc::new(EmbeddedLog::open(settings, Arc::clone(clock)).await?);
            Ok(Bus {
                publisher: Arc::<EmbeddedLog>::clone(&log),
                consumers: Arc::<EmbeddedLog>::clone(&log),
                admin: log,
            })
        }
        BusKind::Kafka => {
            let log = Arc::new(KafkaBus::connect(kafka(config)?).await?);
            Ok(Bus {
                publisher: Arc::<KafkaBus>::clone(&log),
                consumers: Arc::<KafkaBus>::clone(&log),
                admin: log,
            })
        }
    }
}

fn retention(config: &Config) -> Retention {
    let keep = &config.bus.retention;
    Retention {
        events: keep.events.get(),
        quarantine: keep.quarantine.get(),
        deadletter: keep.deadletter.get(),
        deliveries: keep.deliveries.get(),
        redeliver: keep.redeliver.get(),
        outcomes: keep.outcomes.get(),
    }
}

fn kafka(config: &Config) -> Result<KafkaConfig, Failure> {
    let bus = &config.bus;
    let mut options = std::collections::BTreeMap::new();
    for (name, value) in bus.options.iter() {
        let value = match value {
            OptionValue::Plain(value) => value.clone(),
            OptionValue::Secret(secret) => secret
                .value()
                .map_err(|error| Failure::Refused(format!("configuration: bus.options.{name}: {error}")))?
                .expose_secret()
                .to_owned(),
        };
        options.insert(name.to_owned(), value);
    }
    let too_many = |_| Failure::Refused("configuration: bus.topics: a number is out of range".to_owned());
    Ok(KafkaConfig {
        prefix: bus.topics.prefix.as_str().to_owned(),
        group: bus.group.as_str().to_owned(),
        instance: Some(fresh_id().to_string()),
        layout: TopicLayout {
            partitions: i32::try_from(bus.topics.partitions.get()).map_err(too_many)?,
            replication: i32::from(bus.topics.replication.get()),
        },
        retention: retention(config),
        max_message_bytes: bus.topics.max_message.as_usize(),
        options,
        ..KafkaConfig::new(bus.brokers.clone())
    })
}
