//! What holds for every zone, window and moment.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

const ZONES: [&str; 14] = [
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Asia/Tehran",
    "Europe/London",
    "America/St_Johns",
    "Pacific/Auckland",
    "Asia/Kolkata",
    "America/Santiago",
    "Africa/Cairo",
];

fn zones() -> impl Strategy<Value = TimeZone> {
    proptest::sample::select(ZONES.as_slice()).prop_map(|name| zone(name).unwrap())
}

/// A moment of 2010 to 2035, every other time within hours of a clock change of the zone.
fn moments(zone: TimeZone) -> impl Strategy<Value = Timestamp> {
    (1_262_304_000_i64..2_051_222_400, any::<bool>(), -10_800_i64..10_800).prop_map(
        move |(second, at_a_change, offset)| {
            let moment = Timestamp::from_second(second).unwrap();
            let change = zone.following(moment).next().map(|change| change.timestamp());
            match change {
                Some(change) if at_a_change => change + SignedDuration::from_secs(offset),
                _ => moment,
            }
        },
    )
}

fn slots() -> impl Strategy<Value = Slot> {
    let hours = (0_u16..1440).prop_flat_map(|from| (Just(from), from + 1..=1440));
    (1_u8..128, hours).prop_map(|(days, (from, to))| {
        let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let days =
            names.into_iter().enumerate().filter(|(bit, _)| days & (1 << bit) != 0).map(|(_, name)| name);
        let text = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let from = TimeOfDay::parse(&text(from)).unwrap();
        let to = TimeOfDay::parse_end(&text(to)).unwrap();
        Slot::new(Days::parse(days).unwrap(), from, to).unwrap()
    })
}

fn windows() -> impl Strategy<Value = Window> {
    proptest::collection::vec(slots(), 1..4).prop_map(|slots| Window::weekly(slots).unwrap())
}

fn holidays(around: Date) -> impl Strategy<Value = Calendar> {
    proptest::collection::vec((-5_i32..20, 0_i32..4), 0..4).prop_map(move |ranges| {
        let ranges = ranges.into_iter().map(|(start, length)| {
            let from = around.saturating_add(jiff::Span::new().days(start));
            DateRange::new(from, from.saturating_add(jiff::Span::new().days(length))).unwrap()
        });
        Calendar::new("holidays", ranges.collect())
    })
}

fn schedules_and_moments() -> impl Strategy<Value = (Schedule, Timestamp)> {
    zones()
        .prop_flat_map(|zone| (Just(zone.clone()), moments(zone), windows()))
        .prop_flat_map(|(zone, at, window)| {
            let calendar = holidays(zone.to_datetime(at).date());
            (Just(zone), Just(at), Just(window), calendar)
        })
        .prop_map(|(zone, at, window, calendar)| (Schedule::new(zone, window, vec![Arc::new(calendar)]), at))
}

/// Whether the wall clock of the zone shows a time of the window, on a date that is not closed: the plain reading of the
/// rule, without any of the schedule's own arithmetic.
fn wall_clock_is_within(schedule: &Schedule, calendar_closed: impl Fn(Date) -> bool, at: Timestamp) -> bool {
    let local = schedule.zone().to_datetime(at);
    let minutes = i32::from(local.hour()) * 60 + i32::from(local.minute());
    !calendar_closed(local.date())
        && schedule.window().slots().iter().any(|slot| {
            slot.days().contains(local.date().weekday())
                && i32::from(slot.from().minutes()) <= minutes
                && minutes < i32::from(slot.to().minutes())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_opens_outside_the_window((schedule, at) in schedules_and_moments()) {
        if let Ok(opening) = schedule.next_opening(at) {
            let closed = |date| matches!(schedule.why_day_closed(date), Some(Closed::Holiday { .. }));
            prop_assert!(wall_clock_is_within(&schedule, closed, opening), "{at} opens at {opening}");
            prop_assert!(schedule.is_open(opening));
            prop_assert_eq!(schedule.why_closed(opening), None);
        }
    }

    #[test]
    fn the_next_opening_is_never_earlier_and_of_an_opening_it_is_itself((schedule, at) in schedules_and_moments()) {
        if let Ok(opening) = schedule.next_opening(at) {
            prop_assert!(opening >= at);
            prop_assert_eq!(schedule.next_opening(opening), Ok(opening));
            prop_assert_eq!(opening == at, schedule.is_open(at));
        }
    }

    #[test]
    fn a_later_moment_never_opens_earlier((schedule, at) in schedules_and_moments(), later in 0_i64..200_000) {
        let later = at + SignedDuration::from_secs(later);
        if let (Ok(one), Ok(two)) = (schedule.next_opening(at), schedule.next_opening(later)) {
            prop_assert!(one <= two, "{at} opens at {one}, {later} at {two}");
        }
    }

    #[test]
    fn nothing_open_is_passed_over((schedule, at) in schedules_and_moments(), part in 0.0_f64..1.0) {
        if let Ok(opening) = schedule.next_opening(at) {
            #[expect(clippy::cast_possible_truncation, reason = "a number of seconds of at most a year")]
            let between = at + SignedDuration::from_secs((opening.duration_since(at).as_secs_f64() * part) as i64);
            prop_assert!(between == opening || !schedule.is_open(between), "{between} was open");
        }
    }

    #[test]
    fn an_hour_of_the_window_far_from_a_clock_change_is_open((schedule, at) in schedules_and_moments()) {
        let day = SignedDuration::from_hours(26);
        let quiet = schedule.zone().following(at - day).next().is_none_or(|change| change.timestamp() > at + day);
        let closed = |date| matches!(schedule.why_day_closed(date), Some(Closed::Holiday { .. }));
        if quiet {
            prop_assert_eq!(schedule.is_open(at), wall_clock_is_within(&schedule, closed, at));
        }
    }

    #[test]
    fn the_last_open_moment_is_open_and_not_later((schedule, at) in schedules_and_moments()) {
        if let Ok(last) = schedule.last_open_before(at) {
            prop_assert!(last <= at && schedule.is_open(last));
        }
    }

    #[test]
    fn a_day_later_the_wall_clock_shows_the_same_time_unless_it_is_skipped(
        (zone, at) in zones().prop_flat_map(|zone| (Just(zone.clone()), moments(zone))),
        days in 1_u16..400,
    ) {
        let schedule = Schedule::always(zone.clone());
        let later = Span::days(days).after(at, &schedule).unwrap();

        let (before, after) = (zone.to_datetime(at), zone.to_datetime(later));
        let wanted = before.checked_add(jiff::Span::new().days(i64::from(days))).unwrap();
        let ambiguity = zone.to_ambiguous_timestamp(wanted);
        if after != wanted {
            prop_assert!(matches!(ambiguity.offset(), AmbiguousOffset::Gap { .. }), "{before} plus {days} days is {after}");
            prop_assert!(after > wanted, "a skipped time moves forward");
        }
        prop_assert_eq!(later, ambiguity.compatible().unwrap());
    }

    #[test]
    fn business_days_are_open_and_counted_one_by_one((schedule, at) in schedules_and_moments(), count in 0_u32..15) {
        let date = schedule.date(at);
        if let Ok(later) = schedule.business_day_after(date, count) {
            let counted = date
                .series(jiff::Span::new().days(1))
                .skip(1)
                .take_while(|day| *day <= later)
                .filter(|day| schedule.is_business_day(*day))
                .count();
            prop_assert_eq!(counted, usize::try_from(count).unwrap());
            prop_assert!(count == 0 || schedule.is_business_day(later));
        }
    }

    #[test]
    fn a_day_step_is_due_in_its_window_after_entry_and_on_no_date_of_another_number(
        (schedule, entry) in schedules_and_moments(),
        number in 1_u32..15,
        slip in 0_i64..1_000_000,
        taken in proptest::collection::vec((0_i64..25, 1_u32..15), 0..8),
        counting in prop_oneof![Just(DayCounting::Calendar), Just(DayCounting::Business)],
    ) {
        let Ok(first) = day_one(entry, &schedule) else { return Ok(()) };
        let taken: Vec<Taken> = taken
            .into_iter()
            .map(|(later, day)| Taken { date: first.saturating_add(jiff::Span::new().days(later)), day })
            .collect();
        let previous = entry + SignedDuration::from_secs(slip);
        let anchors = Anchors { entry, day_one: first, previous, taken: &taken };
        let place = Place { counting, cadence: &schedule, step: &schedule };
        let timing = Timing { day: Some(number), ..Timing::default() };

        if let Ok(due) = due(timing, &anchors, &place) {
            prop_assert!(schedule.is_open(due.at));
            prop_assert!(due.at >= previous);
            prop_assert_eq!(due.date, schedule.date(due.at));
            prop_assert!(taken.iter().all(|touch| touch.date != due.date || touch.day == number));
            for pair in due.shifts.windows(2) {
                prop_assert_eq!(pair[0].to, pair[1].from, "shifts follow one another");
            }
            prop_assert!(due.shifts.last().is_none_or(|last| last.to == due.at));
            prop_assert!(due.shifts.iter().all(|shift| shift.from < shift.to));
        }
    }
}
