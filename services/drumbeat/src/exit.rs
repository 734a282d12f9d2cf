//! How the process ends: 0 done, 1 refused or findings, 2 wrong use, 3 not reachable.

use std::process::ExitCode;

use ports::StoreError;
use ports::bus::BusError;

/// Why a command ended without having done its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Refused, or findings: exit code 1. What there is to say was or is said.
    Refused(String),
    /// Used wrongly: exit code 2.
    Usage(String),
    /// Something that is needed cannot be reached: exit code 3.
    Unreachable(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// What commands answer.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    /// Refused, with nothing more to say.
    pub(crate) fn findings() -> Self {
        Self::Refused(String::new())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Refused(text) | Self::Usage(text) | Self::Unreachable(text) => text,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Conflict(_) | StoreError::Contended(_) => {
                Self::Unreachable(error.to_string())
            }
            StoreError::Rejected(_) | StoreError::Damaged(_) | StoreError::Inconsistent(_) => {
                Self::Refused(error.to_string())
            }
        }
    }
}

impl From<BusError> for Failure {
    fn from(error: BusError) -> Self {
        match error {
            BusError::Unavailable(_) => Self::Unreachable(error.to_string()),
            BusError::Rejected(_) | BusError::Broken(_) => Self::Refused(error.to_string()),
        }
    }
}

impl From<engine::ActionError> for Failure {
    fn from(error: engine::ActionError) -> Self {
        match error {
            engine::ActionError::Store(error) => error.into(),
            engine::ActionError::Name(error) => Self::Usage(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Prints what went wrong and gives the code.
pub(crate) fn report(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) if crate::output::gone() => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text().is_empty() {
                eprintln!("error: {}", failure.text());
            }
            ExitCode::from(failure.code())
        }
    }
}
