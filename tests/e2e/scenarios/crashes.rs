//! `kill -9` of each role under load: every accepted event has its effect, and once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::crm::Keys;

use super::ONE_TOUCH;
use crate::audit::{self, Repeats};
use crate::deployment::Deployment;
use crate::on_each_shape;
use crate::webhook::{Sender, event_with};

/// Events of one lane at most: the load must outlast the crashes, after some of which a group waits for its dead member.
const MOST: usize = 1_500;
/// And at least: the crashes may be over sooner.
const LEAST: usize = 40;
/// Of so many events one is posted again after it was accepted, whatever was killed meanwhile.
const TWICE: usize = 5;

fn id(lane: usize, number: usize) -> String {
    format!("{lane}-{number}")
}

fn email(id: &str) -> String {
    format!("p{id}@example.com")
}

/// Posts until told to stop; each event is posted until it is accepted, as a provider would. Gives the ids.
async fn load(sender: Sender, lane: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut accepted = Vec::new();
    while accepted.len() < LEAST || (!stop.load(Ordering::Relaxed) && accepted.len() < MOST) {
        let id = id(lane, accepted.len());
        let body = event_with(&id, "form_submitted", &email(&id), json!({ "form": "demo" }));
        until_accepted(&sender, &body).await;
        if accepted.len() % TWICE == 0 {
            until_accepted(&sender, &body).await;
        }
        accepted.push(id);
        // A pause between events, so that the load lasts through all crashes.
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    accepted
}

async fn until_accepted(sender: &Sender, body: &Value) {
    loop {
        match sender.try_post(body).await {
            Ok(answer) if answer.status == 202 => return,
            Ok(answer) => assert!(matches!(answer.status, 429 | 503), "{answer:?}"),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Kills each role twice under load, the one that sends while requests wait for their answer, and waits until every accepted
/// event's task is in the CRM and settled. Gives the ids of the accepted events.
async fn kill_each_role_twice(it: &mut Deployment) -> BTreeSet<String> {
    it.apply(ONE_TOUCH);
    it.start();
    let stop = Arc::new(AtomicBool::new(false));
    let lanes: Vec<_> = (0..4).map(|lane| tokio::spawn(load(it.sender(), lane, Arc::clone(&stop)))).collect();

    for _ in 0..2 {
        for role in it.shape.roles() {
            // Far enough for the role to be in the middle of things: some tasks more than at its last start.
            let before = it.crm.records().len();
            it.eventually("progress under load", || (it.crm.records().len() > before + 10).then_some(()))
                .await;
            if matches!(*role, "up" | "dispatcher") {
                it.crm.hold();
                it.eventually("a request without an answer", || (it.crm.open() > 0).then_some(())).await;
                it.kill(role);
                it.crm.release();
                it.start_one(role);
            } else {
                it.crash(role);
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut accepted = BTreeSet::new();
    for lane in lanes {
        accepted.extend(lane.await.unwrap());
    }
    assert!(accepted.len() >= 4 * LEAST, "the load was too thin to say anything: {}", accepted.len());
    it.eventually("the end of every touch", || {
        let done = it.rows("select count(*) as n from touches where state = 'open'");
        (done[0]["n"].as_u64() >= Some(accepted.len() as u64)).then_some(())
    })
    .await;
    accepted
}

fn records_by_email(it: &Deployment) -> BTreeMap<String, usize> {
    let mut records = BTreeMap::new();
    for record in it.crm.records() {
        *records.entry(record.body["contact"]["email"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    records
}

#[test]
fn killing_each_role_under_load_loses_nothing_and_doubles_nothing() {
    on_each_shape("kill_9", async |mut it| {
        let accepted = kill_each_role_twice(&mut it).await;

        audit::each_event_enrolled_once(&it, &accepted);
        let Repeats { requests } = audit::each_touch_has_one_key_and_repeats_only_the_unknown(&it);
        assert!(requests > 0, "no request was repeated: the kills came at no bad time");
        let records = records_by_email(&it);
        let expected: BTreeMap<String, usize> = accepted.iter().map(|id| (email(id), 1)).collect();
        assert_eq!(records, expected, "one record for each accepted event");
        it
    });
}

#[test]
fn a_crm_without_memory_sees_a_second_request_only_where_a_kill_left_the_first_unknown() {
    on_each_shape("kill_9_no_memory", async |mut it| {
        it.crm.treat_keys(Keys::Ignored);

        let accepted = kill_each_role_twice(&mut it).await;

        audit::each_event_enrolled_once(&it, &accepted);
        let Repeats { requests } = audit::each_touch_has_one_key_and_repeats_only_the_unknown(&it);
        assert!(requests > 0, "no request was repeated: the kills came at no bad time");
        let records = records_by_email(&it);
        assert_eq!(records.len(), accepted.len(), "a record at least for each accepted event");
        assert_eq!(
            records.values().sum::<usize>(),
            accepted.len() + requests,
            "each repeat is seen as a record, and nothing else doubles one"
        );
        it
    });
}
