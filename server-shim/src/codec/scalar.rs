//! Values without fields of their own: type checks and the one spelling of each.

use serde_json::{Number, Value};

use super::mismatch::Mismatch;
use super::time::Precision;
use super::{bytes, duration, quantity, time};
use crate::kinds::field::{Scalar, Shape};

/// From here on every float is whole, and is kept as it is written.
const WHOLE_LIMIT: f64 = 9_007_199_254_740_992.0;

/// The canonical form of `value`, which is not `null`; none where it stands for no value at all.
pub(super) fn canonical(scalar: Scalar, value: Value) -> Result<Option<Value>, Box<Mismatch>> {
    match scalar {
        Scalar::String => text(scalar, value).map(|text| Some(Value::String(text))),
        Scalar::Bool => match value {
            Value::Bool(_) => Ok(Some(value)),
            _ => Err(mismatch(scalar, &value).into()),
        },
        Scalar::Int32 => integer(scalar, &value, i64::from(i32::MIN)..=i64::from(i32::MAX)).map(Some),
        Scalar::Int64 => integer(scalar, &value, i64::MIN..=i64::MAX).map(Some),
        Scalar::Float64 => match value {
            Value::Number(number) => Ok(Some(Value::Number(plain_number(number)))),
            _ => Err(mismatch(scalar, &value).into()),
        },
        Scalar::Bytes => formatted(&text(scalar, value)?, bytes::canonical),
        Scalar::Quantity => formatted(&quantity_text(&value), quantity::canonical),
        Scalar::Duration => formatted(&without_place(text(scalar, value))?, duration::canonical),
        Scalar::Time => instant(scalar, value, Precision::Seconds),
        Scalar::MicroTime => instant(scalar, value, Precision::Micros),
        Scalar::IntOrString => match value {
            Value::String(_) => Ok(Some(value)),
            _ => without_place(canonical(Scalar::Int32, value)),
        },
        Scalar::AnyObject if !value.is_object() => Err(mismatch(scalar, &value).into()),
        Scalar::AnyObject | Scalar::Any => Ok(Some(free_form(value))),
    }
}

fn mismatch(scalar: Scalar, value: &Value) -> Mismatch {
    Mismatch::of(value, Shape::Scalar(scalar))
}

fn text(scalar: Scalar, value: Value) -> Result<String, Box<Mismatch>> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(mismatch(scalar, &value).into()),
    }
}

/// The types with a format of their own read their value apart, so that their messages name no field.
fn without_place<T>(result: Result<T, Box<Mismatch>>) -> Result<T, Box<Mismatch>> {
    result.map_err(|mismatch| Box::new(Mismatch::Format(mismatch.to_string())))
}

fn formatted<E: Into<String>>(
    text: &str,
    canonical: impl FnOnce(&str) -> Result<String, E>,
) -> Result<Option<Value>, Box<Mismatch>> {
    match canonical(text) {
        Ok(text) => Ok(Some(Value::String(text))),
        Err(message) => Err(Box::new(Mismatch::Format(message.into()))),
    }
}

fn instant(scalar: Scalar, value: Value, precision: Precision) -> Result<Option<Value>, Box<Mismatch>> {
    let text = without_place(text(scalar, value))?;
    match time::canonical(&text, precision) {
        Ok(time) => Ok(time.map(Value::String)),
        Err(message) => Err(Box::new(Mismatch::Format(message))),
    }
}

/// A quantity may be sent as a number. What is neither number nor text is no quantity either way.
fn quantity_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => match number.as_f64() {
            // In full: an exponent would stand for another family of suffixes.
            Some(float) if number.is_f64() => float.to_string(),
            _ => number.to_string(),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

fn integer(
    scalar: Scalar,
    value: &Value,
    range: std::ops::RangeInclusive<i64>,
) -> Result<Value, Box<Mismatch>> {
    let Value::Number(number) = value else {
        return Err(mismatch(scalar, value).into());
    };
    // The parser reads `-0` as a float.
    let integer = if number.as_f64() == Some(0.0) { Some(0) } else { number.as_i64() };
    match integer {
        Some(integer) if range.contains(&integer) => Ok(Value::from(integer)),
        _ => Err(Box::new(Mismatch::of_number(number, scalar))),
    }
}

/// One text for each number: `1.0` and `1e0` become `1`.
fn plain_number(number: Number) -> Number {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < WHOLE_LIMIT => {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            let whole = float as i64;
            Number::from(whole)
        }
        _ => number,
    }
}

/// Free-form values keep everything but their spelling: the order of keys and the text of numbers.
fn free_form(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(plain_number(number)),
        Value::Array(list) => Value::Array(list.into_iter().map(free_form).collect()),
        Value::Object(map) => {
            let mut map: serde_json::Map<_, _> =
                map.into_iter().map(|(key, value)| (key, free_form(value))).collect();
            map.sort_keys();
            Value::Object(map)
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn becomes(scalar: Scalar, value: Value, expected: &Value) {
        assert_eq!(canonical(scalar, value).unwrap().as_ref(), Some(expected));
    }

    #[track_caller]
    fn refused(scalar: Scalar, value: Value, expected: &str) {
        assert_eq!(canonical(scalar, value).unwrap_err().to_string(), expected);
    }

    #[test]
    fn integers_keep_to_their_range() {
        becomes(Scalar::Int32, json!(-2_147_483_648_i64), &json!(-2_147_483_648_i64));
        becomes(Scalar::Int64, json!(i64::MAX), &json!(i64::MAX));
        becomes(Scalar::Int64, json!(-0.0), &json!(0));
        let message = "json: cannot unmarshal number 2147483648 into Go value of type int32";
        refused(Scalar::Int32, json!(2_147_483_648_i64), message);
        refused(Scalar::IntOrString, json!(2_147_483_648_i64), message);
        refused(Scalar::Int64, json!(1.5), "json: cannot unmarshal number 1.5 into Go value of type int64");
        refused(
            Scalar::Int64,
            json!(u64::MAX),
            "json: cannot unmarshal number 18446744073709551615 into Go value of type int64",
        );
        refused(Scalar::Int32, json!("1"), "json: cannot unmarshal string into Go value of type int32");
    }

    #[test]
    fn int_or_string_is_kept_as_which_it_was_sent() {
        becomes(Scalar::IntOrString, json!("80"), &json!("80"));
        becomes(Scalar::IntOrString, json!(80), &json!(80));
        refused(Scalar::IntOrString, json!(true), "json: cannot unmarshal bool into Go value of type int32");
    }

    #[test]
    fn a_quantity_may_be_a_number() {
        becomes(Scalar::Quantity, json!(2), &json!("2"));
        becomes(Scalar::Quantity, json!(0.1), &json!("100m"));
        becomes(Scalar::Quantity, json!(" 1000m "), &json!("1"));
        assert!(canonical(Scalar::Quantity, json!(true)).is_err());
        assert!(canonical(Scalar::Quantity, json!(f64::MAX)).is_ok());
    }

    #[test]
    fn the_zero_time_is_no_value() {
        assert_eq!(canonical(Scalar::Time, json!("0001-01-01T00:00:00Z")), Ok(None));
        refused(Scalar::Time, json!(1), "json: cannot unmarshal number into Go value of type string");
    }

    #[test]
    fn free_form_values_keep_nulls_and_lose_their_spelling() {
        let sent = json!({"b": [1.0, null, 1e20], "a": {"y": null, "x": 0.5}});
        let Some(kept) = canonical(Scalar::AnyObject, sent).unwrap() else { panic!("dropped") };
        assert_eq!(kept.to_string(), r#"{"a":{"x":0.5,"y":null},"b":[1,null,1e+20]}"#);
        assert!(canonical(Scalar::AnyObject, json!("text")).is_err());
        becomes(Scalar::Any, json!("text"), &json!("text"));
    }
}
