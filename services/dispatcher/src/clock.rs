//! The store's wall clock, carried on between two looks at it by the clock of the process that only goes forward.
//!
//! When something is due is the store's to say. What the dispatcher adds to that, the end of an attempt, the time of the
//! next one, must be of the same clock: a machine whose own is an hour off would send the next step an hour early or late.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use ports::clock::Clock;
use ports::unit::Units;
use ports::{StoreError, StoreResult};

/// The heartbeat waits for the answer, and must not be late itself.
const PATIENCE: Duration = Duration::from_millis(500);

/// Wall time of the store.
pub(crate) struct StoreClock {
    process: Arc<dyn Clock>,
    /// What the store said, and when (monotonic) it was asked.
    seen: RwLock<Option<(Timestamp, Duration)>>,
}

impl StoreClock {
    pub(crate) fn new(process: Arc<dyn Clock>) -> Self {
        Self { process, seen: RwLock::default() }
    }

    /// Asks the store. Once it has answered, a later question that it leaves open is no failure: the time goes on.
    pub(crate) async fn follow(&self, units: &dyn Units) -> StoreResult<()> {
        match tokio::time::timeout(PATIENCE, self.ask(units)).await {
            Ok(Ok(())) => Ok(()),
            _ if self.seen().is_some() => Ok(()),
            Ok(failed) => failed,
            Err(_) => Err(StoreError::Unavailable("the store did not say what time it is".to_owned())),
        }
    }

    async fn ask(&self, units: &dyn Units) -> StoreResult<()> {
        // Taken before the question, so that this clock is never behind: what it says may only make things late.
        let asked = self.process.monotonic();
        let said = units.business().wall(units.now().await?);
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some((said, asked));
        Ok(())
    }

    fn seen(&self) -> Option<(Timestamp, Duration)> {
        *self.seen.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for StoreClock {
    /// Until the store was asked, the time of the process.
    fn now(&self) -> Timestamp {
        let Some((said, asked)) = self.seen() else { return self.process.now() };
        let since = self.process.monotonic().saturating_sub(asked);
        said.saturating_add(since).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.process.monotonic()
    }
}
