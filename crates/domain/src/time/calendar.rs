//! Days on which nothing is done.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Dates from the first to the last, both included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateRange {
    /// The first closed date.
    pub from: Date,
    /// The last closed date.
    pub to: Date,
    /// What is celebrated, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A range that ends before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range ends on {to}, before it begins on {from}")]
pub struct RangeError {
    /// Its first date.
    pub from: Date,
    /// Its last date.
    pub to: Date,
}

impl DateRange {
    /// The dates from one to another.
    ///
    /// # Errors
    ///
    /// [`RangeError`] when `to` is before `from`.
    pub fn new(from: Date, to: Date) -> Result<Self, RangeError> {
        if to < from { Err(RangeError { from, to }) } else { Ok(Self { from, to, label: None }) }
    }

    /// One date.
    #[must_use]
    pub fn day(date: Date) -> Self {
        Self { from: date, to: date, label: None }
    }

    /// The same with what is celebrated.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Whether a date is in it.
    #[must_use]
    pub fn contains(&self, date: Date) -> bool {
        self.from <= date && date <= self.to
    }
}

impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to { self.from.fmt(f) } else { write!(f, "{} to {}", self.from, self.to) }
    }
}

/// A named set of closed days, as a `Calendar` file gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    name: String,
    /// Sorted by first date.
    closed: Vec<DateRange>,
    /// `reach[i]` is the last closed date of `closed[..=i]`: a search can stop there.
    reach: Vec<Date>,
}

impl Calendar {
    /// A calendar of that name, closed on these dates; they may overlap and come in any order.
    #[must_use]
    pub fn new(name: impl Into<String>, mut closed: Vec<DateRange>) -> Self {
        closed.sort_by_key(|range| (range.from, range.to));
        let reach = closed
            .iter()
            .scan(Date::MIN, |last, range| {
                *last = (*last).max(range.to);
                Some(*last)
            })
            .collect();
        Self { name: name.into(), closed, reach }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its closed days, by first date.
    #[must_use]
    pub fn closed(&self) -> &[DateRange] {
        &self.closed
    }

    /// The range that closes a date.
    #[must_use]
    pub fn closed_on(&self, date: Date) -> Option<&DateRange> {
        let begun = self.closed.partition_point(|range| range.from <= date);
        (0..begun)
            .rev()
            .take_while(|&index| self.reach[index] >= date)
            .map(|index| &self.closed[index])
            .find(|range| range.contains(date))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_range_closes_its_first_and_last_day_and_those_between() {
        let holidays = DateRange::new(date(2026, 12, 27), date(2026, 12, 31)).unwrap();
        let calendar = Calendar::new("company-days", vec![holidays, DateRange::day(date(2026, 12, 24))]);

        let closed = |day| calendar.closed_on(date(2026, 12, day)).is_some();

        assert_eq!((23..=31).filter(|&day| closed(day)).collect::<Vec<_>>(), vec![24, 27, 28, 29, 30, 31]);
    }

    #[test]
    fn a_long_range_is_found_behind_short_ones() {
        let year = DateRange::new(date(2026, 1, 1), date(2026, 12, 31)).unwrap().labelled("sabbatical");
        let calendar = Calendar::new("away", vec![year, DateRange::day(date(2026, 3, 1))]);

        let found = calendar.closed_on(date(2026, 8, 1));

        assert_eq!(found.and_then(|range| range.label.as_deref()), Some("sabbatical"));
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_refused() {
        assert!(DateRange::new(date(2026, 3, 2), date(2026, 3, 1)).is_err());
    }
}
