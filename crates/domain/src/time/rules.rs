//! Tables that read like the rules of time in the cadence language.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;

use super::*;

const NEW_YORK: &str = "America/New_York";

fn zone(name: &str) -> TimeZone {
    crate::time::zone(name).unwrap()
}

/// A local time such as `2026-03-06 17:28`.
fn local(name: &str, text: &str) -> Timestamp {
    zone(name).to_timestamp(text.parse::<DateTime>().unwrap()).unwrap()
}

fn shown(name: &str, at: Timestamp) -> String {
    zone(name).to_datetime(at).strftime("%a %Y-%m-%d %H:%M").to_string()
}

fn window(days: &[&str], from: &str, to: &str) -> Window {
    let slot = Slot::new(
        Days::parse(days).unwrap(),
        TimeOfDay::parse(from).unwrap(),
        TimeOfDay::parse_end(to).unwrap(),
    );
    Window::weekly(vec![slot.unwrap()]).unwrap()
}

fn office_in(name: &str) -> Schedule {
    let hours = window(&["mon", "tue", "wed", "thu", "fri"], "09:00", "17:30");
    Schedule::new(zone(name), hours, Vec::new())
}

fn office() -> Schedule {
    office_in(NEW_YORK)
}

/// New York office hours; closed on Thanksgiving and over Christmas.
fn office_with_holidays() -> Schedule {
    let thanksgiving = DateRange::day(date(2026, 11, 26)).labelled("Thanksgiving");
    let christmas = DateRange::new(date(2026, 12, 24), date(2026, 12, 27)).unwrap();
    let calendar = Calendar::new("company-days", vec![thanksgiving, christmas]);
    Schedule::new(zone(NEW_YORK), office().window().clone(), vec![Arc::new(calendar)])
}

fn span(text: &str) -> Span {
    Span::parse(text).unwrap()
}

fn day(number: u32) -> Timing {
    Timing { day: Some(number), ..Timing::default() }
}

fn after(text: &str) -> Timing {
    Timing { after: Some(span(text)), ..Timing::default() }
}

fn at(timing: Timing, text: &str) -> Timing {
    Timing { at: Some(TimeOfDay::parse(text).unwrap()), ..timing }
}

/// Due in New York office hours; the enrollment entered and the step before completed at these local times.
fn due_in(schedule: &Schedule, timing: Timing, entry: &str, previous: &str, taken: &[Taken]) -> Due {
    let entry = local(NEW_YORK, entry);
    let anchors = Anchors {
        entry,
        day_one: day_one(entry, schedule).unwrap(),
        previous: local(NEW_YORK, previous),
        taken,
    };
    let place = Place { counting: DayCounting::Calendar, cadence: schedule, step: schedule };
    due(timing, &anchors, &place).unwrap()
}

fn taken(on: Date, number: u32) -> Taken {
    Taken { date: on, day: number }
}

#[test]
fn a_delay_runs_through_the_night_and_ends_at_the_next_opening() {
    for (completed, delay, expected) in [
        ("2026-03-06 17:28", "5m", "Mon 2026-03-09 09:00"),
        ("2026-03-06 17:20", "5m", "Fri 2026-03-06 17:25"),
        ("2026-03-06 17:25", "5m", "Mon 2026-03-09 09:00"),
        ("2026-03-07 11:00", "5m", "Mon 2026-03-09 09:00"),
        ("2026-03-05 12:00", "1d", "Fri 2026-03-06 12:00"),
        ("2026-03-06 12:00", "1d", "Mon 2026-03-09 09:00"),
        ("2026-03-06 12:00", "3d", "Mon 2026-03-09 12:00"),
        ("2026-03-06 12:00", "1w", "Fri 2026-03-13 12:00"),
        ("2026-03-06 12:00", "1bd", "Mon 2026-03-09 12:00"),
        ("2026-03-06 12:00", "3bd", "Wed 2026-03-11 12:00"),
        ("2026-03-07 12:00", "1bd", "Mon 2026-03-09 12:00"),
        ("2026-03-07 12:00", "0s", "Mon 2026-03-09 09:00"),
    ] {
        let due = due_in(&office(), after(delay), "2026-03-05 10:00", completed, &[]);

        assert_eq!(shown(NEW_YORK, due.at), expected, "{completed} + {delay}");
    }
}

#[test]
fn business_days_skip_what_a_calendar_closes_and_calendar_days_count_it() {
    let schedule = office_with_holidays();
    for (from, delay, expected) in [
        ("2026-11-25 12:00", "1bd", "Fri 2026-11-27 12:00"),
        ("2026-11-26 12:00", "1bd", "Fri 2026-11-27 12:00"),
        ("2026-11-25 12:00", "1d", "Fri 2026-11-27 09:00"),
        ("2026-11-25 12:00", "2d", "Fri 2026-11-27 12:00"),
        ("2026-12-23 12:00", "1bd", "Mon 2026-12-28 12:00"),
    ] {
        let due = due_in(&schedule, after(delay), "2026-11-02 10:00", from, &[]);

        assert_eq!(shown(NEW_YORK, due.at), expected, "{from} + {delay}");
    }
}

#[test]
fn day_one_is_the_local_date_of_the_next_opening_after_entry() {
    for (entry, expected) in [
        ("2026-03-06 17:20", "Fri 2026-03-06 17:20"),
        ("2026-03-06 17:30", "Mon 2026-03-09 09:00"),
        ("2026-03-07 08:00", "Mon 2026-03-09 09:00"),
        ("2026-03-06 03:00", "Fri 2026-03-06 09:00"),
    ] {
        let due = due_in(&office(), day(1), entry, entry, &[]);

        assert_eq!(shown(NEW_YORK, due.at), expected, "{entry}");
        assert_eq!(due.day, 1);
    }
}

#[test]
fn a_day_is_due_at_its_opening_or_time_of_day() {
    for (timing, expected) in [
        (day(3), "Wed 2026-03-04 09:00"),
        (at(day(3), "15:00"), "Wed 2026-03-04 15:00"),
        // Saturday: the next opening, at the step's time of day again.
        (day(6), "Mon 2026-03-09 09:00"),
        (at(day(6), "15:00"), "Mon 2026-03-09 15:00"),
        // 19:00 is never open: the next opening after it.
        (at(day(3), "19:00"), "Thu 2026-03-05 09:00"),
        // With a delay too, the later counts.
        (Timing { after: Some(span("4d")), ..day(3) }, "Fri 2026-03-06 10:00"),
        (Timing { after: Some(span("1d")), ..day(3) }, "Wed 2026-03-04 09:00"),
    ] {
        let due = due_in(&office(), timing, "2026-03-02 10:00", "2026-03-02 10:00", &[]);

        assert_eq!(shown(NEW_YORK, due.at), expected, "{timing:?}");
    }
}

#[test]
fn a_time_of_day_is_not_before_which_the_step_goes_out() {
    for (previous, expected) in [
        ("2026-03-03 10:00", "Tue 2026-03-03 15:00"),
        ("2026-03-03 15:40", "Tue 2026-03-03 15:50"),
        ("2026-03-03 17:25", "Wed 2026-03-04 15:00"),
    ] {
        let due = due_in(&office(), at(after("10m"), "15:00"), "2026-03-02 10:00", previous, &[]);

        assert_eq!(shown(NEW_YORK, due.at), expected, "{previous}");
    }
}

#[test]
fn a_step_without_timing_is_due_at_once() {
    let due = due_in(&office(), Timing::default(), "2026-03-02 10:00", "2026-03-04 10:30", &[]);

    assert_eq!(shown(NEW_YORK, due.at), "Wed 2026-03-04 10:30");
    assert_eq!(due.day, 3, "it has the number of the day on which it falls");
    assert_eq!(due.shifts, []);
}

#[test]
fn days_of_different_numbers_never_share_a_date() {
    // Day 1 is Friday. Day 2 falls on Saturday and moves to Monday; day 4 falls on Monday itself.
    let entry = "2026-03-06 10:00";
    let friday = taken(date(2026, 3, 6), 1);
    let second = due_in(&office(), day(2), entry, entry, &[friday]);
    assert_eq!(shown(NEW_YORK, second.at), "Mon 2026-03-09 09:00");

    let monday = taken(second.date, 2);
    let fourth = due_in(&office(), day(4), entry, "2026-03-09 09:05", &[friday, monday]);

    assert_eq!(shown(NEW_YORK, fourth.at), "Tue 2026-03-10 09:00");
    assert_eq!(fourth.day, 4, "it keeps its number");
    assert!(matches!(fourth.shifts.last().unwrap().why, Why::Bunching { day: 2 }), "{:?}", fourth.shifts);
}

#[test]
fn a_late_completion_never_bunches_the_days_after_it() {
    // Day 1's call is completed only on Wednesday, day 3: days 2 and 3 follow one open date each.
    let entry = "2026-03-02 10:00";
    let completed = "2026-03-04 11:00";
    let mut dates = vec![taken(date(2026, 3, 2), 1), taken(date(2026, 3, 4), 1)];

    let second = due_in(&office(), day(2), entry, completed, &dates);
    dates.push(taken(second.date, 2));
    let third = due_in(&office(), day(3), entry, "2026-03-05 09:10", &dates);

    assert_eq!(shown(NEW_YORK, second.at), "Thu 2026-03-05 09:00");
    assert_eq!(shown(NEW_YORK, third.at), "Fri 2026-03-06 09:00");
}

#[test]
fn steps_of_the_same_day_number_may_share_a_date() {
    let entry = "2026-03-02 10:00";
    let done = taken(date(2026, 3, 2), 1);

    let due = due_in(&office(), day(1), entry, "2026-03-02 11:15", &[done]);

    assert_eq!(shown(NEW_YORK, due.at), "Mon 2026-03-02 11:15");
}

#[test]
fn a_step_without_a_day_may_follow_on_a_taken_date() {
    let due =
        due_in(&office(), after("5m"), "2026-03-02 10:00", "2026-03-03 10:00", &[taken(date(2026, 3, 3), 2)]);

    assert_eq!(shown(NEW_YORK, due.at), "Tue 2026-03-03 10:05");
    assert_eq!(due.day, 2);
}

#[test]
fn a_jump_to_a_day_that_has_passed_is_due_at_the_next_opening() {
    let due = due_in(&office(), day(2), "2026-03-02 10:00", "2026-03-10 18:00", &[]);

    assert_eq!(shown(NEW_YORK, due.at), "Wed 2026-03-11 09:00");
    assert_eq!(due.day, 2);
}

#[test]
fn business_day_numbers_skip_closed_dates() {
    let schedule = office_with_holidays();
    let entry = local(NEW_YORK, "2026-11-25 10:00");
    let anchors = Anchors { entry, day_one: day_one(entry, &schedule).unwrap(), previous: entry, taken: &[] };
    let place = Place { counting: DayCounting::Business, cadence: &schedule, step: &schedule };

    for (number, expected) in [(2, "Fri 2026-11-27 09:00"), (3, "Mon 2026-11-30 09:00")] {
        let due = due(day(number), &anchors, &place).unwrap();

        assert_eq!(shown(NEW_YORK, due.at), expected);
        assert_eq!(day_number(due.date, anchors.day_one, &place), number);
    }
}

#[test]
fn a_step_with_a_window_of_its_own_goes_out_by_it() {
    let cadence = office_with_holidays();
    let any = cadence.with_window(Window::Any);
    let entry = local(NEW_YORK, "2026-11-26 22:00");
    let anchors = Anchors { entry, day_one: day_one(entry, &cadence).unwrap(), previous: entry, taken: &[] };
    let place = Place { counting: DayCounting::Calendar, cadence: &cadence, step: &any };

    let due = due(after("5m"), &anchors, &place).unwrap();

    assert_eq!(shown(NEW_YORK, due.at), "Thu 2026-11-26 22:05", "any ignores hours and holidays");
    assert_eq!(due.day, 1, "before day 1 the number is 1");
}

#[test]
fn every_shift_says_why() {
    let schedule = office_with_holidays();
    let due = due_in(&schedule, day(2), "2026-11-25 10:00", "2026-11-25 10:00", &[]);

    let why = &due.shifts[0].why;

    let holiday = Closed::Holiday { calendar: "company-days".into(), label: Some("Thanksgiving".into()) };
    assert_eq!(*why, Why::Closed(holiday));
    assert_eq!(
        serde_json::to_string(why).unwrap(),
        r#"{"closed":{"holiday":{"calendar":"company-days","label":"Thanksgiving"}}}"#,
    );
}

#[test]
fn what_a_cap_moves_lands_in_the_window_and_off_taken_dates() {
    let schedule = office();
    let entry = local(NEW_YORK, "2026-03-02 10:00");
    let tuesday = [taken(date(2026, 3, 3), 1)];
    let anchors = Anchors { entry, day_one: date(2026, 3, 2), previous: entry, taken: &tuesday };
    let places = Place { counting: DayCounting::Calendar, cadence: &schedule, step: &schedule };
    let cap = Why::Cap { limit: "per_contact".into() };
    let from = Shift { from: entry, to: local(NEW_YORK, "2026-03-02 23:00"), why: cap };

    let due = place(from, at(day(2), "10:00"), &anchors, &places).unwrap();

    assert_eq!(shown(NEW_YORK, due.at), "Wed 2026-03-04 10:00");
    assert_eq!(due.shifts.len(), 4, "{:?}", due.shifts);
}

#[test]
fn due_by_is_exact_for_minutes_and_the_end_of_the_window_for_days() {
    for (due, within, expected) in [
        ("2026-03-06 17:25", "10m", "Fri 2026-03-06 17:35"),
        ("2026-03-05 10:00", "1d", "Fri 2026-03-06 17:30"),
        ("2026-03-06 10:00", "1d", "Mon 2026-03-09 17:30"),
        ("2026-03-06 10:00", "1bd", "Mon 2026-03-09 17:30"),
        ("2026-03-05 10:00", "2d", "Mon 2026-03-09 17:30"),
        ("2026-03-05 10:00", "2bd", "Mon 2026-03-09 17:30"),
        ("2026-03-04 10:00", "0d", "Wed 2026-03-04 17:30"),
    ] {
        let by = due_by(local(NEW_YORK, due), span(within), &office()).unwrap();

        assert_eq!(shown(NEW_YORK, by), expected, "{due} within {within}");
    }
}

#[test]
fn what_counts_back_stops_at_the_last_open_second() {
    for (mark, expected) in [
        ("2026-03-06 12:00", "Fri 2026-03-06 12:00"),
        ("2026-03-07 12:00", "Fri 2026-03-06 17:29"),
        ("2026-03-09 08:59", "Fri 2026-03-06 17:29"),
    ] {
        let last = office().last_open_before(local(NEW_YORK, mark)).unwrap();

        assert_eq!(shown(NEW_YORK, last), expected, "{mark}");
    }
}

#[test]
fn a_window_that_never_opens_is_said_so() {
    let shut = Calendar::new("shut", vec![DateRange::new(date(2020, 1, 1), date(2040, 1, 1)).unwrap()]);
    let schedule = Schedule::new(zone(NEW_YORK), office().window().clone(), vec![Arc::new(shut)]);

    assert_eq!(schedule.next_opening(local(NEW_YORK, "2026-03-06 12:00")), Err(NeverOpens));
    assert_eq!(schedule.last_open_before(local(NEW_YORK, "2026-03-06 12:00")), Err(NeverOpens));
}

#[test]
fn days_keep_the_local_time_of_day_across_clock_changes() {
    for (name, from, expected) in [
        // Spring and autumn in each.
        ("America/New_York", "2026-03-07 10:00", "Sun 2026-03-08 10:00"),
        ("America/New_York", "2026-10-31 10:00", "Sun 2026-11-01 10:00"),
        ("Europe/Berlin", "2026-03-28 10:00", "Sun 2026-03-29 10:00"),
        ("Europe/London", "2026-10-24 10:00", "Sun 2026-10-25 10:00"),
        ("Australia/Lord_Howe", "2026-04-04 10:00", "Sun 2026-04-05 10:00"),
        ("Pacific/Auckland", "2026-09-26 10:00", "Sun 2026-09-27 10:00"),
        ("America/St_Johns", "2026-03-07 10:00", "Sun 2026-03-08 10:00"),
        ("Africa/Casablanca", "2026-02-14 10:00", "Sun 2026-02-15 10:00"),
        ("America/Sao_Paulo", "2018-11-03 10:00", "Sun 2018-11-04 10:00"),
        ("Asia/Tehran", "2022-03-21 10:00", "Tue 2022-03-22 10:00"),
        // Skipped: forward by the gap. 2 April 2026 is no change in Kathmandu, ever.
        ("America/New_York", "2026-03-07 02:30", "Sun 2026-03-08 03:30"),
        ("Australia/Lord_Howe", "2026-10-03 02:15", "Sun 2026-10-04 02:45"),
        ("Asia/Kathmandu", "2026-04-01 02:30", "Thu 2026-04-02 02:30"),
    ] {
        let schedule = Schedule::always(zone(name));

        let later = span("1d").after(local(name, from), &schedule).unwrap();

        assert_eq!(shown(name, later), expected, "{name} {from}");
    }
}

#[test]
fn a_repeated_local_time_is_the_first() {
    let schedule = Schedule::always(zone(NEW_YORK));

    let later = span("1d").after(local(NEW_YORK, "2026-10-31 01:30"), &schedule).unwrap();

    assert_eq!(later, "2026-11-01T05:30:00Z".parse().unwrap(), "in daylight time still");
}

#[test]
fn a_window_that_opens_in_a_skipped_hour_opens_that_much_later() {
    let night = Schedule::new(zone(NEW_YORK), window(&["sun"], "02:30", "05:00"), Vec::new());

    let opening = night.next_opening(local(NEW_YORK, "2026-03-07 12:00")).unwrap();

    assert_eq!(shown(NEW_YORK, opening), "Sun 2026-03-08 03:30");
}

#[test]
fn a_window_within_a_skipped_hour_does_not_open_that_day() {
    let night = Schedule::new(zone(NEW_YORK), window(&["sun"], "02:10", "02:50"), Vec::new());

    let opening = night.next_opening(local(NEW_YORK, "2026-03-07 12:00")).unwrap();

    assert_eq!(shown(NEW_YORK, opening), "Sun 2026-03-15 02:10");
}

#[test]
fn a_window_in_a_repeated_hour_is_not_open_outside_its_local_times() {
    let night = Schedule::new(zone(NEW_YORK), window(&["sun"], "01:30", "02:00"), Vec::new());
    let utc = |text: &str| text.parse::<Timestamp>().unwrap();

    // 01:30 EDT to 02:00 EDT, then 01:00 EST to 01:30 EST is closed, then 01:30 EST to 02:00 EST.
    assert!(night.is_open(utc("2026-11-01T05:45:00Z")));
    assert!(!night.is_open(utc("2026-11-01T06:15:00Z")));
    assert_eq!(night.next_opening(utc("2026-11-01T06:15:00Z")), Ok(utc("2026-11-01T06:30:00Z")));
    assert!(!night.is_open(utc("2026-11-01T07:00:00Z")));
}

#[test]
fn a_date_that_a_zone_skipped_has_no_opening() {
    let apia = office_in("Pacific/Apia");

    // Samoa went from Thursday 29 to Saturday 31 December 2011.
    let opening = apia.next_opening(local("Pacific/Apia", "2011-12-29 18:00")).unwrap();

    assert_eq!(shown("Pacific/Apia", opening), "Mon 2012-01-02 09:00");
    assert!(!apia.is_business_day(date(2011, 12, 30)));
}
