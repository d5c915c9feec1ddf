//! From the tree of a canonical object to a message.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use serde_json::{Map, Value};

use super::special::{self, put_bytes, put_number};
use crate::kinds::field::{Field, Presence, Scalar, Shape, Type};
use crate::kinds::message::{Message, Place};

/// The message of an object of this type. Its kind, and what the table does not know, is not in it.
pub fn encode(schema: &'static Type, object: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    write_message(schema.message(), object, &mut out);
    out
}

/// Appends the fields of a message, in the order of their tags.
fn write_message(message: &Message, object: &Map<String, Value>, out: &mut Vec<u8>) {
    for (tag, place) in message.places() {
        match place {
            Place::Field(field) => {
                if let Some(value) = object.get(field.json).filter(|value| !value.is_null()) {
                    write_field(tag, field, value, out);
                }
            }
            Place::Inlined(inner) => {
                let start = out.len();
                within(tag, out, |out| write_message(inner, object, out));
                // A message of nothing says nothing.
                if out
                    .get(start..)
                    .is_some_and(|written| written.last() == Some(&0) && written.len() == 1 + key_len(tag))
                {
                    out.truncate(start);
                }
            }
        }
    }
}

fn key_len(tag: u32) -> usize {
    encoded_len_varint(u64::from(tag) << 3)
}

fn write_field(tag: u32, field: &Field, value: &Value, out: &mut Vec<u8>) {
    match (field.shape, value) {
        (Shape::List(item), Value::Array(list)) => {
            for value in list {
                write_value(tag, *item, value, out);
            }
        }
        (Shape::Map(item), Value::Object(map)) => {
            let mut entries: Vec<_> = map.iter().collect();
            if !entries.is_sorted_by_key(|(key, _)| *key) {
                entries.sort_unstable_by_key(|(key, _)| *key);
            }
            for (key, value) in entries {
                within(tag, out, |out| {
                    put_bytes(1, key.as_bytes(), out);
                    write_value(2, *item, value, out);
                });
            }
        }
        (shape, value) if field.presence == Presence::Optional || !is_zero(value) => {
            write_value(tag, shape, value, out);
        }
        _ => {}
    }
}

/// Whether a reader takes the absence of this value for it.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// Appends a field with one value, zero or not.
fn write_value(tag: u32, shape: Shape, value: &Value, out: &mut Vec<u8>) {
    match (shape, value) {
        (Shape::Object(schema), Value::Object(object)) => {
            within(tag, out, |out| write_message(schema.message(), object, out));
        }
        // In a message of its own, whose first field has the items.
        (Shape::List(item), Value::Array(list)) => within(tag, out, |out| {
            for value in list {
                write_value(1, *item, value, out);
            }
        }),
        (Shape::Scalar(Scalar::String), Value::String(text)) => put_bytes(tag, text.as_bytes(), out),
        (Shape::Scalar(Scalar::Bool), Value::Bool(value)) => put_number(tag, i64::from(*value), out),
        (Shape::Scalar(Scalar::Int32 | Scalar::Int64), Value::Number(number)) => {
            put_number(tag, number.as_i64().unwrap_or(0), out);
        }
        (Shape::Scalar(Scalar::Float64), Value::Number(number)) => {
            encode_key(tag, WireType::SixtyFourBit, out);
            out.extend_from_slice(&number.as_f64().unwrap_or(0.0).to_le_bytes());
        }
        (Shape::Scalar(scalar), value) => within(tag, out, |out| special::write(scalar, value, out)),
        // A canonical object has no value of another shape.
        _ => {}
    }
}

/// Appends a field that holds what `write` appends. Its length comes before it and is known after it: what was
/// written is moved by the few bytes that the length takes.
pub(super) fn within(tag: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(tag, WireType::LengthDelimited, out);
    let start = out.len();
    write(out);
    let length = out.len() - start;
    let places = encoded_len_varint(length as u64);
    // The length is written behind, and turned to the front.
    encode_varint(length as u64, out);
    if let Some(written) = out.get_mut(start..) {
        written.rotate_right(places);
    }
}
