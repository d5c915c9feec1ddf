//! When a field is written: the one rule that decoding and encoding share.
//!
//! * An object that is always written starts as `{}` with its own such fields; a scalar as its zero
//!   value: `""`, `0`, `false`, the quantity `0`, the duration `0s`. Times, bytes and free-form values
//!   have no zero value to write.
//! * Lists, maps and bytes that are always written or omitted when empty are left out when empty, rather
//!   than written as `null` or `[]`: readers take all of these for the same, and so does protobuf, which
//!   cannot tell them apart.
//! * Only strings, booleans, plain numbers, bytes, lists and maps are omitted for being zero. An object,
//!   a quantity, a duration or a free-form value that was sent says something by being there.

use serde_json::{Map, Value};

use super::MAX_DEPTH;
use crate::kinds::field::{Field, Presence, Scalar, Shape, Type};

/// Whether the field is left out although it has this value.
pub(super) fn is_left_out(field: &Field, value: &Value) -> bool {
    match field.presence {
        Presence::Optional => false,
        Presence::Always => is_empty_collection(field.shape, value),
        Presence::OmitZero => is_empty_collection(field.shape, value) || is_zero(field.shape, value),
    }
}

fn is_empty_collection(shape: Shape, value: &Value) -> bool {
    match (shape, value) {
        (Shape::List(_), Value::Array(list)) => list.is_empty(),
        (Shape::Map(_), Value::Object(map)) => map.is_empty(),
        (Shape::Scalar(Scalar::Bytes), Value::String(text)) => text.is_empty(),
        _ => false,
    }
}

fn is_zero(shape: Shape, value: &Value) -> bool {
    match (shape, value) {
        (Shape::Scalar(Scalar::String), Value::String(text)) => text.is_empty(),
        (Shape::Scalar(Scalar::Bool), Value::Bool(value)) => !value,
        (Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Float64), Value::Number(number)) => {
            number.as_f64() == Some(0.0)
        }
        _ => false,
    }
}

/// What is written for a field that was not sent.
pub(super) fn filler(field: &Field, depth: usize) -> Option<Value> {
    match field.presence {
        Presence::Always => zero(field.shape, depth),
        Presence::OmitZero | Presence::Optional => None,
    }
}

/// The zero value, where there is one to write.
fn zero(shape: Shape, depth: usize) -> Option<Value> {
    match shape {
        Shape::List(_) | Shape::Map(_) => None,
        Shape::Object(schema) => Some(Value::Object(zero_object(schema, depth))),
        Shape::Scalar(scalar) => match scalar {
            Scalar::String => Some(Value::from("")),
            Scalar::Bool => Some(Value::Bool(false)),
            Scalar::Int32 | Scalar::Int64 | Scalar::Float64 | Scalar::IntOrString => Some(Value::from(0)),
            Scalar::Quantity => Some(Value::from("0")),
            Scalar::Duration => Some(Value::from("0s")),
            Scalar::Bytes | Scalar::Time | Scalar::MicroTime | Scalar::AnyObject | Scalar::Any => None,
        },
    }
}

/// `depth` objects enclose this one; the bound only guards against a table that contains itself.
fn zero_object(schema: &Type, depth: usize) -> Map<String, Value> {
    if depth >= MAX_DEPTH {
        return Map::new();
    }
    let fillers = schema.fields.iter().filter_map(|field| {
        let value = filler(field, depth + 1)?;
        Some((field.json.to_owned(), value))
    });
    fillers.collect()
}

/// What a `null` stands for as an element of a list or map, where it cannot be left out.
pub(super) fn zero_element(shape: Shape, depth: usize) -> Value {
    match shape {
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Map(_) | Shape::Scalar(Scalar::AnyObject) => Value::Object(Map::new()),
        Shape::Scalar(Scalar::Bytes) => Value::from(""),
        Shape::Object(_) | Shape::Scalar(_) => zero(shape, depth).unwrap_or_default(),
    }
}
