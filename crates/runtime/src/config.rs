//! The deployment's configuration: `drumbeat.toml`, the environment and flags over the defaults that are
//! compiled in.
//!
//! Loading ([`Config::load`]) reads, layers and types it and refuses what it does not know; checking
//! ([`Config::check`]) judges it as a whole, looks at secrets and at combinations, and opens no port. Both
//! report all that they find, each with its key, where it was written and what to do.
//!
//! Secrets are references (`env:NAME`, `file:PATH`) resolved into values that nothing here shows.

mod check;
mod finding;
mod layers;
mod load;
mod merged;
mod origin;
mod redact;
mod schema;
mod sections;
mod settle;
mod show;
mod values;
mod vocabulary;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

pub use check::Role;
pub use finding::Finding;
pub use finding::Findings;
pub use finding::Severity;
pub use load::ConfigFile;
pub use load::LoadOptions;
pub use origin::Origin;
pub use sections::Admin;
pub use sections::AlreadyExists;
pub use sections::Auth;
pub use sections::Backend;
pub use sections::Bus;
pub use sections::BusKind;
pub use sections::Cap;
pub use sections::Clock;
pub use sections::Connector;
pub use sections::ConnectorRate;
pub use sections::Console;
pub use sections::Defaults;
pub use sections::Dispatch;
pub use sections::FollowUp;
pub use sections::Idempotency;
pub use sections::Ingest;
pub use sections::KeyError;
pub use sections::Limits;
pub use sections::LogFormat;
pub use sections::Lookup;
pub use sections::OptionValue;
pub use sections::Options;
pub use sections::Retention;
pub use sections::Security;
pub use sections::SecurityKey;
pub use sections::Source;
pub use sections::Store;
pub use sections::StoreUrl;
pub use sections::Telemetry;
pub use sections::Template;
pub use sections::Topics;
pub use sections::Window;
pub use sections::WindowSpan;
pub use show::Entry;
pub use values::ByteSize;
pub use values::Endpoint;
pub use values::Name;
pub use values::Period;
pub use values::Rate;
pub use values::Reference;
pub use values::Secret;
pub use values::SecretError;
pub use values::Tolerance;
pub use vocabulary::Vocabulary;
pub use vocabulary::near;

/// The defaults that are compiled in.
pub const DEFAULTS: &str = include_str!("../drumbeat.default.toml");

/// The whole configuration. Paths are absolute, secrets looked up, nothing secret is in its `Debug` output.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of everything that the embedded adapters keep.
    pub data: PathBuf,
    /// The public door for webhooks.
    pub ingest: Ingest,
    /// The internal API and web interface.
    pub console: Console,
    /// Health, readiness and metrics.
    pub admin: Admin,
    /// The database.
    pub store: Store,
    /// How events travel.
    pub bus: Bus,
    /// How fast business time runs.
    pub clock: Clock,
    /// Logs and traces.
    pub telemetry: Telemetry,
    /// Keys.
    pub security: Security,
    /// Sending touches.
    pub dispatch: Dispatch,
    /// Caps across cadences.
    pub limits: Limits,
    /// What cadences that say nothing take.
    pub defaults: Defaults,
    /// Who may post webhooks.
    pub sources: Vec<Source>,
    /// Where tasks go, besides the built-in inbox.
    pub connectors: Vec<Connector>,
    /// Where everything was written.
    provenance: Arc<origin::Provenance>,
}

impl Config {
    /// Loads the configuration, looking secrets up once.
    ///
    /// # Errors
    /// Everything that cannot be read, typed or recognised, all at once.
    pub fn load(options: &LoadOptions) -> Result<Self, Findings> {
        load::load(options)
    }

    /// Judges the configuration as a whole, as `drumbeat config check` shows it. Opens no port and reaches
    /// nobody.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        check::check(self)
    }

    /// Judges it for a process that runs these roles only: a secret that none of them uses may be missing.
    #[must_use]
    pub fn check_for(&self, roles: &[Role]) -> Vec<Finding> {
        check::check_for(self, roles)
    }

    /// A finding of somebody else about one of the keys, with the place where that key was written.
    #[must_use]
    pub fn placed(&self, finding: Finding) -> Finding {
        let origin = self.provenance.origin(&finding.key);
        finding.at(origin)
    }

    /// Every key that holds, redacted, with its origin, in order of the keys.
    #[must_use]
    pub fn show(&self) -> Vec<Entry> {
        show::show(self)
    }

    /// The keys that hash identities and seal secrets, the first one to be used for writing.
    ///
    /// With the embedded store and no key configured it is `drumbeat.key` in the data folder, which is made
    /// from `random` when it does not exist yet.
    ///
    /// # Errors
    /// A key that is missing, malformed or cannot be written.
    pub fn security_keys(
        &self,
        random: impl FnOnce() -> [u8; SecurityKey::LENGTH],
    ) -> Result<Vec<SecurityKey>, KeyError> {
        if !self.security.keys.is_empty() {
            return self.security.keys.iter().map(SecurityKey::read).collect();
        }
        if self.store.url.backend() != Some(Backend::Sqlite) {
            return Err(KeyError::Missing);
        }
        let path = self.data.join("drumbeat.key");
        if !path.exists() {
            SecurityKey::create(&path, random())?;
        }
        let mut secret = settle::file_secret(&path);
        secret.resolve(&self.data, |_| None);
        SecurityKey::read(&secret).map(|key| vec![key])
    }
}
