//! The example sources compile as a deployment's configuration, and take their example payloads.

use std::path::{Path, PathBuf};

use ingest::{Config, SourceProblem};
use jiff::Timestamp;
use runtime::config;
use webhooks::{Headers, Outcome, Request, Translated, Verified};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Secrets of the right form for every source.
fn load(file: &Path) -> config::Config {
    let mut options = config::LoadOptions::bare(examples()).file(file);
    for (name, value) in [
        ("TYPEFORM_SECRET", "forms"),
        ("PARTNER_SECRET", "partner"),
        ("PARTNER_SECRET_OLD", "old"),
        ("PRODUCT_WEBHOOK_SECRET", "whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0e"),
        ("RESEND_SECRET", "whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0e"),
        ("SENDGRID_PUBLIC_KEY", SENDGRID_KEY),
        ("PLATFORM_TOKEN", "platform"),
        ("CRM_WEBHOOK_TOKEN", "crm"),
        ("BOOKING_SIGNING_KEY", "booking"),
    ] {
        options = options.env(name, value);
    }
    config::Config::load(&options).unwrap_or_else(|findings| panic!("{}: {findings:?}", file.display()))
}

const SENDGRID_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEcNoCzyOJM488bjKBVHt5l/ZLeJVc0MznCQTwJlkzXa2vw96g\
                            kOu6Sd+a4YJAuf9SNLVeTTvyRVkB9PQrdF6zRA==";

fn source_files() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(examples().join("sources")).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8);
    files
}

#[test]
fn every_example_source_takes_its_example_payload() {
    for file in source_files() {
        let deployment = load(&file);
        let findings = deployment.check_for(&[config::Role::Ingest]);
        let errors: Vec<_> = findings.iter().filter(|one| one.severity == config::Severity::Error).collect();
        assert!(errors.iter().all(|one| !one.key.starts_with("sources")), "{}: {errors:?}", file.display());
        let config = Config::from_deployment(&deployment).unwrap();

        for outcome in outcomes(&config, file.file_stem().unwrap().to_str().unwrap()) {
            assert!(matches!(outcome.result, Ok(Translated::Event(_))), "{}: {outcome:?}", file.display());
        }
    }
}

fn outcomes(config: &Config, name: &str) -> Vec<Outcome> {
    let door = config
        .doors
        .iter()
        .find(|door| door.source.name().as_str() == name)
        .expect("a source of the file's name");
    let body = std::fs::read(examples().join("payloads").join(format!("{name}.json"))).unwrap();
    let media = if name == "data-platform" { "application/cloudevents+json" } else { "application/json" };
    let headers: Headers = [("content-type", media)].into_iter().collect();
    let received_at: Timestamp = "2026-03-06T14:00:05Z".parse().unwrap();
    let request = Request { method: "POST", query: "", headers: &headers, body: &body, received_at };
    door.source.check_media(&request).unwrap();
    let items = door.source.decode(&request, &Verified::default()).unwrap();
    assert!(!items.is_empty());
    items.iter().map(|item| door.source.translate(item, received_at)).collect()
}

#[test]
fn the_example_form_asks_for_a_demo() {
    let config = Config::from_deployment(&load(&examples().join("sources/website-forms.toml"))).unwrap();

    let Ok(Translated::Event(event)) = outcomes(&config, "website-forms").remove(0).result else {
        panic!("no event")
    };

    assert_eq!(event.detail.data.text("form"), Some("demo-request"));
    assert_eq!(event.detail.contact.text("lead_source"), Some("newsletter"));
    assert_eq!(event.detail.contact.text("country"), Some("US"));
}

#[test]
fn everything_wrong_with_sources_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drumbeat.toml");
    let text = r#"
        [[sources]]
        name = "one"
        provider = "generic"
        secrets = ["env:PARTNER_SECRET"]
        verify = { scheme = "hmac-sha256" }
        map = { kind = "/kind" }

        [[sources]]
        name = "two"
        provider = "typeform"
        secrets = ["env:TYPEFORM_SECRET"]
        map = { email = "email" }

        [[sources]]
        name = "three"
        provider = "typeform"
        secrets = ["env:NOWHERE"]
    "#;
    std::fs::write(&file, text).unwrap();

    let problems = Config::from_deployment(&load(&file)).unwrap_err();

    let told: Vec<String> = problems.iter().map(SourceProblem::to_string).collect();
    assert_eq!(
        told,
        [
            r#"source "one": verify: scheme "hmac-sha256" needs `header`"#,
            r#"source "two": map.email: "email" is not a JSON pointer: it starts with "/"; a constant is written { const = … }"#,
            r#"source "three": secrets: the environment variable NOWHERE is not set"#,
        ]
    );
}
