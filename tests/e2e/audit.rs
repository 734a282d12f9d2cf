//! Accounts: what the store and the CRM hold, set against what was promised. Each is of everything, never of a sample.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use testkit::crm::Call;

use crate::deployment::Deployment;

/// Of each of these events, by id: it is stored once, one decision enrolled its contact, and any other only says that it
/// had been there. Of each contact: one enrollment.
pub(crate) fn each_event_enrolled_once(it: &Deployment, ids: &BTreeSet<String>) {
    let told = all_decisions(it);
    let decisions = told.as_array().unwrap();

    let mut of_event: BTreeMap<&str, usize> = BTreeMap::new();
    for decision in decisions {
        let Some(event) = decision["cause"].get("event") else { continue };
        let items = decision["items"].as_array().unwrap();
        if !items.is_empty() && items.iter().all(|item| item["why"]["code"] == "duplicate") {
            continue;
        }
        assert!(
            items.iter().any(|item| item["did"] == "enrolled"),
            "an event that neither enrolled nor was a duplicate: {decision}"
        );
        *of_event.entry(event["id"].as_str().unwrap()).or_default() += 1;
    }
    let decided: BTreeSet<String> = of_event.keys().map(|id| (*id).to_owned()).collect();
    assert_eq!(&decided, ids, "events decided, and events accepted");
    let wrong: Vec<_> = of_event.iter().filter(|(_, enrolled)| **enrolled != 1).collect();
    assert!(wrong.is_empty(), "events that did not enroll exactly once: {wrong:?}");

    let events = it.rows("select count(*) as n, count(distinct key) as keys from events");
    assert_eq!(events[0]["n"].as_u64(), Some(ids.len() as u64), "events stored: {}", events[0]);
    assert_eq!(events[0]["keys"], events[0]["n"], "events stored twice");
    let contacts = it.rows(
        "select c.id, count(e.id) as n from contacts c left join enrollments e on e.contact = c.id group by c.id",
    );
    assert_eq!(contacts.len(), ids.len(), "contacts");
    let wrong: Vec<_> = contacts.iter().filter(|contact| contact["n"] != 1).collect();
    assert!(wrong.is_empty(), "contacts without exactly one enrollment: {wrong:?}");
}

/// Every decision, as the command tells it.
fn all_decisions(it: &Deployment) -> Value {
    let (mut told, mut counted) = (Value::Null, Value::Null);
    // A repeated event may be decided between the two: they must agree once.
    for _ in 0..20 {
        let newest = "1000000";
        told = it.cli(&["tail", "--once", "--lines", newest]);
        counted = it.rows("select count(*) as n from decisions")[0]["n"].clone();
        if counted.as_u64() == Some(told.as_array().unwrap().len() as u64) {
            return told;
        }
    }
    panic!("the command left some out: {} of {counted}", told.as_array().unwrap().len());
}

/// What was sent more than once.
#[derive(Debug)]
pub(crate) struct Repeats {
    /// Requests after the first of their key.
    pub(crate) requests: usize,
}

/// Of every request that created a task: one key for one (enrollment, step, visit, part) and one place for a key, which is
/// the touch's in the store, and the same bytes on each. Gives them by key, in the order of arrival.
pub(crate) fn each_touch_has_one_key(it: &Deployment) -> BTreeMap<String, Vec<Call>> {
    let touches: BTreeSet<String> = it
        .rows("select hex(uid) as uid from touches")
        .iter()
        .map(|row| row["uid"].as_str().unwrap().to_lowercase())
        .collect();
    let mut keys_of: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
    let mut sent: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    for call in it.crm.calls().into_iter().filter(|call| call.method == "POST") {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let key = call.key.clone().unwrap();
        assert_eq!(body["key"].as_str(), Some(key.as_str()), "header and body name one key");
        let place = ["enrollment", "step", "visit", "part"].map(|name| body[name].to_string());
        keys_of.entry(place.to_vec()).or_default().insert(key.clone());
        sent.entry(key).or_default().push(call);
    }
    let several: Vec<_> = keys_of.iter().filter(|(_, keys)| keys.len() != 1).collect();
    assert!(several.is_empty(), "a touch with several keys: {several:?}");
    assert_eq!(keys_of.len(), sent.len(), "a key for several touches");
    for (key, calls) in &sent {
        assert!(touches.contains(&key.replace('-', "")), "{key} is no touch's");
        assert!(calls.iter().all(|call| call.body == calls[0].body), "{key} was not repeated byte for byte");
    }
    sent
}

/// The same; one request an attempt; and before a repeat comes the word, in the store, that the request before it was not
/// carried out, or that nobody knows what became of it.
pub(crate) fn each_touch_has_one_key_and_repeats_only_the_unknown(it: &Deployment) -> Repeats {
    let results = results(it);
    let mut repeats = 0;
    for (key, mut calls) in each_touch_has_one_key(it) {
        // A request that was given up may arrive after the one that repeats it: the CRM was slow to take it.
        calls.sort_by_key(|call| call.attempt);
        for pair in calls.windows(2) {
            repeats += 1;
            let (before, after) = (pair[0].attempt.unwrap(), pair[1].attempt.unwrap());
            assert!(before < after, "{key}: attempt {after} came twice");
            let Some((result, at)) = results.get(&(key.replace('-', ""), before)) else {
                panic!("{key} was repeated while its attempt {before} had no result");
            };
            let is_open = result.get("unknown").is_some() || result.get("retry").is_some();
            assert!(is_open, "{key} was repeated after {result}");
            assert!(*at <= pair[1].at, "{key} was repeated at {}, before the result of {at}", pair[1].at);
        }
    }
    Repeats { requests: repeats }
}

/// The results of attempts, by touch and number, and when (wall clock) they were written.
fn results(it: &Deployment) -> BTreeMap<(String, i32), (Value, Timestamp)> {
    let rows = it.rows(
        "select hex(t.uid) as uid, r.no, r.result, r.at from results r join touches t on t.id = r.touch",
    );
    rows.into_iter()
        .map(|row| {
            let uid = row["uid"].as_str().unwrap().to_lowercase();
            let no = i32::try_from(row["no"].as_i64().unwrap()).unwrap();
            let result: Value = serde_json::from_str(row["result"].as_str().unwrap()).unwrap();
            let at = Timestamp::from_microsecond(row["at"].as_i64().unwrap()).unwrap();
            ((uid, no), (result, at))
        })
        .collect()
}
