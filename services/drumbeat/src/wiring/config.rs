//! Loading the configuration as the command line asks for it.

use domain::touch::Channel;
use runtime::config::{Config, ConfigFile, LoadOptions, LogFormat, Role, Severity};

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
    let findings = config.check_for(roles);
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Failure::Refused(
            "the configuration has errors; `drumbeat config check` lists them".to_owned(),
        ));
    }
    Ok(config)
}

fn options(global: &Global) -> Result<LoadOptions, Failure> {
    let mut options = LoadOptions::of_process()?;
    if let Some(file) = &global.config {
        options.file = ConfigFile::Named(file.clone());
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
