//! When the touches of an enrollment are due.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::cadence::{Cadence, TouchSpec, ZoneRule};
use crate::contact::Contact;
use crate::enrollment::Enrollment;
use crate::time::{
    self, Anchors, Closed, DayCounting, Due, NeverOpens, Place, Schedule, Shift, Taken, Timing, Why,
};
use crate::touch::Note;
use crate::world::World;

/// The schedule of a cadence for a contact.
pub(super) struct Times {
    /// That of the cadence.
    pub(super) cadence: Schedule,
    counting: DayCounting,
    /// What was unusual in finding it: an unknown zone, a calendar that is not there.
    pub(super) notes: Vec<Note>,
}

impl Times {
    /// Contact's zone, else the cadence's, else the deployment's; the cadence's window, else the deployment's; its calendars.
    pub(super) fn of(world: &World, cadence: &Cadence, contact: &Contact) -> Self {
        let defaults = &world.catalog.defaults;
        let mut notes = Vec::new();
        let zone = zone(world, cadence, contact, &mut notes);
        let window = cadence.window.clone().unwrap_or_else(|| defaults.window.clone());
        let content = world.catalog.content(&contact.workspace);
        let calendars = cadence.holidays.iter().filter_map(|name| {
            let found = content.and_then(|content| content.calendars.get(name)).map(Arc::clone);
            if found.is_none() {
                notes.push(Note::new("unknown_calendar", format!("there is no calendar {name}")));
            }
            found
        });
        let calendars = calendars.collect();
        Self { cadence: Schedule::new(zone, window, calendars), counting: cadence.days, notes }
    }

    /// The schedule of a touch: the cadence's, with what the step changes of its window.
    pub(super) fn step(&self, spec: &TouchSpec) -> Schedule {
        match spec.window.as_ref().map(|patch| patch.apply(self.cadence.window())) {
            // A patch that does not fit the deployment's default window changes nothing: lint says so where it can.
            None | Some(Err(_)) => self.cadence.clone(),
            Some(Ok(window)) => self.cadence.with_window(window),
        }
    }

    /// The number of the local date of a moment.
    pub(super) fn day_number(&self, at: Timestamp, day_one: Date) -> u32 {
        time::day_number(self.cadence.date(at), day_one, &self.place(&self.cadence))
    }

    fn place<'a>(&'a self, step: &'a Schedule) -> Place<'a> {
        Place { counting: self.counting, cadence: &self.cadence, step }
    }

    /// When a touch is due, counted from the enrollment's progress.
    pub(super) fn due(&self, spec: &TouchSpec, enrollment: &Enrollment) -> Result<Due, NeverOpens> {
        let step = self.step(spec);
        with_anchors(enrollment, |anchors| time::due(spec.timing, anchors, &self.place(&step)))
    }

    /// The next place for a touch that something moves on to a moment or later.
    pub(super) fn moved(
        &self,
        spec: &TouchSpec,
        enrollment: &Enrollment,
        shift: Shift,
    ) -> Result<Due, NeverOpens> {
        let step = self.step(spec);
        with_anchors(enrollment, |anchors| time::place(shift, spec.timing, anchors, &self.place(&step)))
    }

    /// When a frozen touch is due: its own day, where it has one, and not before `earliest`.
    pub(super) fn thawed(
        &self,
        spec: &TouchSpec,
        enrollment: &Enrollment,
        earliest: Timestamp,
    ) -> Result<Due, NeverOpens> {
        let step = self.step(spec);
        with_anchors(enrollment, |anchors| {
            let by_day = Timing { after: None, ..spec.timing };
            let anchors = Anchors { previous: earliest, ..*anchors };
            time::due(by_day, &anchors, &self.place(&step))
        })
    }
}

fn with_anchors<T>(enrollment: &Enrollment, with: impl FnOnce(&Anchors<'_>) -> T) -> T {
    let progress = &enrollment.progress;
    let taken: Vec<Taken> = progress.taken();
    with(&Anchors {
        entry: enrollment.entered_at,
        day_one: progress.day_one,
        previous: progress.previous_completed,
        taken: &taken,
    })
}

fn zone(world: &World, cadence: &Cadence, contact: &Contact, notes: &mut Vec<Note>) -> TimeZone {
    let default = || world.catalog.defaults.zone.clone();
    let theirs = contact.attributes.text("zone");
    let named = match &cadence.zone {
        ZoneRule::Fixed(name) => Some(name.as_str()),
        ZoneRule::Preferring(name) => theirs.filter(|name| is_zone(name, notes)).or(Some(name)),
        ZoneRule::Contact => theirs,
    };
    match named {
        Some(name) if is_zone(name, notes) => time::zone(name).unwrap_or_else(default),
        _ => default(),
    }
}

fn is_zone(name: &str, notes: &mut Vec<Note>) -> bool {
    let known = time::zone(name).is_some();
    if !known && !notes.iter().any(|note| note.code == "unknown_zone") {
        notes.push(Note::new("unknown_zone", format!("{name} is no known zone: another one is used")));
    }
    known
}

/// The zone in which the deployment counts calendar days.
pub(super) fn default_zone(world: &World) -> TimeZone {
    world.catalog.defaults.zone.clone()
}

/// Why a touch is not due earlier, in words.
pub(super) fn note_of(shift: &Shift) -> Note {
    let to = shift.to;
    match &shift.why {
        Why::Entry => Note::new("entry", format!("not before the entry, {to}")),
        Why::Previous => Note::new("previous", format!("not before the step before it completed, {to}")),
        Why::At(time) => Note::new("at", format!("not before {time}, {to}")),
        Why::Closed(Closed::Hour) => {
            Note::new("closed_hour", format!("the window is closed at that hour: {to}"))
        }
        Why::Closed(Closed::Weekday) => {
            Note::new("closed_weekday", format!("the window is closed that day: {to}"))
        }
        Why::Closed(Closed::Holiday { calendar, label }) => {
            let what = label.as_ref().map_or(String::new(), |label| format!(", {label}"));
            Note::new("closed_holiday", format!("{calendar} closes that day{what}: {to}"))
        }
        Why::Bunching { day } => Note::new("bunching", format!("a touch of day {day} took the date: {to}")),
        Why::Gap => Note::new("gap", format!("the gap to the last touch: {to}")),
        Why::Cap { limit } => Note::new("cap", format!("{limit} is reached: {to}")),
    }
}
