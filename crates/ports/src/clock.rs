//! Time comes in through here, so that a test can move it and a replay is exact.

use std::time::Duration;

use jiff::Timestamp;

/// Wall and monotonic time of the process. Business time is made of it by `domain::time::BusinessClock`.
pub trait Clock: Send + Sync + 'static {
    /// Wall time: signatures, back-off, Retry-After, leases.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; never goes back. For time-outs and rates.
    fn monotonic(&self) -> Duration;
}
