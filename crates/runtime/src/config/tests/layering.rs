use std::path::Path;
use std::time::Duration;

use super::errors;
use super::folder;
use crate::config::BusKind;
use crate::config::Config;
use crate::config::LoadOptions;
use crate::config::LogFormat;
use crate::config::OptionValue;
use crate::config::Origin;
use crate::config::Window;

/// The example of the documentation, every kind of value in it.
const FULL: &str = include_str!("full.toml");

fn shown(config: &Config, key: &str) -> (String, String) {
    let entry = config.show().into_iter().find(|entry| entry.key == key).expect("the key is shown");
    let origin = match entry.origin {
        Origin::File { path, line } => {
            format!("{}:{line}", path.file_name().unwrap_or_default().to_string_lossy())
        }
        other => other.to_string(),
    };
    (entry.value, origin)
}

#[test]
fn the_defaults_alone_are_a_whole_configuration_without_findings() {
    let config = Config::load(&LoadOptions::bare("/srv/app")).expect("the defaults load");

    assert_eq!(config.check(), []);
    assert_eq!(config.data, Path::new("/srv/app/drumbeat-data"));
    assert_eq!(config.store.url.to_string(), "sqlite:///srv/app/drumbeat-data/drumbeat.db");
    assert_eq!(config.bus.path, Path::new("/srv/app/drumbeat-data/events.db"));
    assert_eq!(config.bus.kind, BusKind::Embedded);
    assert_eq!(config.ingest.listen.port(), 8080);
    assert!(config.clock.is_real());
    assert!(config.sources.is_empty() && config.connectors.is_empty());
}

#[test]
fn a_full_file_loads_with_every_value_typed() {
    let (_folder, options) = folder(FULL);
    let options = [
        "TYPEFORM_SECRET",
        "TYPEFORM_SECRET_OLD",
        "PARTNER_SECRET",
        "CRM_TOKEN",
        "KAFKA_PASSWORD",
        "DATABASE_URL",
    ]
    .into_iter()
    .fold(options, |options, name| options.env(name, "postgres://u:s3cret@db/drumbeat"))
    .env("KEY", "11".repeat(32));

    let config = Config::load(&options).expect("it loads");

    assert_eq!(errors(&config), []);
    assert_eq!(config.bus.brokers, ["kafka-1:9092", "kafka-2:9092"]);
    assert_eq!(config.bus.retention.deliveries.get(), Duration::from_hours(72));
    assert!(
        matches!(config.bus.options.get("security.protocol"), Some(OptionValue::Plain(text)) if text == "sasl_ssl")
    );
    assert!(matches!(config.bus.options.get("sasl.password"), Some(OptionValue::Secret(_))));
    assert!(
        matches!(config.bus.options.get("socket.keepalive.enable"), Some(OptionValue::Plain(text)) if text == "true")
    );
    assert_eq!(config.limits.per_contact.len(), 1);
    assert!(
        matches!(&config.defaults.window, Window::Spans(spans) if spans.len() == 1 && spans[0].to == "17:30")
    );
    let forms = &config.sources[0];
    assert_eq!(
        (forms.name.as_str(), forms.workspace.as_str(), forms.secrets.len()),
        ("website-forms", "main", 2)
    );
    assert_eq!(forms.rate.as_ref().and_then(|rate| rate.burst).map(u32::from), Some(400));
    let partner = &config.sources[1];
    assert_eq!(partner.tolerance, None, "the provider's own");
    assert_eq!(partner.max_body.bytes(), 1 << 20, "taken over from [ingest]");
    let map = partner.map.as_ref().expect("a mapping");
    assert_eq!(map["contact"]["first_name"], "/person/first");
    assert_eq!(map["kind"]["table"]["signup"], "form_submitted");
    let crm = &config.connectors[0];
    assert_eq!(crm.timeout.get(), Duration::from_secs(30), "taken over from [dispatch]");
    assert_eq!(crm.connect_timeout.get(), Duration::from_secs(2));
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_the_defaults() {
    let (_folder, options) =
        folder("[ingest]\nmax_body = \"2MiB\"\nlisten = \"127.0.0.1:1\"\n[store]\nkeep = \"1d\"\n");
    let options = options
        .env("DRUMBEAT__STORE__KEEP", "2d")
        .env("DRUMBEAT__INGEST__LISTEN", "127.0.0.1:2")
        .set("ingest.listen", "127.0.0.1:3");

    let config = Config::load(&options).expect("it loads");

    assert_eq!(shown(&config, "ingest.listen"), ("\"127.0.0.1:3\"".to_owned(), "flag".to_owned()));
    assert_eq!(shown(&config, "store.keep"), ("\"2d\"".to_owned(), "DRUMBEAT__STORE__KEEP".to_owned()));
    assert_eq!(shown(&config, "ingest.max_body"), ("\"2MiB\"".to_owned(), "drumbeat.toml:2".to_owned()));
    assert_eq!(shown(&config, "admin.listen"), ("\"127.0.0.1:8099\"".to_owned(), "default".to_owned()));
    assert_eq!(config.ingest.listen.port(), 3);
}

#[test]
fn texts_of_the_environment_are_read_by_the_type_of_their_key() {
    let options = LoadOptions::bare("/")
        .env("DRUMBEAT__BUS__KIND", "kafka")
        .env("DRUMBEAT__BUS__BROKERS", "kafka-1:9092, kafka-2:9092")
        .env("DRUMBEAT__BUS__TOPICS__PARTITIONS", "24")
        .env("DRUMBEAT__BUS__OPTIONS__SECURITY_PROTOCOL", "ssl")
        .env("DRUMBEAT__DISPATCH__ENABLED", "false")
        .env("DRUMBEAT__TELEMETRY__SAMPLE", "0.25")
        .env("DRUMBEAT__TELEMETRY__LOG", "json")
        .env("DRUMBEAT__TELEMETRY__OTLP_ENDPOINT", "")
        .env("DRUMBEAT__STORE__ACQUIRE_TIMEOUT", "9s")
        .env("DRUMBEAT__LIMITS__PER_CONTACT", "[{ max = 3, per = \"7d\" }]")
        .env("DRUMBEAT__DEFAULTS__WINDOW", "any")
        .env("UNRELATED", "x");

    let config = Config::load(&options).expect("it loads");

    assert_eq!(config.bus.kind, BusKind::Kafka);
    assert_eq!(config.bus.brokers, ["kafka-1:9092", "kafka-2:9092"]);
    assert_eq!(u32::from(config.bus.topics.partitions), 24);
    assert!(
        matches!(config.bus.options.get("security.protocol"), Some(OptionValue::Plain(text)) if text == "ssl")
    );
    assert!(!config.dispatch.enabled);
    assert!((config.telemetry.sample - 0.25).abs() < f64::EPSILON);
    assert_eq!(config.telemetry.log, LogFormat::Json);
    assert_eq!(config.telemetry.otlp_endpoint, None, "an empty variable is an unset one");
    assert_eq!(config.store.acquire_timeout.get(), Duration::from_secs(9));
    assert_eq!(config.limits.per_contact.len(), 1);
    assert_eq!(config.defaults.window, Window::Any);
    assert_eq!(
        shown(&config, "bus.options.\"security.protocol\"").1,
        "DRUMBEAT__BUS__OPTIONS__SECURITY_PROTOCOL",
        "the origin is the variable's own name"
    );
}

#[test]
fn paths_are_from_the_files_folder_and_follow_the_data_folder() {
    let (folder, options) = folder("data = \"state\"\n[bus]\npath = \"logs/events.db\"\n");

    let config = Config::load(&options).expect("it loads");

    assert_eq!(config.data, folder.path().join("state"));
    assert_eq!(config.bus.path, folder.path().join("logs/events.db"));
    assert_eq!(config.store.url.sqlite_path(), Some(folder.path().join("state/drumbeat.db")));
    assert_eq!(shown(&config, "data").0, format!("\"{}\"", folder.path().join("state").display()));
}

#[test]
fn the_usual_file_is_read_when_it_is_there_and_a_named_one_must_be() {
    let (folder, mut options) = folder("data = \"state\"");
    options.file = crate::config::ConfigFile::Usual;
    assert_eq!(Config::load(&options).expect("it loads").data, folder.path().join("state"));

    let missing =
        Config::load(&LoadOptions::bare(folder.path()).file("other.toml")).expect_err("it is not there");
    assert!(missing.to_string().contains("other.toml cannot be read"), "{missing}");
}

#[test]
fn what_is_shown_and_debugged_holds_no_secret() {
    let toml = r#"
        [store]
        url = "env:DATABASE_URL"
        [telemetry]
        otlp_endpoint = "http://user:s3cret@collector:4318"
        [bus]
        options = { "sasl.password" = "env:KAFKA_PASSWORD" }
        [[sources]]
        name = "forms"
        provider = "typeform"
        secrets = ["env:FORM_SECRET"]
        [[connectors]]
        name = "crm"
        kind = "rest"
        base_url = "https://crm.example.com"
        auth = { basic = { username = "drumbeat", password = "env:CRM_TOKEN" } }
    "#;
    let (_folder, options) = folder(toml);
    let options = ["KAFKA_PASSWORD", "FORM_SECRET", "CRM_TOKEN"]
        .into_iter()
        .fold(options, |options, name| options.env(name, "s3cret"))
        .env("DATABASE_URL", "postgres://drumbeat:s3cret@db/drumbeat");

    let config = Config::load(&options).expect("it loads");

    let everything = format!("{config:?} {:?} {:?}", config.show(), config.check());
    assert!(!everything.contains("s3cret"), "{everything}");
    assert_eq!(
        shown(&config, "sources[0].secrets"),
        ("[\"env:FORM_SECRET\"]".to_owned(), "drumbeat.toml:11".to_owned())
    );
    assert_eq!(shown(&config, "connectors[0].auth.basic.password").0, "\"env:CRM_TOKEN\"");
}

#[test]
fn a_password_in_the_urls_own_variable_is_taken_and_hidden() {
    let options = LoadOptions::bare("/")
        .env("DRUMBEAT__STORE__URL", "postgres://drumbeat:s3cret@db/drumbeat")
        .env("DRUMBEAT__SECURITY__KEYS", "env:KEY")
        .env("KEY", "11".repeat(32));

    let config = Config::load(&options).expect("it loads");

    assert_eq!(errors(&config), []);
    assert_eq!(shown(&config, "store.url").0, "\"postgres://drumbeat:redacted@db/drumbeat\"");
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn rust_log_is_honoured_after_our_own_variable_and_before_the_file() {
    let (_folder, options) = folder("[telemetry]\nfilter = \"warn\"");
    let options = options.env("RUST_LOG", "debug");

    let config = Config::load(&options).expect("it loads");
    assert_eq!(shown(&config, "telemetry.filter"), ("\"debug\"".to_owned(), "RUST_LOG".to_owned()));

    let config =
        Config::load(&options.clone().env("DRUMBEAT__TELEMETRY__FILTER", "error")).expect("it loads");
    assert_eq!(config.telemetry.filter, "error");

    let config = Config::load(&options.set("telemetry.filter", "trace")).expect("it loads");
    assert_eq!(shown(&config, "telemetry.filter"), ("\"trace\"".to_owned(), "flag".to_owned()));
}
