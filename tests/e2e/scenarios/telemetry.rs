//! What is told to operators: one trace from webhook to task, metrics that stay bounded, and never a person or a secret.

mod canaries;
mod kept;
mod metrics;
mod spans;

use serde_json::json;

use super::{CALL_THEN_MAIL, enrollments, until_state};
use crate::deployment::{Deployment, Shape};
use crate::on_each_shape;
use crate::stub::Stub;
use crate::webhook::{event, event_with};
use canaries::{ECHOED, echo, refuse_traces_of};
use spans::Spans;

/// The trace that the sender of one webhook is in.
const THEIRS: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const THEIR_SPAN: &str = "00f067aa0ba902b7";

#[test]
fn nothing_that_is_written_tells_of_people_or_secrets_and_traces_join_up() {
    on_each_shape("telemetry", async |mut it| {
        let (collector, crm) = (Stub::start(|_, _| (200, "{}".to_owned())), Stub::start(echo));
        listen(&mut it, &collector, &crm);
        it.apply(CALL_THEN_MAIL);
        it.apply(ECHOED);
        it.start();

        let mut said = deliver(&it).await;
        let ada = &canaries::ADA;
        it.task("call", ada.email).await;
        it.sender().post(&event("stop", "unsubscribed", ada.email)).await;
        until_state(&it, ada.email, "exited").await;
        for person in &canaries::ECHOED_PEOPLE {
            it.eventually("the CRM was asked", || {
                crm.seen().iter().any(|seen| canaries::holds(&seen.body, person.email)).then_some(())
            })
            .await;
        }
        it.eventually("two in quarantine", || {
            it.cli(&["quarantine", "list"]).as_array().is_some_and(|rows| rows.len() == 2).then_some(())
        })
        .await;
        it.eventually("two failed touches", || {
            let failed = it.cli(&["tasks", "list", "--state", "failed"]);
            failed.as_array().is_some_and(|rows| rows.len() == 2).then_some(())
        })
        .await;
        let told: Vec<String> = it.shape.roles().iter().map(|role| it.admin(role, "/metrics")).collect();
        said.extend(unreachable(&it));
        said.push(it.cli(&["config", "show"]).to_string());
        said.push(format!("{:?}", it.try_cli(&["config", "check"])));
        let enrolled = enrollments(&it, ada.email);
        for role in it.shape.roles() {
            assert_eq!(it.stop(role).0, Some(0), "{}", it.log(role));
        }

        let spans = Spans::of(&collector.seen());
        spans.assert_one_trace_from_webhook_to_task(&it.shape, (THEIRS, THEIR_SPAN), &crm.seen());
        for request in collector.seen() {
            refuse_traces_of("the collector", &request.body);
        }
        for role in it.shape.roles() {
            let log = it.log(role);
            assert!(log.contains("\"level\":\"DEBUG\""), "{role} logs at debug");
            assert!(log.contains("\"trace_id\""), "{role} names traces in its log");
            refuse_traces_of(&format!("the log of {role}"), log.as_bytes());
        }
        for text in told.iter().chain(&said) {
            refuse_traces_of("what was answered", text.as_bytes());
        }
        kept::nothing_but_payloads_on_the_bus(&it).await;
        kept::no_secrets_and_addresses_only_where_they_belong(&it);
        assert_eq!(enrolled.len(), 1);
        it
    });
}

#[test]
fn metrics_are_complete_and_bounded() {
    on_each_shape("metrics", async |mut it| {
        it.apply(CALL_THEN_MAIL);
        it.start();
        let sender = it.sender();
        let form = |id: &str, email: &str| event_with(id, "form_submitted", email, json!({ "form": "demo" }));
        sender.post(&form("f", "ada@example.com")).await;
        it.task("call", "ada@example.com").await;
        sender.post(&event("x", "replied", "ada@example.com")).await;
        until_state(&it, "ada@example.com", "exited").await;
        metrics::eventually_complete(&it).await;
        let before = metrics::series(&it);

        metrics::flood(&sender).await;

        let after = metrics::series(&it);
        let new: Vec<&String> = after.difference(&before).collect();
        assert!(new.len() < 40, "{} new series: {new:#?}", new.len());
        assert!(after.len() < 2_000, "{} series", after.len());
        for role in it.shape.roles() {
            let text = it.admin(role, "/metrics");
            assert!(!text.contains("flood"), "{role} tells of strangers in its metrics:\n{text}");
        }
        it
    });
}

#[test]
fn a_collector_that_is_away_or_hangs_holds_nothing_up() {
    // Taking a connection and never answering is worse than refusing it.
    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let away = "127.0.0.1:9";
    let endpoints = [format!("http://{}", hanging.local_addr().unwrap()), format!("http://{away}")];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for endpoint in endpoints {
        runtime.block_on(async {
            let mut it = Deployment::prepare("collector_away", Shape::Embedded);
            it.reconfigure("[ingest]", &format!("[telemetry]\notlp_endpoint = \"{endpoint}\"\n[ingest]"));
            it.environment("OTEL_BSP_SCHEDULE_DELAY", "100");
            it.apply(CALL_THEN_MAIL);
            it.start();
            for number in 0..20 {
                let email = format!("p{number}@example.com");
                let data = json!({ "form": "demo" });
                it.sender().post(&event_with(&format!("f{number}"), "form_submitted", &email, data)).await;
                it.task("call", &email).await;
            }

            let (code, took) = it.stop("up");

            assert_eq!(code, Some(0), "{}", it.log("up"));
            assert!(took < std::time::Duration::from_secs(10), "it took {took:?} to end");
            let log = it.log("up");
            let warnings = log.lines().filter(|line| line.contains("WARN")).count();
            assert!(warnings <= 2, "one word about the collector, one about its last spans:\n{log}");
            if !endpoint.ends_with(&hanging.local_addr().unwrap().port().to_string()) {
                assert!(log.contains("the collector does not take traces"), "{log}");
            }
            it.finish();
        });
    }
}

/// Traces to `collector`, everything logged, a second CRM, and secrets that can be recognised.
fn listen(it: &mut Deployment, collector: &Stub, crm: &Stub) {
    it.write("crm.token", canaries::CRM_TOKEN);
    it.reconfigure(
        "[ingest]",
        &format!(
            "[telemetry]\nlog = \"json\"\nfilter = \"debug\"\notlp_endpoint = \"{}\"\n[ingest]",
            collector.url()
        ),
    );
    it.reconfigure("withdraw = true", "withdraw = true\nauth = { bearer = \"file:crm.token\" }");
    it.reconfigure(
        "[[connectors]]",
        &format!(
            "[[connectors]]\nname = \"echo\"\nkind = \"rest\"\nbase_url = \"{}\"\nallow_private = true\nwithdraw = true\n\
             auth = {{ bearer = \"file:crm.token\" }}\n[[connectors]]",
            crm.url()
        ),
    );
    if let Shape::Roles { .. } = it.shape {
        it.write("kafka.password", canaries::KAFKA_PASSWORD);
        it.reconfigure(
            "kind = \"kafka\"",
            "kind = \"kafka\"\noptions = { \"sasl.password\" = \"file:kafka.password\" }",
        );
        let written = it.configuration();
        let url =
            written.lines().find_map(|line| line.strip_prefix("url = \"")).unwrap().trim_end_matches('"');
        it.write("store.url", &url.replace("postgres@", &format!("postgres:{}@", canaries::STORE_PASSWORD)));
        it.reconfigure(&format!("url = \"{url}\""), "url = \"file:store.url\"");
    }
    it.environment("OTEL_BSP_SCHEDULE_DELAY", "200");
}

/// Every way in which a person or a secret can arrive; gives what was answered.
async fn deliver(it: &Deployment) -> Vec<String> {
    let sender = it.sender();
    let mut said = Vec::new();
    let ada = canaries::ADA.form("ada", "demo").to_string();
    let trace = format!("00-{THEIRS}-{THEIR_SPAN}-01");
    let accepted = sender.post_signed(ada.clone().into_bytes(), "", Some(&trace)).await.unwrap();
    assert_eq!(accepted.status, 202);
    said.push(accepted.body.to_string());
    for (number, person) in canaries::ECHOED_PEOPLE.iter().enumerate() {
        said.push(sender.post(&person.form(&format!("echo-{number}"), "echo")).await.to_string());
    }
    let mut unknown = canaries::ADA.form("unknown", "demo");
    unknown["type"] = json!(format!("kind-of-{}", canaries::ADA.email));
    said.push(sender.post(&unknown).await.to_string());
    let mut nobody = canaries::ADA.form("nobody", "demo");
    nobody["person"] = json!({ "first_name": canaries::ADA.first, "email": [canaries::ADA.email] });
    said.push(sender.post(&nobody).await.to_string());

    let cut = ada.as_bytes()[..ada.len() - 4].to_vec();
    let mut large = ada.clone().into_bytes();
    large.resize(2 * 1024 * 1024, b' ');
    let query = format!("?email={}&token={}", canaries::ADA.email, canaries::CRM_TOKEN);
    let refused = [
        (400, sender.post_signed(cut, &query, None).await),
        (401, sender.post_raw(ada.clone().into_bytes(), Some(canaries::CRM_TOKEN)).await),
        (401, sender.post_raw(ada.clone().into_bytes(), Some(&format!("sha256={}", "0".repeat(64)))).await),
        (413, sender.post_signed(large, "", None).await),
        (404, sender.post_elsewhere(&canaries::ADA.email.replace('@', "%40"), ada.into_bytes()).await),
    ];
    for (status, answer) in refused {
        let answer = answer.unwrap();
        assert_eq!(answer.status, status, "{}", answer.body);
        said.push(answer.body.to_string());
    }
    said
}

/// What is said when servers cannot be reached with secrets that are right.
fn unreachable(it: &Deployment) -> Vec<String> {
    let Shape::Roles { .. } = it.shape else { return Vec::new() };
    let store = format!("store.url=postgres://drumbeat:{}@127.0.0.1:1/none", canaries::STORE_PASSWORD);
    let runs = [
        vec!["--set", store.as_str(), "migrate"],
        vec!["--set", store.as_str(), "explain", "nobody@example.com"],
        vec!["--set", store.as_str(), "config", "show"],
    ];
    runs.into_iter().map(|args| format!("{:?}", it.try_cli(&args))).collect()
}
