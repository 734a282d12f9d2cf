//! `config check|show`, `migrate`.

use runtime::config::{Finding, Severity};
use serde_json::json;
use store::Store;

use crate::cli::{ConfigCommand, Global};
use crate::exit::{Failure, Outcome};
use crate::{output, wiring};

pub(super) fn run(global: &Global, command: &ConfigCommand) -> Outcome {
    let config = wiring::read(global)?;
    match command {
        ConfigCommand::Check => {
            let mut findings = config.check();
            // Those who interpret a section would only repeat what is wrong with it.
            if findings.iter().all(|finding| finding.severity != Severity::Error) {
                findings.extend(deeper(&config));
            }
            let listed: Vec<_> = findings.iter().map(|finding| json!(finding.to_string())).collect();
            output::show(global.output, &listed, || {
                for finding in &findings {
                    println!("{finding}");
                }
                if findings.is_empty() {
                    println!("the configuration is sound");
                }
            })?;
            let errors = findings.iter().any(|finding| finding.severity == Severity::Error);
            if errors { Err(Failure::findings()) } else { Ok(()) }
        }
        ConfigCommand::Show => {
            let entries = config.show();
            let listed: Vec<_> = entries
                .iter()
                .map(|entry| json!({ "key": entry.key, "value": entry.value, "origin": entry.origin.to_string() }))
                .collect();
            output::show(global.output, &listed, || {
                let rows = entries
                    .iter()
                    .map(|entry| [entry.key.clone(), entry.value.clone(), entry.origin.to_string()]);
                println!("{}", output::table(["KEY", "VALUE", "FROM"], rows));
            })
        }
    }
}

/// What only those who interpret a section can judge.
fn deeper(config: &runtime::config::Config) -> Vec<Finding> {
    let clock: std::sync::Arc<dyn ports::clock::Clock> = std::sync::Arc::new(wiring::SystemClock::new());
    let mut failures = Vec::new();
    failures.extend(wiring::defaults(config).err());
    failures.extend(wiring::connectors(config, &clock).err());
    let mut findings: Vec<Finding> =
        failures.into_iter().map(|failure| Finding::error("", failure.to_string())).collect();
    if let Err(problems) = ingest::Config::from_deployment(config) {
        findings.extend(problems.iter().map(|problem| Finding::error("sources", problem.to_string())));
    }
    findings
}

pub(super) async fn migrate(global: &Global) -> Outcome {
    let config = wiring::load(global, &[])?;
    Store::migrate(&wiring::url(&config)?).await?;
    output::show(global.output, &json!({ "migrated": true }), || println!("the store's schema is up to date"))
}
