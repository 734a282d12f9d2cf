//! Clocks of dispatchers that jump, each by itself (libfaketime; the clock that only goes forward stays as it is). When
//! something is due is the database's to say. Ingest and enrollment are left alone: librdkafka's timed waits are by the wall
//! clock, and under a moved one it neither sends nor hears for as long as the clock was moved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use super::accounts::{self, Expected};
use super::load::{CONTENT, Load, STEP};
use super::{PAIRS, crm, trial};
use crate::deployment::{Deployment, Shape};

/// One second at most; on a machine that others use too, no later than this.
const LATE: Duration = Duration::from_secs(30);

const JUMPING: [&str; 2] = ["dispatcher", "dispatcher-2"];

const JUMPS: [&str; 6] = ["+3600s", "-3600s", "+86400s", "-86400s", "+90s", "+0s"];

/// Debian's place of it, or what `DRUMBEAT_LIBFAKETIME` names.
fn library() -> Option<PathBuf> {
    let named = std::env::var_os("DRUMBEAT_LIBFAKETIME").map(PathBuf::from);
    let known = ["x86_64", "aarch64"]
        .map(|machine| PathBuf::from(format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1")));
    named.into_iter().chain(known).find(|path| path.exists())
}

#[test]
fn clocks_that_jump_make_no_step_early_and_none_late() {
    trial("clocks", async |mut trial| {
        let Some(library) = library() else {
            crate::deployment::skipped("libfaketime is not installed, so no clock jumped: faults::clocks");
            return;
        };
        let Some(servers) = trial.servers() else { return };
        let jumps = TempDir::new().unwrap();
        let file = |role: &str| jumps.path().join(role).to_str().unwrap().to_owned();
        let set = |role: &str, jump: &str| {
            std::fs::write(file("next"), format!("{jump}\n")).unwrap();
            std::fs::rename(file("next"), file(role)).unwrap();
        };
        let mut it = Deployment::prepare(trial.name, servers.shape());
        it.apply(CONTENT);
        for role in PAIRS {
            if !JUMPING.contains(&role) {
                it.spawn(role);
                continue;
            }
            set(role, "+0s");
            it.spawn_with(
                role,
                &[
                    ("LD_PRELOAD", library.to_str().unwrap()),
                    ("FAKETIME_TIMESTAMP_FILE", &file(role)),
                    ("FAKETIME_NO_CACHE", "1"),
                    ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
                ],
            );
        }
        for role in PAIRS {
            it.wait_ready(role);
        }
        let load = Load::start(it.senders(), trial.seed, 30);
        it.crm.misbehave_often(Some((crm::MIXED.to_vec(), 20, trial.seed)));

        for _ in 0..trial.scale.of(4, 120) {
            let (role, jump) = (*trial.dice.pick(&JUMPING), *trial.dice.pick(&JUMPS));
            eprintln!("  the clock of {role}: {jump}");
            set(role, jump);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        it.crm.misbehave_often(None);
        let book = load.end().await;
        accounts::settle_accounts(&it, &book, Expected::default()).await;
        let latest = between_steps(&it);
        eprintln!("  the latest step came {latest:?} after it was due");
        assert!(latest <= LATE, "a step came {latest:?} late");
        // How soon they end under a moved clock is not judged.
        for role in JUMPING {
            it.kill(role);
        }
        it.finish();
    });
}

/// No two steps of an enrollment are closer than the cadence says, by the CRM's clock; gives by how much the slowest was late
/// that did not have to be repeated.
fn between_steps(it: &Deployment) -> Duration {
    assert_ne!(it.shape, Shape::Embedded, "one process has one clock, and that is its time");
    let mut first: BTreeMap<(String, String), (Timestamp, usize)> = BTreeMap::new();
    for call in it.crm.calls().into_iter().filter(|call| call.method == "POST") {
        let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
        let name = |field: &str| body[field].as_str().unwrap().to_owned();
        first.entry((name("enrollment"), name("step"))).or_insert((call.at, 0)).1 += 1;
    }
    let mut latest = Duration::ZERO;
    for ((enrollment, step), (at, times)) in &first {
        let before = match step.as_str() {
            "second" => "first",
            "third" => "second",
            _ => continue,
        };
        let (left, tries) = first[&(enrollment.clone(), before.to_owned())];
        let gap = Duration::try_from(at.duration_since(left)).unwrap_or_default();
        assert!(gap >= STEP, "{enrollment}: {step} came {gap:?} after {before}");
        if tries == 1 && *times == 1 {
            latest = latest.max(gap - STEP);
        }
    }
    latest
}
