//! Time: spans, windows, zones, day numbers, limits and the two clocks. All of it is arithmetic on values.
//!
//! The rules are those of the cadence language: business days, windows and holidays are judged in the local time of the
//! touch, a local time that a clock change skips moves forward by the gap, and a repeated one is the first. What a
//! schedule moves it moves for a reason that can be shown ([`Shift`]).
//!
//! This module never reads a clock and never picks a zone: both are handed in.

mod calendar;
mod clock;
mod due;
mod limit;
mod schedule;
mod span;
mod window;
mod zone;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod rules;

pub use calendar::{Calendar, DateRange, RangeError};
pub use clock::{BusinessClock, Speed};
pub use due::{
    Anchors, DayCounting, Due, Place, Shift, Taken, Timing, Why, day_number, day_one, due, due_by, place,
};
pub use limit::{Admission, Limit, LimitError, Quota, gap};
pub use schedule::{Closed, NeverOpens, Schedule};
pub use span::{ExactDuration, Span, SpanError, Unit};
pub use window::{Days, Slot, Slots, TimeOfDay, Weekday, Window, WindowError, WindowPatch};
pub use zone::zone;

use jiff::{RoundMode, Timestamp, TimestampRound};

/// A moment as stores keep it, in microseconds: the first that is not before it.
#[must_use]
pub fn kept(at: Timestamp) -> Timestamp {
    let whole = TimestampRound::new().smallest(jiff::Unit::Microsecond).mode(RoundMode::Ceil);
    at.round(whole).unwrap_or(at)
}
