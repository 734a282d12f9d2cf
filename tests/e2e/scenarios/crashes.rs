//! `kill -9` of each role under load: every accepted event has its effect, and once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::ONE_TOUCH;
use crate::on_each_shape;
use crate::webhook::{Sender, event_with};

/// Events of one lane at most: enough for every crash to find some on their way, few enough to be done soon.
const MOST: usize = 120;
/// And at least: the crashes may be over sooner.
const LEAST: usize = 40;

/// Posts until told to stop; each event is posted until it is accepted, as a provider would.
async fn load(sender: Sender, lane: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut accepted = Vec::new();
    while accepted.len() < LEAST || (!stop.load(Ordering::Relaxed) && accepted.len() < MOST) {
        let number = accepted.len();
        let email = format!("p{lane}-{number}@example.com");
        let body =
            event_with(&format!("{lane}-{number}"), "form_submitted", &email, json!({ "form": "demo" }));
        loop {
            match sender.try_post(&body).await {
                Ok(answer) if answer.status == 202 => break,
                Ok(answer) => assert!(matches!(answer.status, 429 | 503), "{answer:?}"),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        accepted.push(email);
        // A pause between events, so that the load lasts through all crashes.
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    accepted
}

#[test]
fn killing_each_role_under_load_loses_nothing_and_doubles_nothing() {
    on_each_shape("kill_9", async |mut it| {
        it.apply(ONE_TOUCH);
        it.start();
        let stop = Arc::new(AtomicBool::new(false));
        let lanes: Vec<_> =
            (0..4).map(|lane| tokio::spawn(load(it.sender(), lane, Arc::clone(&stop)))).collect();

        for _ in 0..2 {
            for role in it.shape.roles() {
                // Far enough for the role to be in the middle of things: some tasks more than at its last start.
                let before = it.crm.records().len();
                it.eventually("progress under load", || (it.crm.records().len() > before + 10).then_some(()))
                    .await;
                it.crash(role);
            }
        }
        stop.store(true, Ordering::Relaxed);
        let mut accepted = Vec::new();
        for lane in lanes {
            accepted.extend(lane.await.unwrap());
        }
        it.eventually("every accepted event's task", || {
            let have: std::collections::BTreeSet<String> = it
                .crm
                .records()
                .iter()
                .map(|record| record.body["contact"]["email"].as_str().unwrap().to_owned())
                .collect();
            accepted.iter().all(|email| have.contains(email)).then_some(())
        })
        .await;

        let mut per_contact: BTreeMap<String, usize> = BTreeMap::new();
        let mut per_key: BTreeMap<String, usize> = BTreeMap::new();
        for record in it.crm.records() {
            *per_contact.entry(record.body["contact"]["email"].as_str().unwrap().to_owned()).or_default() +=
                1;
            *per_key.entry(record.key).or_default() += 1;
        }
        assert!(per_contact.values().all(|count| *count == 1), "{per_contact:?}");
        assert!(per_key.values().all(|count| *count == 1), "{per_key:?}");
        assert!(accepted.len() >= 4 * LEAST, "the load was too thin to say anything: {}", accepted.len());
        // One event, one enrollment: asked of the store for a sample, since the CRM's records only show what went out.
        for email in accepted.iter().step_by(accepted.len().div_ceil(10)) {
            assert_eq!(super::enrollments(&it, email).len(), 1, "{email}");
        }
        it
    });
}
