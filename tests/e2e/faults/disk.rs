//! A full disk: the database's, the broker's, and that of the one process with its files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use super::accounts::{self, Expected};
use super::load::{self, Load};
use super::servers::{Places, Servers};
use super::{PAIRS, outages, trial, trial_of_one};
use crate::deployment::{Deployment, Shape};

/// A small file system of its own, gone when dropped.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Needs the right to mount; where there is none it says so.
    fn mount(test: &str, mebibytes: u32) -> Option<Self> {
        let folder = TempDir::with_prefix("drumbeat-disk-").unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0711"), "tmpfs"])
            .arg(folder.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { folder });
        }
        crate::deployment::skipped(&format!(
            "no small disk can be mounted, so none was filled: faults::{test}"
        ));
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Takes all that is left.
    fn fill(&self) {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(self.ballast()).unwrap();
        let mut block = vec![0_u8; 1 << 20];
        loop {
            match std::io::Write::write_all(&mut file, &block) {
                Ok(()) => {}
                Err(_) if block.len() > 1 => block.truncate(block.len() / 2),
                Err(_) => return,
            }
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_under_the_database_loses_nothing_and_dead_letters_nothing() {
    trial("full_database", async |trial| {
        if trial.is_left_to_the_full_run() {
            return;
        }
        if !trial.has_servers() {
            return;
        }
        let Some(disk) = Disk::mount(trial.name, 320) else { return };
        let servers =
            Servers::start_at(trial.name, &Places { database: Some(disk.path()), ..Places::default() });
        let mut it = trial.pairs(&servers);
        let load = Load::start(it.senders(), trial.seed, 30);
        let mut outages = Vec::new();
        for _ in 0..trial.scale.of(1, 5) {
            tokio::time::sleep(Duration::from_secs(3)).await;

            let gone = Timestamp::now();
            disk.fill();
            it.eventually("a failure of the database's", || {
                servers.ask("create table full_disk as select g, repeat('x', 500) from generate_series(1, 40000) g").err()
            })
            .await;
            tokio::time::sleep(Duration::from_secs(4)).await;
            disk.free();
            // It ends itself when its log cannot be written; started again it recovers.
            servers.postgres("up");
            outages.push((gone, Timestamp::now()));
            for role in PAIRS {
                assert!(!it.has_ended(role), "{role} ended:\n{}", it.log(role));
            }
            accounts::nothing_is_stranded(&it);
        }

        let book = load.end().await;
        accounts::settle_accounts(&it, &book, Expected::default()).await;
        outages::taken_meanwhile(&book, &outages);
        it.finish();
    });
}

#[test]
fn a_full_disk_under_the_broker_refuses_and_loses_nothing() {
    trial("full_broker", async |trial| {
        if trial.is_left_to_the_full_run() || !trial.has_servers() {
            return;
        }
        let Some(disk) = Disk::mount(trial.name, 256) else { return };
        let servers = Servers::start_at(trial.name, &Places { log: Some(disk.path()), ..Places::default() });
        let mut it = trial.pairs(&servers);
        let load = Load::start(it.senders(), trial.seed, 30);
        for _ in 0..trial.scale.of(1, 4) {
            tokio::time::sleep(Duration::from_secs(3)).await;

            disk.fill();
            let refusals = || load.book().posts.iter().filter(|post| post.status == Some(503)).count();
            let before = refusals();
            it.eventually("refusals", || (refusals() > before + 5).then_some(())).await;
            disk.free();
            // It ends itself when its log cannot be written; started again it mends the log.
            servers.kafka("up");
            for role in PAIRS {
                assert!(!it.has_ended(role), "{role} ended:\n{}", it.log(role));
            }
            let accepted = || load.book().accepted.len();
            let before = accepted();
            it.eventually("events taken again", || (accepted() > before + 30).then_some(())).await;
            accounts::nothing_is_stranded(&it);
        }

        let book = load.end().await;
        accounts::settle_accounts(&it, &book, Expected::default()).await;
        it.finish();
    });
}

#[test]
fn a_full_disk_under_the_one_process_refuses_and_loses_nothing() {
    trial_of_one("full_disk", async |trial| {
        // The two logs of changes alone may take 48 MB before they are folded.
        let Some(disk) = Disk::mount(trial.name, 160) else { return };
        let mut it = Deployment::prepare_in(disk.path(), trial.name, Shape::Embedded);
        it.apply(load::CONTENT);
        it.start();
        let load = Load::start(it.senders(), trial.seed, 30);
        for _ in 0..trial.scale.of(1, 5) {
            tokio::time::sleep(Duration::from_secs(3)).await;

            disk.fill();
            let refusals = || load.book().posts.iter().filter(|post| post.status == Some(503)).count();
            let before = refusals();
            it.eventually("a refusal", || (refusals() > before + 5).then_some(())).await;
            disk.free();
            assert!(!it.has_ended("up"), "it ended:\n{}", it.log("up"));
            let accepted = || load.book().accepted.len();
            let before = accepted();
            it.eventually("events taken again", || (accepted() > before).then_some(())).await;
        }

        let book = load.end().await;
        accounts::settle_accounts(&it, &book, Expected::default()).await;
        it.finish();
    });
}
