//! `kill -9`: of any process at any moment, and of each at the places where a promise is half kept.

use std::time::Duration;

use super::accounts::{self, Expected};
use super::load::Load;
use super::{Dice, PAIRS, Scale, Trial, crm, load, trial, trial_of_one};
use crate::deployment::{Deployment, Shape};

/// Where a process is ended, and which of the two of a role ends there. `services/drumbeat/src/wiring/failpoints.rs` lists
/// the places.
const PLACES: [(&str, &str); 13] = [
    ("ingest", "bus.publish.unacknowledged"),
    ("ingest", "bus.publish.acknowledged"),
    ("enrollment", "store.unit.uncommitted"),
    ("enrollment", "store.unit.committed"),
    ("enrollment", "bus.publish.acknowledged"),
    ("enrollment", "enrollment.relay.published"),
    ("dispatcher", "store.unit.uncommitted"),
    ("dispatcher", "store.mark.uncommitted"),
    ("dispatcher", "store.mark.committed"),
    ("dispatcher", "dispatcher.call.before"),
    ("dispatcher", "dispatcher.call.after"),
    ("dispatcher", "dispatcher.settle.before"),
    ("dispatcher", "dispatcher.settle.after"),
];

/// Those that the relay of the outbox comes to.
const RELAYING: [&str; 2] = ["bus.publish.acknowledged", "enrollment.relay.published"];

/// How long a process may take to come to a place under load.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn two_of_each_role_survive_kill_9_at_any_moment_and_at_each_failpoint() {
    trial("kills", async |mut trial| {
        let Some(servers) = trial.servers() else { return };
        let mut it = trial.pairs(&servers);
        let load = Load::start(it.senders(), trial.seed, 30);
        it.crm.misbehave_often(Some((crm::MIXED.to_vec(), 25, trial.seed)));
        progress(&it, 20).await;

        for _ in 0..trial.scale.of(4, 200) {
            let role = *trial.dice.pick(&PAIRS);
            wait(&mut trial.dice, 800).await;
            eprintln!("  kill -9 of {role}");
            it.kill(role);
            wait(&mut trial.dice, 300).await;
            it.start_one(role);
            accounts::nothing_is_stranded(&it);
        }
        for (role, place) in places(&mut trial, 5) {
            end_at(&mut it, &mut trial, role, place).await;
        }

        it.crm.misbehave_often(None);
        let book = load.end().await;
        accounts::settle_accounts(&it, &book, Expected::default()).await;
        it.finish();
    });
}

#[test]
fn one_process_survives_kill_9_at_any_moment_and_at_each_failpoint() {
    trial_of_one("kills_embedded", async |mut trial| {
        let mut it = Deployment::prepare(trial.name, Shape::Embedded);
        it.apply(load::CONTENT);
        it.start();
        let load = Load::start(it.senders(), trial.seed, 30);
        it.crm.misbehave_often(Some((crm::MIXED.to_vec(), 25, trial.seed)));
        progress(&it, 20).await;

        for _ in 0..trial.scale.of(2, 200) {
            wait(&mut trial.dice, 800).await;
            it.kill("up");
            it.start_one("up");
            accounts::nothing_is_stranded(&it);
        }
        for (_, place) in places(&mut trial, 4) {
            end_at(&mut it, &mut trial, "up", place).await;
        }

        it.crm.misbehave_often(None);
        let book = load.end().await;
        accounts::settle_accounts(&it, &book, Expected::default()).await;
        it.finish();
    });
}

/// Some of the places in `make test`, all of them many times in full.
fn places(trial: &mut Trial, some: usize) -> Vec<(&'static str, &'static str)> {
    match trial.scale {
        Scale::Full => PLACES.repeat(12),
        Scale::Bounded => (0..some).map(|_| *trial.dice.pick(&PLACES)).collect(),
    }
}

/// Has a process end at a place, at one of its next passes, and starts it again.
async fn end_at(it: &mut Deployment, trial: &mut Trial, role: &'static str, place: &str) {
    let pass = 1 + trial.dice.below(8);
    let armed = format!("{place}@{pass}");
    it.kill(role);
    // One of two holds the leases of the outbox, so the other would never come to these.
    let other = (role == "enrollment" && RELAYING.contains(&place)).then_some("enrollment-2");
    if let Some(other) = other {
        it.kill(other);
    }
    it.spawn_with(role, &[("DRUMBEAT_FAILPOINT", &armed)]);
    let began = std::time::Instant::now();
    while !it.has_ended(role) {
        assert!(
            began.elapsed() < PATIENCE,
            "{role} did not come to {armed}: is there load, and was the binary built with the feature failpoints?"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    eprintln!("  {role} ended at {armed}");
    it.start_one(role);
    if let Some(other) = other {
        it.start_one(other);
    }
    accounts::nothing_is_stranded(it);
}

/// Waits until so many more tasks are out.
async fn progress(it: &Deployment, tasks: usize) {
    let before = it.crm.calls().len();
    it.eventually("progress under load", || (it.crm.calls().len() >= before + tasks).then_some(())).await;
}

/// Up to so many milliseconds: the moment of the next fault.
async fn wait(dice: &mut Dice, most: usize) {
    tokio::time::sleep(Duration::from_millis(dice.below(most) as u64)).await;
}
