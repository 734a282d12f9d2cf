//! Attacks on the public door: each is answered or cut off, publishes nothing, and keeps no honest sender waiting.

use std::time::Duration;

use domain::id::Workspace;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Answer, Harness, door, form_fill, open, partner, start, start_hasty, start_patient};

/// Says these bytes on a connection and reads until the other side ends it.
async fn say(harness: &Harness, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(harness.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    Answer::parse(&answer)
}

fn head(lines: &[&str]) -> Vec<u8> {
    let mut head = "POST /hooks/partner HTTP/1.1\r\nhost: test\r\n".to_owned();
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_says_less_than_is_sent_spoils_the_signature() {
    let harness = start(vec![door(partner())]);
    let whole = harness.post("partner", form_fill().to_string()).signed();

    for said in [0, 1, form_fill().to_string().len() - 1] {
        let answer = whole.clone().say_length(&said.to_string()).send().await;
        assert_eq!(answer.status, 401, "{said}");
    }

    assert_eq!(harness.bus.calls(), 0);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_says_more_than_is_sent_is_not_waited_for() {
    let harness = start_hasty(vec![door(partner())]);
    let whole = harness.post("partner", form_fill().to_string()).signed();

    let answer = whole.say_length("1000000").send().await;

    answer.is_problem(408, "too-slow");
    assert_eq!(harness.bus.calls(), 0);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_is_no_length_or_two_is_refused() {
    let harness = start(vec![door(partner())]);
    let whole = harness.post("partner", form_fill().to_string()).signed();

    for said in ["-1", "+5", "0x10", "5, 6", "1e3", "99999999999999999999999999", ""] {
        assert_eq!(whole.clone().say_length(said).send().await.status, 400, "{said:?}");
    }
    let two = head(&["content-length: 2", "content-length: 3"]);
    assert_eq!(say(&harness, &[two.as_slice(), b"{}x"].concat()).await.status, 400);
    // Two ways to say where the body ends are how requests are smuggled past a proxy.
    let both = head(&["content-length: 4", "transfer-encoding: chunked"]);
    assert_eq!(say(&harness, &[both.as_slice(), b"2\r\n{}\r\n0\r\n\r\n"].concat()).await.status, 400);
    for coding in ["gzip, chunked", "chunked, chunked", "identity", "xchunked"] {
        let coded = head(&[&format!("transfer-encoding: {coding}"), "connection: close"]);
        let status = say(&harness, &[coded.as_slice(), b"2\r\n{}\r\n0\r\n\r\n"].concat()).await.status;
        assert!((400..500).contains(&status), "{coding}: {status}");
    }

    assert_eq!(harness.bus.calls(), 0);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_announced_as_huge_is_refused_before_it_comes() {
    let harness = start(vec![door(partner())]);

    for said in ["5242882", "10737418240", "18446744073709551615"] {
        let announced = head(&[&format!("content-length: {said}")]);
        say(&harness, &announced).await.is_problem(413, "too-large");
    }

    assert_eq!(harness.bus.calls(), 0);
    harness.finish().await;
}

/// Pours chunks into a connection until it is cut off, and gives what was answered meanwhile.
async fn pour(stream: &mut TcpStream) -> Vec<u8> {
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x1_0000], b"\r\n"].concat();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let pouring = async { while writer.write_all(&chunk).await.is_ok() {} };
    // Torn down under the sender, the connection ends with an error; what came before counts.
    let both = async { tokio::join!(pouring, reader.read_to_end(&mut answer)) };
    let _ = tokio::time::timeout(Duration::from_secs(30), both).await.expect("the connection is cut off");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_without_an_end_are_cut_off_whatever_was_answered() {
    let harness = start(vec![door(partner())]);
    let to = |source: &str| {
        format!("POST /hooks/{source} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n")
    };

    for (source, status, slug) in [("partner", 413, "too-large"), ("nobody", 404, "unknown-source")] {
        let mut stream = TcpStream::connect(harness.address).await.unwrap();
        stream.write_all(to(source).as_bytes()).await.unwrap();
        Answer::parse(&pour(&mut stream).await).is_problem(status, slug);
    }
    assert_eq!(harness.bus.calls(), 0);
    harness.finish().await;
    // One that was too slow first, and then does not stop.
    let harness = start_hasty(vec![door(partner())]);
    let mut stream = TcpStream::connect(harness.address).await.unwrap();
    stream.write_all(to("partner").as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let read = stream.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer[..read]));
    pour(&mut stream).await;

    assert_eq!(harness.bus.calls(), 0);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_encoding_is_ever_unpacked() {
    let harness = start(vec![door(partner())]);

    for coding in
        ["gzip", "x-gzip", "br", "deflate", "zstd", "compress", "gzip, gzip", "identity, gzip", "GZIP"]
    {
        let post = harness.post("partner", form_fill().to_string()).signed();
        post.header("content-encoding", coding).send().await.is_problem(415, "unsupported-media-type");
    }

    assert_eq!(harness.bus.calls(), 0);
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_too_big_or_have_too_many_lines_are_refused() {
    let harness = start(vec![door(partner())]);
    let many: Vec<String> = (0..5_000).map(|number| format!("x-{number}: v")).collect();
    let big = [format!("x-big: {}", "v".repeat(1024 * 1024))];
    let long = format!("POST /hooks/partner?{} HTTP/1.1\r\nhost: test\r\n\r\n", "q".repeat(1024 * 1024));

    let many = head(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let big = head(&big.iter().map(String::as_str).collect::<Vec<_>>());
    for bytes in [many, big, long.into_bytes()] {
        let mut stream = TcpStream::connect(harness.address).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut answer = Vec::new();
        let (_, _) = tokio::join!(writer.write_all(&bytes), reader.read_to_end(&mut answer));
        let said = String::from_utf8_lossy(&answer);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }

    assert_eq!(harness.post("partner", form_fill().to_string()).signed().send().await.status, 202);
    assert_eq!(harness.bus.calls(), 1);
    harness.finish().await;
}

fn batch(data: &str) -> String {
    format!(
        r#"{{"events":[{{"kind":"form_submitted","id":"e","email":"ada@example.com","data":{{"x":{data}}}}}]}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_any_size_are_read_or_refused_and_never_guessed() {
    let harness = start(vec![door(partner())]);
    let digits = "9".repeat(100_000);

    for number in ["1e400", "-1e999999999", "1e-999999999", "0.1e99999999999999999999", digits.as_str()] {
        let answer = harness.post("partner", batch(number)).signed().send().await;
        let kept = harness.bus.events().pop().map(|event| serde_json::to_value(&event).unwrap().to_string());
        match answer.status {
            400 => answer.is_problem(400, "malformed-body"),
            202 => {
                assert!(kept.unwrap().contains(&number.to_lowercase()) || number.contains("e-"), "{number}");
            }
            status => panic!("{status} for {number}"),
        }
    }

    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_surrogate_is_malformed_and_nul_never_gets_further() {
    let harness = start(vec![door(partner())]);

    for text in [r#""\ud800""#, r#""\udc00 \ud800""#, r#""\ud83d\u0041""#] {
        let answer = harness.post("partner", batch(text)).signed().send().await;
        answer.is_problem(400, "malformed-body");
    }
    assert_eq!(harness.bus.calls(), 0);
    let nul = batch(r#"{"a\u0000b":"\u0000"}"#).replace("\"e\"", r#""e\u0000""#);
    assert_eq!(harness.post("partner", nul).signed().send().await.status, 202);

    let said = serde_json::to_string(&harness.bus.events()).unwrap();
    assert!(!said.is_empty() && !said.contains("\\u0000"), "{said}");
    harness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workspace_and_the_source_are_the_doors_whatever_a_request_says() {
    let canonical = json!({
        "type": "form_submitted", "id": "c", "timestamp": "2026-03-06T14:00:00Z", "workspace": "other", "source": "cli",
        "actor": "boss", "data": {
            "email": "ada@example.com", "workspace": "other", "source": "cli", "actor": "boss", "digest": "00",
            "received_at": "2020-01-01T00:00:00Z", "contact": { "workspace": "other" },
        },
    });
    let harness = start(vec![door(partner()), door(open("standard", "standard-webhooks", None))]);
    let mut tampered = form_fill();
    for (name, value) in [("workspace", "other"), ("source", "cli"), ("actor", "boss"), ("digest", "00")] {
        tampered[name] = json!(value);
        tampered["events"][0][name] = json!(value);
    }

    let claims = |source: &str, body: &Value| {
        harness
            .post(&format!("{source}?workspace=other&source=cli"), body.to_string())
            .header("x-workspace", "other")
            .header("drumbeat-workspace", "other")
            .header("ce_workspace", "other")
    };
    assert_eq!(claims("partner", &tampered).signed().send().await.status, 202);
    let posted =
        claims("standard", &canonical).header("webhook-id", "m").header("webhook-timestamp", "1772805600");
    assert_eq!(posted.send().await.status, 202);

    let events = harness.bus.events();
    assert_eq!(events.len(), 2, "{:?}", harness.bus.quarantined());
    for (event, source) in events.iter().zip(["partner", "standard"]) {
        assert_eq!(event.workspace, Workspace::main());
        assert_eq!(event.source.as_str(), source);
    }
    harness.finish().await;
}

/// Slow senders, and honest ones between them.
const SLOW: usize = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_slow_connections_keep_no_honest_sender_waiting() {
    let harness = start_patient(vec![door(partner())]);
    let beginnings = [
        b"POST /hooks/par".to_vec(),
        head(&["content-length: 1000"]),
        [head(&["content-length: 1000"]).as_slice(), b"{\"events\""].concat(),
        [head(&["transfer-encoding: chunked"]).as_slice(), b"5\r\n{\"e"].concat(),
    ];
    let mut slow = Vec::with_capacity(SLOW);
    for number in 0..SLOW {
        let mut stream = TcpStream::connect(harness.address).await.unwrap();
        stream.write_all(&beginnings[number % beginnings.len()]).await.unwrap();
        slow.push(stream);
    }

    let honest = futures::future::join_all((0..200).map(|number| {
        let body =
            json!({ "events": [{ "kind": "form_submitted", "id": number, "email": "ada@example.com" }] });
        harness.post("partner", body.to_string()).signed().send()
    }));
    let answers =
        tokio::time::timeout(Duration::from_secs(30), honest).await.expect("honest senders are answered");

    assert!(answers.iter().all(|answer| answer.status == 202));
    let mut byte = [0];
    let open = slow.iter().filter(|stream| {
        matches!(stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    });
    assert_eq!(open.count(), SLOW, "the attack was on all the while");
    assert_eq!(harness.bus.events().len(), 200);
    drop(slow);
    harness.finish().await;
}
