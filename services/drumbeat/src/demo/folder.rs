//! The demo's folder: wiped at each start, with a configuration and secrets of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use runtime::config::{Config, LoadOptions};

use super::CRM_PORT;
use crate::cli::Global;
use crate::commands::run::ALL;
use crate::exit::Failure;
use crate::wiring::{self, Claim};

/// From the working folder.
const FOLDER: &str = "drumbeat-data/demo";
const CONFIG: &str = "drumbeat.toml";
const TEXT: &str = include_str!("drumbeat.toml");

/// The secrets of the sources, by file.
pub(super) const FORMS_SECRET: &str = "demo-secret-of-the-forms";
pub(super) const MAIL_SECRET: &str = "whsec_ZGVtby1zZWNyZXQtb2YtdGhlLW1haWxzLWRlbW8=";
pub(super) const CRM_SECRET: &str = "demo-token-of-the-crm";

/// The folder while the demo runs in it.
pub(super) struct Folder {
    path: PathBuf,
    /// Ports that others hold, and what is used instead.
    pub(super) moved: Vec<(u16, SocketAddr)>,
    _claim: Claim,
}

impl Folder {
    /// Takes the folder, wipes what an earlier demo left there, and writes configuration and secrets.
    ///
    /// The demo reads no other configuration: neither a file nor the environment could lead it to a real broker.
    pub(super) fn prepare(crm: SocketAddr) -> Result<Self, Failure> {
        let path = PathBuf::from(FOLDER);
        refuse_a_stranger(&path)?;
        let claim = Claim::on(&path, "run the demo from another folder")?;
        wipe(&path)?;

        let mut text = TEXT.to_owned();
        let mut moved = Vec::new();
        for (port, address) in addresses(crm)? {
            if address.port() != port {
                text = text.replace(&format!("127.0.0.1:{port}"), &address.to_string());
                moved.push((port, address));
            }
        }
        std::fs::write(path.join(CONFIG), text)?;
        let secrets =
            [("website-forms", FORMS_SECRET), ("mail-events", MAIL_SECRET), ("crm-tasks", CRM_SECRET)];
        for (name, secret) in secrets {
            std::fs::write(path.join(format!("{name}.secret")), format!("{secret}\n"))?;
        }
        Ok(Self { path, moved, _claim: claim })
    }

    /// From the working folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// As a person would name the configuration.
    pub(super) fn config_path(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// The configuration as written; `--set` wins over it as it does elsewhere.
    pub(super) fn load(&self, global: &Global) -> Result<Config, Failure> {
        let mut options = LoadOptions::bare(std::env::current_dir()?).file(self.config_path());
        if let Some(filter) = wiring::variable("RUST_LOG") {
            options = options.env("RUST_LOG", filter);
        }
        wiring::checked(global, options, &ALL)
    }
}

/// Refuses to wipe a folder that no demo made.
fn refuse_a_stranger(path: &Path) -> Result<(), Failure> {
    let Ok(mut entries) = std::fs::read_dir(path) else {
        return Ok(());
    };
    let ours = std::fs::read_to_string(path.join(CONFIG))
        .is_ok_and(|text| text.lines().next() == TEXT.lines().next());
    if ours || entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == Claim::FILE)) {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "the demo works in {} and wipes it, but what lies there was not made by a demo; move it away first",
        path.display()
    )))
}

fn wipe(path: &Path) -> Result<(), Failure> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == Claim::FILE {
            continue;
        }
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The usual port, or any that is free.
pub(super) fn listen_near(port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind(("127.0.0.1", port)).or_else(|_| listen_anywhere())
}

fn listen_anywhere() -> Result<TcpListener, Failure> {
    TcpListener::bind(("127.0.0.1", 0))
        .map_err(|error| Failure::Refused(format!("no port of this machine is free: {error}")))
}

/// The usual ports, and what is used for each. Whoever has the CRM's has the others too, so that two demos that start
/// at the same moment do not both find them free.
fn addresses(crm: SocketAddr) -> Result<Vec<(u16, SocketAddr)>, Failure> {
    // All are held until all are known, so that no two are the same.
    let mut held = Vec::new();
    for port in [8080, 8099] {
        held.push((port, if crm.port() == CRM_PORT { listen_near(port) } else { listen_anywhere() }?));
    }
    let mut addresses = vec![(CRM_PORT, crm)];
    for (port, listener) in held {
        addresses.push((port, listener.local_addr()?));
    }
    Ok(addresses)
}
