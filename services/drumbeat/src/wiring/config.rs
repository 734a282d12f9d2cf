//! Loading the configuration as the command line asks for it.

use std::path::PathBuf;
use std::sync::Arc;

use domain::touch::Channel;
use ports::clock::Clock;
use runtime::config::{Config, ConfigFile, Finding, LoadOptions, LogFormat, Role, Severity};

use super::SystemClock;
use crate::cli::{self, Global};
use crate::exit::Failure;

/// Loads and checks the configuration for the roles given; warnings go to standard error.
pub(crate) fn load(global: &Global, roles: &[Role]) -> Result<Config, Failure> {
    checked(global, options(global)?, roles)
}

/// Loads the configuration without judging it.
pub(crate) fn read(global: &Global) -> Result<Config, Failure> {
    read_from(global, options(global)?)
}

/// As [`load`], of what the options say instead of the process's file and environment.
pub(crate) fn checked(global: &Global, options: LoadOptions, roles: &[Role]) -> Result<Config, Failure> {
    let config = read_from(global, options)?;
    let findings = judge(&config, config.check_for(roles), roles);
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Failure::Refused("nothing was done, since the configuration has errors".to_owned()));
    }
    Ok(config)
}

/// `findings`, and what only those who interpret a section can judge, for the roles that do.
pub(crate) fn judge(config: &Config, mut findings: Vec<Finding>, roles: &[Role]) -> Vec<Finding> {
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        // They would only repeat what is wrong with it.
        return findings;
    }
    let failed = |failure: Failure| Finding::error("", failure.to_string());
    findings.extend(super::defaults(config).err().map(failed));
    if roles.contains(&Role::Dispatcher) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        findings.extend(super::connectors(config, &clock).err().map(failed));
    }
    if roles.contains(&Role::Ingest)
        && let Err(problems) = ingest::Config::from_deployment(config)
    {
        findings.extend(problems.into_iter().map(|problem| of_source(config, problem)));
    }
    findings
}

fn of_source(config: &Config, problem: ingest::SourceProblem) -> Finding {
    let place = config.sources.iter().position(|source| source.name.as_str() == problem.source_name);
    let key = place.map_or_else(|| "sources".to_owned(), |place| format!("sources[{place}]"));
    config.placed(Finding::error(key, problem.problem))
}

fn options(global: &Global) -> Result<LoadOptions, Failure> {
    let mut options = LoadOptions::of_process()?;
    let named = global.config.clone().or_else(|| super::variable("DRUMBEAT_CONFIG").map(PathBuf::from));
    if let Some(file) = named {
        options.file = ConfigFile::Named(file);
    }
    Ok(options)
}

fn read_from(global: &Global, mut options: LoadOptions) -> Result<Config, Failure> {
    options.vocabulary.channels = Channel::ALL.iter().map(|channel| channel.as_str().to_owned()).collect();
    for pair in &global.set {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Failure::Usage(format!(
                "--set {pair:?}: expected KEY=VALUE, such as ingest.listen=127.0.0.1:9000"
            ))
        })?;
        options.overrides.push((key.trim().to_owned(), value.to_owned()));
    }
    let mut config = Config::load(&options).map_err(|findings| {
        eprintln!("{findings}");
        Failure::findings()
    })?;
    match global.log_format {
        Some(cli::LogFormat::Human) => config.telemetry.log = LogFormat::Human,
        Some(cli::LogFormat::Json) => config.telemetry.log = LogFormat::Json,
        None => {}
    }
    Ok(config)
}
