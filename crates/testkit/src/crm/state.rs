//! What the CRM remembers.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

/// A task that the CRM has.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its id, `t-1`, `t-2`, …
    pub id: String,
    /// The idempotency key under which it was made.
    pub key: String,
    /// Its body.
    pub body: Value,
    /// Whether it was taken back.
    pub withdrawn: bool,
    /// When it was made.
    pub at: Timestamp,
}

/// A request that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `POST`, `GET`, `DELETE`.
    pub method: String,
    /// Path and query, without the base.
    pub path: String,
    /// The `Idempotency-Key` header.
    pub key: Option<String>,
    /// The `Drumbeat-Attempt` header.
    pub attempt: Option<i32>,
    /// The raw body.
    pub body: Vec<u8>,
    /// The status answered; `None`: the connection was dropped, or the answer is still to come.
    pub status: Option<u16>,
    /// When it came in, in the order of the list.
    pub at: Timestamp,
}

/// What a key means to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keys {
    /// The same key again gives the same record, as with a good CRM.
    #[default]
    Honoured,
    /// Every request that creates makes a record, whatever its key: what is sent twice is seen twice.
    Ignored,
}

/// A way to misbehave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Carries the request out, then drops the connection.
    LoseReply,
    /// Carries nothing out and answers this status, with `Retry-After` where given.
    Status(u16, Option<String>),
    /// Carries the request out after this long.
    Slow(Duration),
    /// Carries nothing out and answers a web page with 200.
    Html,
    /// Carries the request out and answers half of its answer.
    HalfBody,
    /// Drops the connection without carrying anything out.
    Drop,
}

/// Misbehaving now and then.
#[derive(Debug, Clone)]
pub(super) struct Often {
    pub(super) faults: Vec<Fault>,
    pub(super) one_of: u64,
    pub(super) seed: u64,
    pub(super) seen: u64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) keys: Keys,
    pub(super) records: Vec<Record>,
    pub(super) calls: Vec<Call>,
    pub(super) script: VecDeque<Fault>,
    pub(super) often: Option<Often>,
    /// Requests without an answer, now and at most.
    pub(super) open: usize,
    pub(super) most_open: usize,
    /// Whether answers are held back.
    pub(super) held: watch::Sender<bool>,
}

impl State {
    /// The fault that the next creating request meets.
    pub(super) fn next_fault(&mut self) -> Option<Fault> {
        if let Some(fault) = self.script.pop_front() {
            return Some(fault);
        }
        let often = self.often.as_mut()?;
        often.seen += 1;
        // SplitMix64: the same seed misbehaves at the same places.
        let mut mixed = often.seed.wrapping_add(often.seen.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^= mixed >> 27;
        if mixed % often.one_of != 0 {
            return None;
        }
        let index = usize::try_from((mixed >> 16) % often.faults.len() as u64).ok()?;
        often.faults.get(index).cloned()
    }

    /// Creates the task of a key, or finds it where keys are honoured.
    pub(super) fn create(&mut self, key: String, body: Value, at: Timestamp) -> String {
        if self.keys == Keys::Honoured
            && let Some(known) = self.records.iter().find(|record| record.key == key)
        {
            return known.id.clone();
        }
        let id = format!("t-{}", self.records.len() + 1);
        self.records.push(Record { id: id.clone(), key, body, withdrawn: false, at });
        id
    }
}
