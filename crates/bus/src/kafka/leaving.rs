//! Leaving a group.
//!
//! A member with a name of its own ([`KafkaConfig::instance`](super::KafkaConfig::instance)) is waited for when it is gone: that
//! is what keeps its partitions over an outage. librdkafka therefore says no goodbye for it when it is closed, only when it
//! unsubscribes before; and that it did is seen in the group.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{Consumer, StreamConsumer};
use tokio::time::{Instant, timeout};

use super::errors::on_a_thread;
use super::membership::MemberContext;
use super::reader::Reader;

/// The seats of a process in its groups, by group and number.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: Mutex<BTreeSet<(String, usize)>>,
}

impl Seats {
    /// Takes the first seat of a group that is free: who comes back after a member was given up has its name, and with it
    /// its partitions.
    pub(super) fn take(self: &Arc<Self>, group: String, instance: Option<&str>) -> Seat {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut number = 0;
        while !taken.insert((group.clone(), number)) {
            number += 1;
        }
        let name = instance.map(|instance| format!("{instance}-{number}"));
        Seat { group, name, number, seats: Arc::clone(self) }
    }
}

/// Where a member sits, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    /// The group's full name.
    pub(super) group: String,
    /// What the group knows the member by; `None`: by an id that the group gives it each time.
    pub(super) name: Option<String>,
    number: usize,
    seats: Arc<Seats>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let key = (std::mem::take(&mut self.group), self.number);
        self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

/// How long one look at the messages takes, while which librdkafka calls back.
const LOOK: Duration = Duration::from_millis(10);

/// Says goodbye in the name of a named member, and waits until the group has heard it. Beyond `limit`, or while nobody answers,
/// its session times out instead.
pub(super) async fn say_goodbye(
    member: &StreamConsumer<MemberContext>,
    seat: &Seat,
    reader: &Arc<Mutex<Reader>>,
    limit: Duration,
) {
    let Some(name) = &seat.name else { return };
    let until = Instant::now() + limit;
    // An assignment to which nobody has answered yet would be waited for.
    if let Err(problem) = member.incremental_assign(&TopicPartitionList::new()) {
        tracing::debug!(kafka.error = %problem, "nothing to answer before leaving");
    }
    member.unsubscribe();
    let mut messages = member.stream();
    while Instant::now() < until {
        // What comes now belongs to the next member.
        let _ = timeout(LOOK, messages.next()).await;
        let (reader, group, name) = (Arc::clone(reader), seat.group.clone(), name.clone());
        let left = until.saturating_duration_since(Instant::now());
        let sits = on_a_thread(move || {
            reader.lock().unwrap_or_else(PoisonError::into_inner).sits(&group, &name, left)
        });
        match sits.await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::debug!(error = %error, "the group could not be asked");
                return;
            }
        }
    }
}
