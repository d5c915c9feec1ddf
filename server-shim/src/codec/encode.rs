//! From a value to the canonical bytes: compact JSON in the order of the table.

use serde_json::{Map, Value};

use super::presence;
use crate::kinds::field::{Shape, Type};

/// The canonical bytes of an object of the type `schema`.
///
/// The value comes from [`super::decode`] and may have been changed since: fields are written in the
/// order of the table wherever they stand in the value, fields the table does not know are not written,
/// and neither is the zero value of a field that omits it. What a field holds is written as it is.
///
/// `metadata.resourceVersion` and `metadata.selfLink` are never written.
pub fn encode(schema: &'static Type, object: &Value) -> Vec<u8> {
    let empty = Map::new();
    let object = object.as_object().unwrap_or(&empty);
    let mut bytes = Vec::with_capacity(1024);
    bytes.push(b'{');
    for name in ["kind", "apiVersion"] {
        if let Some(value) = object.get(name) {
            write_key(&mut bytes, name);
            write_json(&mut bytes, value);
        }
    }
    write_metadata(&mut bytes, schema, object);
    write_fields(&mut bytes, schema, object, &["kind", "apiVersion", "metadata"], 0);
    bytes.push(b'}');
    bytes
}

fn write_metadata(bytes: &mut Vec<u8>, schema: &'static Type, object: &Map<String, Value>) {
    let metadata = schema.field("metadata").map(|field| field.shape);
    if let (Some(Shape::Object(schema)), Some(Value::Object(metadata))) = (metadata, object.get("metadata")) {
        write_key(bytes, "metadata");
        bytes.push(b'{');
        write_fields(bytes, schema, metadata, &["resourceVersion", "selfLink"], 1);
        bytes.push(b'}');
    }
}

/// The members of an object, except the `hidden` ones. `depth` objects and lists enclose it.
fn write_fields(
    bytes: &mut Vec<u8>,
    schema: &'static Type,
    object: &Map<String, Value>,
    hidden: &[&str],
    depth: usize,
) {
    for field in schema.fields.iter().filter(|field| !hidden.contains(&field.json)) {
        let sent = object.get(field.json);
        let sent = sent.filter(|value| !value.is_null() && !presence::is_left_out(field, value));
        if let Some(value) = sent {
            write_key(bytes, field.json);
            write_value(bytes, field.shape, value, depth + 1);
        } else if let Some(filler) = presence::filler(field, depth + 1) {
            write_key(bytes, field.json);
            write_json(bytes, &filler);
        }
    }
}

fn write_value(bytes: &mut Vec<u8>, shape: Shape, value: &Value, depth: usize) {
    match (shape, value) {
        (Shape::Object(schema), Value::Object(object)) => {
            bytes.push(b'{');
            write_fields(bytes, schema, object, &[], depth);
            bytes.push(b'}');
        }
        (Shape::List(item), Value::Array(list)) => {
            bytes.push(b'[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    bytes.push(b',');
                }
                write_value(bytes, *item, value, depth + 1);
            }
            bytes.push(b']');
        }
        (Shape::Map(item), Value::Object(map)) => write_map(bytes, *item, map, depth),
        (_, value) => write_json(bytes, value),
    }
}

fn write_map(bytes: &mut Vec<u8>, item: Shape, map: &Map<String, Value>, depth: usize) {
    let mut entries: Vec<_> = map.iter().collect();
    if !entries.is_sorted_by_key(|(key, _)| *key) {
        entries.sort_unstable_by_key(|(key, _)| *key);
    }
    bytes.push(b'{');
    for (key, value) in entries {
        write_key(bytes, key);
        write_value(bytes, item, value, depth + 1);
    }
    bytes.push(b'}');
}

/// A key with its colon, behind a comma unless it is the first of its object.
fn write_key(bytes: &mut Vec<u8>, key: &str) {
    if bytes.last() != Some(&b'{') {
        bytes.push(b',');
    }
    write_json(bytes, key);
    bytes.push(b':');
}

fn write_json<T: serde::Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(bytes, value).unwrap_or_else(|error| unreachable!("JSON into memory: {error}"));
}
