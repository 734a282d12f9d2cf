//! Durations as authors write them: `30s 5m 2h 1d 1w 3bd`.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::schedule::{NeverOpens, Schedule};

/// Ten years: beyond it a span is taken for a slip of the keyboard.
const LONGEST_DAYS: u32 = 3_660;

/// A number of one unit. Units are not mixed (`90m`, never `1h30m`), and spans of different units have no order among
/// them: a calendar day is not always 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    count: u32,
    unit: Unit,
}

/// What a span counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Exact seconds, `s`.
    Seconds,
    /// Exact minutes, `m`.
    Minutes,
    /// Exact hours, `h`.
    Hours,
    /// Calendar days that keep the local time of day, `d`.
    Days,
    /// Seven calendar days that keep the local time of day, `w`.
    Weeks,
    /// Days that the window opens and no calendar closes, `bd`.
    BusinessDays,
}

impl Unit {
    /// How it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Minutes => "m",
            Self::Hours => "h",
            Self::Days => "d",
            Self::Weeks => "w",
            Self::BusinessDays => "bd",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Seconds, Self::Minutes, Self::Hours, Self::Days, Self::Weeks, Self::BusinessDays]
            .into_iter()
            .find(|unit| unit.as_str() == text)
    }

    /// Seconds of one, where that is always the same.
    fn exact_seconds(self) -> Option<u64> {
        match self {
            Self::Seconds => Some(1),
            Self::Minutes => Some(60),
            Self::Hours => Some(3_600),
            Self::Days | Self::Weeks | Self::BusinessDays => None,
        }
    }

    /// Seconds of one, roughly: for the upper bound only.
    fn nominal_seconds(self) -> u64 {
        self.exact_seconds().unwrap_or(if self == Self::Weeks { 604_800 } else { 86_400 })
    }
}

/// Why a text is no span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Nothing there.
    #[error("a duration is a number and a unit, such as 30s, 5m, 2h, 1d, 1w or 3bd")]
    Empty,
    /// A number alone.
    #[error("`{0}` has no unit: write {0}s, {0}m, {0}h, {0}d, {0}w or {0}bd")]
    NoUnit(String),
    /// A unit that does not exist.
    #[error("`{text}` has an unknown unit `{unit}`: units are s, m, h, d, w and bd{}", hint(.unit))]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// The unit in it.
        unit: String,
    },
    /// A fraction or a sign.
    #[error("`{0}` is not a whole number of a unit: write digits and a unit, such as 90m instead of 1.5h")]
    NotWhole(String),
    /// Two units.
    #[error("`{0}` mixes units: use one, 90m instead of 1h30m")]
    Combined(String),
    /// Beyond ten years.
    #[error("`{0}` is longer than ten years")]
    TooLong(String),
    /// Days where exact time is wanted.
    #[error("`{0}` counts days: only exact time (s, m, h) is allowed here")]
    NotExact(String),
}

fn hint(unit: &str) -> &'static str {
    match unit.to_ascii_lowercase().as_str() {
        "sec" | "secs" | "second" | "seconds" => ", write s",
        "min" | "mins" | "minute" | "minutes" => ", write m",
        "hr" | "hrs" | "hour" | "hours" => ", write h",
        "day" | "days" => ", write d",
        "week" | "weeks" => ", write w",
        "mo" | "month" | "months" => ": write days, 30d",
        "y" | "yr" | "year" | "years" => ": write days, 365d",
        "b" | "wd" | "bday" | "bdays" => ", write bd",
        _ => "",
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self { count: 0, unit: Unit::Seconds };

    /// So many of a unit.
    ///
    /// # Errors
    ///
    /// [`SpanError::TooLong`] beyond ten years.
    pub fn new(count: u32, unit: Unit) -> Result<Self, SpanError> {
        let span = Self { count, unit };
        if u64::from(count) * unit.nominal_seconds() > u64::from(LONGEST_DAYS) * 86_400 {
            return Err(SpanError::TooLong(span.to_string()));
        }
        Ok(span)
    }

    /// So many calendar days, at most ten years of them.
    #[must_use]
    pub fn days(count: u16) -> Self {
        Self { count: u32::from(count).min(LONGEST_DAYS), unit: Unit::Days }
    }

    /// Reads a span.
    ///
    /// # Errors
    ///
    /// A [`SpanError`] that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if text.is_empty() {
            return Err(SpanError::Empty);
        }
        if number.is_empty() || unit.starts_with(['.', ',']) {
            return Err(SpanError::NotWhole(text.to_owned()));
        }
        if unit.is_empty() {
            return Err(SpanError::NoUnit(text.to_owned()));
        }
        if unit.contains(|c: char| c.is_ascii_digit()) {
            return Err(SpanError::Combined(text.to_owned()));
        }
        let unit = Unit::parse(unit)
            .ok_or_else(|| SpanError::UnknownUnit { text: text.to_owned(), unit: unit.trim().to_owned() })?;
        let count = number.parse().map_err(|_| SpanError::TooLong(text.to_owned()))?;
        Self::new(count, unit).map_err(|_| SpanError::TooLong(text.to_owned()))
    }

    /// How many.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    /// Of what.
    #[must_use]
    pub fn unit(self) -> Unit {
        self.unit
    }

    /// Whether it is no time at all.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.count == 0
    }

    /// Whether it is exactly one calendar day: caps treat that as midnight to midnight.
    #[must_use]
    pub fn is_one_day(self) -> bool {
        self.count == 1 && self.unit == Unit::Days
    }

    /// Its length, where it has one: `s`, `m` and `h`.
    #[must_use]
    pub fn exact(self) -> Option<ExactDuration> {
        self.unit.exact_seconds().map(|_| ExactDuration(self))
    }

    /// Calendar days in it: `d` and `w`.
    #[must_use]
    pub fn calendar_days(self) -> Option<u32> {
        match self.unit {
            Unit::Days => Some(self.count),
            Unit::Weeks => Some(self.count.saturating_mul(7)),
            _ => None,
        }
    }

    /// The moment that is this much later. Days and business days keep the local time of day in the schedule's zone;
    /// the result is not moved into the window, that is [`Schedule::next_opening`]'s.
    ///
    /// # Errors
    ///
    /// [`NeverOpens`] when business days are counted and the schedule has none.
    pub fn after(self, at: Timestamp, schedule: &Schedule) -> Result<Timestamp, NeverOpens> {
        if let Some(exact) = self.exact() {
            return Ok(exact.after(at));
        }
        if let Some(days) = self.calendar_days() {
            return Ok(schedule.add_days(at, i64::from(days)));
        }
        schedule.add_business_days(at, self.count)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.as_str())
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        Self::parse(&text)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

/// A span of exact time: seconds, minutes or hours, never days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExactDuration(Span);

impl ExactDuration {
    /// So many seconds, at most ten years of them.
    #[must_use]
    pub fn from_seconds(seconds: u32) -> Self {
        Self(Span { count: seconds.min(LONGEST_DAYS * 86_400), unit: Unit::Seconds })
    }

    /// Reads `30s`, `5m` or `2h`.
    ///
    /// # Errors
    ///
    /// As [`Span::parse`], and [`SpanError::NotExact`] for days, weeks and business days.
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let span = Span::parse(text)?;
        span.exact().ok_or_else(|| SpanError::NotExact(span.to_string()))
    }

    /// Its length in seconds.
    #[must_use]
    pub fn seconds(self) -> u64 {
        u64::from(self.0.count) * self.0.unit.nominal_seconds()
    }

    /// Its length for jiff.
    #[must_use]
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_secs(i64::try_from(self.seconds()).unwrap_or(i64::MAX))
    }

    /// The moment that is this much later, at most the last one that can be told.
    #[must_use]
    pub fn after(self, at: Timestamp) -> Timestamp {
        at.checked_add(self.duration()).unwrap_or(Timestamp::MAX)
    }

    /// The moment that is this much earlier, at least the first one that can be told.
    #[must_use]
    pub fn before(self, at: Timestamp) -> Timestamp {
        at.checked_sub(self.duration()).unwrap_or(Timestamp::MIN)
    }
}

impl fmt::Display for ExactDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<ExactDuration> for Span {
    fn from(exact: ExactDuration) -> Self {
        exact.0
    }
}

impl TryFrom<String> for ExactDuration {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        Self::parse(&text)
    }
}

impl From<ExactDuration> for String {
    fn from(exact: ExactDuration) -> Self {
        exact.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_written_back() {
        for text in ["30s", "5m", "2h", "1d", "1w", "3bd", "0d"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_span_is_refused_with_what_to_write() {
        for (text, says) in [
            ("", "a number and a unit"),
            ("5", "write 5s, 5m"),
            ("1h30m", "90m instead of 1h30m"),
            ("1.5h", "90m instead of 1.5h"),
            ("-1d", "not a whole number"),
            ("d", "not a whole number"),
            ("2days", "write d"),
            ("1mo", "30d"),
            ("1D", "unknown unit `D`"),
            ("9999d", "longer than ten years"),
            ("99999999999s", "longer than ten years"),
        ] {
            let error = Span::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn exact_durations_refuse_days() {
        assert_eq!(ExactDuration::parse("90m").unwrap().seconds(), 5_400);
        assert_eq!(ExactDuration::parse("1d").unwrap_err(), SpanError::NotExact("1d".into()));
    }

    #[test]
    fn spans_are_text_in_json() {
        let span: Span = serde_json::from_str("\"3bd\"").unwrap();

        assert_eq!(span.unit(), Unit::BusinessDays);
        assert_eq!(serde_json::to_string(&span).unwrap(), "\"3bd\"");
        assert!(serde_json::from_str::<Span>("\"soon\"").is_err());
    }
}
