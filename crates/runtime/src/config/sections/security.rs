use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::general_purpose::URL_SAFE;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use secrecy::SecretBox;
use serde::Deserialize;

use crate::config::values::Secret;
use crate::config::values::SecretError;

/// `[security]`: the keys under which identities are hashed and secrets sealed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// References to keys of 32 bytes in base64 or hex. The first hashes and seals; look-ups try all, so that
    /// a key can be replaced by putting the new one in front. Empty with the embedded store: `drumbeat.key`
    /// in the data folder, made at first use. Losing the keys voids every suppression: keep them with your
    /// backups.
    pub keys: Vec<Secret>,
}

/// One key of 32 bytes; never shown, wiped from memory when dropped.
#[derive(Clone)]
pub struct SecurityKey(Arc<SecretBox<[u8; Self::LENGTH]>>);

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its variable or file cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It is not 32 bytes.
    #[error(
        "{reference} is not a key: write 32 bytes in base64 or hex, as `openssl rand -base64 32` prints them"
    )]
    Malformed {
        /// Where it is kept.
        reference: String,
    },
    /// There is none, and none is made for a PostgreSQL store.
    #[error("security.keys is empty; write a reference to a key, for example [\"env:DRUMBEAT_KEY\"]")]
    Missing,
    /// The embedded store's own key cannot be written.
    #[error("the key file {} cannot be written", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl SecurityKey {
    /// Bytes in a key.
    pub const LENGTH: usize = 32;

    /// A key made of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(bytes))))
    }

    /// The key itself.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::LENGTH] {
        self.0.expose_secret()
    }

    /// Reads a key written in hex or in any of the base64 alphabets.
    pub(crate) fn read(secret: &Secret) -> Result<Self, KeyError> {
        let text = secret.value()?.expose_secret().trim();
        let decoded = if text.len() == 2 * Self::LENGTH {
            hex::decode(text).ok()
        } else {
            [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
                .iter()
                .find_map(|engine| engine.decode(text).ok())
        };
        decoded
            .and_then(|bytes| <[u8; Self::LENGTH]>::try_from(bytes).ok())
            .map(Self::new)
            .ok_or_else(|| KeyError::Malformed { reference: secret.reference().to_string() })
    }

    /// Writes a new key file that only its owner may read. A file that another process made in the meantime
    /// is kept.
    pub(crate) fn create(path: &Path, bytes: [u8; Self::LENGTH]) -> Result<(), KeyError> {
        let unwritable = |source| KeyError::Unwritable { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(unwritable)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(mut file) => {
                let text = STANDARD.encode(bytes) + "\n";
                file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(unwritable(error)),
        }
    }
}

impl fmt::Debug for SecurityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecurityKey")
    }
}
