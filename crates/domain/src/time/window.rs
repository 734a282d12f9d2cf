//! The hours in which touches may go out.

use std::fmt;

use jiff::civil::Time;
pub use jiff::civil::Weekday;
use serde::{Deserialize, Serialize};

const MINUTES_OF_A_DAY: u16 = 24 * 60;

/// A local time of day to the minute, written `"09:00"`. Only as the end of a window it may be `"24:00"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// The first minute.
    pub const MIDNIGHT: Self = Self(0);
    /// The end of the day, only for the end of a window.
    pub const END_OF_DAY: Self = Self(MINUTES_OF_A_DAY);

    /// Reads `HH:MM` from `00:00` to `23:59`.
    ///
    /// # Errors
    ///
    /// [`WindowError::BadTime`] for anything else.
    pub fn parse(text: &str) -> Result<Self, WindowError> {
        Self::parse_end(text)
            .ok()
            .filter(|time| *time != Self::END_OF_DAY)
            .ok_or_else(|| WindowError::BadTime(text.to_owned()))
    }

    /// Reads `HH:MM` from `00:00` to `24:00`, as the end of a window.
    ///
    /// # Errors
    ///
    /// [`WindowError::BadTime`] for anything else.
    pub fn parse_end(text: &str) -> Result<Self, WindowError> {
        let bad = || WindowError::BadTime(text.to_owned());
        let (hours, minutes) = text.split_once(':').ok_or_else(bad)?;
        let number = |part: &str| match part.as_bytes() {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
                Some(u16::from(tens - b'0') * 10 + u16::from(ones - b'0'))
            }
            _ => None,
        };
        let hours = number(hours).ok_or_else(bad)?;
        let minutes = number(minutes).filter(|&minutes| minutes < 60).ok_or_else(bad)?;
        let total = hours * 60 + minutes;
        if total <= MINUTES_OF_A_DAY { Ok(Self(total)) } else { Err(bad()) }
    }

    /// Minutes since midnight, 1440 at the end of the day.
    #[must_use]
    pub fn minutes(self) -> u16 {
        self.0
    }

    /// As a civil time; none for the end of the day, which is midnight of the next one.
    #[must_use]
    pub fn time(self) -> Option<Time> {
        let (hour, minute) = (i8::try_from(self.0 / 60).ok()?, i8::try_from(self.0 % 60).ok()?);
        Time::new(hour, minute, 0, 0).ok()
    }

    /// Whether a civil time is at or after it.
    pub(super) fn reached_by(self, time: Time) -> bool {
        let minutes = u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs());
        minutes >= self.0
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = WindowError;

    fn try_from(text: String) -> Result<Self, WindowError> {
        Self::parse_end(&text)
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

/// Why a window cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// No time of day.
    #[error("`{0}` is not a time of day: write \"09:00\" to \"23:59\", quoted, and \"24:00\" only as an end")]
    BadTime(String),
    /// No day of the week.
    #[error("`{0}` is not a day: days are mon, tue, wed, thu, fri, sat, sun")]
    BadDay(String),
    /// The list of days is empty.
    #[error("a window needs at least one day")]
    NoDays,
    /// A list of windows without one.
    #[error("a list of windows needs at least one: write `any` for no limit")]
    NoSlots,
    /// It ends before it opens.
    #[error(
        "the window ends at {to}, not after it opens at {from}: a night is two windows, {from} to 24:00 and 00:00 to {to}"
    )]
    EndsBeforeItOpens {
        /// When it opens.
        from: TimeOfDay,
        /// When it ends.
        to: TimeOfDay,
    },
}

/// Days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Days(u8);

const NAMES: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);
    /// Monday to Friday.
    pub const WORKING: Self = Self(0b001_1111);

    /// Reads `mon`, `tue`, …
    ///
    /// # Errors
    ///
    /// [`WindowError::BadDay`] for another name, [`WindowError::NoDays`] for none.
    pub fn parse<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Self, WindowError> {
        let mut days = 0;
        for name in names {
            let index = NAMES
                .iter()
                .position(|(known, _)| *known == name.as_ref())
                .ok_or_else(|| WindowError::BadDay(name.as_ref().to_owned()))?;
            days |= 1 << index;
        }
        if days == 0 { Err(WindowError::NoDays) } else { Ok(Self(days)) }
    }

    /// Whether a day is among them.
    #[must_use]
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & (1 << day.to_monday_zero_offset()) != 0
    }

    /// Their names, from Monday.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().filter(move |(_, day)| self.contains(*day)).map(|(name, _)| name)
    }
}

impl TryFrom<Vec<String>> for Days {
    type Error = WindowError;

    fn try_from(names: Vec<String>) -> Result<Self, WindowError> {
        Self::parse(names)
    }
}

impl From<Days> for Vec<String> {
    fn from(days: Days) -> Self {
        days.names().map(str::to_owned).collect()
    }
}

/// Open on these days from a time of day up to another, which is not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawSlot")]
pub struct Slot {
    days: Days,
    from: TimeOfDay,
    to: TimeOfDay,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSlot {
    days: Days,
    from: TimeOfDay,
    to: TimeOfDay,
}

impl TryFrom<RawSlot> for Slot {
    type Error = WindowError;

    fn try_from(raw: RawSlot) -> Result<Self, WindowError> {
        Self::new(raw.days, raw.from, raw.to)
    }
}

impl Slot {
    /// Open on `days`, `from` ≤ time < `to`.
    ///
    /// # Errors
    ///
    /// [`WindowError::EndsBeforeItOpens`] unless `from` is before `to`.
    pub fn new(days: Days, from: TimeOfDay, to: TimeOfDay) -> Result<Self, WindowError> {
        if from < to { Ok(Self { days, from, to }) } else { Err(WindowError::EndsBeforeItOpens { from, to }) }
    }

    /// On which days.
    #[must_use]
    pub fn days(&self) -> Days {
        self.days
    }

    /// When it opens.
    #[must_use]
    pub fn from(&self) -> TimeOfDay {
        self.from
    }

    /// When it ends: the first minute that is closed.
    #[must_use]
    pub fn to(&self) -> TimeOfDay {
        self.to
    }

    /// Whether the wall clock shows a time within.
    pub(super) fn shows(&self, time: Time) -> bool {
        self.from.reached_by(time) && !self.to.reached_by(time)
    }
}

/// When touches may go out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// At any time, on holidays too.
    Any,
    /// In these slots of the week; never empty.
    Weekly(Slots),
}

/// At least one slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Slot>", into = "Vec<Slot>")]
pub struct Slots(Vec<Slot>);

impl TryFrom<Vec<Slot>> for Slots {
    type Error = WindowError;

    fn try_from(mut slots: Vec<Slot>) -> Result<Self, WindowError> {
        if slots.is_empty() {
            return Err(WindowError::NoSlots);
        }
        slots.sort_by_key(|slot| (slot.from, slot.to));
        slots.dedup();
        Ok(Self(slots))
    }
}

impl From<Slots> for Vec<Slot> {
    fn from(slots: Slots) -> Self {
        slots.0
    }
}

impl Window {
    /// Open in these slots of the week, which may overlap.
    ///
    /// # Errors
    ///
    /// [`WindowError::NoSlots`] when there is none.
    pub fn weekly(slots: Vec<Slot>) -> Result<Self, WindowError> {
        Slots::try_from(slots).map(Self::Weekly)
    }

    /// Its slots, by opening time; none for any time.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        match self {
            Self::Any => &[],
            Self::Weekly(slots) => &slots.0,
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Any = self {
            return f.write_str("any");
        }
        for (index, slot) in self.slots().iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let days = slot.days.names().collect::<Vec<_>>().join(" ");
            write!(f, "{separator}{days} {}-{}", slot.from, slot.to)?;
        }
        Ok(())
    }
}

/// What a step says about the window of its cadence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowPatch {
    /// Another window altogether: `any` or a list.
    Replace(Window),
    /// Other keys, each in every slot of the cadence's window; what is not named stays.
    Keys {
        /// Other days.
        days: Option<Days>,
        /// Another opening time.
        from: Option<TimeOfDay>,
        /// Another end.
        to: Option<TimeOfDay>,
    },
}

impl WindowPatch {
    /// The window that holds for the step. A cadence without limits counts as open every day from midnight to midnight.
    ///
    /// # Errors
    ///
    /// [`WindowError::EndsBeforeItOpens`] when old and new keys do not fit together.
    pub fn apply(&self, base: &Window) -> Result<Window, WindowError> {
        let (days, from, to) = match self {
            Self::Replace(window) => return Ok(window.clone()),
            Self::Keys { days, from, to } => (*days, *from, *to),
        };
        let always = [Slot { days: Days::ALL, from: TimeOfDay::MIDNIGHT, to: TimeOfDay::END_OF_DAY }];
        let slots = match base {
            Window::Any => &always,
            Window::Weekly(slots) => slots.0.as_slice(),
        };
        let patched = slots
            .iter()
            .map(|slot| {
                Slot::new(days.unwrap_or(slot.days), from.unwrap_or(slot.from), to.unwrap_or(slot.to))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Window::weekly(patched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> TimeOfDay {
        TimeOfDay::parse_end(text).unwrap()
    }

    fn office() -> Window {
        Window::weekly(vec![Slot::new(Days::WORKING, time("09:00"), time("17:30")).unwrap()]).unwrap()
    }

    #[test]
    fn times_of_day_are_two_digits_each_and_24_00_only_ends_a_window() {
        assert_eq!(TimeOfDay::parse("09:05").unwrap().minutes(), 545);
        assert_eq!(TimeOfDay::parse_end("24:00").unwrap(), TimeOfDay::END_OF_DAY);
        for text in ["24:00", "9:00", "09:60", "25:00", "0900", "", "aa:bb", "-1:00", "09:00:00"] {
            assert!(TimeOfDay::parse(text).is_err(), "{text}");
        }
        assert!(TimeOfDay::parse_end("24:01").is_err());
    }

    #[test]
    fn days_are_three_letters() {
        let days = Days::parse(["fri", "mon"]).unwrap();

        assert_eq!(days.names().collect::<Vec<_>>(), ["mon", "fri"]);
        assert!(days.contains(Weekday::Friday) && !days.contains(Weekday::Sunday));
        assert_eq!(Days::parse(["monday"]), Err(WindowError::BadDay("monday".into())));
        assert_eq!(Days::parse(Vec::<String>::new()), Err(WindowError::NoDays));
    }

    #[test]
    fn a_window_that_ends_before_it_opens_is_refused() {
        assert!(Slot::new(Days::ALL, time("22:00"), time("06:00")).is_err());
        assert!(Slot::new(Days::ALL, time("09:00"), time("09:00")).is_err());
        assert_eq!(Window::weekly(Vec::new()), Err(WindowError::NoSlots));
    }

    #[test]
    fn a_step_replaces_only_the_keys_it_names() {
        let patch = WindowPatch::Keys { days: None, from: Some(time("08:00")), to: None };

        let window = patch.apply(&office()).unwrap();

        assert_eq!(window.to_string(), "mon tue wed thu fri 08:00-17:30");
    }

    #[test]
    fn a_step_may_open_a_window_of_any_again_in_part() {
        let patch = WindowPatch::Keys { days: Some(Days::WORKING), from: None, to: Some(time("12:00")) };

        assert_eq!(patch.apply(&Window::Any).unwrap().to_string(), "mon tue wed thu fri 00:00-12:00");
        assert_eq!(WindowPatch::Replace(Window::Any).apply(&office()).unwrap(), Window::Any);
    }

    #[test]
    fn a_key_that_does_not_fit_the_others_is_refused() {
        let patch = WindowPatch::Keys { days: None, from: Some(time("18:00")), to: None };

        assert!(patch.apply(&office()).is_err());
    }

    #[test]
    fn windows_survive_json() {
        let text = serde_json::to_string(&office()).unwrap();

        assert_eq!(serde_json::from_str::<Window>(&text).unwrap(), office());
        assert!(
            serde_json::from_str::<Window>(r#"{"weekly":[{"days":["mon"],"from":"18:00","to":"09:00"}]}"#)
                .is_err()
        );
    }
}
