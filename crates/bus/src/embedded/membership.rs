//! Who reads which topic for which group: one consumer at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ports::bus::Topic;
use tokio::sync::watch;

/// The members of all groups of this process.
#[derive(Debug)]
pub(super) struct Membership {
    owners: Mutex<HashMap<(String, Topic), u64>>,
    next: AtomicU64,
    /// Raised when somebody left.
    left: watch::Sender<u64>,
}

impl Default for Membership {
    fn default() -> Self {
        Self { owners: Mutex::default(), next: AtomicU64::new(1), left: watch::Sender::new(0) }
    }
}

impl Membership {
    /// A number for a new member.
    pub(super) fn enrol(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes a topic for a member; whether it is its own now.
    pub(super) fn take(&self, group: &str, topic: Topic, member: u64) -> bool {
        *self.owners().entry((group.to_owned(), topic)).or_insert(member) == member
    }

    /// Gives back all that a member has.
    pub(super) fn leave(&self, member: u64) {
        self.owners().retain(|_, owner| *owner != member);
        self.left.send_modify(|count| *count += 1);
    }

    /// Changes when somebody left.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.left.subscribe()
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<(String, Topic), u64>> {
        // No code that holds the lock can leave the map half changed.
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
