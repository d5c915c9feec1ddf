//! From a message to the tree of an object.
//!
//! Unknown fields are dropped, as the reference does. A message within a message that comes in parts is put
//! together, and of a scalar the last one counts: as protobuf demands of readers.

use prost::bytes::Buf as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use serde_json::{Map, Value};

use super::{BadMessage, special};
use crate::codec::MAX_DEPTH;
use crate::kinds::field::{Field, Scalar, Shape, Type};
use crate::kinds::message::{Message, Place};

/// The object that a message of this type stands for, without its kind. What is absent in the message is absent in
/// the object: [`crate::codec::decode`] makes it canonical.
///
/// # Errors
/// [`BadMessage`] for bytes that are no such message.
pub fn decode(schema: &'static Type, message: &[u8]) -> Result<Map<String, Value>, BadMessage> {
    let mut object = Map::new();
    read_message(schema.message(), message, &mut object, 0)?;
    Ok(object)
}

/// Reads the fields of a message into an object. `depth` messages enclose it.
fn read_message(
    message: &Message,
    mut bytes: &[u8],
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), BadMessage> {
    if depth > MAX_DEPTH {
        return Err(BadMessage("exceeded max depth".to_owned()));
    }
    while !bytes.is_empty() {
        let (tag, wire_type) = decode_key(&mut bytes)?;
        match message.place(tag) {
            None => skip_field(wire_type, tag, &mut bytes, DecodeContext::default())?,
            Some(Place::Inlined(inner)) => {
                expect(wire_type, WireType::LengthDelimited, tag)?;
                read_message(inner, take(&mut bytes)?, object, depth + 1)?;
            }
            Some(Place::Field(field)) => {
                let read = read_field(field, wire_type, &mut bytes, object, depth + 1);
                read.map_err(|error| BadMessage(format!("{}: {error}", field.json)))?;
            }
        }
    }
    Ok(())
}

/// Reads one occurrence of a field.
fn read_field(
    field: &Field,
    wire_type: WireType,
    bytes: &mut &[u8],
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), BadMessage> {
    match field.shape {
        Shape::List(item) => {
            let Some(list) = slot(object, field.json, || Value::Array(Vec::new())).as_array_mut() else {
                return Ok(());
            };
            read_items(*item, wire_type, bytes, list, depth)
        }
        Shape::Map(item) => {
            expect(wire_type, WireType::LengthDelimited, 0)?;
            let entry = take(bytes)?;
            let map = slot(object, field.json, || Value::Object(Map::new())).as_object_mut();
            if let Some(map) = map {
                let (key, value) = read_entry(*item, entry, depth)?;
                map.insert(key, value);
            }
            Ok(())
        }
        Shape::Object(schema) => {
            expect(wire_type, WireType::LengthDelimited, 0)?;
            let message = take(bytes)?;
            let inner = slot(object, field.json, || Value::Object(Map::new())).as_object_mut();
            inner.map_or(Ok(()), |inner| read_message(schema.message(), message, inner, depth))
        }
        Shape::Scalar(scalar) => {
            // `null` where the message stands for no value, such as the zero time.
            let value = read_scalar(scalar, wire_type, bytes)?;
            object.insert(field.json.to_owned(), value);
            Ok(())
        }
    }
}

/// The value of a field, made if there is none. A field has one shape, so one that is there fits.
fn slot<'o>(object: &'o mut Map<String, Value>, name: &str, empty: impl FnOnce() -> Value) -> &'o mut Value {
    object.entry(name).or_insert_with(empty)
}

/// One item of a list, or many numbers that are packed.
fn read_items(
    item: Shape,
    wire_type: WireType,
    bytes: &mut &[u8],
    list: &mut Vec<Value>,
    depth: usize,
) -> Result<(), BadMessage> {
    let number = match item {
        Shape::Scalar(Scalar::Bool | Scalar::Int32 | Scalar::Int64) => Some(WireType::Varint),
        Shape::Scalar(Scalar::Float64) => Some(WireType::SixtyFourBit),
        _ => None,
    };
    if let (Some(number), Shape::Scalar(scalar), WireType::LengthDelimited) = (number, item, wire_type) {
        let mut packed = take(bytes)?;
        while !packed.is_empty() {
            list.push(read_scalar(scalar, number, &mut packed)?);
        }
        return Ok(());
    }
    list.push(read_value(item, wire_type, bytes, depth)?);
    Ok(())
}

/// A value that stands alone: the item of a list, or the value in an entry of a map.
fn read_value(
    shape: Shape,
    wire_type: WireType,
    bytes: &mut &[u8],
    depth: usize,
) -> Result<Value, BadMessage> {
    match shape {
        Shape::Scalar(scalar) => read_scalar(scalar, wire_type, bytes),
        Shape::Object(schema) => {
            expect(wire_type, WireType::LengthDelimited, 0)?;
            let mut object = Map::new();
            read_message(schema.message(), take(bytes)?, &mut object, depth + 1)?;
            Ok(Value::Object(object))
        }
        // Wrapped in a message whose first field has the items.
        Shape::List(item) => {
            expect(wire_type, WireType::LengthDelimited, 0)?;
            let (mut list, mut wrapper) = (Vec::new(), take(bytes)?);
            while !wrapper.is_empty() {
                let (tag, wire_type) = decode_key(&mut wrapper)?;
                if tag == 1 {
                    read_items(*item, wire_type, &mut wrapper, &mut list, depth + 1)?;
                } else {
                    skip_field(wire_type, tag, &mut wrapper, DecodeContext::default())?;
                }
            }
            Ok(Value::Array(list))
        }
        Shape::Map(_) => Err(BadMessage("a map stands where none can be".to_owned())),
    }
}

/// The key and the value of an entry of a map; what is absent is the empty text, or `null`.
fn read_entry(item: Shape, mut entry: &[u8], depth: usize) -> Result<(String, Value), BadMessage> {
    let (mut key, mut value) = (String::new(), Value::Null);
    while !entry.is_empty() {
        let (tag, wire_type) = decode_key(&mut entry)?;
        match tag {
            1 => {
                expect(wire_type, WireType::LengthDelimited, 1)?;
                text(take(&mut entry)?)?.clone_into(&mut key);
            }
            2 => value = read_value(item, wire_type, &mut entry, depth + 1)?,
            _ => skip_field(wire_type, tag, &mut entry, DecodeContext::default())?,
        }
    }
    Ok((key, value))
}

fn read_scalar(scalar: Scalar, wire_type: WireType, bytes: &mut &[u8]) -> Result<Value, BadMessage> {
    let wanted = match scalar {
        Scalar::Bool | Scalar::Int32 | Scalar::Int64 => WireType::Varint,
        Scalar::Float64 => WireType::SixtyFourBit,
        _ => WireType::LengthDelimited,
    };
    expect(wire_type, wanted, 0)?;
    match scalar {
        Scalar::Bool => Ok(Value::Bool(decode_varint(bytes)? != 0)),
        Scalar::Int32 => {
            // Negative numbers fill all 64 bits; of what does not fit the lower half counts.
            #[expect(clippy::cast_possible_truncation, reason = "as protobuf demands of readers")]
            let number = signed(decode_varint(bytes)?) as i32;
            Ok(Value::from(number))
        }
        Scalar::Int64 => Ok(Value::from(signed(decode_varint(bytes)?))),
        Scalar::Float64 => {
            let number = bytes.try_get_f64_le().map_err(|error| BadMessage(error.to_string()))?;
            let number = serde_json::Number::from_f64(number);
            number.map(Value::Number).ok_or_else(|| BadMessage("number is not finite".to_owned()))
        }
        Scalar::String => Ok(Value::from(text(take(bytes)?)?)),
        _ => special::read(scalar, take(bytes)?),
    }
}

/// A varint as the signed number that it stands for.
pub(super) fn signed(varint: u64) -> i64 {
    varint.cast_signed()
}

/// The bytes behind a length.
pub(super) fn take<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8], BadMessage> {
    let length = usize::try_from(decode_varint(bytes)?).unwrap_or(usize::MAX);
    let (taken, rest) =
        bytes.split_at_checked(length).ok_or_else(|| BadMessage("it is cut off".to_owned()))?;
    *bytes = rest;
    Ok(taken)
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, BadMessage> {
    std::str::from_utf8(bytes).map_err(|error| BadMessage(error.to_string()))
}

/// The tag is for the message; zero where the field is named otherwise.
pub(super) fn expect(found: WireType, wanted: WireType, tag: u32) -> Result<(), BadMessage> {
    if found == wanted {
        return Ok(());
    }
    let place = if tag == 0 { String::new() } else { format!("field {tag}: ") };
    Err(BadMessage(format!("{place}wire type {found:?} where {wanted:?} has to be")))
}
