//! What a connector's settings promise to its CRM: how much at once, how fast, and what is done about a lost reply.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::crm::{Call, Fault, Keys};

use super::{ONE_TOUCH, until_state};
use crate::deployment::{Deployment, Shape};
use crate::on_each_shape;
use crate::webhook::{event, event_with};

/// One touch that stays open until a person works it.
const ONE_CALL: &str = r#"
apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: single }
spec:
  connector: crm
  window: any
  entry: { triggers: [ { on: form_submitted } ] }
  steps:
    - { id: touch, channel: call }
"#;

const LOOKUP: &str =
    "idempotency = \"lookup\"\nlookup = { path = \"/tasks?key={{ key }}\", id = \"/results/0/id\" }";

/// Adds lines to the connector.
fn configure(it: &Deployment, lines: &str) {
    it.reconfigure("withdraw = true\n", &format!("withdraw = true\n{lines}\n"));
}

/// The CRM may take its time, so that what happens meanwhile is the test's to say.
fn be_patient(it: &Deployment) {
    it.reconfigure("\ntimeout = \"3s\"", "\ntimeout = \"60s\"");
}

/// Requests that create a task, in the order of arrival.
fn creates(it: &Deployment) -> Vec<Call> {
    it.crm.calls().into_iter().filter(|call| call.method == "POST").collect()
}

fn methods(it: &Deployment) -> Vec<String> {
    it.crm.calls().into_iter().map(|call| call.method).collect()
}

/// So many touches are due while nothing may be sent.
async fn pile_up(it: &Deployment, touches: usize) {
    it.cli(&["dispatch", "hold"]);
    for number in 0..touches {
        let email = format!("p{number}@example.com");
        it.sender()
            .post(&event_with(&number.to_string(), "form_submitted", &email, json!({ "form": "demo" })))
            .await;
    }
    it.eventually("all touches to be due", || {
        (count(it, "touches where state in ('scheduled', 'held')") == touches as u64).then_some(())
    })
    .await;
}

fn count(it: &Deployment, of: &str) -> u64 {
    it.rows(&format!("select count(*) as n from {of}"))[0]["n"].as_u64().unwrap()
}

/// When each attempt was marked that was not void.
fn marked_at(it: &Deployment) -> Vec<Duration> {
    let query = "select a.at as at from attempts a left join results r on r.touch = a.touch and r.no = a.no \
                 where coalesce(r.result, '') <> '\"void\"' order by a.at";
    it.rows(query).iter().map(|row| Duration::from_micros(row["at"].as_u64().unwrap())).collect()
}

/// One more dispatcher, where roles run apart, and both at work.
async fn two_dispatchers(it: &mut Deployment) {
    if matches!(it.shape, Shape::Roles { .. }) {
        it.start_one("dispatcher-2");
        it.eventually("two dispatchers to live", || (count(it, "workers") == 2).then_some(())).await;
    }
}

#[test]
fn the_rate_is_kept_in_every_window() {
    const REQUESTS: usize = 40;
    const PER: Duration = Duration::from_secs(2);
    const TOUCHES: usize = 280;
    on_each_shape("rate", async |mut it| {
        configure(&it, "rate = { requests = 40, per = \"2s\", concurrency = 64 }");
        it.apply(ONE_TOUCH);
        it.start();
        two_dispatchers(&mut it).await;
        pile_up(&it, TOUCHES).await;

        it.cli(&["dispatch", "release"]);
        it.eventually("all touches to be out", || (creates(&it).len() == TOUCHES).then_some(())).await;

        // By the marks, since a loaded machine may let requests that left in time arrive late: a request starts within a
        // quarter of a second of its mark, or never.
        let marks = marked_at(&it);
        let window = PER - Duration::from_millis(250);
        for (place, first) in marks.iter().enumerate() {
            let within = marks[place..].iter().filter(|at| **at < *first + window).count();
            assert!(within <= REQUESTS, "{within} requests within {window:?} from number {place}");
        }
        let took = (*marks.last().unwrap() - marks[0]).as_secs_f64();
        let used = (TOUCHES - REQUESTS) as f64 / took * PER.as_secs_f64() / REQUESTS as f64;
        println!("{used:.2} of the rate was used");
        it
    });
}

#[test]
fn the_concurrency_is_reached_and_never_passed() {
    const LIMIT: usize = 6;
    on_each_shape("concurrency", async |mut it| {
        configure(&it, "rate = { requests = 100000, per = \"1s\", concurrency = 6 }");
        be_patient(&it);
        it.apply(ONE_TOUCH);
        it.start();
        pile_up(&it, 60).await;

        it.crm.hold();
        it.cli(&["dispatch", "release"]);
        it.eventually("as many requests as may be", || (it.crm.open() >= LIMIT).then_some(())).await;
        // Time enough to send more, would it.
        let began = std::time::Instant::now();
        it.eventually("it to stay so", || (began.elapsed() > Duration::from_secs(2)).then_some(())).await;
        assert_eq!(it.crm.open(), LIMIT);
        it.crm.release();
        it.eventually("all touches to be out", || {
            (count(&it, "touches where state = 'open'") == 60).then_some(())
        })
        .await;

        assert_eq!(it.crm.most_open(), LIMIT);
        it
    });
}

#[test]
fn a_lost_reply_is_looked_up_by_its_key_and_nothing_is_created_twice() {
    on_each_shape("lookup_found", async |mut it| {
        configure(&it, LOOKUP);
        // Were the request sent again, there would be a second record.
        it.crm.treat_keys(Keys::Ignored);
        it.apply(ONE_TOUCH);
        it.start();

        it.crm.misbehave(Fault::LoseReply, 1);
        it.sender()
            .post(&event_with("f", "form_submitted", "ada@example.com", json!({ "form": "demo" })))
            .await;
        until_state(&it, "ada@example.com", "finished").await;

        assert_eq!(methods(&it), ["POST", "GET"]);
        let records = it.crm.records();
        assert_eq!(records.len(), 1);
        assert!(it.crm.calls()[1].path.contains(&records[0].key), "looked up by its key");
        let remembered = it.rows("select remote_id from touches");
        assert_eq!(
            remembered[0]["remote_id"],
            records[0].id.as_str(),
            "the found task's id is known from now on"
        );
        it
    });
}

#[test]
fn what_is_looked_up_and_not_found_is_created_once_more_with_its_key_and_bytes() {
    on_each_shape("lookup_absent", async |mut it| {
        configure(&it, LOOKUP);
        it.crm.treat_keys(Keys::Ignored);
        it.apply(ONE_TOUCH);
        it.start();

        it.crm.misbehave(Fault::Drop, 1);
        it.sender()
            .post(&event_with("f", "form_submitted", "ada@example.com", json!({ "form": "demo" })))
            .await;
        until_state(&it, "ada@example.com", "finished").await;

        assert_eq!(methods(&it), ["POST", "GET", "POST"]);
        let sent = creates(&it);
        assert_eq!((&sent[0].key, &sent[0].body), (&sent[1].key, &sent[1].body));
        assert_eq!(it.crm.records().len(), 1);
        it
    });
}

async fn listed_as_unknown(it: &Deployment) -> Value {
    it.eventually("the unknown touch in the list", || {
        it.cli(&["tasks", "list", "--state", "unknown"]).as_array().and_then(|tasks| tasks.first().cloned())
    })
    .await
}

/// Nothing will wake the only touch by itself: nothing of it is on its way any more, and it has no timer.
async fn assert_waits_for_a_person(it: &Deployment) {
    it.eventually("the last attempt to be settled", || (count(it, "in_flight") == 0).then_some(())).await;
    assert_eq!(count(it, "timers"), 0, "{:?}", it.rows("select kind, lane, due_at, held from timers"));
}

#[test]
fn without_keys_and_look_up_an_unknown_touch_waits_for_a_person() {
    on_each_shape("idempotency_none", async |mut it| {
        configure(&it, "idempotency = \"none\"");
        it.apply(ONE_TOUCH);
        it.start();

        it.crm.misbehave(Fault::LoseReply, 1);
        it.sender()
            .post(&event_with("f", "form_submitted", "ada@example.com", json!({ "form": "demo" })))
            .await;
        let unknown = listed_as_unknown(&it).await;
        assert_eq!(unknown["contact"]["email"], "ada@example.com");
        assert_waits_for_a_person(&it).await;
        // Nor does another life of the dispatcher send it again.
        let sender = *it.shape.roles().last().unwrap();
        it.crash(sender);
        it.sender()
            .post(&event_with("g", "form_submitted", "grace@example.com", json!({ "form": "demo" })))
            .await;
        until_state(&it, "grace@example.com", "finished").await;
        assert_waits_for_a_person(&it).await;
        let key = unknown["key"].as_str().unwrap();
        let of_key =
            || creates(&it).into_iter().filter(|call| call.key.as_deref() == Some(key)).collect::<Vec<_>>();
        assert_eq!(of_key().len(), 1, "never sent again by itself");

        it.cli(&["redrive", key]);
        until_state(&it, "ada@example.com", "finished").await;

        let sent = of_key();
        assert_eq!(sent.len(), 2, "sent again with the same key, once");
        assert_eq!(sent[0].body, sent[1].body);
        it
    });
}

#[test]
fn a_request_cut_off_by_a_kill_waits_for_a_person_where_nothing_else_is_safe() {
    on_each_shape("none_killed", async |mut it| {
        configure(&it, "idempotency = \"none\"");
        be_patient(&it);
        it.crm.treat_keys(Keys::Ignored);
        it.apply(ONE_TOUCH);
        it.start();
        let sender = *it.shape.roles().last().unwrap();

        it.crm.hold();
        it.sender()
            .post(&event_with("f", "form_submitted", "ada@example.com", json!({ "form": "demo" })))
            .await;
        it.eventually("the request", || (it.crm.open() == 1).then_some(())).await;
        it.kill(sender);
        it.crm.release();
        it.start_one(sender);

        let unknown = listed_as_unknown(&it).await;
        assert_eq!(unknown["contact"]["email"], "ada@example.com");
        assert_waits_for_a_person(&it).await;
        assert_eq!(creates(&it).len(), 1);
        it
    });
}

/// An open task of an enrollment that an opt-out ended is taken back, by its id.
#[test]
fn the_task_of_an_ended_enrollment_is_withdrawn_whatever_the_crm_knows_of_keys() {
    for (name, settings) in
        [("key", "idempotency = \"key\""), ("lookup", LOOKUP), ("none", "idempotency = \"none\"")]
    {
        on_each_shape(&format!("withdraw_{name}"), async |mut it| {
            configure(&it, settings);
            it.apply(ONE_CALL);
            it.start();
            it.sender().post(&event("f", "form_submitted", "ada@example.com")).await;
            let task = it.task("touch", "ada@example.com").await;

            it.sender().post(&event("u", "unsubscribed", "ada@example.com")).await;
            it.eventually("the withdrawal", || it.crm.record(&task.key).filter(|record| record.withdrawn))
                .await;

            assert_eq!(methods(&it), ["POST", "DELETE"]);
            it
        });
    }
}

/// The reply was lost, and before it is known what became of the request the enrollment ends. Then nothing is sent again.
#[test]
fn an_unknown_task_of_an_ended_enrollment_is_looked_up_and_withdrawn_and_never_sent_again() {
    on_each_shape("withdraw_unknown", async |mut it| {
        configure(&it, LOOKUP);
        be_patient(&it);
        it.crm.treat_keys(Keys::Ignored);
        it.apply(ONE_CALL);
        it.start();

        // The opt-out comes while the request is open, so that its settling finds the enrollment ended.
        it.crm.misbehave(Fault::LoseReply, 1);
        it.crm.hold();
        it.sender().post(&event("f", "form_submitted", "ada@example.com")).await;
        it.eventually("the request", || (it.crm.open() == 1).then_some(())).await;
        it.sender().post(&event("u", "unsubscribed", "ada@example.com")).await;
        until_state(&it, "ada@example.com", "exited").await;
        it.crm.release();
        it.eventually("the withdrawal", || it.crm.records().first().filter(|it| it.withdrawn).cloned()).await;

        let mut counted: BTreeMap<String, usize> = BTreeMap::new();
        for method in methods(&it) {
            *counted.entry(method).or_default() += 1;
        }
        assert_eq!(counted["POST"], 1, "{counted:?}");
        assert_eq!(it.crm.records().len(), 1);
        it
    });
}

/// Where it can neither be repeated after the end nor looked up, a person is told that the task may still be there.
#[test]
fn an_unknown_task_that_cannot_be_found_after_the_end_is_given_up_in_words() {
    for (name, settings) in [("key", "idempotency = \"key\""), ("none", "idempotency = \"none\"")] {
        on_each_shape(&format!("withdraw_lost_{name}"), async |mut it| {
            configure(&it, settings);
            be_patient(&it);
            it.crm.treat_keys(Keys::Ignored);
            it.apply(ONE_CALL);
            it.start();

            it.crm.misbehave(Fault::LoseReply, 1);
            it.crm.hold();
            it.sender().post(&event("f", "form_submitted", "ada@example.com")).await;
            it.eventually("the request", || (it.crm.open() == 1).then_some(())).await;
            it.sender().post(&event("u", "unsubscribed", "ada@example.com")).await;
            until_state(&it, "ada@example.com", "exited").await;
            it.crm.release();
            let done = "commands where done_at is not null";
            it.eventually("the end of the withdrawal", || (count(&it, done) == 1).then_some(())).await;

            let result = it.rows("select result from commands");
            assert!(result[0]["result"].as_str().unwrap().starts_with("given up: "), "{result:?}");
            assert_eq!(creates(&it).len(), 1, "nothing is sent after the end");
            it
        });
    }
}
