//! The types that are texts, numbers or free in JSON, and messages in protobuf.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};
use serde_json::Value;

use super::BadMessage;
use super::decode::{expect, signed, take, text};
use crate::codec::{duration, json};
use crate::kinds::field::Scalar;

/// What the fields of such a message hold: every one of them has up to three.
#[derive(Default)]
struct Parts<'b> {
    /// The numbers under the tags 1 and 2.
    numbers: [Option<i64>; 2],
    /// The texts under the tags 1 and 3.
    texts: [Option<&'b [u8]>; 2],
}

impl<'b> Parts<'b> {
    fn read(mut bytes: &'b [u8]) -> Result<Self, BadMessage> {
        let mut parts = Self::default();
        while !bytes.is_empty() {
            let (tag, wire_type) = decode_key(&mut bytes)?;
            match (tag, wire_type) {
                (1, WireType::Varint) => parts.numbers[0] = Some(signed(decode_varint(&mut bytes)?)),
                (2, WireType::Varint) => parts.numbers[1] = Some(signed(decode_varint(&mut bytes)?)),
                (1, WireType::LengthDelimited) => parts.texts[0] = Some(take(&mut bytes)?),
                (3, WireType::LengthDelimited) => parts.texts[1] = Some(take(&mut bytes)?),
                (1..=3, _) => expect(wire_type, WireType::LengthDelimited, tag)?,
                _ => skip_field(wire_type, tag, &mut bytes, DecodeContext::default())?,
            }
        }
        Ok(parts)
    }
}

/// The value that a message of such a type stands for; `null` for none.
pub(super) fn read(scalar: Scalar, message: &[u8]) -> Result<Value, BadMessage> {
    if scalar == Scalar::Bytes {
        return Ok(Value::from(STANDARD.encode(message)));
    }
    let Parts { numbers: [first, second], texts: [one, three] } = Parts::read(message)?;
    match scalar {
        Scalar::Quantity => one.map_or(Ok(Value::Null), |one| Ok(Value::from(text(one)?))),
        Scalar::Time | Scalar::MicroTime => match (first, second) {
            (None, None) => Ok(Value::Null),
            (seconds, nanos) => time(seconds.unwrap_or(0), nanos.unwrap_or(0)),
        },
        Scalar::Duration => Ok(Value::from(duration::of_nanos(first.unwrap_or(0)))),
        Scalar::IntOrString if first == Some(1) => Ok(Value::from(text(three.unwrap_or_default())?)),
        Scalar::IntOrString => {
            let number = i32::try_from(second.unwrap_or(0));
            number.map(Value::from).map_err(|error| BadMessage(error.to_string()))
        }
        _ => match one {
            None | Some([]) => Ok(Value::Null),
            Some(free) => {
                json::parse(free).map(|document| document.value).map_err(|error| BadMessage(error.0))
            }
        },
    }
}

fn time(seconds: i64, nanos: i64) -> Result<Value, BadMessage> {
    let nanos = i32::try_from(nanos).map_err(|error| BadMessage(error.to_string()))?;
    let time = Timestamp::new(seconds, nanos).map_err(|error| BadMessage(error.to_string()))?;
    Ok(Value::from(time.to_string()))
}

/// Appends the message that a canonical value of such a type is.
pub(super) fn write(scalar: Scalar, value: &Value, out: &mut Vec<u8>) {
    match (scalar, value) {
        (Scalar::Bytes, Value::String(text)) => out.extend(STANDARD.decode(text).unwrap_or_default()),
        (Scalar::Quantity, Value::String(text)) => put_bytes(1, text.as_bytes(), out),
        (Scalar::Time | Scalar::MicroTime, Value::String(text)) => {
            if let Ok(time) = text.parse::<Timestamp>() {
                // A time before 1970 has its fraction after its second, as any other.
                let nanos = i64::from(time.subsec_nanosecond());
                let seconds = time.as_second() - i64::from(nanos < 0);
                put_number(1, seconds, out);
                put_number(2, nanos.rem_euclid(1_000_000_000), out);
            }
        }
        (Scalar::Duration, Value::String(text)) => put_number(1, duration::nanos(text).unwrap_or(0), out),
        (Scalar::IntOrString, Value::String(text)) => {
            put_number(1, 1, out);
            put_number(2, 0, out);
            put_bytes(3, text.as_bytes(), out);
        }
        (Scalar::IntOrString, Value::Number(number)) => {
            put_number(1, 0, out);
            put_number(2, number.as_i64().unwrap_or(0), out);
            put_bytes(3, b"", out);
        }
        (_, free) => put_bytes(1, free.to_string().as_bytes(), out),
    }
}

/// Appends a field that holds a number.
pub(super) fn put_number(tag: u32, number: i64, out: &mut Vec<u8>) {
    encode_key(tag, WireType::Varint, out);
    encode_varint(number.cast_unsigned(), out);
}

/// Appends a field that holds bytes or a text.
pub(super) fn put_bytes(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
