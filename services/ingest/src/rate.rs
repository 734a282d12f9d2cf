//! How many requests of one source are taken.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as GovernorClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use ports::clock::Clock;

use crate::door::Rate;

/// A source's allowance.
pub(crate) struct Limiter(RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>);

/// The port's monotonic time, as governor asks for it.
#[derive(Clone)]
struct Monotonic(Arc<dyn Clock>);

impl GovernorClock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

impl Limiter {
    /// A full allowance; none for a rate without a period.
    pub(crate) fn new(rate: Rate, clock: Arc<dyn Clock>) -> Option<Self> {
        let quota = Quota::with_period(rate.per / rate.requests.get())?.allow_burst(rate.burst);
        Some(Self(RateLimiter::direct_with_clock(quota, Monotonic(clock))))
    }

    /// Takes a request, or says how long to wait.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        self.0.check().map_err(|refusal| {
            let now = self.0.clock().now();
            refusal.earliest_possible().duration_since(now).into()
        })
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limiter")
    }
}
