//! Negative controls: the same hammer with one rule left out must say so. What cannot fail proves nothing.
//!
//! Each leaves out its rule by rewriting statements on the wire, and passes when the run finds what the rule prevents, and
//! when the rewriting found its statement at all.

use std::sync::Arc;

use crate::databases::PostgresDatabase;
use crate::run::{Plan, TURN, on_postgres, seed, tell};
use crate::wire::{Rewrite, Wire, server};

/// How often a control may try, and for how long each time.
const TRIES: u64 = 12;
const SECONDS: u64 = 4;

/// Runs the hammer with a rule left out until something of that kind is found; of no use without PostgreSQL.
async fn must_find(name: &str, kinds: &[&str], rewrite: Rewrite) {
    let _turn = TURN.lock().await;
    let seed = seed();
    let mut last = Vec::new();
    for again in 0..TRIES {
        let Some(database) = PostgresDatabase::make(name).await else { return };
        let wire = Wire::tap(server(&database.url()), rewrite).await;
        let plan = Plan { seconds: SECONDS, people: 60, units: 3, dispatchers: 5, flaggers: 3 };
        let (shared, history) = on_postgres(&database, Some(&wire.address()), (&plan, seed + again)).await;
        tell(&Arc::clone(&shared), &history);
        assert!(wire.hits() > 0, "{name}: the statement is not there any more: the control controls nothing");
        if history.found.iter().any(|found| kinds.iter().any(|kind| found.starts_with(kind))) {
            return;
        }
        last = history.found;
    }
    panic!("{name}: nothing of {kinds:?} was found with the rule left out, but {last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn marks_that_take_no_epoch_lock_are_found_out() {
    must_find("no epoch lock", &["flag:"], |text| {
        text.contains("pg_advisory_xact_lock_shared(")
            .then(|| text.replace("pg_advisory_xact_lock_shared(", "int4larger("))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn budgets_that_are_not_locked_are_found_out() {
    must_find("budgets without locks", &["budget"], |text| {
        text.strip_suffix(" for no key update of b").map(str::to_owned)
    })
    .await;
}
