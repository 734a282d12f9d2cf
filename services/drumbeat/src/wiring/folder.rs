//! The data folder of an embedded deployment: one process works in it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::exit::Failure;

/// The claim of this process on a data folder; given up when dropped, also by a crash: the operating system keeps it.
#[derive(Debug)]
pub(crate) struct Claim(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

impl Claim {
    /// The file that is locked.
    pub(crate) const FILE: &str = "drumbeat.lock";

    /// Claims a folder, making it when it is missing; `or` says what to do where another process has it.
    pub(crate) fn on(folder: &Path, or: &str) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::Refused(format!("the data folder {} cannot be made: {error}", folder.display()))
        })?;
        let path = folder.join(Self::FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| {
                Failure::Refused(format!(
                    "the data folder {} cannot be written: {error}; make it this user's, or set `data` to another folder",
                    folder.display()
                ))
            })?;
        if file.try_lock().is_ok() {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())?;
            file.flush()?;
            return Ok(Self(file));
        }
        let mut holder = String::new();
        file.read_to_string(&mut holder).ok();
        let who = if holder.is_empty() {
            "another process".to_owned()
        } else {
            format!("another process ({holder})")
        };
        Err(Failure::Refused(format!(
            "the data folder {} is in use by {who}; stop it first, or {or}",
            folder.display()
        )))
    }
}
