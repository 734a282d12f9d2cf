//! What loading and checking report.

use std::fmt;

use super::origin::Origin;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works, but is probably not what was meant.
    Warning,
    /// Cannot start like this.
    Error,
}

impl Severity {
    /// The word shown to people and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The secrets of one part of the configuration, which not every role needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Store,
    Bus,
    Keys,
    Sources,
    Connectors,
}

/// One remark on the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The key it is about, for example `sources[1].tolerance`; empty when it is about the file as a whole.
    pub key: String,
    /// What is wrong and what to do. Holds no secret.
    pub message: String,
    /// Where the key was written.
    pub origin: Origin,
    /// Set when the finding is about a secret that only some roles need.
    pub(crate) part: Option<Part>,
}

impl Finding {
    /// Something that keeps a process from starting.
    pub fn error(key: impl Into<String>, message: impl Into<String>) -> Self {
        let (key, message) = (key.into(), message.into());
        Self { severity: Severity::Error, key, message, origin: Origin::Default, part: None }
    }

    /// Something that was probably not meant.
    pub fn warning(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(key, message) }
    }

    /// Written there.
    #[must_use]
    pub fn at(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.severity.as_str())?;
        match (self.key.as_str(), &self.origin) {
            ("", Origin::Default) => {}
            ("", origin) => write!(f, "({origin}): ")?,
            (key, origin) => write!(f, "{key} ({origin}): ")?,
        }
        f.write_str(&self.message)
    }
}

/// Everything that keeps a configuration from being loaded.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Findings(pub Vec<Finding>);

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, finding) in self.0.iter().enumerate() {
            if position > 0 {
                writeln!(f)?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}
