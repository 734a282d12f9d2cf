//! Where a value was written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::finding::Finding;
use super::show::Entry;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the compiled-in defaults, or nowhere.
    Default,
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// In an environment variable of this name.
    Environment(String),
    /// On the command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// The origins of all keys, by path, and what was remarked while loading.
#[derive(Clone, Default)]
pub(crate) struct Provenance {
    pub(crate) origins: BTreeMap<String, Origin>,
    pub(crate) notes: Vec<Finding>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) vocabulary: super::vocabulary::Vocabulary,
}

impl Provenance {
    /// Where `key`, or the nearest thing around it, was written.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        nearest(&self.origins, key)
    }
}

impl fmt::Debug for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provenance")
    }
}

/// The origin of `key` or of its closest ancestor in `origins`.
pub(crate) fn nearest(origins: &BTreeMap<String, Origin>, key: &str) -> Origin {
    let mut key = key;
    loop {
        if let Some(origin) = origins.get(key) {
            return origin.clone();
        }
        // A quoted name goes as a whole.
        let quoted = key.strip_suffix('"').and_then(|rest| rest.rfind('"'));
        match quoted.or_else(|| key.rfind(['.', '['])) {
            Some(end) => key = key[..end].trim_end_matches('.'),
            None => return Origin::Default,
        }
    }
}
