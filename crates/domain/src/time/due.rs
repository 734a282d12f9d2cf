//! When a step is due.
//!
//! A step may name a day number, a time of day, a delay after the step before, or several of these; then the latest
//! counts. What comes out lies in the step's window, never before the entry or the completion of the step before, and, for
//! a step with a day number, never on a date that a touch of another number has taken: so a weekend, a late completion or
//! a passed day never puts two days' steps on one date.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::schedule::{Closed, NeverOpens, Schedule};
use super::span::Span;
use super::window::TimeOfDay;

/// What `day: N` counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayCounting {
    /// Every date.
    #[default]
    Calendar,
    /// Dates that the cadence's window opens and no calendar closes.
    Business,
}

/// What a step says about its time. Nothing: at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timing {
    /// The day number, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<u32>,
    /// Not before this local time, on whichever date it falls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<TimeOfDay>,
    /// So long after the step before completed; on the first step after the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
}

/// A date on which a touch of the enrollment went out or was completed, and that touch's day number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Taken {
    /// The local date.
    pub date: Date,
    /// The day number of the touch.
    pub day: u32,
}

/// From where times are counted.
#[derive(Debug, Clone, Copy)]
pub struct Anchors<'a> {
    /// When the contact entered.
    pub entry: Timestamp,
    /// The date that is day 1: [`day_one`], moved on by pauses and, with `spacing: shift`, by slips.
    pub day_one: Date,
    /// When the step before completed; the entry on the first step.
    pub previous: Timestamp,
    /// Dates taken by earlier touches.
    pub taken: &'a [Taken],
}

/// Where times are looked up.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// What day numbers count.
    pub counting: DayCounting,
    /// The schedule of the cadence: day numbers are counted by it.
    pub cadence: &'a Schedule,
    /// The schedule of the step: touches go out by it. The same unless the step has a window of its own.
    pub step: &'a Schedule,
}

/// When a touch is due, and how that came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The moment.
    pub at: Timestamp,
    /// Its local date in the step's zone.
    pub date: Date,
    /// The day number: the step's own, else that of the date.
    pub day: u32,
    /// What moved it there from the moment that the step names, in order.
    pub shifts: Vec<Shift>,
}

/// One move of a due time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// From when.
    pub from: Timestamp,
    /// To when.
    pub to: Timestamp,
    /// Because of what.
    pub why: Why,
}

/// What moves a due time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Not before the contact entered.
    Entry,
    /// Not before the step before completed: its day has begun or passed.
    Previous,
    /// Not before the time of day that the step names.
    At(TimeOfDay),
    /// The window was closed.
    Closed(Closed),
    /// A touch of another day number took the date.
    Bunching {
        /// The number of that touch.
        day: u32,
    },
    /// The minimum gap to the contact's last touch.
    Gap,
    /// A cap was reached.
    Cap {
        /// Which one, as the file names it.
        limit: String,
    },
}

/// The date that is day 1: the local date of the next opening after entry by the cadence's window. Set once.
///
/// # Errors
///
/// [`NeverOpens`] when the window does not open within about a year.
pub fn day_one(entry: Timestamp, cadence: &Schedule) -> Result<Date, NeverOpens> {
    cadence.next_opening(entry).map(|opening| cadence.date(opening))
}

/// The number of a date, at least 1: day 1 is `day_one`. A closed date has the number of the open one before it when
/// business days are counted.
#[must_use]
pub fn day_number(date: Date, day_one: Date, place: &Place<'_>) -> u32 {
    if date <= day_one {
        return 1;
    }
    match place.counting {
        DayCounting::Calendar => u32::try_from(days_between(day_one, date)).map_or(1, |days| days + 1),
        DayCounting::Business => {
            let open = day_one.series(jiff::Span::new().days(1)).take_while(|day| *day <= date);
            u32::try_from(open.filter(|day| place.cadence.is_business_day(*day)).count())
                .map_or(1, |n| n.max(1))
        }
    }
}

/// When a step is due.
///
/// # Errors
///
/// [`NeverOpens`] when a window or the business days it counts do not come within about a year: hold the touch.
pub fn due(timing: Timing, anchors: &Anchors<'_>, place: &Place<'_>) -> Result<Due, NeverOpens> {
    let by_day = timing.day.map(|day| planned(day, timing.at, anchors.day_one, place)).transpose()?;
    let by_delay = timing.after.map(|after| after.after(anchors.previous, place.step)).transpose()?;
    let named = by_day.max(by_delay).unwrap_or(anchors.previous);

    let mut shifts = Vec::new();
    let mut at = named;
    for (earliest, why) in [(anchors.entry, Why::Entry), (anchors.previous, Why::Previous)] {
        if at < earliest {
            shifts.push(Shift { from: at, to: earliest, why });
            at = earliest;
        }
    }
    if let Some(time) = timing.at {
        let earliest = place.step.moment(place.step.date(at), time);
        if at < earliest {
            shifts.push(Shift { from: at, to: earliest, why: Why::At(time) });
            at = earliest;
        }
    }
    settle(at, shifts, (timing, anchors, place))
}

/// The first place for a touch from a moment on, for what a gap, a cap or a person has moved: in the window, at the step's
/// time of day, and off the dates of other day numbers.
///
/// # Errors
///
/// [`NeverOpens`] when the window does not open within about a year.
pub fn place(
    from: Shift,
    timing: Timing,
    anchors: &Anchors<'_>,
    place: &Place<'_>,
) -> Result<Due, NeverOpens> {
    settle(from.to, vec![from], (timing, anchors, place))
}

/// The latest moment for a touch: `s`, `m` and `h` exactly after its due time, `1d` the end of the window on the next open
/// day. More days are counted on the calendar, business days by the window; either ends with the window of its day.
///
/// # Errors
///
/// [`NeverOpens`] when no open day comes within about a year.
pub fn due_by(due: Timestamp, within: Span, step: &Schedule) -> Result<Timestamp, NeverOpens> {
    if let Some(exact) = within.exact() {
        return Ok(exact.after(due));
    }
    match within.calendar_days() {
        Some(days) => step.end_of_window_after(step.add_days(due, i64::from(days)), 0),
        None => step.end_of_window_after(due, within.count()),
    }
}

/// The moment that a day number names: the step's time of day, else the opening, else (closed) the start of its date.
fn planned(
    day: u32,
    at: Option<TimeOfDay>,
    day_one: Date,
    place: &Place<'_>,
) -> Result<Timestamp, NeverOpens> {
    let later = day.saturating_sub(1);
    let date = match place.counting {
        DayCounting::Calendar => {
            day_one.checked_add(jiff::Span::new().try_days(later).unwrap_or_default()).unwrap_or(Date::MAX)
        }
        DayCounting::Business => {
            place.cadence.business_day_after(place.cadence.business_day_from(day_one)?, later)?
        }
    };
    let opening = || place.step.opening_of(date).unwrap_or_else(|| place.step.start_of_day(date));
    Ok(at.map_or_else(opening, |time| place.step.moment(date, time)))
}

/// Moves a moment into the window and off taken dates.
fn settle(
    from: Timestamp,
    mut shifts: Vec<Shift>,
    (timing, anchors, place): (Timing, &Anchors<'_>, &Place<'_>),
) -> Result<Due, NeverOpens> {
    let step = place.step;
    let mut at = open_from(from, timing.at, step, &mut shifts)?;
    if let Some(day) = timing.day {
        // Each turn moves to a later date, and only so many are taken.
        while let Some(other) = taken_by_another(anchors.taken, step.date(at), day) {
            let tomorrow = step.start_of_day(step.date(at).tomorrow().unwrap_or(Date::MAX));
            // Only the move as a whole is told: that the night is closed explains nothing.
            let moved = open_from(tomorrow, timing.at, step, &mut Vec::new())?;
            if moved <= at {
                return Err(NeverOpens);
            }
            shifts.push(Shift { from: at, to: moved, why: Why::Bunching { day: other } });
            at = moved;
        }
    }
    let date = step.date(at);
    let day = timing.day.unwrap_or_else(|| day_number(date, anchors.day_one, place));
    Ok(Due { at, date, day, shifts })
}

/// The next opening; when that is on another date, at the step's time of day, if the window is open then.
fn open_from(
    from: Timestamp,
    at: Option<TimeOfDay>,
    step: &Schedule,
    shifts: &mut Vec<Shift>,
) -> Result<Timestamp, NeverOpens> {
    let opening = step.next_opening(from)?;
    if opening > from {
        let why = Why::Closed(step.why_closed(from).unwrap_or(Closed::Hour));
        shifts.push(Shift { from, to: opening, why });
    }
    let date = step.date(opening);
    if let Some(time) = at {
        let wanted = step.moment(date, time);
        if opening < wanted && step.is_open(wanted) && step.date(wanted) == date {
            shifts.push(Shift { from: opening, to: wanted, why: Why::At(time) });
            return Ok(wanted);
        }
    }
    Ok(opening)
}

fn taken_by_another(taken: &[Taken], date: Date, day: u32) -> Option<u32> {
    taken.iter().find(|touch| touch.date == date && touch.day != day).map(|touch| touch.day)
}

fn days_between(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours() / 24
}
