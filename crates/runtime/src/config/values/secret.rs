//! References to secrets.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;

use super::read_from_text;

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `env:NAME`: an environment variable.
    Environment(String),
    /// `file:PATH`: a file, whose trailing line break is not part of the secret.
    File(PathBuf),
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("env:") {
            let legal = |character: char| character.is_ascii_alphanumeric() || character == '_';
            if name.is_empty() || !name.chars().all(legal) {
                return Err(
                    "after env: comes the name of an environment variable, such as env:PARTNER_SECRET"
                        .to_owned(),
                );
            }
            return Ok(Self::Environment(name.to_owned()));
        }
        if let Some(path) = text.strip_prefix("file:") {
            if path.is_empty() {
                return Err(
                    "after file: comes the path of a file, such as file:/run/secrets/partner".to_owned()
                );
            }
            return Ok(Self::File(PathBuf::from(path)));
        }
        // The text may be the secret itself, so it is not repeated.
        Err("a secret is written out here; put it into an environment variable and write \"env:NAME\", or into a file and write \"file:PATH\"".to_owned())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// Why a referenced secret cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The variable does not exist.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read, or is not text.
    #[error("the file {} cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        why: String,
    },
    /// There is nothing in it.
    #[error("{0} is empty; an empty secret protects nothing")]
    Empty(Reference),
    /// Not looked up.
    #[error("{0} was not looked up")]
    Pending(Reference),
}

/// A secret, known by its reference. The value was looked up once, when the configuration was loaded, and is
/// shown nowhere: `Debug` and `Display` give the reference.
#[derive(Clone)]
pub struct Secret {
    reference: Reference,
    value: Result<SecretString, SecretError>,
}

impl Secret {
    /// Where it is kept.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The secret.
    ///
    /// # Errors
    /// Says why it could not be had when the configuration was loaded.
    pub fn value(&self) -> Result<&SecretString, SecretError> {
        self.value.as_ref().map_err(Clone::clone)
    }

    /// Looks the value up. Relative paths are from `base`.
    pub(crate) fn resolve(&mut self, base: &Path, environment: impl Fn(&str) -> Option<String>) {
        if let Reference::File(path) = &mut self.reference {
            *path = base.join(&*path);
        }
        let found = match &self.reference {
            Reference::Environment(name) => environment(name).ok_or_else(|| SecretError::Unset(name.clone())),
            Reference::File(path) => std::fs::read_to_string(path)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| SecretError::Unreadable { path: path.clone(), why: error.to_string() }),
        };
        self.value = found.and_then(|text| {
            if text.trim().is_empty() {
                return Err(SecretError::Empty(self.reference.clone()));
            }
            Ok(SecretString::from(text))
        });
    }

    /// Replaces `{data}` in the path of a file reference.
    pub(crate) fn place(&mut self, data: &Path) {
        if let Reference::File(path) = &mut self.reference {
            *path = super::super::settle::place(path, data);
        }
    }
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let reference: Reference = text.parse()?;
        let value = Err(SecretError::Pending(reference.clone()));
        Ok(Self { reference, value })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.reference)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference.fmt(f)
    }
}

read_from_text!(Secret, "secret");

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn resolved(text: &str, base: &Path) -> Secret {
        let mut secret: Secret = text.parse().expect("a reference");
        secret.resolve(base, |name| (name == "TOKEN").then(|| "s3cret".to_owned()));
        secret
    }

    #[test]
    fn a_secret_comes_from_the_environment_or_a_file_beside_the_configuration() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("token"), "from-file\n").expect("a file");

        let from_environment = resolved("env:TOKEN", folder.path());
        let from_file = resolved("file:token", folder.path());

        assert_eq!(from_environment.value().map(ExposeSecret::expose_secret), Ok("s3cret"));
        assert_eq!(from_file.value().map(ExposeSecret::expose_secret), Ok("from-file"));
    }

    #[test]
    fn a_secret_that_is_missing_or_empty_says_so_when_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("empty"), " \n").expect("a file");

        let unset = resolved("env:NOPE", folder.path()).value().map(drop).expect_err("it is unset");
        let empty = resolved("file:empty", folder.path()).value().map(drop).expect_err("it is empty");
        let gone = resolved("file:gone", folder.path()).value().map(drop).expect_err("it is gone");

        assert_eq!(unset.to_string(), "the environment variable NOPE is not set");
        assert!(empty.to_string().ends_with("is empty; an empty secret protects nothing"));
        assert!(gone.to_string().contains("cannot be read"));
    }

    #[test]
    fn a_secret_written_out_is_refused_without_being_repeated() {
        for text in ["hunter2", "Bearer abc", "", "env:", "file:", "env:a b"] {
            let error = text.parse::<Secret>().expect_err("it is no reference");

            assert!(!error.contains("hunter2") && !error.contains("abc"), "{error}");
        }
    }

    #[test]
    fn debug_and_display_show_the_reference_only() {
        let secret = resolved("env:TOKEN", Path::new("/"));

        assert_eq!(format!("{secret:?} {secret}"), "Secret(env:TOKEN) env:TOKEN");
    }
}
