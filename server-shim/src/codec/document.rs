//! A parsed document: the tree of values, and what the tree can no longer tell, its duplicate keys.
//!
//! One builder serves JSON and YAML. It bounds the depth of the tree, and, where references can make a
//! small text stand for a large tree, its size.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::MAX_DEPTH;
use super::findings::MAX_FINDINGS;

/// What a body holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The value; keys in the order in which they were sent, and the last of two equal keys wins.
    pub value: Value,
    /// The paths of keys that were sent more than once, such as `spec.containers[0].name`. At most
    /// a hundred are noted.
    pub duplicates: Vec<String>,
}

/// The body is no document of its format; the text says why, in the words clients know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// The text of the error for a document that nests more than [`MAX_DEPTH`] levels.
pub(super) const TOO_DEEP: &str = "exceeded max depth";

/// Builds a document from what `deserializer` holds.
///
/// `budget` bounds the size of the tree: every value counts one, every key and string its length too.
pub(super) fn build<'de, D: Deserializer<'de>>(deserializer: D, budget: usize) -> Result<Document, D::Error> {
    let mut notes = Notes { duplicates: Vec::new(), budget };
    let value = Node { notes: &mut notes, depth: 0 }.deserialize(deserializer)?;
    Ok(Document { value, duplicates: notes.duplicates })
}

/// What is carried through the whole tree.
struct Notes {
    /// Paths relative to the value that is being built: every level puts its own step in front.
    duplicates: Vec<String>,
    budget: usize,
}

impl Notes {
    fn spend<E: Error>(&mut self, size: usize) -> Result<(), E> {
        let left = self.budget.checked_sub(size);
        self.budget = left.ok_or_else(|| E::custom("document contains excessive aliasing"))?;
        Ok(())
    }

    fn note(&mut self, key: &str) {
        if self.duplicates.len() < MAX_FINDINGS && !self.duplicates.iter().any(|known| known == key) {
            self.duplicates.push(key.to_owned());
        }
    }

    /// Puts `step` in front of the paths noted since there were `from` of them.
    fn prefix(&mut self, from: usize, step: &dyn fmt::Display) {
        for path in self.duplicates.iter_mut().skip(from) {
            *path = join(step, path);
        }
    }
}

/// `step` followed by `rest`: a dot between them unless `rest` is an index.
pub(super) fn join(step: &dyn fmt::Display, rest: &str) -> String {
    if rest.starts_with('[') { format!("{step}{rest}") } else { format!("{step}.{rest}") }
}

/// One value of the tree.
struct Node<'n> {
    notes: &'n mut Notes,
    depth: usize,
}

impl Node<'_> {
    fn scalar<E: Error>(self, size: usize, value: Value) -> Result<Value, E> {
        self.notes.spend(size.saturating_add(1))?;
        Ok(value)
    }

    fn enter<E: Error>(&mut self) -> Result<usize, E> {
        self.notes.spend(1)?;
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(TOO_DEEP));
        }
        Ok(self.depth + 1)
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.scalar(0, Value::Null)
    }

    /// An empty document of YAML.
    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.scalar(0, Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(0, Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(0, Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(0, Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number is not finite"))?;
        self.scalar(0, Value::Number(number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.scalar(value.len(), Value::from(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.scalar(value.len(), Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let depth = self.enter()?;
        let mut list = Vec::new();
        loop {
            let noted = self.notes.duplicates.len();
            let Some(item) = items.next_element_seed(Node { notes: self.notes, depth })? else {
                return Ok(Value::Array(list));
            };
            self.notes.prefix(noted, &format_args!("[{}]", list.len()));
            list.push(item);
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let depth = self.enter()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            self.notes.spend(key.len())?;
            let noted = self.notes.duplicates.len();
            let value = entries.next_value_seed(Node { notes: self.notes, depth })?;
            self.notes.prefix(noted, &key);
            if map.contains_key(&key) {
                self.notes.note(&key);
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// A key. JSON has strings only; the other scalars of YAML become their text.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a scalar as a key")
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<String, E> {
        Ok(value)
    }
}
