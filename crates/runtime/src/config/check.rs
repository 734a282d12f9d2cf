//! Judging a loaded configuration as a whole.

mod adapters;
mod connectors;
mod sources;
mod texts;

use secrecy::SecretString;

use super::Config;
use super::finding::Finding;
use super::finding::Part;
use super::finding::Severity;
use super::values::SecretError;

/// A service of Drumbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes webhooks.
    Ingest,
    /// Decides.
    Enrollment,
    /// Sends.
    Dispatcher,
    /// Shows.
    Console,
}

impl Role {
    /// All of them, as `drumbeat up` runs them.
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Enrollment, Self::Dispatcher, Self::Console];

    fn uses(self, part: Part) -> bool {
        match self {
            Self::Ingest => matches!(part, Part::Bus | Part::Sources),
            Self::Enrollment => matches!(part, Part::Bus | Part::Store | Part::Keys),
            Self::Dispatcher => matches!(part, Part::Bus | Part::Store | Part::Keys | Part::Connectors),
            Self::Console => matches!(part, Part::Store | Part::Keys),
        }
    }
}

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut report = Report { config, findings: config.provenance.notes.clone() };
    adapters::check(config, &mut report);
    sources::check(config, &mut report);
    connectors::check(config, &mut report);
    report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    report.findings
}

pub(super) fn check_for(config: &Config, roles: &[Role]) -> Vec<Finding> {
    let wanted = |finding: &Finding| finding.part.is_none_or(|part| roles.iter().any(|role| role.uses(part)));
    check(config).into_iter().filter(wanted).collect()
}

/// Collects findings.
struct Report<'a> {
    config: &'a Config,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn error(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.add(Severity::Error, key.into(), message.into(), None);
    }

    fn warning(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.add(Severity::Warning, key.into(), message.into(), None);
    }

    /// Reports a secret that cannot be had.
    fn secret<'a>(
        &mut self,
        key: impl Into<String>,
        part: Part,
        value: Result<&'a SecretString, SecretError>,
    ) -> Option<&'a SecretString> {
        value.map_err(|error| self.add(Severity::Error, key.into(), error.to_string(), Some(part))).ok()
    }

    fn add(&mut self, severity: Severity, key: String, message: String, part: Option<Part>) {
        let origin = self.config.provenance.origin(&key);
        self.findings.push(Finding { severity, key, message, origin, part });
    }
}
