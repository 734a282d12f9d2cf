//! The partitions that a consumer has, and the records that wait to be delivered.

use std::collections::{BTreeMap, VecDeque};

use ports::bus::{CE_ID, Position, Record, StartAt, StoredOffset, Topic};

/// Whether a partition is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Records are delivered.
    Running,
    /// The caller wants none now.
    Paused,
    /// A person must decide first.
    Stopped,
}

#[derive(Debug)]
struct Partition {
    reading: Reading,
    /// The offset after the last record taken in, and that record's id.
    at: StoredOffset,
    waiting: VecDeque<Record>,
}

/// The partitions of one consumer.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    all: BTreeMap<(Topic, i32), Partition>,
    /// Partitions with waiting records, in the order in which these came.
    turns: VecDeque<(Topic, i32)>,
    waiting: Waiting,
}

/// How much waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// One delivery holds no more bytes of payload than this, or one record.
const MOST_BYTES: usize = 8 * 1024 * 1024;

impl Waiting {
    fn add(&mut self, record: &Record) {
        self.records += 1;
        self.bytes += record.payload.len();
    }

    fn remove(&mut self, record: &Record) {
        self.records -= 1;
        self.bytes -= record.payload.len();
    }
}

impl Partitions {
    pub(super) fn add(&mut self, place: (Topic, i32), start: &StartAt) {
        self.remove(place);
        let (reading, next) = match start {
            StartAt::Offset(offset) => (Reading::Running, *offset),
            StartAt::Stopped(_) => (Reading::Stopped, 0),
        };
        let at = StoredOffset { next, last_id: None };
        self.all.insert(place, Partition { reading, at, waiting: VecDeque::new() });
    }

    /// Forgets a partition, with what waits of it.
    pub(super) fn remove(&mut self, place: (Topic, i32)) {
        self.drop_waiting(place);
        self.all.remove(&place);
    }

    pub(super) fn reading(&self, place: (Topic, i32)) -> Option<Reading> {
        self.all.get(&place).map(|partition| partition.reading)
    }

    pub(super) fn set(&mut self, place: (Topic, i32), reading: Reading) {
        if let Some(partition) = self.all.get_mut(&place) {
            partition.reading = reading;
        }
        if reading == Reading::Stopped {
            self.drop_waiting(place);
        }
    }

    /// Moves a partition to an offset; what waited of it is void.
    pub(super) fn seek(&mut self, place: (Topic, i32), offset: i64) {
        self.drop_waiting(place);
        if let Some(partition) = self.all.get_mut(&place) {
            partition.at = StoredOffset { next: offset, last_id: None };
        }
    }

    /// Partitions that are read, with where they are.
    pub(super) fn read(&self) -> Vec<((Topic, i32), StoredOffset)> {
        let read = self.all.iter().filter(|(_, partition)| partition.reading != Reading::Stopped);
        read.map(|(place, partition)| (*place, partition.at.clone())).collect()
    }

    /// Partitions that wait for a person.
    pub(super) fn stopped(&self) -> Vec<(Topic, i32)> {
        let stopped = self.all.iter().filter(|(_, partition)| partition.reading == Reading::Stopped);
        stopped.map(|(place, _)| *place).collect()
    }

    /// Takes a record in, unless its partition is not read or is already past it.
    pub(super) fn take_in(&mut self, record: Record) {
        let Position { topic, partition, offset } = record.position;
        let place = (topic, partition);
        let Some(state) = self.all.get_mut(&place) else { return };
        if state.reading == Reading::Stopped || offset < state.at.next {
            return;
        }
        state.at = StoredOffset { next: offset + 1, last_id: record.headers.get(CE_ID).cloned() };
        if state.waiting.is_empty() {
            self.turns.push_back(place);
        }
        self.waiting.add(&record);
        state.waiting.push_back(record);
    }

    /// How much waits.
    pub(super) fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// Up to `max` waiting records of the partition whose turn it is.
    pub(super) fn deliver(&mut self, max: usize) -> Option<Vec<Record>> {
        let all = &self.all;
        let running =
            |place: &(Topic, i32)| all.get(place).is_some_and(|state| state.reading == Reading::Running);
        let turn = self.turns.iter().position(running)?;
        let place = self.turns.remove(turn)?;
        let waiting = &mut self.all.get_mut(&place)?.waiting;
        let mut bytes = 0;
        let fitting = waiting.iter().take(max).take_while(|record| {
            let fits = bytes < MOST_BYTES;
            bytes += record.payload.len();
            fits
        });
        let count = fitting.count();
        let records: Vec<Record> = waiting.drain(..count).collect();
        if !waiting.is_empty() {
            self.turns.push_back(place);
        }
        records.iter().for_each(|record| self.waiting.remove(record));
        Some(records)
    }

    fn drop_waiting(&mut self, place: (Topic, i32)) {
        if let Some(partition) = self.all.get_mut(&place) {
            partition.waiting.drain(..).for_each(|record| self.waiting.remove(&record));
        }
        self.turns.retain(|turn| *turn != place);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const A: (Topic, i32) = (Topic::Events, 0);
    const B: (Topic, i32) = (Topic::Events, 1);

    fn record((topic, partition): (Topic, i32), offset: i64) -> Record {
        Record {
            position: Position { topic, partition, offset },
            appended_at: jiff::Timestamp::UNIX_EPOCH,
            key: Vec::new(),
            headers: BTreeMap::new(),
            payload: bytes::Bytes::new(),
        }
    }

    fn two() -> Partitions {
        let mut partitions = Partitions::default();
        partitions.add(A, &StartAt::Offset(0));
        partitions.add(B, &StartAt::Offset(5));
        partitions
    }

    fn offsets(records: Option<Vec<Record>>) -> Vec<i64> {
        records.into_iter().flatten().map(|record| record.position.offset).collect()
    }

    #[test]
    fn partitions_take_turns_and_keep_their_order() {
        let mut partitions = two();
        for record in [record(A, 0), record(B, 5), record(A, 1), record(A, 2)] {
            partitions.take_in(record);
        }

        assert_eq!(offsets(partitions.deliver(2)), [0, 1]);
        assert_eq!(offsets(partitions.deliver(2)), [5]);
        assert_eq!(offsets(partitions.deliver(2)), [2]);
        assert_eq!(partitions.deliver(2), None);
        assert_eq!(partitions.waiting(), Waiting::default());
    }

    #[test]
    fn large_records_make_smaller_deliveries() {
        let mut partitions = two();
        for offset in 0..3 {
            let large = Record { payload: vec![0; MOST_BYTES / 2 + 1].into(), ..record(A, offset) };
            partitions.take_in(large);
        }

        assert_eq!(offsets(partitions.deliver(9)), [0, 1]);
        assert_eq!(offsets(partitions.deliver(9)), [2]);
    }

    #[test]
    fn a_paused_partition_keeps_what_waits_and_lets_others_pass() {
        let mut partitions = two();
        partitions.take_in(record(A, 0));
        partitions.take_in(record(B, 5));

        partitions.set(A, Reading::Paused);
        assert_eq!(offsets(partitions.deliver(9)), [5]);
        assert_eq!(partitions.deliver(9), None);
        partitions.set(A, Reading::Running);
        assert_eq!(offsets(partitions.deliver(9)), [0]);
    }

    #[test]
    fn what_a_seek_a_stop_or_a_revocation_made_void_is_not_delivered() {
        let mut partitions = two();
        partitions.take_in(record(A, 0));
        partitions.take_in(record(B, 5));

        partitions.seek(A, 7);
        partitions.remove(B);
        partitions.take_in(record(A, 1));
        partitions.take_in(record(B, 6));
        assert_eq!(partitions.deliver(9), None);
        partitions.take_in(record(A, 7));
        assert_eq!(offsets(partitions.deliver(9)), [7]);

        partitions.take_in(record(A, 8));
        partitions.set(A, Reading::Stopped);
        partitions.take_in(record(A, 9));
        assert_eq!(partitions.deliver(9), None);
        assert_eq!(partitions.waiting(), Waiting::default());
    }
}
