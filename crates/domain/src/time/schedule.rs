//! A window in a zone, without its holidays: when something may go out.

use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::window::{Slot, TimeOfDay, Weekday, Window};

/// How far a search for an open day goes before it gives up.
const HORIZON_DAYS: u32 = 370;

/// The schedule has no opening within about a year: the touch is held until its window or calendars change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the window does not open within {HORIZON_DAYS} days: look at its calendars")]
pub struct NeverOpens;

/// Why a moment is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// The window opens that day, but not at that time.
    Hour,
    /// The window does not open on that day of the week.
    Weekday,
    /// A calendar closes that date.
    Holiday {
        /// Which calendar.
        calendar: String,
        /// What is celebrated, where it is known.
        label: Option<String>,
    },
}

/// When touches may go out: a window, read in a zone, on the days that no calendar closes.
///
/// A moment is open while the wall clock of the zone shows a time of the window. Where a clock change skips the opening
/// time, the window opens that much later; where a time is repeated, its first occurrence counts for opening and end. The
/// window `any` is open on closed days too.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    zone: TimeZone,
    window: Window,
    calendars: Vec<Arc<Calendar>>,
}

/// An unbroken stretch of open time of one local date: from `start`, up to `end`, which is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    start: Timestamp,
    end: Timestamp,
}

impl Schedule {
    /// The schedule of a window in a zone.
    #[must_use]
    pub fn new(zone: TimeZone, window: Window, calendars: Vec<Arc<Calendar>>) -> Self {
        Self { zone, window, calendars }
    }

    /// Always open, for what knows no window.
    #[must_use]
    pub fn always(zone: TimeZone) -> Self {
        Self::new(zone, Window::Any, Vec::new())
    }

    /// The zone whose wall clock counts.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// The same in another window, as a step may have one.
    #[must_use]
    pub fn with_window(&self, window: Window) -> Self {
        Self { zone: self.zone.clone(), window, calendars: self.calendars.clone() }
    }

    /// The local date of a moment.
    #[must_use]
    pub fn date(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    /// The moment of a local date and time: one that does not exist moves forward by the gap, a repeated one is the first.
    #[must_use]
    pub fn moment(&self, date: Date, time: TimeOfDay) -> Timestamp {
        match time.time() {
            Some(time) => self.instant(date.to_datetime(time)),
            None => self.start_of_day(next(date)),
        }
    }

    /// The first moment of a local date.
    #[must_use]
    pub fn start_of_day(&self, date: Date) -> Timestamp {
        self.instant(date.to_datetime(Time::midnight()))
    }

    /// Whether touches may go out at that moment.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        match self.window {
            Window::Any => true,
            Window::Weekly(_) => {
                self.stretches(self.date(at)).iter().any(|open| open.start <= at && at < open.end)
            }
        }
    }

    /// That moment if it is open, else the next that is.
    ///
    /// # Errors
    ///
    /// [`NeverOpens`] when none comes within about a year.
    pub fn next_opening(&self, at: Timestamp) -> Result<Timestamp, NeverOpens> {
        if let Window::Any = self.window {
            return Ok(at);
        }
        let mut date = self.date(at);
        for _ in 0..=HORIZON_DAYS {
            if let Some(open) = self.stretches(date).into_iter().find(|open| at < open.end) {
                return Ok(open.start.max(at));
            }
            date = next(date);
        }
        Err(NeverOpens)
    }

    /// That moment if it is open, else the last second before it that was.
    ///
    /// # Errors
    ///
    /// [`NeverOpens`] when there was none within about a year.
    pub fn last_open_before(&self, at: Timestamp) -> Result<Timestamp, NeverOpens> {
        if self.is_open(at) {
            return Ok(at);
        }
        let mut date = self.date(at);
        for _ in 0..=HORIZON_DAYS {
            if let Some(open) = self.stretches(date).into_iter().rev().find(|open| open.start <= at) {
                let last = open.end.checked_sub(SignedDuration::from_secs(1)).unwrap_or(open.start);
                return Ok(last.max(open.start).min(at));
            }
            date = date.yesterday().unwrap_or(Date::MIN);
        }
        Err(NeverOpens)
    }

    /// Why a moment is closed; nothing when it is open.
    #[must_use]
    pub fn why_closed(&self, at: Timestamp) -> Option<Closed> {
        if self.is_open(at) { None } else { Some(self.why_day_closed(self.date(at)).unwrap_or(Closed::Hour)) }
    }

    /// Why a whole date is closed; nothing when the window opens on it. A holiday is named before a weekend.
    #[must_use]
    pub fn why_day_closed(&self, date: Date) -> Option<Closed> {
        if let Window::Any = self.window {
            return None;
        }
        for calendar in &self.calendars {
            if let Some(range) = calendar.closed_on(date) {
                return Some(Closed::Holiday {
                    calendar: calendar.name().to_owned(),
                    label: range.label.clone(),
                });
            }
        }
        if self.opens_on(date.weekday()) { None } else { Some(Closed::Weekday) }
    }

    /// When the window opens on a date; nothing on a closed one.
    #[must_use]
    pub fn opening_of(&self, date: Date) -> Option<Timestamp> {
        self.stretches(date).first().map(|open| open.start)
    }

    /// When the window ends on a date: the first closed moment after its last open one; nothing on a closed date.
    #[must_use]
    pub fn end_of(&self, date: Date) -> Option<Timestamp> {
        self.stretches(date).iter().map(|open| open.end).max()
    }

    /// Whether the window opens on a date and no calendar closes it.
    #[must_use]
    pub fn is_business_day(&self, date: Date) -> bool {
        self.why_day_closed(date).is_none() && !self.stretches(date).is_empty()
    }

    /// The date itself if it is open, else the next that is.
    ///
    /// # Errors
    ///
    /// [`NeverOpens`] when none comes within about a year.
    pub fn business_day_from(&self, date: Date) -> Result<Date, NeverOpens> {
        let mut date = date;
        for _ in 0..=HORIZON_DAYS {
            if self.is_business_day(date) {
                return Ok(date);
            }
            date = next(date);
        }
        Err(NeverOpens)
    }

    /// The date so many business days later; from a closed date the next open one counts as 1.
    ///
    /// # Errors
    ///
    /// [`NeverOpens`] when a year passes without one.
    pub fn business_day_after(&self, date: Date, count: u32) -> Result<Date, NeverOpens> {
        let mut date = date;
        for _ in 0..count {
            date = self.business_day_from(next(date))?;
        }
        Ok(date)
    }

    /// The same local time of day so many business days later; from a closed day the next open one counts as 1.
    ///
    /// # Errors
    ///
    /// [`NeverOpens`] when a year passes without one.
    pub fn add_business_days(&self, at: Timestamp, count: u32) -> Result<Timestamp, NeverOpens> {
        if count == 0 {
            return Ok(at);
        }
        let local = self.zone.to_datetime(at);
        let date = self.business_day_after(local.date(), count)?;
        Ok(self.instant(date.to_datetime(local.time())))
    }

    /// The same local time of day so many calendar days later (or earlier).
    #[must_use]
    pub fn add_days(&self, at: Timestamp, days: i64) -> Timestamp {
        if days == 0 {
            return at;
        }
        let end = if days > 0 { Timestamp::MAX } else { Timestamp::MIN };
        jiff::Span::new()
            .try_days(days)
            .and_then(|days| self.zone.to_datetime(at).checked_add(days))
            .map_or(end, |local| self.instant(local))
    }

    /// When the window ends on the open day that is so many open days after the date of a moment: "same or next day" is
    /// one. Zero is the end of that very day, or of the next open one.
    ///
    /// # Errors
    ///
    /// [`NeverOpens`] when a year passes without one.
    pub fn end_of_window_after(&self, at: Timestamp, open_days: u32) -> Result<Timestamp, NeverOpens> {
        let today = self.date(at);
        let date = if open_days == 0 {
            self.business_day_from(today)?
        } else {
            self.business_day_after(today, open_days)?
        };
        self.end_of(date).ok_or(NeverOpens)
    }

    /// Whether the window opens on a day of the week, holidays aside.
    #[must_use]
    pub fn opens_on(&self, day: Weekday) -> bool {
        matches!(self.window, Window::Any) || self.window.slots().iter().any(|slot| slot.days().contains(day))
    }

    /// What is open on a date, in order, without overlaps.
    fn stretches(&self, date: Date) -> Vec<Stretch> {
        if let Window::Any = self.window {
            let (start, end) = (self.start_of_day(date), self.start_of_day(next(date)));
            // A date that the zone skipped altogether has no time in it.
            return if start < end { vec![Stretch { start, end }] } else { Vec::new() };
        }
        if self.why_day_closed(date).is_some() {
            return Vec::new();
        }
        let mut found = Vec::with_capacity(1);
        for slot in self.window.slots().iter().filter(|slot| slot.days().contains(date.weekday())) {
            self.stretches_of(slot, date, &mut found);
        }
        merge(found)
    }

    /// The stretches of one slot on one date: one, or two where the clock is put back into or over the slot, or none where
    /// it is put forward over all of it.
    fn stretches_of(&self, slot: &Slot, date: Date, found: &mut Vec<Stretch>) {
        let end = self.moment(date, slot.to());
        let mut start = Some(self.moment(date, slot.from()));
        while let Some(begin) = start.take() {
            let local = self.zone.to_datetime(begin);
            if begin >= end || local.date() != date || !slot.shows(local.time()) {
                return;
            }
            let mut until = end;
            // A clock change between opening and end matters only where it leaves the slot.
            for change in self.zone.following(begin).take_while(|change| change.timestamp() < end) {
                let shown = self.zone.to_datetime(change.timestamp());
                if shown.date() == date && slot.shows(shown.time()) {
                    continue;
                }
                until = change.timestamp();
                // Put back: the wall clock comes to the opening time once more.
                start = slot
                    .from()
                    .time()
                    .and_then(|from| self.zone.to_ambiguous_timestamp(date.to_datetime(from)).later().ok())
                    .filter(|&again| again >= until);
                break;
            }
            found.push(Stretch { start: begin, end: until });
        }
    }

    fn instant(&self, local: DateTime) -> Timestamp {
        self.zone.to_ambiguous_timestamp(local).compatible().unwrap_or_else(|_| {
            // Only at the edges of what jiff can tell; there the zone does not matter any more.
            Offset::UTC.to_timestamp(local).unwrap_or(Timestamp::MAX)
        })
    }
}

fn next(date: Date) -> Date {
    date.tomorrow().unwrap_or(Date::MAX)
}

fn merge(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_by_key(|open| (open.start, open.end));
    let mut merged: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for open in stretches {
        match merged.last_mut() {
            Some(last) if open.start <= last.end => last.end = last.end.max(open.end),
            _ => merged.push(open),
        }
    }
    merged
}
