//! Random objects of any type, and other spellings of them, for tests.
//!
//! Everything is drawn from a seed, so a failing test names the seed and fails again.

use serde_json::{Map, Value, json};

use crate::kinds::field::{Field, Presence, Scalar, Shape, Type};

/// A xorshift generator: the tests need variety, not quality.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn shuffled(&mut self, map: Map<String, Value>) -> Map<String, Value> {
        let mut entries: Vec<_> = map.into_iter().collect();
        for end in (1..entries.len()).rev() {
            entries.swap(end, self.below(end + 1));
        }
        entries.into_iter().collect()
    }
}

const STRINGS: [&str; 8] =
    ["", "a", "nginx:1.27", "ä\u{2028}€", "\"quoted\"\\", "line\nbreak\t\u{1}", "<&>", "a/b.c-d_e"];

/// Texts in one row mean the same.
const QUANTITIES: [&[&str]; 7] = [
    &["0", "0Ki", "-0m", "0e5", "0.000"],
    &["1", "1000m", "01", "+1.0", "1000000u"],
    &["500m", "0.5", ".5", "500000u"],
    &["1Mi", "1024Ki", "0.0009765625Gi"],
    &["-1500Mi", "-1536000Ki"],
    &["10e3", "1e4", "0.1E5"],
    &["9223372036854775807Ki", "1000Ei", "8Ei"],
];
const TIMES: [&[&str]; 3] = [
    &["2026-11-21T22:43:43Z", "2026-11-22T00:13:43+01:30", "2026-11-21T22:43:43.000Z"],
    &["2024-03-01T00:00:00Z", "2024-02-29T16:00:00-08:00"],
    &["1969-12-31T23:59:59Z", "1970-01-01T00:59:59+01:00"],
];
const DURATIONS: [&[&str]; 2] = [&["1h30m0s", "90m", "5400s"], &["1.5s", "1500ms"]];

/// A random object of this type, with its own kind left out.
pub(crate) fn object(schema: &'static Type, random: &mut Random) -> Value {
    object_at(schema, random, 0)
}

fn object_at(schema: &'static Type, random: &mut Random, depth: usize) -> Value {
    let mut object = Map::new();
    for field in schema.fields.iter().filter(|field| !field.tags.is_empty()) {
        if random.one_in(1 + depth) {
            object.insert(field.json.to_owned(), value(field.shape, random, depth + 1));
        }
    }
    Value::Object(object)
}

fn value(shape: Shape, random: &mut Random, depth: usize) -> Value {
    match shape {
        Shape::Scalar(kind) => scalar(kind, random),
        Shape::Object(schema) => object_at(schema, random, depth),
        Shape::List(item) => (0..random.below(3)).map(|_| value(*item, random, depth + 1)).collect(),
        Shape::Map(item) => {
            let keys = ["b", "a", "c.d/e", "ü"];
            let entries =
                (0..random.below(4)).map(|at| (keys[at].to_owned(), value(*item, random, depth + 1)));
            Value::Object(entries.collect())
        }
    }
}

fn scalar(kind: Scalar, random: &mut Random) -> Value {
    let from = |random: &mut Random, rows: &[&[&str]]| {
        let row = random.pick(rows);
        Value::from(random.pick(row))
    };
    match kind {
        Scalar::String => Value::from(random.pick(&STRINGS)),
        Scalar::Bool => Value::Bool(random.one_in(2)),
        Scalar::Int32 => Value::from(random.pick(&[0, 1, -1, i32::MAX, i32::MIN])),
        Scalar::Int64 => Value::from(random.pick(&[0, 1, -1, i64::MAX, i64::MIN])),
        Scalar::Float64 => json!(random.pick(&[0.0, 1.0, 0.1, -2.5e-9, 1e300])),
        Scalar::Bytes => Value::from(random.pick(&["", "aGVsbG8=", "AAECAwQF", "/+8="])),
        Scalar::Quantity => from(random, &QUANTITIES),
        Scalar::Time | Scalar::MicroTime => from(random, &TIMES),
        Scalar::Duration => from(random, &DURATIONS),
        Scalar::IntOrString => {
            if random.one_in(2) {
                json!("25%")
            } else {
                json!(8080)
            }
        }
        Scalar::AnyObject => free_form(random),
        Scalar::Any => json!([free_form(random), null, "text", 3]),
    }
}

fn free_form(random: &mut Random) -> Value {
    let number = random.pick(&[0.0, 1.0, 0.5, 1e21]);
    json!({"f:b": {"f:x": {}, ".": {}}, "a": [number, null, random.pick(&STRINGS)], "n": null})
}

/// The same object, written another way.
pub(crate) fn respell(schema: &'static Type, object: &Value, random: &mut Random) -> Value {
    let mut spelled = Map::new();
    for field in schema.fields {
        if let Some(spelling) = respell_field(field, object.get(field.json), random) {
            spelled.insert(field.json.to_owned(), spelling);
        }
    }
    Value::Object(random.shuffled(spelled))
}

fn respell_field(field: &Field, value: Option<&Value>, random: &mut Random) -> Option<Value> {
    match value {
        Some(value) => Some(respell_value(field.shape, value, random)),
        None if random.one_in(2) => None,
        None if random.one_in(2) || field.presence == Presence::Optional => Some(Value::Null),
        None => match field.shape {
            Shape::List(_) => Some(json!([])),
            Shape::Map(_) => Some(json!({})),
            Shape::Scalar(Scalar::String) => Some(json!("")),
            Shape::Scalar(Scalar::Bool) => Some(json!(false)),
            Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Float64) => Some(json!(-0.0)),
            Shape::Scalar(Scalar::Time | Scalar::MicroTime) => Some(json!("0001-01-01T00:00:00Z")),
            Shape::Scalar(_) | Shape::Object(_) => None,
        },
    }
}

fn respell_value(shape: Shape, value: &Value, random: &mut Random) -> Value {
    match (shape, value) {
        (Shape::Object(schema), value) => respell(schema, value, random),
        (Shape::List(item), Value::Array(list)) => {
            list.iter().map(|value| respell_value(*item, value, random)).collect()
        }
        (Shape::Map(item), Value::Object(map)) => {
            let entries = map.iter().map(|(key, value)| (key.clone(), respell_value(*item, value, random)));
            let map = entries.collect();
            Value::Object(random.shuffled(map))
        }
        (Shape::Scalar(scalar), value) => respell_scalar(scalar, value, random),
        (_, value) => value.clone(),
    }
}

fn respell_scalar(scalar: Scalar, value: &Value, random: &mut Random) -> Value {
    let rows: &[&[&str]] = match scalar {
        Scalar::Quantity => &QUANTITIES,
        Scalar::Time | Scalar::MicroTime => &TIMES,
        Scalar::Duration => &DURATIONS,
        Scalar::Bytes => return Value::from(format!("\n{}\r\n", value.as_str().unwrap())),
        Scalar::Float64 | Scalar::Any | Scalar::AnyObject => return respell_free_form(value, random),
        _ => return value.clone(),
    };
    let row = rows.iter().find(|row| row.iter().any(|text| value == text)).unwrap();
    Value::from(random.pick(row))
}

fn respell_free_form(value: &Value, random: &mut Random) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|value| respell_free_form(value, random)).collect(),
        Value::Object(map) => {
            let map =
                map.iter().map(|(key, value)| (key.clone(), respell_free_form(value, random))).collect();
            Value::Object(random.shuffled(map))
        }
        // The whole numbers, as floats or as integers; others have one spelling only.
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.as_i64().is_some() => Value::from(float),
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => {
                json!(float.to_string().parse::<i64>().unwrap())
            }
            _ => value.clone(),
        },
        other => other.clone(),
    }
}
