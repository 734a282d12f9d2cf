//! Clock times, windows, dates and zones.

use domain::time::{DateRange, Days, Slot, TimeOfDay, Window, WindowPatch};
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::read::{At, List, Maybe, Read, given, mapping, mismatch, text, word};
use crate::diagnostic::{Code, Finding, Log};
use crate::yaml::{Node, NodeKind, Style, Value};

/// A clock time; `END` allows `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock<const END: bool>(pub(crate) TimeOfDay);

impl<const END: bool> Read for Clock<END> {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let NodeKind::Scalar(scalar) = &node.kind else { return mismatch(node, "a clock time", log) };
        if let Value::Int(number) = scalar.value() {
            let finding =
                Finding::new(Code::BadValue, node.at, format!("the number {number} is not a clock time"));
            log.push(finding.maybe_hint(meant(number)));
            return None;
        }
        let given = text(node, "a clock time such as \"09:00\"", log)?;
        let read = if END { TimeOfDay::parse_end(given) } else { TimeOfDay::parse(given) };
        match read {
            Ok(time) => {
                if scalar.style == Style::Plain {
                    let say = format!("the clock time {given} is not quoted");
                    let hint = format!("write \"{given}\": older YAML tools read times as numbers");
                    log.push(Finding::new(Code::UnquotedTime, node.at, say).hint(hint));
                }
                Some(Self(time))
            }
            Err(error) => {
                log.report(Code::BadValue, node.at, error.to_string());
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([01][0-9]|2[0-4]):[0-5][0-9]$" })
    }
}

/// The time that a number was, where a YAML 1.1 tool had it in its hands.
fn meant(number: &str) -> Option<String> {
    let minutes: u32 = number.parse().ok().filter(|minutes| *minutes < 24 * 60)?;
    let (hours, minutes) = (minutes / 60, minutes % 60);
    Some(format!(
        "older YAML tools make {number} of {hours:02}:{minutes:02}: if that was meant, write \"{hours:02}:{minutes:02}\", quoted"
    ))
}

impl Read for Days {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let NodeKind::List(items) = &node.kind else {
            return mismatch(node, "a list of days such as [mon, tue]", log);
        };
        let known: Vec<_> = Self::ALL.names().map(|name| (name, name)).collect();
        let names: Vec<_> =
            items.iter().map(|item| word(item, ("a day of the week", &known, &[]), log)).collect();
        let names: Option<Vec<_>> = names.into_iter().collect();
        Self::parse(names?).map_err(|error| log.report(Code::BadValue, node.at, error.to_string())).ok()
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Self::ALL.names().collect();
        json_schema!({ "type": "array", "minItems": 1, "items": { "type": "string", "enum": names } })
    }
}

mapping! {
    /// Open hours: on these days, from a time of day up to another.
    OpenHours {
        /// The days of the week.
        "days" days: At<Days>,
        /// When it opens.
        "from" from: At<Clock<false>>,
        /// When it ends; up to "24:00".
        "to" to: At<Clock<true>>,
    }
}

mapping! {
    /// Other open hours for one step: what is not named stays as the cadence has it.
    OtherHours {
        /// Other days of the week.
        "days" days: Maybe<Days>,
        /// Another opening time.
        "from" from: Maybe<Clock<false>>,
        /// Another end.
        "to" to: Maybe<Clock<true>>,
    }
}

impl OpenHours {
    fn slot(&self, log: &mut Log) -> Option<Slot> {
        let (days, from, to) = (self.days.get()?, self.from.get()?, self.to.get()?);
        Slot::new(*days, from.0, to.0)
            .map_err(|error| log.report(Code::BadValue, self.to.at, error.to_string()))
            .ok()
    }
}

/// `window` of a cadence: `any`, a mapping, or a list of them.
#[derive(Debug, Clone)]
pub(crate) struct WindowFile(pub(crate) Window);

impl Read for WindowFile {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let slots = match &node.kind {
            NodeKind::Scalar(_) => {
                let () = word(node, ("`any`, a mapping or a list of them", &[("any", ())], &[]), log)?;
                return Some(Self(Window::Any));
            }
            NodeKind::Mapping(_) => vec![OpenHours::read(node, log)],
            NodeKind::List(items) => items.iter().map(|item| OpenHours::read(item, log)).collect(),
            NodeKind::Refused => return None,
        };
        let slots: Vec<_> = slots.into_iter().map(|hours| hours?.slot(log)).collect();
        let slots: Option<Vec<_>> = slots.into_iter().collect();
        Window::weekly(slots?)
            .map(Self)
            .map_err(|error| log.report(Code::BadValue, node.at, error.to_string()))
            .ok()
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let hours = OpenHours::schema(generator);
        json_schema!({ "anyOf": [{ "const": "any" }, hours, { "type": "array", "minItems": 1, "items": hours }] })
    }
}

impl Read for WindowPatch {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let NodeKind::Mapping(_) = node.kind else {
            return WindowFile::read(node, log).map(|window| Self::Replace(window.0));
        };
        let hours = OtherHours::read(node, log)?;
        let refused = [
            hours.days.as_ref().is_some_and(|days| days.value.is_none()),
            hours.from.as_ref().is_some_and(|from| from.value.is_none()),
            hours.to.as_ref().is_some_and(|to| to.value.is_none()),
        ];
        if refused.contains(&true) {
            return None;
        }
        Some(Self::Keys {
            days: given(&hours.days).copied(),
            from: given(&hours.from).map(|clock| clock.0),
            to: given(&hours.to).map(|clock| clock.0),
        })
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (hours, other) = (OpenHours::schema(generator), OtherHours::schema(generator));
        json_schema!({ "anyOf": [{ "const": "any" }, other, { "type": "array", "minItems": 1, "items": hours }] })
    }
}

impl Read for Date {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let given = text(node, "a date such as \"2026-12-24\"", log)?;
        let shaped = given.len() == 10 && given.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let date = if shaped { given.parse().ok() } else { None };
        if date.is_none() {
            log.report(Code::BadValue, node.at, format!("`{given}` is not a date: write \"2026-12-24\""));
        }
        date
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date" })
    }
}

mapping! {
    /// Closed from one date to another, both included.
    DateSpan {
        /// The first closed date.
        "from" from: At<Date>,
        /// The last closed date.
        "to" to: At<Date>,
    }
}

impl Read for DateRange {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let NodeKind::Mapping(_) = node.kind else { return Date::read(node, log).map(Self::day) };
        let span = DateSpan::read(node, log)?;
        Self::new(*span.from.get()?, *span.to.get()?)
            .map_err(|error| log.report(Code::BadValue, span.to.at, error.to_string()))
            .ok()
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (date, span) = (Date::schema(generator), DateSpan::schema(generator));
        json_schema!({ "anyOf": [date, span] })
    }
}

/// `until` of an exit rule that pauses: the date that the event names, or a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UntilFile {
    Event,
    Moment(Timestamp),
}

impl Read for UntilFile {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        match text(node, "`event.until` or a moment", log)? {
            "event.until" => Some(Self::Event),
            given => {
                let moment = given.parse().map(Self::Moment).ok();
                if moment.is_none() {
                    let say = format!(
                        "`{given}` is neither `event.until` nor a moment such as \"2026-12-24T09:00:00Z\""
                    );
                    log.report(Code::BadValue, node.at, say);
                }
                moment
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "event.until" }, { "type": "string", "format": "date-time" }] })
    }
}

/// The closed days of a calendar.
pub(crate) type ClosedDays = List<DateRange>;
