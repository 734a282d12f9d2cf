//! What is there of all partitions, put together into units.

use ports::bus::{Record, Topic};

/// Units of one round: each holds records of any number of partitions, each partition is in one of them, in its order.
pub(super) struct Gathering {
    units: Vec<Vec<Record>>,
    /// The most records of a unit, and the most units.
    room: (usize, usize),
}

impl Gathering {
    pub(super) fn new(records: usize, units: usize) -> Self {
        Self { units: Vec::new(), room: (records.max(1), units.max(1)) }
    }

    /// How many records the unit that is being filled can take, and if it is full, the next one; 0: all are full.
    pub(super) fn room(&self) -> usize {
        let (records, units) = self.room;
        let left = self.units.last().map_or(0, |unit| records.saturating_sub(unit.len()));
        if left == 0 && self.units.len() < units { records } else { left }
    }

    /// Takes in records of one partition, or gives them back: more of a partition that is in a unit that is full would come
    /// before what is ahead of it, in a unit beside that.
    pub(super) fn take(&mut self, records: Vec<Record>) -> Result<(), Vec<Record>> {
        let (most, units) = self.room;
        let has = |unit: &Vec<Record>| {
            unit.iter().any(|one| {
                records.first().is_some_and(|first| first.position.partition == one.position.partition)
            })
        };
        let fits = |unit: &Vec<Record>| unit.len() + records.len() <= most;
        let is_room = self.units.len() < units;
        match self.units.iter().position(has) {
            Some(place) if fits(&self.units[place]) => self.units[place].extend(records),
            Some(_) => return Err(records),
            None => match self.units.last_mut() {
                Some(last) if fits(last) => last.extend(records),
                _ if is_room => self.units.push(records),
                _ => return Err(records),
            },
        }
        Ok(())
    }

    /// Leaves out partitions that are another's now: they would only meet with a conflict.
    pub(super) fn give_up(&mut self, partitions: &[(Topic, i32)]) {
        for unit in &mut self.units {
            unit.retain(|one| !partitions.contains(&(one.position.topic, one.position.partition)));
        }
        self.units.retain(|unit| !unit.is_empty());
    }

    pub(super) fn into_units(self) -> Vec<Vec<Record>> {
        self.units
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ports::bus::Position;

    use super::*;

    fn records(partition: i32, offsets: std::ops::Range<i64>) -> Vec<Record> {
        let record = |offset| Record {
            position: Position { topic: Topic::Events, partition, offset },
            appended_at: jiff::Timestamp::UNIX_EPOCH,
            key: Vec::new(),
            headers: BTreeMap::new(),
            payload: bytes::Bytes::new(),
        };
        offsets.map(record).collect()
    }

    /// Each unit's partitions, with how many records are of each.
    fn shape(gathering: Gathering) -> Vec<BTreeMap<i32, usize>> {
        let count = |unit: Vec<Record>| {
            let mut counts = BTreeMap::new();
            for record in unit {
                *counts.entry(record.position.partition).or_default() += 1;
            }
            counts
        };
        gathering.into_units().into_iter().map(count).collect()
    }

    #[test]
    fn a_little_of_many_partitions_is_one_unit() {
        let mut gathering = Gathering::new(500, 4);
        for partition in 0..12 {
            gathering.take(records(partition, 0..40)).unwrap();
        }

        assert_eq!(shape(gathering), [(0..12).map(|partition| (partition, 40)).collect()]);
    }

    #[test]
    fn a_backlog_is_units_beside_each_other() {
        let mut gathering = Gathering::new(500, 2);
        assert_eq!(gathering.room(), 500);
        gathering.take(records(0, 0..500)).unwrap();
        assert_eq!(gathering.room(), 500, "of the next one");
        gathering.take(records(1, 0..300)).unwrap();
        assert_eq!(gathering.room(), 200);
        gathering.take(records(2, 0..200)).unwrap();
        assert_eq!(gathering.room(), 0);

        assert_eq!(gathering.take(records(3, 0..1)).unwrap_err().len(), 1);
        assert_eq!(shape(gathering), [BTreeMap::from([(0, 500)]), BTreeMap::from([(1, 300), (2, 200)])]);
    }

    #[test]
    fn a_partition_is_never_in_two_units() {
        let mut gathering = Gathering::new(10, 4);
        gathering.take(records(0, 0..6)).unwrap();
        gathering.take(records(1, 0..6)).unwrap();

        assert!(gathering.take(records(0, 6..12)).is_err(), "its unit has no room for them");
        gathering.take(records(0, 6..8)).unwrap();
        assert_eq!(shape(gathering), [BTreeMap::from([(0, 8)]), BTreeMap::from([(1, 6)])]);
    }

    #[test]
    fn what_was_given_up_is_left_out() {
        let mut gathering = Gathering::new(4, 4);
        for (partition, offsets) in [(0, 0..2), (1, 5..7), (2, 0..4)] {
            gathering.take(records(partition, offsets)).unwrap();
        }

        gathering.give_up(&[(Topic::Events, 2), (Topic::Events, 0)]);

        assert_eq!(shape(gathering), [BTreeMap::from([(1, 2)])]);
    }
}
