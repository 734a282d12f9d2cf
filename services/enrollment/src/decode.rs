//! From records of the log to inputs, and from failed ones to dead letters.

use std::sync::Arc;

use contracts::{DeadLetter, Published, Wire};
use domain::event::Event;
use domain::input::{EventInput, Origin};
use domain::time::BusinessClock;
use domain::touch::Note;
use engine::{Item, Letters};
use jiff::Timestamp;
use ports::bus::{CE_ID, Message, Record, StoredOffset, Topic};

/// The item of a record, decided under `trace`.
pub(crate) fn item(record: &Record, clock: &BusinessClock, trace: Option<String>) -> Item {
    let event = Event::from_bytes(&record.payload)
        .map(|event| EventInput {
            occurred_at: clock.business(event.occurred_at),
            received_at: clock.business(event.received_at),
            event: Arc::new(event),
            origin: Origin::Live,
            trace,
        })
        .map_err(|error| error.to_string());
    Item { partition: record.position.partition, event, next: after(record) }
}

/// The stored offset once a record is processed.
pub(crate) fn after(record: &Record) -> StoredOffset {
    StoredOffset { next: record.position.offset + 1, last_id: record.headers.get(CE_ID).cloned() }
}

/// Writes dead letters of the records of one batch.
pub(crate) struct RecordLetters<'a> {
    pub(crate) records: Vec<&'a Record>,
    pub(crate) now: Timestamp,
}

impl Letters for RecordLetters<'_> {
    fn letter(&self, index: usize, error: &str) -> Message {
        let record = self.records[index];
        let workspace = Event::from_bytes(&record.payload).ok().map(|event| event.workspace);
        let letter = DeadLetter {
            workspace,
            payload: record.payload.clone(),
            key: record.key.clone(),
            headers: record.headers.clone(),
            error: Note::new("unprocessable", error),
            attempts: 1,
            failed_at: self.now,
            topic: record.position.topic.as_str().to_owned(),
            partition: record.position.partition,
            offset: record.position.offset,
        };
        let encoded = letter.message(record.headers.get("traceparent").map(String::as_str));
        Message {
            topic: Topic::DeadLetter,
            key: encoded.key,
            headers: encoded.headers,
            payload: encoded.payload,
        }
    }
}
