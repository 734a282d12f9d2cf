//! A dispatcher that dies with requests under way, and one that freezes and comes back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::accounts::{self, Expected, Words};
use super::load::Load;
use super::rates::told;
use super::trial;
use crate::deployment::Deployment;

/// A worker is taken for dead after so long; frozen is three times that.
const SILENCE: Duration = Duration::from_secs(5);
/// Work restarts within ten seconds; on a machine that others use too, no later than this.
const RESTART: Duration = Duration::from_secs(40);

fn workers(it: &Deployment) -> BTreeSet<String> {
    let rows = it.rows("select hex(id) as id from workers");
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Waits until a worker's row is gone, and tells which and when, by the database's clock.
async fn removed(it: &Deployment, before: &BTreeSet<String>) -> (String, i64) {
    let began = Instant::now();
    loop {
        let left = workers(it);
        if let Some(gone) = before.iter().find(|worker| !left.contains(*worker)) {
            let now = it.rows("select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now");
            return (gone.clone(), now[0]["now"].as_i64().unwrap());
        }
        assert!(began.elapsed() < RESTART, "nobody removed the silent worker");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The attempts that have no result, with the worker that made them and the key.
fn flying(it: &Deployment) -> Vec<Value> {
    it.rows("select t.id, hex(t.uid) as uid, f.no, hex(f.worker) as worker from in_flight f join touches t on t.id = f.touch")
}

/// So many at least are under way, some at each of two workers.
fn shared_by_both(it: &Deployment, least: usize) -> Option<()> {
    let flying = flying(it);
    let workers: BTreeSet<_> = flying.iter().filter_map(|row| row["worker"].as_str()).collect();
    (flying.len() >= least && workers.len() >= 2).then_some(())
}

#[test]
fn a_killed_dispatchers_touches_run_again_soon() {
    trial("takeover", async |trial| {
        if trial.is_left_to_the_full_run() {
            return;
        }
        let Some(servers) = trial.servers() else { return };
        let mut it = trial.pairs(&servers);
        let load = Load::start(it.senders(), trial.seed, 40);
        let mut restarts = Vec::new();
        for round in 0..trial.scale.of(1, 10) {
            let role = ["dispatcher", "dispatcher-2"][round % 2];
            it.crm.hold();
            // Of both: which of the two workers is the one to be killed, nothing tells.
            it.eventually("requests of both under way", || shared_by_both(&it, 20)).await;

            let before = workers(&it);
            let at = Timestamp::now();
            it.kill(role);
            let left = flying(&it);
            it.crm.release();
            let (dead, _) = removed(&it, &before).await;
            let keys: BTreeSet<String> = left
                .iter()
                .filter(|row| row["worker"].as_str() == Some(&dead))
                .map(|row| row["uid"].as_str().unwrap().to_lowercase())
                .collect();
            assert!(!keys.is_empty(), "nothing was under way at {role}");
            restarts.extend(it.eventually("the requests that it left", || again(&it, &keys, at)).await);
            it.start_one(role);
        }

        eprintln!("  touches of a killed dispatcher sent again: {}", told(&restarts));
        assert!(restarts.iter().flatten().all(|took| *took <= RESTART), "{restarts:?}");
        let book = load.end().await;
        accounts::settle_accounts(&it, &book, Expected::default()).await;
        it.finish();
    });
}

/// For each key how long after `at` it was sent again, once all were, or were taken back instead.
fn again(it: &Deployment, keys: &BTreeSet<String>, at: Timestamp) -> Option<Vec<Option<Duration>>> {
    let over: BTreeSet<String> = it
        .rows("select hex(uid) as uid from touches where state = 'withdrawn'")
        .iter()
        .map(|row| row["uid"].as_str().unwrap().to_lowercase())
        .collect();
    let calls = it.crm.calls();
    let sent_again = |key: &String| {
        calls
            .iter()
            .find(|call| call.at > at && call.key.as_ref().is_some_and(|name| name.replace('-', "") == *key))
            .map(|call| Duration::try_from(call.at.duration_since(at)).unwrap_or_default())
    };
    let found: Vec<_> = keys.iter().filter(|key| !over.contains(*key)).map(sent_again).collect();
    found.iter().all(Option::is_some).then_some(found)
}

#[test]
fn a_frozen_dispatcher_that_wakes_up_writes_nothing_stale() {
    trial("frozen", async |trial| {
        let Some(servers) = trial.servers() else { return };
        let it = trial.pairs(&servers);
        let load = Load::start(it.senders(), trial.seed, 30);
        for _ in 0..trial.scale.of(1, 8) {
            it.eventually("work", || (flying(&it).len() >= 2).then_some(())).await;
            it.crm.hold();
            it.eventually("requests under way", || (flying(&it).len() >= 10).then_some(())).await;

            let before = workers(&it);
            it.signal("dispatcher", "STOP");
            let frozen = Instant::now();
            it.crm.release();
            let (asleep, gone) = removed(&it, &before).await;
            tokio::time::sleep((SILENCE * 3).saturating_sub(frozen.elapsed())).await;
            let others: BTreeSet<String> = workers(&it).into_iter().chain([asleep.clone()]).collect();
            it.signal("dispatcher", "CONT");

            // It is back once it has a row of its own again, under another id.
            it.eventually("the dispatcher's return", || {
                (workers(&it).len() >= 2 && !workers(&it).is_subset(&others)).then_some(())
            })
            .await;
            let stale = it.rows(&format!(
                "select touch, no from attempts where hex(worker) = '{asleep}'
                 and pg_xact_commit_timestamp(xmin) > to_timestamp({gone} / 1000000.0)"
            ));
            assert!(stale.is_empty(), "marked by a worker that was no more: {stale:?}");
            accounts::nothing_is_stranded(&it);
        }

        let book = load.end().await;
        let expected = Expected { words: Words::MayComeLate, ..Expected::default() };
        accounts::settle_accounts(&it, &book, expected).await;
        it.finish();
    });
}
