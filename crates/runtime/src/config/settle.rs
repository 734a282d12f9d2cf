//! Making paths absolute and looking secrets up, once everything is typed.

use std::path::Path;
use std::path::PathBuf;

use super::Config;
use super::values::Secret;

/// What stands for the data folder in paths.
const DATA: &str = "{data}";

/// Replaces `{data}` in a path.
pub(super) fn place(path: &Path, data: &Path) -> PathBuf {
    match path.to_str() {
        Some(text) if text.contains(DATA) => PathBuf::from(text.replace(DATA, &data.to_string_lossy())),
        _ => path.to_owned(),
    }
}

/// A reference to a file with an absolute path.
pub(super) fn file_secret(path: &Path) -> Secret {
    let text = format!("file:{}", path.display());
    text.parse().expect("a non-empty path after file: is a reference")
}

/// Makes paths absolute, from `base`, and looks all secrets up.
pub(super) fn settle(config: &mut Config, base: &Path, environment: &dyn Fn(&str) -> Option<String>) {
    config.data = base.join(&config.data);
    let data = config.data.clone();
    config.bus.path = base.join(place(&config.bus.path, &data));
    config.store.url.settle(base, &data);
    for secret in secrets(config) {
        secret.place(&data);
        secret.resolve(base, environment);
    }
}

/// Every secret of the configuration.
fn secrets(config: &mut Config) -> Vec<&mut Secret> {
    let mut all: Vec<&mut Secret> = Vec::new();
    all.extend(config.store.url.secret_mut());
    all.extend(config.bus.options.secrets_mut().map(|(_, secret)| secret));
    all.extend(config.security.keys.iter_mut());
    all.extend(config.sources.iter_mut().flat_map(|source| source.secrets.iter_mut()));
    all.extend(
        config
            .connectors
            .iter_mut()
            .filter_map(|connector| connector.auth.as_mut())
            .map(super::Auth::secret_mut),
    );
    all
}
