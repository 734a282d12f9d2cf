//! `config check|show`, `migrate`.

use runtime::config::{Role, Severity};
use serde_json::json;
use store::Store;

use crate::cli::{ConfigCommand, Global};
use crate::exit::{Failure, Outcome};
use crate::{output, wiring};

pub(super) fn run(global: &Global, command: &ConfigCommand) -> Outcome {
    let config = wiring::read(global)?;
    match command {
        ConfigCommand::Check => {
            let findings = wiring::judge(&config, config.check(), &Role::ALL);
            let listed: Vec<_> = findings.iter().map(|finding| json!(finding.to_string())).collect();
            output::show(global.output, &listed, || {
                for finding in &findings {
                    output::say!("{finding}");
                }
                if findings.is_empty() {
                    output::say!("the configuration is sound");
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
                output::say!("{}", output::table(["KEY", "VALUE", "FROM"], rows));
            })
        }
    }
}

pub(super) async fn migrate(global: &Global) -> Outcome {
    let config = wiring::load(global, &[])?;
    Store::migrate(&wiring::url(&config)?).await.map_err(|error| wiring::of_store(&config, error))?;
    output::show(global.output, &json!({ "migrated": true }), || {
        output::say!("the store's schema is up to date");
    })
}
