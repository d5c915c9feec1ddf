//! JSON in other notations: indented, as YAML, as protobuf. The input is JSON that this server wrote; what is none
//! comes back as it is.

mod aside;
mod protobuf;

use std::fmt::Write as _;

use serde_json::Value;

pub use self::aside::aside;
pub(crate) use self::protobuf::PARTIAL_OBJECT_METADATA;
pub use self::protobuf::protobuf;

/// The JSON with two blanks of indentation per level, and a line end.
pub fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let mut bytes = json.trim_ascii().iter().copied().peekable();
    let mut level = 0_usize;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                out.push(byte);
                copy_string(&mut bytes, &mut out);
            }
            b'{' | b'[' => {
                out.push(byte);
                while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
                if let Some(close) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    out.push(close);
                } else {
                    level += 1;
                    new_line(&mut out, level);
                }
            }
            b'}' | b']' => {
                level = level.saturating_sub(1);
                new_line(&mut out, level);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, level);
            }
            b':' => out.extend_from_slice(b": "),
            byte if byte.is_ascii_whitespace() => {}
            byte => out.push(byte),
        }
    }
    out.push(b'\n');
    out
}

fn copy_string(bytes: &mut impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    let mut escaped = false;
    for byte in bytes {
        out.push(byte);
        match byte {
            b'"' if !escaped => return,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
}

fn new_line(out: &mut Vec<u8>, level: usize) {
    out.push(b'\n');
    out.resize(out.len() + 2 * level, b' ');
}

/// The JSON as YAML, in the same order.
pub fn yaml(json: &[u8]) -> Vec<u8> {
    let Ok(value) = serde_json::from_slice(json) else { return json.to_vec() };
    let mut out = String::with_capacity(json.len());
    match &value {
        Value::Object(map) if !map.is_empty() => yaml_map(map, 0, &mut out),
        Value::Array(list) if !list.is_empty() => yaml_list(list, 0, &mut out),
        scalar => {
            yaml_scalar(scalar, &mut out);
            out.push('\n');
        }
    }
    out.into_bytes()
}

/// The entries of a map. The first one continues the current line.
fn yaml_map(map: &serde_json::Map<String, Value>, level: usize, out: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            out.extend(std::iter::repeat_n(' ', 2 * level));
        }
        yaml_string(key, out);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', 2 * (level + 1)));
                yaml_map(inner, level + 1, out);
            }
            // The items of a list stand below its key, not further in.
            Value::Array(inner) if !inner.is_empty() => {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', 2 * level));
                yaml_list(inner, level, out);
            }
            scalar => {
                out.push(' ');
                yaml_scalar(scalar, out);
                out.push('\n');
            }
        }
    }
}

/// The items of a list. The first one continues the current line.
fn yaml_list(list: &[Value], level: usize, out: &mut String) {
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            out.extend(std::iter::repeat_n(' ', 2 * level));
        }
        out.push_str("- ");
        match item {
            Value::Object(inner) if !inner.is_empty() => yaml_map(inner, level + 1, out),
            Value::Array(inner) if !inner.is_empty() => yaml_list(inner, level + 1, out),
            scalar => {
                yaml_scalar(scalar, out);
                out.push('\n');
            }
        }
    }
}

/// A value without children.
fn yaml_scalar(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => yaml_string(text, out),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => {
            // Writing into a string does not fail.
            let _ = write!(out, "{other}");
        }
    }
}

/// A string: plain if every reader of YAML 1.1 and 1.2 takes it for the same string, quoted if not.
fn yaml_string(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Not printable, or a line break, to some reader.
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let goes_on_well = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    starts_well && goes_on_well && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn indentation_changes_nothing_but_blanks() {
        let json = br#"{"a":{},"b":[ ],"c":[1.50,"x\"{,:"],"d":{"e":null}}"#;
        let expected = "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1.50,\n    \"x\\\"{,:\"\n  ],\n  \
                        \"d\": {\n    \"e\": null\n  }\n}\n";
        assert_eq!(String::from_utf8(pretty(json)).unwrap(), expected);
        assert_eq!(pretty(&pretty(json)), pretty(json));
    }

    #[test]
    fn yaml_is_in_blocks_and_quotes_what_could_be_taken_for_something_else() {
        let json = br#"{"kind":"List","empty":{},"items":[{"a":"yes","b":["x",[]]},{"c":"1"}],"n":2}"#;
        let expected = "kind: List\nempty: {}\nitems:\n- a: \"yes\"\n  b:\n  - x\n  - []\n- c: \"1\"\nn: 2\n";
        // `n` is a boolean to some readers, so the key is quoted too.
        let expected = expected.replace("\nn: 2", "\n\"n\": 2");
        assert_eq!(String::from_utf8(yaml(json)).unwrap(), expected);
    }

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[-yesno~.0x: #&*!|>'\"%@`{}\\[\\],?]{0,6}".prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::hash_map("[a-z ~:#-]{0,6}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn both_forms_are_read_as_the_same_value(value in value()) {
            let json = serde_json::to_vec(&value).unwrap();
            prop_assert_eq!(&serde_json::from_slice::<Value>(&pretty(&json)).unwrap(), &value);
            let yaml = yaml(&json);
            let read: Value = serde_yaml_ng::from_slice(&yaml).unwrap();
            prop_assert_eq!(read, value, "{}", String::from_utf8_lossy(&yaml));
        }
    }
}
