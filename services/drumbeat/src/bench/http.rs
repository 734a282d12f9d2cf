//! The load generator: signed requests, posted over kept connections, each waiting for its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ports::clock::Clock;
use runtime::lifecycle::Tasks;
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::sample::{Sample, rate};
use super::setup::SECRET;
use crate::exit::Failure;

/// Before the clock of a measurement runs.
pub(super) const WARM_UP: Duration = Duration::from_millis(500);

/// A signed request for the source `forms`, ready to be written.
pub(super) fn signed(host: SocketAddr, body: &Value) -> Result<Bytes, Failure> {
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())
        .map_err(|error| Failure::Refused(error.to_string()))?;
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let text = format!(
        "POST /hooks/forms HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nX-Signature: sha256={signature}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Ok(Bytes::from(text))
}

/// A kept connection.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(to: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Posts a request and waits for the whole answer; gives its status.
    pub(super) async fn post(&mut self, request: &[u8]) -> std::io::Result<u16> {
        self.exchange(request).await.map(|(status, _)| status)
    }

    /// Asks for a path; gives status and body.
    pub(super) async fn get(&mut self, path: &str) -> std::io::Result<(u16, String)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n");
        let (status, body) = self.exchange(request.as_bytes()).await?;
        Ok((status, String::from_utf8_lossy(body).into_owned()))
    }

    async fn exchange(&mut self, request: &[u8]) -> std::io::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if let Some((status, body)) = answer(&self.buffer)?
                && self.buffer.len() >= body.end
            {
                return Ok((status, &self.buffer[body]));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// The status of an answer and where its body lies, once its head is there.
fn answer(read: &[u8]) -> std::io::Result<Option<(u16, std::ops::Range<usize>)>> {
    let Some(head) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let wrong = || std::io::Error::other("an answer that is not understood");
    let text = std::str::from_utf8(&read[..head]).map_err(|_| wrong())?;
    let mut lines = text.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or_else(wrong)?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, length)| length.trim().parse().map_err(|_| wrong()))
        .transpose()?;
    // 204 has no body; any other answer of ours says how long it is.
    let length: usize = length.or((status == 204).then_some(0)).ok_or_else(wrong)?;
    Ok(Some((status, head + 4..head + 4 + length)))
}

/// What a load came to.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// From writing a request to its whole answer, of those answered 2xx within the time measured.
    pub(super) times: Sample,
    /// Answers other than 2xx, and connections that broke.
    pub(super) failures: usize,
    /// How long was measured.
    pub(super) took: Duration,
    /// Answers in each fifth of it.
    parts: [usize; PARTS],
}

impl Load {
    /// Nothing yet, of a measurement of so long.
    pub(super) fn over(took: Duration) -> Self {
        Self { took, ..Self::default() }
    }

    /// Takes down an answer that came `after` the measurement had begun.
    pub(super) fn answered(&mut self, took: Duration, after: Duration) {
        self.times.push(took);
        let part = (after.as_nanos() * PARTS as u128).checked_div(self.took.as_nanos()).unwrap_or_default();
        self.parts[usize::try_from(part).unwrap_or(PARTS).min(PARTS - 1)] += 1;
    }

    /// What another client of the same load had.
    pub(super) fn join(&mut self, other: Self) {
        self.times.extend(other.times);
        self.failures += other.failures;
        for (sum, part) in self.parts.iter_mut().zip(other.parts) {
            *sum += part;
        }
    }

    /// Answers in a second, in each part of the time.
    pub(super) fn rates(&self) -> [f64; PARTS] {
        self.parts.map(|count| rate(count * PARTS, self.took))
    }
}

/// In how many parts the time of a load is cut, to see how steady it was.
const PARTS: usize = 5;

/// Posts as fast as `connections` allow, each with one request under way, for `time` after a warm-up.
pub(super) async fn load(
    clock: &Arc<dyn Clock>,
    to: SocketAddr,
    requests: &Arc<Vec<Bytes>>,
    (connections, time): (usize, Duration),
) -> std::io::Result<Load> {
    let tasks = Tasks::detached();
    // One after another: a burst of them would measure the listener's backlog.
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(to).await?);
    }
    let from = clock.monotonic() + WARM_UP;
    let until = from + time;
    let running: Vec<_> = open
        .into_iter()
        .enumerate()
        .map(|(index, connection)| {
            let client = Client { clock: Arc::clone(clock), to, connection };
            let first = index * requests.len() / connections;
            tasks.spawn("bench.post", client.post_until((Arc::clone(requests), first), from..until))
        })
        .collect();
    let mut sum = Load::over(time);
    for one in running {
        match one.await {
            Ok(load) => sum.join(load),
            Err(_) => sum.failures += 1,
        }
    }
    Ok(sum)
}

/// One of those who post.
struct Client {
    clock: Arc<dyn Clock>,
    to: SocketAddr,
    connection: Connection,
}

impl Client {
    async fn post_until(
        mut self,
        (requests, first): (Arc<Vec<Bytes>>, usize),
        measured: std::ops::Range<Duration>,
    ) -> Load {
        let mut load = Load::over(measured.end.saturating_sub(measured.start));
        for request in requests.iter().cycle().skip(first) {
            let began = self.clock.monotonic();
            if began >= measured.end {
                break;
            }
            let counts = began >= measured.start;
            let answered = self.connection.post(request).await;
            let ended = self.clock.monotonic();
            match answered {
                Ok(200..=299) if counts && ended <= measured.end => {
                    load.answered(ended.saturating_sub(began), ended.saturating_sub(measured.start));
                }
                Ok(200..=299) => {}
                Ok(_) => load.failures += usize::from(counts),
                Err(_) => {
                    load.failures += 1;
                    let Ok(next) = Connection::open(self.to).await else { break };
                    self.connection = next;
                }
            }
        }
        load
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_once_its_body_is_there() {
        let head = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n";

        assert_eq!(answer(b"HTTP/1.1 202 Acc").unwrap(), None);
        assert_eq!(answer(head).unwrap(), Some((202, head.len()..head.len() + 2)));
        assert_eq!(answer(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().map(|(status, _)| status), Some(204));
        assert!(answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }
}
