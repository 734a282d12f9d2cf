//! The examples of docs/semantics.md are files that lint accepts, and its tables of times are what the domain computes.

use std::path::Path;

use domain::cadence::{Cadence, TouchSpec};
use domain::id::{VersionId, Workspace};
use domain::time::{Anchors, Place, Schedule, Taken, Window, day_one, due};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use manifest::{Code, Content, Kind, Known, Source, Version, compile, load, parse};

fn text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/semantics.md");
    std::fs::read_to_string(path).expect("the document is there")
}

/// Sections of the third level: their titles and bodies.
fn sections(text: &str) -> Vec<(&str, &str)> {
    text.split("\n### ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

fn examples(body: &str) -> Vec<&str> {
    body.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// An example is a file, or what it shows of the `spec` of a cadence.
fn file(example: &str) -> String {
    if example.starts_with("apiVersion") {
        return example.to_owned();
    }
    let spec: String = example.lines().fold(String::new(), |all, line| all + "  " + line + "\n");
    let steps = if example.contains("steps:") {
        ""
    } else if example.contains("goto: call") {
        "  steps: [ { id: call, channel: call } ]\n"
    } else {
        "  steps: [ { id: hello, channel: call } ]\n"
    };
    format!("apiVersion: drumbeat/v1\nkind: Cadence\nmetadata: {{ name: demo }}\nspec:\n{spec}{steps}")
}

fn known() -> Known {
    let mut known = Known::new();
    known.add_name(Workspace::main(), Kind::Calendar, "company-days");
    known.add_name(Workspace::main(), Kind::Segment, "ideal-customer");
    known
}

/// What an example need not be perfect in: it shows one thing.
const BESIDE_THE_POINT: [Code; 3] = [Code::NoExit, Code::NoBreakup, Code::SingleChannel];

#[test]
fn every_example_is_accepted() {
    let text = text();
    let mut count = 0;
    for (title, body) in sections(&text) {
        let examples = examples(body);
        assert!(!examples.is_empty(), "{title} has no example");
        for example in examples {
            let loaded = load(&[Source::new("example", file(example))], &known());
            let found: Vec<_> = loaded
                .diagnostics
                .iter()
                .filter(|found| !BESIDE_THE_POINT.contains(&found.code))
                .map(ToString::to_string)
                .collect();
            assert!(found.is_empty(), "{title}\n{example}\n{}", found.join("\n"));
            count += 1;
        }
    }
    assert!(count >= 40, "{count} examples");
}

#[test]
fn every_warning_is_named() {
    let text = text();

    for warning in Code::warnings() {
        assert!(text.contains(&format!("| `{warning}` |")), "{warning}");
    }
}

fn touch(step: &str) -> (Cadence, TouchSpec) {
    let keys = step.trim_matches('`');
    let keys = if step == "no timing" { String::new() } else { format!(", {keys}") };
    let text = format!(
        "apiVersion: drumbeat/v1\nkind: Cadence\nmetadata: {{ name: demo }}\nspec:\n  \
         window: {{ days: [mon, tue, wed, thu, fri], from: \"09:00\", to: \"17:30\" }}\n  \
         steps: [ {{ id: hello, channel: call{keys} }} ]\n"
    );
    let document = parse(&Source::new("table", text)).documents.remove(0);
    let version = Version { id: VersionId(1), number: 1 };
    let (mut compiled, diagnostics) = compile(&[(document, version)], &Known::new());
    assert!(diagnostics.is_empty(), "{step}: {diagnostics:?}");
    let Content::Cadence(cadence) = compiled.remove(0).content else { panic!("no cadence") };
    let touch = cadence.steps[0].touch().expect("a touch").clone();
    (*cadence, touch)
}

fn moment(cell: &str, zone: &TimeZone) -> Timestamp {
    let (weekday, rest) = cell.split_once(' ').expect("a weekday");
    let local: DateTime = rest.replace(' ', "T").parse().expect("a date and a time");
    assert_eq!(local.strftime("%a").to_string(), weekday, "{cell}");
    zone.to_timestamp(local).expect("a moment")
}

fn taken(cell: &str) -> Vec<Taken> {
    let read = |one: &str| {
        let (day, date) = one.trim().strip_prefix("day ")?.split_once(" on ")?;
        Some(Taken { date: date.parse().ok()?, day: day.parse().ok()? })
    };
    cell.split(';').map(|one| read(one).expect("day N on a date")).collect()
}

#[test]
fn every_time_in_the_tables_is_what_the_domain_computes() {
    let text = text();
    let zone = TimeZone::get("America/New_York").expect("a zone");
    let mut count = 0;
    for (title, body) in sections(&text) {
        let rows: Vec<Vec<&str>> = body
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
            .collect();
        let Some((head, rows)) = rows.split_first().filter(|(head, _)| head.last() == Some(&"due")) else {
            continue;
        };
        for row in rows.iter().skip(1) {
            let cell = |name: &str| head.iter().position(|one| *one == name).map(|at| row[at]);
            let (cadence, touch) = touch(cell("step").expect("a step"));
            let window = cadence.window.expect("a window");
            let schedule = Schedule::new(zone.clone(), window.clone(), Vec::new());
            let patched =
                touch.window.map_or(window, |patch| patch.apply(schedule.window()).unwrap_or(Window::Any));
            let step = schedule.with_window(patched);
            let previous = cell("step before done").map(|cell| moment(cell, &zone));
            let entry = cell("entered").map(|cell| moment(cell, &zone)).or(previous).expect("an anchor");
            let taken = cell("dates taken").map(taken).unwrap_or_default();
            let day_one = day_one(entry, &schedule).expect("an opening");
            let anchors = Anchors { entry, day_one, previous: previous.unwrap_or(entry), taken: &taken };
            let place = Place { counting: cadence.days, cadence: &schedule, step: &step };

            let due = due(touch.timing, &anchors, &place).expect("an opening");

            let local = zone.to_datetime(due.at).strftime("%a %Y-%m-%d %H:%M").to_string();
            assert_eq!(Some(local.as_str()), cell("due"), "{title}: {row:?}");
            count += 1;
        }
    }
    assert!(count >= 20, "{count} rows");
}
