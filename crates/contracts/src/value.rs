//! JSON values and maps of them.

use std::collections::BTreeMap;

use domain::attributes::Attributes;
use serde_json::{Number, Value};

use crate::error::DecodeError;
use crate::wire::{self, value::Value as Wire};

pub(crate) fn to_wire(value: &Value) -> wire::Value {
    let value = match value {
        Value::Null => Wire::Null(true),
        Value::Bool(flag) => Wire::Boolean(*flag),
        Value::Number(number) => number_to_wire(number),
        Value::String(text) => Wire::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => Wire::Json(value.to_string()),
    };
    wire::Value { value: Some(value) }
}

fn number_to_wire(number: &Number) -> Wire {
    if let Some(integer) = number.as_i64() {
        return Wire::Integer(integer);
    }
    if let Some(unsigned) = number.as_u64() {
        return Wire::Unsigned(unsigned);
    }
    // What is neither is a finite f64: serde_json holds no other numbers without `arbitrary_precision`.
    number.as_f64().map_or_else(|| Wire::Json(number.to_string()), Wire::Number)
}

pub(crate) fn from_wire(field: &str, value: wire::Value) -> Result<Value, DecodeError> {
    Ok(match value.value {
        None | Some(Wire::Null(_)) => Value::Null,
        Some(Wire::Boolean(flag)) => Value::Bool(flag),
        Some(Wire::Integer(integer)) => integer.into(),
        Some(Wire::Unsigned(unsigned)) => unsigned.into(),
        Some(Wire::Number(number)) => {
            let finite =
                Number::from_f64(number).ok_or_else(|| DecodeError::field(field, "is no finite number"))?;
            Value::Number(finite)
        }
        Some(Wire::Text(text)) => Value::String(text),
        Some(Wire::Json(json)) => serde_json::from_str(&json).map_err(|problem| {
            DecodeError::field(field, format_args!("is not JSON ({:?})", problem.classify()))
        })?,
    })
}

pub(crate) fn map_to_wire(attributes: &Attributes) -> BTreeMap<String, wire::Value> {
    attributes.iter().map(|(name, value)| (name.clone(), to_wire(value))).collect()
}

pub(crate) fn map_from_wire(
    field: &'static str,
    values: BTreeMap<String, wire::Value>,
) -> Result<Attributes, DecodeError> {
    values.into_iter().map(|(name, value)| Ok((name, from_wire(field, value)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_nested_as_deep_as_ingest_allows_can_be_read_back() {
        let deep =
            (0..64).fold(
                json!(1),
                |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({ "in": inner }) },
            );

        assert_eq!(from_wire("data", to_wire(&deep)), Ok(deep));
    }

    #[test]
    fn whole_numbers_stay_whole_and_fractions_exact() {
        for number in [
            json!(i64::MIN),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1.0),
            json!(-0.0),
            json!(0.1),
            json!(5e-324),
        ] {
            let back = from_wire("data", to_wire(&number)).unwrap();
            assert_eq!(back.to_string(), number.to_string());

            let nested = json!([number]);
            assert_eq!(from_wire("data", to_wire(&nested)).unwrap().to_string(), nested.to_string());
        }
    }

    #[test]
    fn what_json_cannot_hold_is_refused_by_field_without_its_text() {
        let broken = wire::Value { value: Some(Wire::Json("{\"email\": ada@example.com}".to_owned())) };
        let infinite = wire::Value { value: Some(Wire::Number(f64::INFINITY)) };

        let problem = from_wire("detail.data", broken).unwrap_err().to_string();

        assert!(problem.starts_with("detail.data: ") && !problem.contains("ada"), "{problem}");
        assert!(from_wire("detail.data", infinite).is_err());
    }
}
