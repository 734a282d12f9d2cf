//! What expressions compute with.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

/// A value. What is absent has none: `Option` says so, there is no null.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// A moment.
    Time(Timestamp),
    /// A length of exact time.
    Duration(SignedDuration),
    /// Several values.
    List(Arc<[Value]>),
    /// Named values.
    Map(Arc<BTreeMap<String, Value>>),
}

impl Value {
    /// Text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// Reads JSON; `null` is absent, in lists and maps too.
    #[must_use]
    pub fn from_json(json: &Json) -> Option<Self> {
        Some(match json {
            Json::Null => return None,
            Json::Bool(yes) => Self::Bool(*yes),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Float(number.as_f64()?),
            },
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::List(items.iter().filter_map(Self::from_json).collect()),
            Json::Object(fields) => Self::Map(Arc::new(
                fields
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), Self::from_json(value)?)))
                    .collect(),
            )),
        })
    }

    /// The same as JSON: times and durations as text.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Bool(yes) => Json::Bool(*yes),
            Self::Int(number) => Json::from(*number),
            Self::Float(number) => Json::from(*number),
            Self::Text(text) => Json::from(text.as_ref()),
            Self::Time(_) | Self::Duration(_) => Json::String(self.to_string()),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(fields) => {
                Json::Object(fields.iter().map(|(name, value)| (name.clone(), value.to_json())).collect())
            }
        }
    }

    /// The moment it is or names: RFC 3339, or a date, which is its midnight in UTC.
    #[must_use]
    pub fn as_time(&self) -> Option<Timestamp> {
        match self {
            Self::Time(at) => Some(*at),
            Self::Text(text) => parse_time(text),
            _ => None,
        }
    }

    /// The text it is.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The truth it is.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(yes) = self { Some(*yes) } else { None }
    }

    /// Whether it is text, a list or a map with nothing in it: as good as absent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(fields) => fields.is_empty(),
            _ => false,
        }
    }

    /// What it is, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::Time(_) => "a time",
            Self::Duration(_) => "a duration",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Equality of the language: whole and other numbers compare by value, values of different types are unequal.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(_) | Self::Float(_), Self::Int(_) | Self::Float(_)) => {
                self.order(other) == Some(Ordering::Equal)
            }
            (Self::List(one), Self::List(two)) => {
                one.len() == two.len() && one.iter().zip(two.iter()).all(|(one, two)| one.equals(two))
            }
            (Self::Map(one), Self::Map(two)) => {
                one.len() == two.len()
                    && one.iter().all(|(name, value)| two.get(name).is_some_and(|other| value.equals(other)))
            }
            _ => self == other,
        }
    }

    /// The order of two values of one type; none between types, and none for what has no order.
    #[must_use]
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(one), Self::Int(two)) => Some(one.cmp(two)),
            (Self::Float(one), Self::Float(two)) => one.partial_cmp(two),
            (Self::Int(one), Self::Float(two)) => order_mixed(*one, *two),
            (Self::Float(one), Self::Int(two)) => order_mixed(*two, *one).map(Ordering::reverse),
            (Self::Text(one), Self::Text(two)) => Some(one.cmp(two)),
            (Self::Time(one), Self::Time(two)) => Some(one.cmp(two)),
            (Self::Duration(one), Self::Duration(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }

    /// How much work it is to copy or compare, for the bound on cost.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len() / 32,
            Self::List(items) => items.len(),
            Self::Map(fields) => fields.len(),
            _ => 0,
        }
    }
}

/// Compares without rounding: an `i64` may have more digits than an `f64` holds.
fn order_mixed(whole: i64, other: f64) -> Option<Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if other.is_nan() {
        return None;
    }
    if other >= BEYOND {
        return Some(Ordering::Less);
    }
    if other < -BEYOND {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
    let floor = other.floor() as i64;
    match whole.cmp(&floor) {
        Ordering::Equal if other.fract() != 0.0 => Some(Ordering::Less),
        order => Some(order),
    }
}

/// RFC 3339, or a date, which is its midnight in UTC.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse::<Timestamp>().ok().or_else(|| {
        let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10)?;
        TimeZone::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()
    })
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(yes) => yes.fmt(f),
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Time(at) => at.fmt(f),
            Self::Duration(length) => write!(f, "{}s", length.as_secs_f64()),
            Self::List(_) | Self::Map(_) => self.to_json().fmt(f),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(yes) => serializer.serialize_bool(*yes),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Time(_) | Self::Duration(_) => serializer.collect_str(self),
            Self::List(items) => serializer.collect_seq(items.iter()),
            Self::Map(fields) => serializer.collect_map(fields.iter()),
        }
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Time(at)
    }
}

impl From<SignedDuration> for Value {
    fn from(length: SignedDuration) -> Self {
        Self::Duration(length)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl From<BTreeMap<String, Value>> for Value {
    fn from(fields: BTreeMap<String, Value>) -> Self {
        Self::Map(Arc::new(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_comes_in_and_goes_out_without_its_nulls() {
        let json =
            json!({"a": 1, "b": [1.5, null, "x"], "c": null, "d": true, "e": 18_446_744_073_709_551_615_u64});

        let value = Value::from_json(&json).unwrap();

        assert_eq!(
            value.to_json(),
            json!({"a": 1, "b": [1.5, "x"], "d": true, "e": 18_446_744_073_709_551_615.0})
        );
        assert_eq!(serde_json::to_value(&value).unwrap(), value.to_json());
        assert_eq!(Value::from_json(&Json::Null), None);
    }

    #[test]
    fn numbers_compare_by_value_however_they_are_written() {
        assert!(Value::from(70_i64).equals(&Value::from(70.0)));
        assert_eq!(Value::from(70.5).order(&Value::from(70_i64)), Some(Ordering::Greater));
        assert_eq!(Value::from(70_i64).order(&Value::from(70.5)), Some(Ordering::Less));
        assert_eq!(Value::from(i64::MAX).order(&Value::from(9.3e18)), Some(Ordering::Less));
        assert_eq!(Value::from(i64::MAX).order(&Value::from(i64::MAX as f64)), Some(Ordering::Less));
        assert_eq!(Value::from(-3_i64).order(&Value::from(-2.5)), Some(Ordering::Less));
        assert_eq!(Value::from(1_i64).order(&Value::from(f64::NAN)), None);
        assert!(!Value::from(1_i64).equals(&Value::from("1")));
    }

    #[test]
    fn times_are_read_from_rfc_3339_and_dates() {
        for (text, expected) in [
            ("2026-03-06T17:25:00Z", Some("2026-03-06T17:25:00Z")),
            ("2026-03-06T17:25:00+01:00", Some("2026-03-06T16:25:00Z")),
            ("2026-03-06", Some("2026-03-06T00:00:00Z")),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(Value::from(text).as_time(), expected.map(|at| at.parse().unwrap()), "{text}");
        }
    }
}
