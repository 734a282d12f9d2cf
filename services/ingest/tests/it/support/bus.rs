use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use contracts::{Delivery as Verdict, Quarantined, Wire};
use domain::event::Event;
use jiff::Timestamp;
use ports::bus::{
    BusError, Consumer, Consumers, Delivery, Message, PartitionState, Position, Publisher, Record, StartAt,
    Starts, StoredOffset, Topic, start_at,
};
use tokio::sync::Semaphore;

/// What the bus does with the next messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    #[default]
    Takes,
    Down,
    /// Takes the first message of a request and fails the others.
    TakesOne,
    /// Acknowledges once it is let to.
    Holds,
}

/// Records what is published.
pub(crate) struct RecordingBus {
    mode: Mutex<Mode>,
    taken: Mutex<Vec<Message>>,
    calls: Mutex<usize>,
    pub(crate) gate: Semaphore,
}

impl Default for RecordingBus {
    fn default() -> Self {
        Self {
            mode: Mutex::default(),
            taken: Mutex::default(),
            calls: Mutex::default(),
            gate: Semaphore::new(0),
        }
    }
}

impl RecordingBus {
    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub(crate) fn messages(&self, topic: Topic) -> Vec<Message> {
        self.taken.lock().unwrap().iter().filter(|message| message.topic == topic).cloned().collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.messages(Topic::Events)
            .iter()
            .map(|message| Event::from_bytes(&message.payload).unwrap())
            .collect()
    }

    pub(crate) fn quarantined(&self) -> Vec<Quarantined> {
        let messages = self.messages(Topic::Quarantine);
        messages.iter().map(|message| Quarantined::from_bytes(&message.payload).unwrap()).collect()
    }

    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        let messages = self.messages(Topic::Deliveries);
        messages.iter().map(|message| Verdict::from_bytes(&message.payload).unwrap()).collect()
    }

    /// Calls of `publish` for events or quarantine.
    pub(crate) fn calls(&self) -> usize {
        *self.calls.lock().unwrap()
    }
}

#[async_trait]
impl Publisher for RecordingBus {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Position, BusError>> {
        let is_business = messages.iter().any(|message| message.topic != Topic::Deliveries);
        *self.calls.lock().unwrap() += usize::from(is_business);
        let mode = if is_business { *self.mode.lock().unwrap() } else { Mode::Takes };
        if mode == Mode::Holds {
            self.gate.acquire().await.unwrap().forget();
        }
        let mut results = Vec::new();
        for (number, message) in messages.into_iter().enumerate() {
            if mode == Mode::Down || (mode == Mode::TakesOne && number > 0) {
                results
                    .push(Err(BusError::Unavailable("broker 3 at kafka.internal:9092 is away".to_owned())));
                continue;
            }
            let mut taken = self.taken.lock().unwrap();
            let offset = i64::try_from(taken.len()).unwrap();
            results.push(Ok(Position { topic: message.topic, partition: 0, offset }));
            taken.push(message);
        }
        results
    }

    async fn ready(&self) -> Result<(), BusError> {
        match *self.mode.lock().unwrap() {
            Mode::Down => Err(BusError::Unavailable("no broker".to_owned())),
            _ => Ok(()),
        }
    }

    async fn flush(&self, _: Duration) -> Result<(), BusError> {
        Ok(())
    }
}

/// A log of one redelivery, whose beginning has expired, and what its reader noted.
pub(crate) struct OneRedelivery {
    record: Message,
    noted: Arc<Mutex<BTreeMap<i32, i64>>>,
    /// How often it was read to its end.
    looks: Arc<Mutex<usize>>,
}

impl OneRedelivery {
    pub(crate) fn of(record: Message) -> Self {
        Self { record, noted: Arc::default(), looks: Arc::default() }
    }

    /// As after another life of the log.
    pub(crate) fn note(&self, next: i64) {
        self.noted.lock().unwrap().insert(0, next);
    }

    pub(crate) fn noted_at(&self) -> Option<i64> {
        self.noted.lock().unwrap().get(&0).copied()
    }

    pub(crate) fn looks(&self) -> usize {
        *self.looks.lock().unwrap()
    }
}

const STATE: PartitionState =
    PartitionState { topic: Topic::Redeliver, partition: 0, begins_at: 7, ends_at: 8 };

#[async_trait]
impl Consumers for OneRedelivery {
    async fn join(
        &self,
        group: &str,
        topics: &[Topic],
        starts: Arc<dyn Starts>,
    ) -> Result<Box<dyn Consumer>, BusError> {
        assert_eq!((group, topics), ("ingest", &[Topic::Redeliver][..]));
        let stored: Option<StoredOffset> = starts.stored("log", Topic::Redeliver, 0).await?;
        let start = start_at(&STATE, stored.as_ref(), None);
        let mut deliveries = vec![Delivery::Assigned(vec![(STATE, start.clone())])];
        if start == StartAt::Offset(7) {
            let message = self.record.clone();
            deliveries.push(Delivery::Records(vec![Record {
                position: Position { topic: Topic::Redeliver, partition: 0, offset: 7 },
                appended_at: Timestamp::UNIX_EPOCH,
                key: message.key,
                headers: message.headers,
                payload: message.payload,
            }]));
        }
        deliveries.reverse();
        Ok(Box::new(Following { deliveries, noted: self.noted.clone(), looks: self.looks.clone() }))
    }

    async fn noted(&self, group: &str, topic: Topic) -> Result<BTreeMap<i32, i64>, BusError> {
        assert_eq!((group, topic), ("ingest", Topic::Redeliver));
        Ok(self.noted.lock().unwrap().clone())
    }
}

struct Following {
    deliveries: Vec<Delivery>,
    noted: Arc<Mutex<BTreeMap<i32, i64>>>,
    looks: Arc<Mutex<usize>>,
}

#[async_trait]
impl Consumer for Following {
    fn cluster(&self) -> &str {
        "log"
    }

    async fn next(&mut self, _: usize, wait: Duration) -> Result<Option<Delivery>, BusError> {
        if let Some(delivery) = self.deliveries.pop() {
            return Ok(Some(delivery));
        }
        *self.looks.lock().unwrap() += 1;
        tokio::time::sleep(wait).await;
        Ok(None)
    }

    async fn pause(&mut self, _: Topic, _: i32) -> Result<(), BusError> {
        Ok(())
    }

    async fn resume(&mut self, _: Topic, _: i32) -> Result<(), BusError> {
        Ok(())
    }

    async fn seek(&mut self, _: Topic, _: i32, _: i64) -> Result<(), BusError> {
        Ok(())
    }

    async fn note_progress(&mut self, _: Topic, partition: i32, next: i64) -> Result<(), BusError> {
        self.noted.lock().unwrap().insert(partition, next);
        Ok(())
    }

    async fn close(self: Box<Self>) {}
}
