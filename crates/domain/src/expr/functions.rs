//! The functions of expressions: CEL's own for text, numbers and time, and `lowerAscii`, `upperAscii` and `trim` of its
//! string extension.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::error::EvalNote;
use super::types::Type;
use super::value::{Value, parse_time};
use crate::time::zone;

/// A function. `matches` and `segment` are not here: their argument is fixed when the expression is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    ToText,
    ToInt,
    ToFloat,
    ToTime,
    ToDuration,
    Dynamic,
    Calendar(CalendarPart),
}

/// A part of a moment in a zone, or of a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CalendarPart {
    FullYear,
    Month,
    DayOfMonth,
    Date,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// How a function is written and what it takes.
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) function: Function,
    pub(super) style: Style,
    /// What each argument may be, the receiver first.
    pub(super) takes: &'static [&'static [Type]],
    /// How many of them may be left out, at the end.
    pub(super) optional: usize,
    pub(super) gives: Type,
}

/// Whether a function is called on its first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Method,
    Global,
    Either,
}

const SIZED: &[Type] = &[Type::Text, Type::List, Type::Map];
const TEXT: &[Type] = &[Type::Text];
const MOMENT: &[Type] = &[Type::Time];
const MOMENT_OR_LENGTH: &[Type] = &[Type::Time, Type::Duration];

const fn method(
    name: &'static str,
    function: Function,
    takes: &'static [&'static [Type]],
    gives: Type,
) -> Signature {
    Signature { name, function, style: Style::Method, takes, optional: 0, gives }
}

const fn global(
    name: &'static str,
    function: Function,
    takes: &'static [&'static [Type]],
    gives: Type,
) -> Signature {
    Signature { name, function, style: Style::Global, takes, optional: 0, gives }
}

const fn part(name: &'static str, part: CalendarPart, takes: &'static [&'static [Type]]) -> Signature {
    Signature {
        name,
        function: Function::Calendar(part),
        style: Style::Method,
        takes,
        optional: 1,
        gives: Type::Number,
    }
}

/// All of them.
pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "size",
        function: Function::Size,
        style: Style::Either,
        takes: &[SIZED],
        optional: 0,
        gives: Type::Number,
    },
    method("contains", Function::Contains, &[TEXT, TEXT], Type::Bool),
    method("startsWith", Function::StartsWith, &[TEXT, TEXT], Type::Bool),
    method("endsWith", Function::EndsWith, &[TEXT, TEXT], Type::Bool),
    method("lowerAscii", Function::LowerAscii, &[TEXT], Type::Text),
    method("upperAscii", Function::UpperAscii, &[TEXT], Type::Text),
    method("trim", Function::Trim, &[TEXT], Type::Text),
    global(
        "string",
        Function::ToText,
        &[&[Type::Text, Type::Number, Type::Bool, Type::Time, Type::Duration]],
        Type::Text,
    ),
    global("int", Function::ToInt, &[&[Type::Number, Type::Text, Type::Time]], Type::Number),
    global("double", Function::ToFloat, &[&[Type::Number, Type::Text]], Type::Number),
    global("timestamp", Function::ToTime, &[&[Type::Text, Type::Time, Type::Number]], Type::Time),
    global("duration", Function::ToDuration, &[&[Type::Text, Type::Duration]], Type::Duration),
    global("dyn", Function::Dynamic, &[&[Type::Any]], Type::Any),
    part("getFullYear", CalendarPart::FullYear, &[MOMENT, TEXT]),
    part("getMonth", CalendarPart::Month, &[MOMENT, TEXT]),
    part("getDayOfMonth", CalendarPart::DayOfMonth, &[MOMENT, TEXT]),
    part("getDate", CalendarPart::Date, &[MOMENT, TEXT]),
    part("getDayOfWeek", CalendarPart::DayOfWeek, &[MOMENT, TEXT]),
    part("getDayOfYear", CalendarPart::DayOfYear, &[MOMENT, TEXT]),
    part("getHours", CalendarPart::Hours, &[MOMENT_OR_LENGTH, TEXT]),
    part("getMinutes", CalendarPart::Minutes, &[MOMENT_OR_LENGTH, TEXT]),
    part("getSeconds", CalendarPart::Seconds, &[MOMENT_OR_LENGTH, TEXT]),
    part("getMilliseconds", CalendarPart::Milliseconds, &[MOMENT_OR_LENGTH, TEXT]),
];

/// The function meant by a name of another language.
pub(super) fn habit(name: &str) -> Option<&'static str> {
    Some(match name {
        "lower" | "toLower" | "toLowerCase" | "downcase" => "lowerAscii",
        "upper" | "toUpper" | "toUpperCase" | "upcase" => "upperAscii",
        "length" | "len" | "count" => "size",
        "includes" | "include" => "contains",
        "startswith" | "starts_with" => "startsWith",
        "endswith" | "ends_with" => "endsWith",
        "strip" => "trim",
        "any" | "some" => "exists",
        "every" => "all",
        "match" | "test" | "regex" => "matches",
        _ => return None,
    })
}

impl Function {
    /// Applies it. Types are checked here again: facts may be anything.
    pub(super) fn call(self, values: &[&Value]) -> Result<Value, EvalNote> {
        match (self, values) {
            (Self::Size, [Value::Text(text)]) => Ok(count(text.chars().count())),
            (Self::Size, [Value::List(items)]) => Ok(count(items.len())),
            (Self::Size, [Value::Map(fields)]) => Ok(count(fields.len())),
            (Self::Contains, [Value::Text(text), Value::Text(part)]) => {
                Ok(text.contains(part.as_ref()).into())
            }
            (Self::StartsWith, [Value::Text(text), Value::Text(part)]) => {
                Ok(text.starts_with(part.as_ref()).into())
            }
            (Self::EndsWith, [Value::Text(text), Value::Text(part)]) => {
                Ok(text.ends_with(part.as_ref()).into())
            }
            (Self::LowerAscii, [Value::Text(text)]) => Ok(text.to_ascii_lowercase().into()),
            (Self::UpperAscii, [Value::Text(text)]) => Ok(text.to_ascii_uppercase().into()),
            (Self::Trim, [Value::Text(text)]) => Ok(text.trim().into()),
            (Self::ToText, [Value::List(_) | Value::Map(_)]) => Err(self.mismatch(values)),
            (Self::ToText, [value]) => Ok(value.to_string().into()),
            (Self::ToInt, [value]) => self.to_int(value),
            (Self::ToFloat, [value]) => self.to_float(value),
            (Self::ToTime, [value]) => self.to_time(value),
            (Self::ToDuration, [Value::Duration(length)]) => Ok((*length).into()),
            (Self::ToDuration, [Value::Text(text)]) => parse_duration(text)
                .map(Value::Duration)
                .map_err(|problem| EvalNote::value(problem.to_string())),
            (Self::Dynamic, [value]) => Ok((*value).clone()),
            (Self::Calendar(part), [Value::Duration(length)]) => {
                part.of_length(*length).ok_or_else(|| self.mismatch(values))
            }
            (Self::Calendar(part), [Value::Time(at)]) => Ok(part.of_moment(&at.to_zoned(TimeZone::UTC))),
            (Self::Calendar(part), [Value::Time(at), Value::Text(zone)]) => {
                Ok(part.of_moment(&at.to_zoned(zone_named(zone)?)))
            }
            _ => Err(self.mismatch(values)),
        }
    }

    fn name(self) -> &'static str {
        SIGNATURES.iter().find(|one| one.function == self).map_or("", |one| one.name)
    }

    fn mismatch(self, values: &[&Value]) -> EvalNote {
        let given: Vec<_> = values.iter().map(|value| value.type_name()).collect();
        EvalNote::of_type(format!("{} does not take {}", self.name(), given.join(", ")))
    }

    fn to_int(self, value: &Value) -> Result<Value, EvalNote> {
        let bad = || EvalNote::value(format!("`{value}` is no whole number"));
        match value {
            Value::Int(_) => Ok(value.clone()),
            Value::Float(number) if number.abs() < 9.2e18 => {
                #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
                let whole = number.trunc() as i64;
                Ok(whole.into())
            }
            Value::Float(_) => Err(bad()),
            Value::Text(text) => text.trim().parse::<i64>().map(Value::from).map_err(|_| bad()),
            Value::Time(at) => Ok(at.as_second().into()),
            _ => Err(self.mismatch(&[value])),
        }
    }

    fn to_float(self, value: &Value) -> Result<Value, EvalNote> {
        match value {
            Value::Float(_) => Ok(value.clone()),
            #[expect(clippy::cast_precision_loss, reason = "as the language defines double()")]
            Value::Int(number) => Ok((*number as f64).into()),
            Value::Text(text) => text
                .trim()
                .parse::<f64>()
                .map(Value::from)
                .map_err(|_| EvalNote::value(format!("`{text}` is no number"))),
            _ => Err(self.mismatch(&[value])),
        }
    }

    fn to_time(self, value: &Value) -> Result<Value, EvalNote> {
        match value {
            Value::Time(at) => Ok((*at).into()),
            Value::Int(second) => Timestamp::from_second(*second)
                .map(Value::from)
                .map_err(|_| EvalNote::value(format!("`{second}` is out of range for a time"))),
            Value::Text(text) => parse_time(text)
                .map(Value::from)
                .ok_or_else(|| EvalNote::value(format!("`{text}` is no time: write 2026-03-06T17:25:00Z"))),
            _ => Err(self.mismatch(&[value])),
        }
    }
}

impl CalendarPart {
    /// Months, days of the month (`getDayOfMonth`), of the week (Sunday) and of the year count from 0, as in CEL.
    fn of_moment(self, at: &Zoned) -> Value {
        let part = match self {
            Self::FullYear => i64::from(at.year()),
            Self::Month => i64::from(at.month()) - 1,
            Self::DayOfMonth => i64::from(at.day()) - 1,
            Self::Date => i64::from(at.day()),
            Self::DayOfWeek => i64::from(at.weekday().to_sunday_zero_offset()),
            Self::DayOfYear => i64::from(at.day_of_year()) - 1,
            Self::Hours => i64::from(at.hour()),
            Self::Minutes => i64::from(at.minute()),
            Self::Seconds => i64::from(at.second()),
            Self::Milliseconds => i64::from(at.millisecond()),
        };
        part.into()
    }

    /// The whole length in a unit; milliseconds are those beyond the last second.
    fn of_length(self, length: SignedDuration) -> Option<Value> {
        Some(Value::Int(match self {
            Self::Hours => length.as_hours(),
            Self::Minutes => length.as_mins(),
            Self::Seconds => length.as_secs(),
            Self::Milliseconds => i64::from(length.subsec_millis()),
            _ => return None,
        }))
    }
}

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn zone_named(name: &str) -> Result<TimeZone, EvalNote> {
    zone(name).ok_or_else(|| EvalNote::value(format!("`{name}` is no IANA time zone")))
}

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DurationError {
    #[error("`{text}` counts days: durations here are exact, write {hours}h")]
    Days { text: String, hours: i64 },
    #[error("`{0}` is no duration: write 90m, 36h or 1h30m")]
    Unreadable(String),
}

/// Reads CEL's durations: `36h`, `1h30m`, `1.5s`, `-10m`, with the units h, m, s, ms, us and ns.
pub(super) fn parse_duration(text: &str) -> Result<SignedDuration, DurationError> {
    let unreadable = || DurationError::Unreadable(text.to_owned());
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    let mut seconds = 0.0;
    if rest.is_empty() {
        return Err(unreadable());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let number: f64 = number.parse().map_err(|_| unreadable())?;
        seconds += number
            * match unit {
                "h" => 3_600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" => 1e-6,
                "ns" => 1e-9,
                "d" | "w" => {
                    let days = if unit == "w" { number * 7.0 } else { number };
                    #[expect(clippy::cast_possible_truncation, reason = "only a hint")]
                    let hours = (days * 24.0) as i64;
                    return Err(DurationError::Days { text: text.to_owned(), hours });
                }
                _ => return Err(unreadable()),
            };
        rest = tail;
    }
    SignedDuration::try_from_secs_f64(sign * seconds).map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_cel_writes_them() {
        for (text, seconds) in
            [("36h", 129_600.0), ("1h30m", 5_400.0), ("1.5s", 1.5), ("-10m", -600.0), ("0", 0.0)]
        {
            assert_eq!(parse_duration(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for text in ["", "-", "10", "h", "1x", "1h 30m", "1.2.3s"] {
            assert_eq!(parse_duration(text), Err(DurationError::Unreadable(text.into())));
        }
        assert!(parse_duration("90d").unwrap_err().to_string().ends_with("write 2160h"));
    }

    #[test]
    fn parts_of_a_moment_are_told_in_the_zone_named() {
        let at = Value::from("2026-03-01T03:30:05.250Z".parse::<Timestamp>().unwrap());
        let zone = Value::from("America/New_York");

        for (part, utc, new_york) in [
            (CalendarPart::FullYear, 2026, 2026),
            (CalendarPart::Month, 2, 1),
            (CalendarPart::Date, 1, 28),
            (CalendarPart::DayOfMonth, 0, 27),
            (CalendarPart::DayOfWeek, 0, 6),
            (CalendarPart::DayOfYear, 59, 58),
            (CalendarPart::Hours, 3, 22),
            (CalendarPart::Minutes, 30, 30),
            (CalendarPart::Seconds, 5, 5),
            (CalendarPart::Milliseconds, 250, 250),
        ] {
            let function = Function::Calendar(part);
            assert_eq!(function.call(&[&at]), Ok(Value::Int(utc)), "{part:?}");
            assert_eq!(function.call(&[&at, &zone]), Ok(Value::Int(new_york)), "{part:?}");
        }
    }
}
