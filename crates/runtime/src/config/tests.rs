//! Loading and checking whole configurations.

mod checks;
mod keys;
mod layering;
mod mistakes;
mod secrets;

use std::path::Path;

use super::Config;
use super::Finding;
use super::LoadOptions;
use super::Severity;

/// A folder with this `drumbeat.toml`, and options that read it.
pub(super) fn folder(toml: &str) -> (tempfile::TempDir, LoadOptions) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("drumbeat.toml"), toml).expect("a file");
    let options = options(folder.path());
    (folder, options)
}

fn options(folder: &Path) -> LoadOptions {
    LoadOptions::bare(folder).file("drumbeat.toml")
}

/// Loads this text, in an environment with `SECRET` and `KEY`.
fn load(toml: &str) -> Result<Config, Vec<Finding>> {
    let (_folder, options) = folder(toml);
    let options = options.env("SECRET", "s3cret-that-nobody-guesses").env("KEY", "11".repeat(32));
    Config::load(&options).map_err(|findings| findings.0)
}

/// Findings as one line each, with only the file's name.
fn lines(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| {
            let line = finding.to_string();
            match (line.find('('), line.find("drumbeat.toml")) {
                (Some(open), Some(name)) if open < name => format!("{}{}", &line[..=open], &line[name..]),
                _ => line,
            }
        })
        .collect()
}

/// What loading and checking this text find, warnings too.
fn remarks(toml: &str) -> Vec<String> {
    match load(toml) {
        Ok(config) => lines(&config.check()),
        Err(findings) => lines(&findings),
    }
}

fn errors(config: &Config) -> Vec<Finding> {
    config.check().into_iter().filter(|finding| finding.severity == Severity::Error).collect()
}
