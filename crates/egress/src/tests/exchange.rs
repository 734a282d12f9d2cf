use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use super::server::Server;
use crate::AllowPrivate;
use crate::Egress;
use crate::Error;
use crate::Headers;
use crate::Method;
use crate::Outcome;
use crate::Policy;
use crate::Request;

const SHORT: Duration = Duration::from_millis(150);
/// Time enough for the server to do its part on a busy machine.
const ENOUGH: Duration = Duration::from_secs(2);

fn local() -> Policy {
    Policy { allow_private: AllowPrivate::Yes, ..Policy::default() }
}

fn egress(policy: Policy) -> Egress {
    Egress::new(policy).expect("a client")
}

#[tokio::test]
async fn the_request_leaves_as_given_and_the_answer_comes_back_whole() {
    let server = Server::saying("HTTP/1.1 201 Created\r\nX-Id: 7\r\ncontent-length: 8\r\n\r\n{\"id\":7}");
    let request = Request::new(Method::Post, server.url("/tasks?v=1"))
        .header("Idempotency-Key", "3f0c")
        .header("Content-Type", "application/json")
        .body("{\"a\":\"ü\"}");

    let response = egress(local()).send(request).await.expect("an answer");

    assert_eq!((response.status, response.is_success()), (201, true));
    assert_eq!(response.headers.get("x-id"), Some("7"));
    assert_eq!(&response.body[..], b"{\"id\":7}");
    let seen = &server.requests()[0];
    assert!(seen.starts_with("POST /tasks?v=1 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("idempotency-key: 3f0c\r\n"), "{seen}");
    assert!(seen.contains("user-agent: drumbeat/"), "{seen}");
    assert!(seen.ends_with("\r\n\r\n{\"a\":\"ü\"}"), "{seen}");
}

#[tokio::test]
async fn every_method_goes_out_under_its_name() {
    let server = Server::saying("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
    let egress = egress(local());
    let methods = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete];

    for method in methods {
        assert_eq!(method.as_str().parse(), Ok(method));
        egress.send(Request::new(method, server.url("/"))).await.expect("an answer");
    }

    for (seen, method) in server.requests().iter().zip(methods) {
        assert!(seen.starts_with(method.as_str()), "{seen}");
    }
    assert_eq!(server.requests().len(), methods.len());
}

#[tokio::test]
async fn html_and_bytes_that_are_not_text_come_back_as_they_are() {
    let server = Server::start(|stream| {
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9\r\n\r\n<p>\xff\xfe</p>",
        );
    });

    let response = egress(local()).send(Request::new(Method::Get, server.url("/"))).await.expect("an answer");

    assert_eq!(response.headers.get("Content-Type"), Some("text/html"));
    assert_eq!(&response.body[..], b"<p>\xff\xfe</p>");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_its_target_is_not_called() {
    let target = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let location = target.url("/stolen");
    let server = Server::start(move |stream| {
        let _ = write!(
            stream,
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        );
    });

    let response =
        egress(local()).send(Request::new(Method::Post, server.url("/")).body("x")).await.expect("an answer");

    assert_eq!(response.status, 307);
    assert!(response.headers.get("location").is_some_and(|value| value.ends_with("/stolen")));
    assert!(target.requests().is_empty());
}

#[tokio::test]
async fn an_answer_that_announces_too_much_is_not_read() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n");

    let error =
        egress(local()).send(Request::new(Method::Get, server.url("/"))).await.expect_err("too large");

    assert_eq!(error, Error::TooLarge { status: 200, limit: 1024 * 1024 });
    assert_eq!(error.outcome(), Outcome::Answered(200));
}

#[tokio::test]
async fn an_answer_that_does_not_say_its_length_is_cut_at_the_limit() {
    let server = Server::start(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        // Endless: ends when the client hangs up.
        while stream.write_all(b"400\r\n").is_ok() && stream.write_all(&[b'x'; 0x400]).is_ok() {
            if stream.write_all(b"\r\n").is_err() {
                return;
            }
        }
    });
    let policy = Policy { max_body: 10_000, ..local() };

    let error = egress(policy).send(Request::new(Method::Get, server.url("/"))).await.expect_err("too large");

    assert_eq!(error, Error::TooLarge { status: 200, limit: 10_000 });
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_read() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour");
    let policy = Policy { max_body: 4, ..local() };

    let response = egress(policy).send(Request::new(Method::Get, server.url("/"))).await.expect("an answer");

    assert_eq!(&response.body[..], b"four");
}

#[tokio::test]
async fn silence_after_the_request_ends_in_time_with_an_unknown_outcome() {
    let server = Server::start(wait_for_hang_up);

    let request = Request::new(Method::Post, server.url("/tasks")).body("{}").timeout(ENOUGH);
    let error = egress(local()).send(request).await.expect_err("it is silent");

    assert_eq!(error, Error::TimedOut { after: ENOUGH, status: None });
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_request_cannot_ask_for_more_time_than_the_policy_gives() {
    let server = Server::start(wait_for_hang_up);
    let policy = Policy { total_timeout: SHORT, ..local() };

    let request = Request::new(Method::Get, server.url("/")).timeout(Duration::from_mins(10));
    let error = egress(policy).send(request).await.expect_err("it is silent");

    assert_eq!(error, Error::TimedOut { after: SHORT, status: None });
}

#[tokio::test]
async fn a_body_that_stalls_ends_in_time_and_its_status_is_known() {
    let server = Server::start(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\nhalf");
        wait_for_hang_up(stream);
    });

    let request = Request::new(Method::Post, server.url("/")).body("{}").timeout(ENOUGH);
    let error = egress(local()).send(request).await.expect_err("it stalls");

    assert_eq!(error, Error::TimedOut { after: ENOUGH, status: Some(201) });
    assert_eq!(error.outcome(), Outcome::Answered(201));
}

#[tokio::test]
async fn half_a_body_is_an_interruption_with_a_known_status() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");

    let error = egress(local()).send(Request::new(Method::Get, server.url("/"))).await.expect_err("cut off");

    assert!(matches!(error, Error::Interrupted { status: Some(200), .. }), "{error:?}");
    assert_eq!(error.outcome(), Outcome::Answered(200));
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_leaves_the_outcome_unknown() {
    let server = Server::saying("");

    let error = egress(local())
        .send(Request::new(Method::Post, server.url("/")).body("{}"))
        .await
        .expect_err("cut off");

    assert!(matches!(error, Error::Interrupted { status: None, .. }), "{error:?}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(server.requests().len(), 1, "it was not sent again");
}

#[tokio::test]
async fn an_answer_that_is_not_http_leaves_the_outcome_unknown() {
    let server = Server::saying("SSH-2.0-OpenSSH_9.6\r\n");

    let error = egress(local())
        .send(Request::new(Method::Post, server.url("/")).body("{}"))
        .await
        .expect_err("not http");

    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test]
async fn a_closed_port_means_that_nothing_was_sent() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();

    let request = Request::new(Method::Post, format!("http://127.0.0.1:{port}/")).body("{}");
    let error = egress(local()).send(request).await.expect_err("nobody listens");

    assert!(matches!(&error, Error::Connect { why } if why.contains("refused")), "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotSent);
}

#[tokio::test]
async fn a_tls_handshake_that_fails_means_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut hello = [0; 16];
        let _ = stream.read(&mut hello);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });

    let request = Request::new(Method::Post, format!("https://127.0.0.1:{port}/")).body("{}");
    let error = egress(local()).send(request).await.expect_err("it speaks no tls");

    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotSent);
}

#[tokio::test]
async fn a_tls_handshake_that_hangs_ends_with_the_connect_timeout_and_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        wait_for_hang_up(&mut stream);
    });
    let policy = Policy { connect_timeout: SHORT, ..local() };

    let request = Request::new(Method::Post, format!("https://127.0.0.1:{port}/")).body("{}");
    let error = egress(policy).send(request).await.expect_err("it is silent");

    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotSent);
}

#[tokio::test]
async fn a_header_with_a_line_break_is_refused_before_anything_is_sent() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");

    for (name, value) in [("X-Key", "a\r\nX-Evil: b"), ("X Key", "a"), ("", "a"), ("X-Key", "a\0b")] {
        let request = Request::new(Method::Get, server.url("/")).header(name, value);
        let error = egress(local()).send(request).await.expect_err("it is illegal");

        assert_eq!(error, Error::InvalidHeader { name: name.to_owned() });
        assert_eq!(error.outcome(), Outcome::NotSent);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn debug_output_shows_no_url_no_header_value_and_no_body() {
    let request = Request::new(Method::Post, "https://crm.example.com/hook?token=s3cret")
        .header("Authorization", "Bearer s3cret")
        .body("s3cret");
    let response = crate::Response {
        status: 200,
        headers: Headers::from_iter([("set-cookie", "s3cret")]),
        body: "s3cret".into(),
    };

    let shown = format!("{request:?} {response:?}");

    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("Authorization"), "{shown}");
}

#[test]
fn a_user_agent_that_is_no_header_is_refused_at_once() {
    let policy = Policy { user_agent: "a\nb".to_owned(), ..Policy::default() };

    assert!(Egress::new(policy).is_err());
}

/// Holds the connection open until the other side closes it.
fn wait_for_hang_up(stream: &mut std::net::TcpStream) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
}
