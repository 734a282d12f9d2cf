//! A CRM that loses replies, refuses, hangs and talks nonsense, all mixed, with repeats and disorder on the way in.

use std::time::Duration;

use testkit::crm::Fault;

use super::accounts::{self, Expected};
use super::load::Load;
use super::trial;

/// All that it does beside what it should. `Slow` is longer than the connector's time-out: a hang.
pub(crate) const MIXED: [Fault; 7] = [
    Fault::LoseReply,
    Fault::Drop,
    Fault::HalfBody,
    Fault::Html,
    Fault::Status(500, None),
    Fault::Status(503, None),
    Fault::Slow(Duration::from_secs(4)),
];

#[test]
fn a_crm_that_misbehaves_at_random_ends_with_each_task_once() {
    trial("crm", async |trial| {
        if trial.is_left_to_the_full_run() {
            return;
        }
        let Some(servers) = trial.servers() else { return };
        let it = trial.pairs(&servers);
        let mut faults = MIXED.to_vec();
        faults.push(Fault::Status(429, Some("1".to_owned())));
        let load = Load::start(it.senders(), trial.seed, 20);
        it.crm.misbehave_often(Some((faults, 4, trial.seed)));

        tokio::time::sleep(Duration::from_secs(trial.scale.of(6, 120) as u64)).await;

        it.crm.misbehave_often(None);
        let book = load.end().await;
        accounts::settle_accounts(&it, &book, Expected::default()).await;
        it.finish();
    });
}
