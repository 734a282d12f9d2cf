//! The log of the small world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contracts::{Published as _, Wire as _};
use ports::bus::{
    BusError, Consumer, Consumers, Delivery, Message, PartitionState, Position, Publisher, Record, StartAt,
    Starts, Topic,
};

use super::{State, World, event, refusal};

/// Records of events with these names, from offset 0; `garbled` is no event.
pub(crate) fn log(ids: &[&str]) -> Vec<Record> {
    let record = |(offset, id): (i64, &&str)| {
        let message = event(id).message(None);
        let payload = if *id == "garbled" { "?".into() } else { event(id).to_bytes() };
        Record {
            position: Position { topic: Topic::Events, partition: 0, offset },
            appended_at: jiff::Timestamp::UNIX_EPOCH,
            key: message.key,
            headers: message.headers,
            payload,
        }
    };
    (0..).zip(ids).map(record).collect()
}

#[async_trait]
impl Consumers for World {
    async fn join(
        &self,
        _: &str,
        topics: &[Topic],
        starts: Arc<dyn Starts>,
    ) -> Result<Box<dyn Consumer>, BusError> {
        let partitions: BTreeSet<i32> =
            self.with(|state| state.log.iter().map(|record| record.position.partition).collect());
        let mut at = BTreeMap::new();
        for partition in partitions {
            let stored = starts.stored("log", topics[0], partition).await?;
            at.insert(partition, stored.map_or(0, |stored| stored.next));
        }
        self.with(|state| {
            state.joined += 1;
            state.at = at;
        });
        let world = self.me.upgrade().expect("the world is there");
        Ok(Box::new(Member { world, assigned: false }))
    }

    async fn noted(&self, _: &str, _: Topic) -> Result<BTreeMap<i32, i64>, BusError> {
        Ok(BTreeMap::new())
    }
}

struct Member {
    world: Arc<World>,
    assigned: bool,
}

#[async_trait]
impl Consumer for Member {
    fn cluster(&self) -> &'static str {
        "log"
    }

    async fn next(&mut self, max: usize, wait: Duration) -> Result<Option<Delivery>, BusError> {
        let is_missing = self.world.with(|state| {
            let is_missing = state.missing > 0;
            state.missing = state.missing.saturating_sub(1);
            is_missing
        });
        if is_missing {
            return Err(BusError::Unavailable("a topic is missing".to_owned()));
        }
        if !self.assigned {
            self.assigned = true;
            let given = self.world.with(|state| {
                let topic = state.log.first().map_or(Topic::Events, |record| record.position.topic);
                let given = |(partition, at): (&i32, &i64)| {
                    let ends_at =
                        state.log.iter().filter(|record| record.position.partition == *partition).count();
                    let ends_at = i64::try_from(ends_at).unwrap();
                    let state = PartitionState { topic, partition: *partition, begins_at: 0, ends_at };
                    (state, StartAt::Offset(*at))
                };
                state.at.iter().map(given).collect()
            });
            return Ok(Some(Delivery::Assigned(given)));
        }
        let revoked = self.world.with(|State { revoked, at, .. }| revoked.take_if(|one| at[one] > 0));
        if let Some(partition) = revoked {
            return Ok(Some(Delivery::Revoked(vec![(Topic::Events, partition)])));
        }
        let records: Vec<Record> = self.world.with(|state| {
            let State { log, at, .. } = state;
            let ahead = |record: &&Record| record.position.offset >= at[&record.position.partition];
            let partition = log.iter().find(ahead).map(|first| first.position.partition);
            let of_it = log.iter().filter(ahead).filter(|one| Some(one.position.partition) == partition);
            let found: Vec<Record> = of_it.take(max).cloned().collect();
            if let Some(last) = found.last().map(|last| last.position) {
                at.insert(last.partition, last.offset + 1);
            }
            found
        });
        if records.is_empty() {
            tokio::time::sleep(wait).await;
            return Ok(None);
        }
        Ok(Some(Delivery::Records(records)))
    }

    async fn pause(&mut self, _: Topic, _: i32) -> Result<(), BusError> {
        unreachable!("nobody pauses here")
    }

    async fn resume(&mut self, _: Topic, _: i32) -> Result<(), BusError> {
        unreachable!("nobody pauses here")
    }

    async fn seek(&mut self, _: Topic, partition: i32, offset: i64) -> Result<(), BusError> {
        self.world.with(|state| {
            state.seeks.push(offset);
            state.at.insert(partition, offset);
        });
        Ok(())
    }

    async fn note_progress(&mut self, _: Topic, _: i32, next: i64) -> Result<(), BusError> {
        self.world.with(|state| state.noted.push(next));
        Ok(())
    }

    async fn close(self: Box<Self>) {
        self.world.with(|state| state.closed += 1);
    }
}

#[async_trait]
impl Publisher for World {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Position, BusError>> {
        self.with(|state| {
            let answer = |message: Message| {
                state.published.push(message.payload.to_vec());
                let refused = state.refused.iter().position(|one| *one == message.payload);
                refused.map_or(Ok(Position { topic: message.topic, partition: 0, offset: 0 }), |place| {
                    state.refused.remove(place);
                    Err(refusal())
                })
            };
            messages.into_iter().map(answer).collect()
        })
    }

    async fn ready(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn flush(&self, _: Duration) -> Result<(), BusError> {
        Ok(())
    }
}
