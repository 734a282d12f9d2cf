//! Waking up: a signal within one process, a short poll across processes.

use std::time::Duration;

use async_trait::async_trait;

/// What one waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wake {
    /// A touch was scheduled or released.
    Touches,
    /// Another timer was set.
    Timers,
    /// A command was queued.
    Commands,
    /// The outbox was filled.
    Outbox,
}

/// How often something was signalled so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Generation(pub u64);

/// Signals of the store. A signal may be spurious; that one is never missed needs the caller to ask for the generation
/// before it looks.
#[async_trait]
pub trait Wakes: Send + Sync {
    /// The generation now.
    fn generation(&self, what: Wake) -> Generation;

    /// Waits until the generation is another one than `seen`, or `at_most` so long. Where other processes write, returns
    /// after the adapter's poll interval as well.
    async fn changed(&self, what: Wake, seen: Generation, at_most: Duration);
}
