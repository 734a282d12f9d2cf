//! The open load: requests arrive by the clock, whether or not earlier ones are answered.
//!
//! A closed loop asks less of a server that stalls, and so never sees its worst (coordinated omission). Here each request
//! has its moment, evenly spaced, and its time counts from that moment: what waits for a free connection has waited.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ports::clock::Clock;
use runtime::lifecycle::Tasks;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::http::{Connection, Load, WARM_UP};

/// Makes the request of a number.
pub(super) type Requests = Arc<dyn Fn(usize) -> Bytes + Send + Sync>;

/// How fast, over how many connections, for how long after the warm-up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) connections: usize,
    pub(super) per_second: f64,
    pub(super) time: Duration,
}

impl Pace {
    /// How many arrive after so long.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of arrivals")]
    fn arrived(&self, after: Duration) -> usize {
        (after.as_secs_f64() * self.per_second) as usize
    }

    /// How many arrive in all, those of the warm-up with them.
    fn total(&self) -> usize {
        self.arrived(WARM_UP + self.time)
    }
}

/// How finely arrivals are told apart: the timer of the runtime knows only milliseconds, so a thread keeps the time.
const TICK: Duration = Duration::from_micros(200);
/// How long after the last arrival answers are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the clients share.
struct Arrivals {
    clock: Arc<dyn Clock>,
    to: SocketAddr,
    requests: Requests,
    pace: Pace,
    /// When the first one arrives.
    start: Duration,
    /// One permit for each that has arrived and was not taken up.
    there: Semaphore,
    taken: AtomicUsize,
}

impl Arrivals {
    /// When one arrives, counted from the first.
    fn moment(&self, index: usize) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
        let index = index as f64;
        Duration::from_secs_f64(index / self.pace.per_second)
    }

    /// Lets them arrive; blocks a thread.
    fn keep_time(&self, stop: &CancellationToken) {
        let mut let_in = 0;
        while let_in < self.pace.total() && !stop.is_cancelled() {
            let due =
                self.pace.arrived(self.clock.monotonic().saturating_sub(self.start)).min(self.pace.total());
            self.there.add_permits(due - let_in);
            let_in = due;
            std::thread::sleep(TICK);
        }
    }

    async fn serve(self: Arc<Self>, mut connection: Connection) -> Load {
        let mut load = Load::over(self.pace.time);
        while let Ok(permit) = self.there.acquire().await {
            permit.forget();
            let index = self.taken.fetch_add(1, Ordering::Relaxed);
            let moment = self.moment(index);
            let request = (self.requests)(index);
            let answered = connection.post(&request).await;
            let after = self.clock.monotonic().saturating_sub(self.start);
            let counts = moment >= WARM_UP;
            match answered {
                Ok(200..=299) if counts => {
                    load.answered(after.saturating_sub(moment), after.saturating_sub(WARM_UP));
                }
                Ok(200..=299) => {}
                Ok(_) => load.failures += usize::from(counts),
                Err(_) => {
                    load.failures += usize::from(counts);
                    let Ok(next) = Connection::open(self.to).await else { break };
                    connection = next;
                }
            }
        }
        load
    }
}

/// Runs an open load; until `stop`, or to its end. What is never taken up counts as a failure.
pub(super) async fn open_load(
    clock: &Arc<dyn Clock>,
    (to, requests): (SocketAddr, Requests),
    pace: Pace,
    stop: CancellationToken,
) -> std::io::Result<Load> {
    if !(pace.per_second.is_finite() && pace.per_second > 0.0) {
        return Err(std::io::Error::other("a rate of nought was asked for"));
    }
    let tasks = Tasks::detached();
    let mut open = Vec::with_capacity(pace.connections);
    for _ in 0..pace.connections {
        open.push(Connection::open(to).await?);
    }
    let arrivals = Arc::new(Arrivals {
        clock: Arc::clone(clock),
        to,
        requests,
        pace,
        start: clock.monotonic(),
        there: Semaphore::new(0),
        taken: AtomicUsize::new(0),
    });
    let serving: Vec<_> = open
        .into_iter()
        .map(|connection| tasks.spawn("bench.arrivals", Arc::clone(&arrivals).serve(connection)))
        .collect();
    let timed = Arc::clone(&arrivals);
    let told = stop.clone();
    let _ = tasks.spawn_blocking("bench.time", move || timed.keep_time(&told)).await;
    let last = clock.monotonic();
    while arrivals.there.available_permits() > 0
        && clock.monotonic().saturating_sub(last) < PATIENCE
        && !stop.is_cancelled()
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let left = if stop.is_cancelled() { 0 } else { arrivals.there.available_permits() };
    // Whoever waits for an arrival ends; whoever waits for an answer takes it first.
    arrivals.there.close();
    let mut sum = Load::over(pace.time);
    sum.failures = left;
    for one in serving {
        match tokio::time::timeout(PATIENCE, one).await {
            Ok(Ok(load)) => sum.join(load),
            Ok(Err(_)) | Err(_) => sum.failures += 1,
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::wiring::SystemClock;

    /// Answers one request at a time on each connection, the first one of all only after `stall`.
    async fn server(stall: Duration) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut stalled = false;
            let mut buffer = [0_u8; 1024];
            while stream.read(&mut buffer).await.unwrap_or(0) > 0 {
                if !std::mem::replace(&mut stalled, true) {
                    tokio::time::sleep(stall).await;
                }
                stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            }
        };
        drop(Tasks::detached().spawn("server", serve));
        address
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stall_is_seen_by_all_that_arrive_meanwhile() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let stall = WARM_UP + Duration::from_millis(500);
        let to = server(stall).await;
        let requests: Requests = Arc::new(|_| Bytes::from_static(b"POST / HTTP/1.1\r\n\r\n"));
        let pace = Pace { connections: 1, per_second: 200.0, time: Duration::from_millis(500) };

        let load = open_load(&clock, (to, requests), pace, CancellationToken::new()).await.unwrap();

        // All hundred arrived while the server stood still: a closed loop would have seen one slow answer.
        assert_eq!((load.times.len(), load.failures), (100, 0));
        assert!(load.times.percentile(0.5).unwrap() > Duration::from_millis(200), "{:?}", load.times);
    }
}
