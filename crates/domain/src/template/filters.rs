//! What a template may do with a value. A list of what is allowed: each filter here makes text of bounded size.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value, escape_formatter, filters,
    tests,
};

/// Under this name the context holds the contact's zone, in which dates are written.
pub(super) const ZONE: &str = "@zone";

/// The longest text that a filter makes, in bytes.
const MAX_TEXT_BYTES: usize = 128 * 1024;
/// Instructions of one rendering.
const FUEL: u64 = 100_000;
/// How deep a template may nest.
const MAX_DEPTH: usize = 64;

/// An environment with the filters and tests of templates, and nothing that reaches outside of them.
pub(super) fn environment(escape: AutoEscape) -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.set_auto_escape_callback(move |_| escape.clone());
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(MAX_DEPTH);
    env.set_debug(false);
    env.set_formatter(|out, state, value| match value.kind() {
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            let message = "a list or map is no text: write `| join(', ')`, or name a field";
            Err(Error::new(ErrorKind::InvalidOperation, message))
        }
        _ => escape_formatter(out, state, value),
    });

    env.add_filter("default", filters::default);
    env.add_filter("d", filters::default);
    env.add_filter("upper", filters::upper);
    env.add_filter("lower", filters::lower);
    env.add_filter("title", filters::title);
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("trim", filters::trim);
    env.add_filter("length", |value: &Value| given(value).and_then(|()| filters::length(value)));
    env.add_filter("count", |value: &Value| given(value).and_then(|()| filters::length(value)));
    env.add_filter("first", |value: &Value| given(value).and_then(|()| filters::first(value)));
    env.add_filter("last", |value: Value| given(&value).and_then(|()| filters::last(value)));
    env.add_filter("round", |value: Value, precision: Option<i32>, named: Kwargs| {
        given(&value).and_then(|()| filters::round(value, precision, None, named))
    });
    env.add_filter("abs", |value: Value| given(&value).and_then(|()| filters::abs(value)));
    env.add_filter("int", filters::int);
    env.add_filter("float", filters::float);
    env.add_filter("string", filters::string);
    env.add_filter("sort", |state: &State, value: Value, named: Kwargs| {
        given(&value).and_then(|()| filters::sort(state, value, named))
    });
    env.add_filter("join", join);
    env.add_filter("replace", replace);
    env.add_filter("truncate", truncate);
    env.add_filter("date", date);

    env.add_test("defined", tests::is_defined);
    env.add_test("undefined", tests::is_undefined);
    env.add_test("string", tests::is_string);
    env.add_test("number", tests::is_number);
    env.add_test("iterable", tests::is_iterable);
    env.add_test("mapping", tests::is_mapping);
    env.add_test("odd", tests::is_odd);
    env.add_test("even", tests::is_even);
    env.add_test("startingwith", tests::is_startingwith);
    env.add_test("endingwith", tests::is_endingwith);
    env.add_test("in", tests::is_in);
    env.add_test("eq", tests::is_eq);
    env.add_test("ne", tests::is_ne);
    env.add_test("true", tests::is_true);
    env.add_test("false", tests::is_false);
    env
}

/// The names of the filters, for near names.
pub(super) const NAMES: &[&str] = &[
    "default",
    "upper",
    "lower",
    "title",
    "capitalize",
    "trim",
    "length",
    "count",
    "first",
    "last",
    "round",
    "abs",
    "int",
    "float",
    "string",
    "sort",
    "join",
    "replace",
    "truncate",
    "date",
];

fn too_long() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("the text grows beyond {MAX_TEXT_BYTES} bytes"))
}

/// The engine's own filters say of an undefined value only that they do not take it; this says that it is missing.
fn given(value: &Value) -> Result<(), Error> {
    if value.is_undefined() { Err(Error::from(ErrorKind::UndefinedError)) } else { Ok(()) }
}

/// `list | join(", ")`.
fn join(value: &Value, separator: Option<&str>) -> Result<String, Error> {
    given(value)?;
    let separator = separator.unwrap_or_default();
    let mut joined = String::new();
    for (index, item) in value.try_iter()?.enumerate() {
        given(&item)?;
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(&item.to_string());
        if joined.len() > MAX_TEXT_BYTES {
            return Err(too_long());
        }
    }
    Ok(joined)
}

/// `text | replace("a", "b")`.
fn replace(value: &Value, from: &str, to: &str) -> Result<String, Error> {
    given(value)?;
    let text = value.to_string();
    let grown = text.len() + text.matches(from).count() * to.len();
    if grown > MAX_TEXT_BYTES { Err(too_long()) } else { Ok(text.replace(from, to)) }
}

/// `text | truncate(40)`: so many characters at most, the last of them `…` when something was left out.
fn truncate(value: &Value, length: usize) -> Result<String, Error> {
    given(value)?;
    let text = value.to_string();
    if text.chars().count() <= length {
        return Ok(text);
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    Ok(format!("{}…", kept.trim_end()))
}

/// `time | date("%A, %-d %B, %H:%M", "Europe/Berlin")`: without a zone in the contact's, else in UTC. A date without a time
/// stays that date.
fn date(state: &State, value: &Value, format: Option<&str>, zone: Option<&str>) -> Result<String, Error> {
    given(value)?;
    let invalid = |message: String| Error::new(ErrorKind::InvalidOperation, message);
    let format = format.unwrap_or("%Y-%m-%d");
    let text = value.to_string();
    let text = text.trim();
    let contact_zone = state.lookup(ZONE);
    let zone = match zone.or_else(|| contact_zone.as_ref().and_then(|zone| zone.as_str())) {
        Some(name) => {
            crate::time::zone(name).ok_or_else(|| invalid(format!("`{name}` is no IANA time zone")))?
        }
        None => TimeZone::UTC,
    };
    let written = if let Ok(at) = text.parse::<Timestamp>() {
        strtime::format(format, &at.to_zoned(zone))
    } else if let Some(date) = text.parse::<Date>().ok().filter(|_| text.len() == 10) {
        strtime::format(format, date.to_datetime(Time::midnight()))
    } else {
        return Err(invalid(format!("`{text}` is no time")));
    };
    written.map_err(|problem| invalid(format!("`{format}` is no date format: {problem}")))
}
