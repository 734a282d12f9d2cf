//! The connector against a small server that answers by script.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::touch::Channel;
use egress::{AllowPrivate, Policy};
use ports::connector::Idempotency;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::*;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> jiff::Timestamp {
        "2026-03-06T14:00:00Z".parse().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// A server that answers each connection with the next of its answers, and keeps what it was sent.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn answering(answers: Vec<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        #[expect(clippy::disallowed_methods, reason = "the server of a test, awaited at its end")]
        let task = tokio::spawn(async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read_request(&mut socket).await;
                kept.lock().unwrap().push(request);
                // Of an answer that is too much for it, the client does not take all.
                socket.write_all(answer.as_bytes()).await.ok();
                socket.shutdown().await.ok();
            }
        });
        Self { url, seen, task }
    }

    async fn finish(self) -> Vec<String> {
        self.task.await.unwrap();
        Arc::try_unwrap(self.seen).unwrap().into_inner().unwrap()
    }
}

async fn read_request(socket: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = socket.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).to_string();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase().strip_prefix("content-length:").map(|n| n.trim().to_owned())
                })
                .map_or(0, |n| n.parse::<usize>().unwrap());
            if body.len() >= length || read == 0 {
                return text;
            }
        }
    }
}

fn settings(url: &str) -> Settings {
    Settings {
        name: ConnectorName::new("crm").unwrap(),
        base_url: url.to_owned(),
        auth: Some(Auth::Bearer(SecretString::from("t0ken"))),
        traits: Traits {
            idempotency: Idempotency::Key,
            delivers: vec![Channel::Email],
            rate: None,
            concurrency: 4,
            timeout: Duration::from_secs(2),
        },
        create: None,
        lookup: None,
        already_exists: None,
        withdraw: FollowUp::Off,
    }
}

fn rest(settings: Settings) -> Rest {
    let policy = Policy { allow_private: AllowPrivate::Yes, ..Policy::default() };
    Rest::new(settings, Egress::new(policy).unwrap(), Arc::new(Fixed)).unwrap()
}

fn key() -> TouchKey {
    TouchKey(Uuid::from_u128(7))
}

fn task(rest: &Rest, channel: Channel) -> Task {
    let body =
        rest.render(&json!({ "key": key().to_string(), "subject": "Say \"hi\"", "owner": null })).unwrap();
    Task { key: key(), attempt: 2, body, channel, trace: Some("00-aa-bb-01".to_owned()) }
}

const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n{\"id\":41}";

#[tokio::test]
async fn the_canonical_task_is_posted_with_its_key() {
    let server = Server::answering(vec![CREATED]).await;
    let rest = rest(settings(&server.url));

    let created = rest.create(&task(&rest, Channel::Call)).await.unwrap();

    assert_eq!(created, Created { remote_id: Some("41".to_owned()), delivery: Delivery::Task });
    let seen = server.finish().await.remove(0);
    assert!(seen.starts_with("POST /api/tasks HTTP/1.1\r\n"), "{seen}");
    for header in [
        "idempotency-key: 00000000-0000-0000-0000-000000000007",
        "drumbeat-attempt: 2",
        "traceparent: 00-aa-bb-01",
        "authorization: bearer t0ken",
        "content-type: application/json",
    ] {
        assert!(seen.to_lowercase().contains(header), "{header} in {seen}");
    }
    assert!(
        seen.ends_with(
            "{\"key\":\"00000000-0000-0000-0000-000000000007\",\"subject\":\"Say \\\"hi\\\"\",\"owner\":null}"
        ),
        "{seen}"
    );
}

#[tokio::test]
async fn every_attempt_sends_the_same_bytes() {
    let server = Server::answering(vec!["HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", CREATED]).await;
    let rest = rest(settings(&server.url));
    let mut task = task(&rest, Channel::Call);

    let first = rest.create(&task).await;
    task.attempt = 3;
    rest.create(&task).await.unwrap();

    assert!(matches!(first, Err(ConnectorError::Unknown(_))), "{first:?}");
    let bodies: Vec<String> =
        server.finish().await.iter().map(|seen| seen.split_once("\r\n\r\n").unwrap().1.to_owned()).collect();
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn a_channel_that_the_connector_delivers_is_done_when_created() {
    let server = Server::answering(vec![CREATED]).await;
    let rest = rest(settings(&server.url));

    let created = rest.create(&task(&rest, Channel::Email)).await.unwrap();

    assert_eq!(created.delivery, Delivery::Delivered);
    server.finish().await;
}

#[tokio::test]
async fn a_templated_request_writes_json_and_escapes_its_path() {
    let server = Server::answering(vec![CREATED]).await;
    let mut settings = settings(&server.url);
    settings.create = Some(RequestTemplate {
        method: Some("put".to_owned()),
        path: Some("/v2/{{ key }}/{{ subject }}".to_owned()),
        headers: [("X-Step".to_owned(), "{{ key }}".to_owned())].into(),
        body: Some("{\"title\": {{ subject }}, \"who\": {{ owner }}}".to_owned()),
        id: None,
    });
    let rest = rest(settings);

    rest.create(&task(&rest, Channel::Call)).await.unwrap();

    let seen = server.finish().await.remove(0);
    assert!(
        seen.starts_with("PUT /api/v2/00000000-0000-0000-0000-000000000007/Say%20%22hi%22 HTTP/1.1"),
        "{seen}"
    );
    assert!(seen.ends_with("{\"title\": \"Say \\\"hi\\\"\", \"who\": null}"), "{seen}");
}

#[tokio::test]
async fn a_body_template_that_gives_no_json_is_refused_before_anything_is_sent() {
    let mut settings = settings("http://127.0.0.1:9");
    settings.create =
        Some(RequestTemplate { body: Some("{{ subject }} and more".to_owned()), ..Default::default() });
    let rest = rest(settings);

    let rendered = rest.render(&json!({ "subject": "x" }));

    assert!(matches!(rendered, Err(ConnectorError::Rejected(why)) if why.contains("no JSON")));
}

#[tokio::test]
async fn a_conflict_is_success_only_with_the_id_or_by_rule() {
    let bare = "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n";
    let with_id = "HTTP/1.1 409 Conflict\r\nContent-Length: 10\r\n\r\n{\"id\":\"x\"}";
    let duplicate = "HTTP/1.1 422 No\r\nContent-Length: 20\r\n\r\n{\"code\":\"DUPLICATE\"}";
    let server = Server::answering(vec![bare, with_id, duplicate]).await;
    let mut settings = settings(&server.url);
    settings.already_exists = Some(AlreadyExists {
        status: Some(422),
        at: Some("/code".to_owned()),
        equals: Some(json!("DUPLICATE")),
    });
    let rest = rest(settings);
    let task = task(&rest, Channel::Call);

    assert!(matches!(rest.create(&task).await, Err(ConnectorError::Unknown(_))));
    assert_eq!(rest.create(&task).await.unwrap().remote_id.as_deref(), Some("x"));
    assert_eq!(rest.create(&task).await.unwrap().remote_id, None);
    server.finish().await;
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_a_refused_connection_is_not() {
    let server = Server::answering(vec![""]).await;
    let lost = rest(settings(&server.url));
    let closed = rest(settings("http://127.0.0.1:9"));

    let unknown = lost.create(&task(&lost, Channel::Call)).await;
    let transient = closed.create(&task(&closed, Channel::Call)).await;

    assert!(matches!(unknown, Err(ConnectorError::Unknown(_))), "{unknown:?}");
    assert!(matches!(transient, Err(ConnectorError::Transient(_))), "{transient:?}");
    server.finish().await;
}

#[tokio::test]
async fn html_with_a_success_status_is_unknown() {
    let server = Server::answering(vec!["HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>"]).await;
    let rest = rest(settings(&server.url));

    let answer = rest.create(&task(&rest, Channel::Call)).await;

    assert!(matches!(answer, Err(ConnectorError::Unknown(_))), "{answer:?}");
    server.finish().await;
}

#[tokio::test]
async fn a_hostile_answer_is_bounded_and_never_taken_for_a_task() {
    const CREATED: &str = "HTTP/1.1 201 Created\r\n";
    let body = |body: String| format!("{CREATED}Content-Length: {}\r\n\r\n{body}", body.len());
    let nested = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let huge = format!("{{\"id\":\"t-1\",\"pad\":\"{}\"}}", "x".repeat(10 * 1024 * 1024));
    let many: String = (0..20_000).map(|number| format!("X-{number}: v\r\n")).collect();
    let answers = [
        ("deep", body(nested)),
        ("huge", body(huge.clone())),
        (
            "huge, in one chunk",
            format!("{CREATED}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{huge}\r\n0\r\n\r\n", huge.len()),
        ),
        ("many headers", format!("{CREATED}{many}Content-Length: 10\r\n\r\n{{\"id\":\"t\"}}")),
        (
            "one big header",
            format!("{CREATED}X: {}\r\nContent-Length: 2\r\n\r\n{{}}", "v".repeat(4 * 1024 * 1024)),
        ),
        ("two lengths", format!("{CREATED}Content-Length: 2\r\nContent-Length: 10\r\n\r\n{{\"id\":\"t\"}}")),
    ];
    for (what, answer) in answers {
        let server = Server::answering(vec![answer.leak()]).await;
        let rest = rest(settings(&server.url));

        let answer = rest.create(&task(&rest, Channel::Call)).await;

        assert!(matches!(answer, Err(ConnectorError::Unknown(_))), "{what}: {answer:?}");
        server.finish().await;
    }
}

#[tokio::test]
async fn what_a_contact_is_called_never_leads_a_request_elsewhere() {
    let server = Server::answering(vec![CREATED; 4]).await;
    let mut templated = settings(&server.url);
    templated.create =
        Some(RequestTemplate { path: Some("/of/{{ owner }}".to_owned()), ..Default::default() });
    let rest = rest(templated);

    for owner in ["../../admin", "@example.net/", "x?y=1#z", "a\r\nHost: example.net"] {
        let body = rest.render(&json!({ "owner": owner })).unwrap();
        let task = Task { key: key(), attempt: 1, body, channel: Channel::Call, trace: None };
        rest.create(&task).await.unwrap();
    }

    let seen = server.finish().await;
    let lines: Vec<&str> = seen.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "POST /api/of/..%2F..%2Fadmin HTTP/1.1",
            "POST /api/of/%40example.net%2F HTTP/1.1",
            "POST /api/of/x%3Fy%3D1%23z HTTP/1.1",
            "POST /api/of/a%0D%0AHost%3A%20example.net HTTP/1.1",
        ]
    );
}

#[test]
fn a_path_that_would_change_the_host_is_refused() {
    for path in [".example.net/x", "@example.net/", ":81/x", "tasks"] {
        let mut create = settings("http://crm.example");
        create.create = Some(RequestTemplate { path: Some(path.to_owned()), ..Default::default() });
        let mut lookup = settings("http://crm.example");
        lookup.lookup = Some(Lookup { path: path.to_owned(), id: "/id".to_owned() });

        for settings in [create, lookup] {
            let made = Rest::new(settings, Egress::new(Policy::default()).unwrap(), Arc::new(Fixed));
            assert!(made.err().unwrap().to_string().contains("must start with '/'"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_task_is_found_by_its_key() {
    let found = "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n{\"results\":[{\"id\":\"t-9\"}]}";
    let none = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"results\":[]}";
    let server = Server::answering(vec![found, none]).await;
    let mut settings = settings(&server.url);
    settings.lookup =
        Some(Lookup { path: "/tasks?key={{ key }}".to_owned(), id: "/results/0/id".to_owned() });
    let rest = rest(settings);

    assert_eq!(rest.look_up(key()).await.unwrap().unwrap().remote_id.as_deref(), Some("t-9"));
    assert_eq!(rest.look_up(key()).await.unwrap(), None);
    let seen = server.finish().await;
    assert!(seen[0].starts_with("GET /api/tasks?key=00000000-0000-0000-0000-000000000007 "), "{}", seen[0]);
}

#[tokio::test]
async fn withdrawing_deletes_the_task_and_a_missing_one_is_withdrawn_already() {
    let gone = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
    let server = Server::answering(vec![gone]).await;
    let mut enabled = settings(&server.url);
    enabled.withdraw = FollowUp::Standard;
    let rest_enabled = rest(enabled);
    let rest_disabled = rest(settings("http://127.0.0.1:9"));

    rest_enabled.withdraw(key(), Some("a/1"), "replied").await.unwrap();
    let lost = rest_enabled.withdraw(key(), None, "its id is not known, so nothing is sent").await;
    rest_disabled.withdraw(key(), Some("1"), "not enabled, so nothing is sent").await.unwrap();

    assert!(matches!(&lost, Err(ConnectorError::Rejected(why)) if why.contains("by hand")), "{lost:?}");
    let seen = server.finish().await;
    assert!(seen[0].starts_with("DELETE /api/tasks/a%2F1 "), "{}", seen[0]);
}

#[test]
fn a_wrong_setting_is_named() {
    let mut wrong = settings("http://crm.example");
    wrong.create = Some(RequestTemplate { body: Some("{{ oops".to_owned()), ..Default::default() });
    let policy = Policy::default();

    let error = Rest::new(wrong, Egress::new(policy).unwrap(), Arc::new(Fixed)).err().unwrap();

    assert!(error.to_string().starts_with("connector crm: create: body: "), "{error}");
}
