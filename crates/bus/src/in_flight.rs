//! How many publish calls are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ports::bus::BusError;
use tokio::sync::Notify;

/// Counts publish calls, and waits until there are none.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<State>);

#[derive(Debug, Default)]
struct State {
    calls: AtomicUsize,
    idle: Notify,
}

/// One call; over when dropped.
#[derive(Debug)]
pub(crate) struct Call(Arc<State>);

impl InFlight {
    /// Counts one more, and says how many were there before.
    pub(crate) fn enter(&self) -> (Call, usize) {
        let before = self.0.calls.fetch_add(1, Ordering::AcqRel);
        (Call(Arc::clone(&self.0)), before)
    }

    /// Waits until none is under way, at most `limit`.
    pub(crate) async fn idle(&self, limit: Duration) -> Result<(), BusError> {
        let until_idle = async {
            loop {
                let mut idle = std::pin::pin!(self.0.idle.notified());
                idle.as_mut().enable();
                if self.0.calls.load(Ordering::Acquire) == 0 {
                    return;
                }
                idle.await;
            }
        };
        tokio::time::timeout(limit, until_idle).await.map_err(|_| {
            let left = self.0.calls.load(Ordering::Acquire);
            BusError::Unavailable(format!("{left} publish calls are still under way after {limit:?}"))
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn idle_waits_for_the_last_call_but_no_longer_than_allowed() {
        let in_flight = InFlight::default();
        let (first, _) = in_flight.enter();
        let (second, before) = in_flight.enter();
        assert_eq!(before, 1);

        assert!(in_flight.idle(Duration::from_millis(2)).await.is_err());
        drop(first);
        assert!(in_flight.idle(Duration::from_millis(2)).await.is_err());
        drop(second);
        in_flight.idle(Duration::from_secs(1)).await.unwrap();
    }
}
