//! Values as senders write them, into what they mean.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// A text that says something, or a number as text with all its digits.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A number, or a text that reads as one.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

/// Yes or no, as a boolean, 1 or 0, or a text of these.
pub(crate) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A name in snake case: `No Answer` and `no-answer` are `no_answer`.
pub(crate) fn snake(text: &str) -> String {
    text.trim().to_lowercase().replace([' ', '-'], "_")
}

/// A time: RFC 3339, RFC 2822, a date and time without zone (UTC), or a count since 1970 in seconds, milli-, micro- or
/// nanoseconds, whole or with a fraction, told apart by size.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => number.as_i64().map_or_else(|| number.as_f64().and_then(fraction), count),
        Value::String(text) => written(text.trim()),
        _ => None,
    }
}

fn written(text: &str) -> Option<Timestamp> {
    if let Ok(whole) = text.parse::<i64>() {
        return count(whole);
    }
    if let Ok(number) = text.parse::<f64>() {
        return fraction(number);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return TimeZone::UTC.to_timestamp(time).ok();
    }
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp())
}

/// From here on, a count since 1970 is of milliseconds (seconds would be the year 5138), and so on by thousands.
const FIRST_MILLISECOND: u64 = 100_000_000_000;
const FIRST_MICROSECOND: u64 = FIRST_MILLISECOND * 1_000;
const FIRST_NANOSECOND: u64 = FIRST_MICROSECOND * 1_000;

fn count(whole: i64) -> Option<Timestamp> {
    let time = match whole.unsigned_abs() {
        size if size < FIRST_MILLISECOND => Timestamp::from_second(whole),
        size if size < FIRST_MICROSECOND => Timestamp::from_millisecond(whole),
        size if size < FIRST_NANOSECOND => Timestamp::from_microsecond(whole),
        _ => Timestamp::from_nanosecond(whole.into()),
    };
    time.ok()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a time's fraction below a microsecond is noise of the float"
)]
fn fraction(number: f64) -> Option<Timestamp> {
    if !number.is_finite() || number.abs() >= 1e17 {
        return None;
    }
    let micros = if number.abs() < 1e11 {
        number * 1e6
    } else if number.abs() < 1e14 {
        number * 1e3
    } else {
        number
    };
    Timestamp::from_microsecond(micros.round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn one_moment_is_read_however_it_is_written() {
        let moment: Timestamp = "2026-03-06T14:00:00Z".parse().unwrap();
        for written in [
            json!("2026-03-06T14:00:00Z"),
            json!(" 2026-03-06T15:00:00+01:00 "),
            json!("2026-03-06 14:00:00"),
            json!("Fri, 06 Mar 2026 09:00:00 -0500"),
            json!(1_772_805_600),
            json!("1772805600"),
            json!(1_772_805_600.0),
            json!("1772805600.000"),
            json!(1_772_805_600_000_i64),
            json!("1772805600000"),
            json!(1_772_805_600_000_000_i64),
            json!(1_772_805_600_000_000_000_i64),
        ] {
            assert_eq!(time(&written), Some(moment), "{written}");
        }
        assert_eq!(
            time(&json!(1_521_472_262.908_181)).map(Timestamp::as_microsecond),
            Some(1_521_472_262_908_181)
        );
    }

    #[test]
    fn what_is_no_time_is_none() {
        for written in [
            json!("yesterday"),
            json!(""),
            json!(true),
            json!([]),
            json!("14:00"),
            json!("NaN"),
            json!(1e300),
        ] {
            assert_eq!(time(&written), None, "{written}");
        }
    }

    #[test]
    fn a_number_keeps_its_digits_as_text() {
        assert_eq!(text(&json!(9_007_199_254_740_993_i64)).as_deref(), Some("9007199254740993"));
        assert_eq!(text(&json!("  ")), None);
        assert_eq!(text(&json!({})), None);
    }

    proptest! {
        #[test]
        fn seconds_and_milliseconds_of_this_century_agree(seconds in 946_684_800_i64..4_102_444_800) {
            let moment = Timestamp::from_second(seconds).unwrap();
            prop_assert_eq!(time(&json!(seconds)), Some(moment));
            prop_assert_eq!(time(&json!(seconds * 1000)), Some(moment));
            prop_assert_eq!(time(&json!(moment.to_string())), Some(moment));
        }
    }
}
