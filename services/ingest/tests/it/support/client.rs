use std::collections::BTreeMap;
use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request in the making.
#[derive(Clone)]
pub(crate) struct Call {
    address: SocketAddr,
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// What is said of the body's length; `None`: the truth.
    length: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Call {
    pub(crate) fn new(address: SocketAddr, method: &'static str, target: &str, body: Vec<u8>) -> Self {
        Self { address, method, target: target.to_owned(), headers: Vec::new(), body, length: None }
            .header("content-type", "application/json")
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// Sets a header; an empty value removes it.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if !value.is_empty() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Signs as the partner does, at this second.
    pub(crate) fn signed_at(self, seconds: i64) -> Self {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(super::SECRET.as_bytes()).unwrap();
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(&self.body);
        let signature = hex::encode(mac.finalize().into_bytes());
        self.header("X-Timestamp", &seconds.to_string()).header("X-Signature", &signature)
    }

    /// Signs as the partner does, at the harness's time.
    pub(crate) fn signed(self) -> Self {
        self.signed_at(1_772_805_600)
    }

    /// Says this of the body's length, true or not.
    pub(crate) fn say_length(mut self, length: &str) -> Self {
        self.length = Some(length.to_owned());
        self
    }

    fn head(&self) -> String {
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = self.length.clone().unwrap_or_else(|| self.body.len().to_string());
        head.push_str(&format!("content-length: {length}\r\n\r\n"));
        head
    }

    pub(crate) async fn send(self) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let (head, body) = (self.head(), self.body);
        let writing = async {
            writer.write_all(head.as_bytes()).await?;
            writer.write_all(&body).await
        };
        let mut answer = Vec::new();
        // Writing fails when the answer comes before all of the body was taken; then the answer counts.
        let (_, read) = tokio::join!(writing, reader.read_to_end(&mut answer));
        // So does reading on, after it.
        if answer.is_empty() {
            read.unwrap();
        }
        Answer::parse(&answer)
    }

    /// Sends the head and the beginning of the body, and waits for an answer.
    pub(crate) async fn send_half(self) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(self.head().as_bytes()).await.unwrap();
        stream.write_all(&self.body[..self.body.len() / 2]).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Answer::parse(&answer)
    }

    /// Sends the beginning of the head, and waits for an answer.
    pub(crate) async fn send_part_of_head(self) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(&self.head().as_bytes()[..20]).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Answer::parse(&answer)
    }

    /// Sends the head and the beginning of the body, and goes away.
    pub(crate) async fn break_off(self) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(self.head().as_bytes()).await.unwrap();
        stream.write_all(&self.body[..self.body.len() / 2]).await.unwrap();
    }
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { status, headers: headers.collect(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Asserts a problem document of this status and slug, which tells nothing that it should not.
    pub(crate) fn is_problem(&self, status: u16, slug: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:drumbeat:problem:{slug}"));
        assert_eq!(problem["status"], status);
        assert!(
            !self.body.contains("kafka") && !self.body.contains(super::SECRET) && !self.body.contains("ada@")
        );
    }
}
