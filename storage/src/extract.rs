//! One pass over canonical bytes: the offsets of their parts and the attributes of the object.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::attributes::{Attributes, Parts};
use crate::record::{Comma, Layout, LayoutError};
use crate::schema::Schema;

/// What one pass finds.
pub(crate) struct Extracted {
    pub(crate) layout: Layout,
    pub(crate) attributes: Attributes,
}

/// Lays out `bytes` and extracts the attributes that `schema` asks for. Cost: one scan of the bytes.
pub(crate) fn extract(bytes: &[u8], schema: &Schema) -> Result<Extracted, LayoutError> {
    let tree = FieldTree::of(schema);
    let mut top =
        Top { base: bytes, tree: &tree, found: Found::new(schema), metadata: None, keys: Vec::new() };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    (&mut top).deserialize(&mut deserializer).map_err(|error| not_an_object(&error))?;
    deserializer.end().map_err(|error| not_an_object(&error))?;
    // Values that are skipped are not checked by the parser, and go to clients as they are.
    std::str::from_utf8(bytes).map_err(|error| LayoutError::NotAnObject { reason: error.to_string() })?;

    let raw = top.metadata.ok_or(NO_METADATA)?;
    let metadata_start = offset(bytes, raw.get()).ok_or(NO_METADATA)?;
    let body = body_offset(bytes, metadata_start, &top.keys)?;
    let metadata = parse_metadata(raw.get())?;
    let layout = Layout {
        body,
        metadata_start,
        metadata_end: metadata_start + raw.get().len(),
        splice: metadata_start + metadata.splice,
        comma: metadata.comma,
    };
    let parts = Parts { fields: top.found.into_fields(schema), ..metadata.parts };
    Ok(Extracted { layout, attributes: parts.encode(schema) })
}

const NO_METADATA: LayoutError = LayoutError::NotCanonical { reason: "there is no metadata" };
const METADATA_KEY: &[u8] = b"\"metadata\":";

fn not_an_object(error: &serde_json::Error) -> LayoutError {
    LayoutError::NotAnObject { reason: error.to_string() }
}

/// The offset of a part inside the whole. Both are parts of one allocation, as the parser borrows.
fn offset(whole: &[u8], part: &str) -> Option<usize> {
    (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize).filter(|at| *at <= whole.len())
}

/// The offset of the key `"metadata"`, if what stands before it is canonical.
fn body_offset(bytes: &[u8], metadata_start: usize, keys: &[String]) -> Result<usize, LayoutError> {
    if keys != ["kind", "apiVersion", "metadata"] {
        return Err(LayoutError::NotCanonical { reason: "kind, apiVersion and metadata do not come first" });
    }
    metadata_start
        .checked_sub(METADATA_KEY.len())
        .filter(|body| bytes.get(*body..metadata_start) == Some(METADATA_KEY))
        .filter(|body| bytes.get(..*body).is_some_and(is_canonical_head))
        .ok_or(LayoutError::NotCanonical { reason: "there is space before the metadata" })
}

/// Whether `{"kind":"…","apiVersion":"…",` stands there without spaces outside of the texts. Kinds and
/// versions hold no spaces.
fn is_canonical_head(head: &[u8]) -> bool {
    !head.iter().any(u8::is_ascii_whitespace)
}

struct Top<'a, 'b> {
    base: &'a [u8],
    tree: &'b FieldTree,
    found: Found,
    metadata: Option<&'a RawValue>,
    /// The keys up to the metadata.
    keys: Vec<String>,
}

impl<'a> DeserializeSeed<'a> for &mut Top<'a, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for &mut Top<'a, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object of {} bytes", self.base.len())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'a, str>>()? {
            if self.metadata.is_none() {
                self.keys.push(key.clone().into_owned());
            }
            if key == "metadata" {
                if self.metadata.is_some() {
                    return Err(A::Error::duplicate_field("metadata"));
                }
                self.metadata = Some(map.next_value()?);
            } else {
                visit_value(self.tree, &key, &mut self.found, &mut map)?;
            }
        }
        Ok(())
    }
}

/// The metadata's own findings; offsets count from its opening brace.
struct Metadata {
    /// All but the fields.
    parts: Parts,
    splice: usize,
    comma: Comma,
}

/// The fields before the resourceVersion in canonical order.
const BEFORE_RESOURCE_VERSION: [&str; 4] = ["name", "generateName", "namespace", "uid"];

fn parse_metadata(text: &str) -> Result<Metadata, LayoutError> {
    let entries: Entries<'_> = serde_json::from_str(text).map_err(|error| not_an_object(&error))?;
    let mut parts = Parts::default();
    let mut splice = None;
    for (key, raw) in &entries.0 {
        match key.as_ref() {
            "name" => parts.name = string(raw)?,
            "namespace" => parts.namespace = string(raw)?,
            "uid" => parts.uid = string(raw)?,
            "labels" => parts.labels = labels(raw)?,
            "resourceVersion" => return Err(LayoutError::ResourceVersionSet),
            _ => {}
        }
        if BEFORE_RESOURCE_VERSION.contains(&key.as_ref()) {
            splice = offset(text.as_bytes(), raw.get()).map(|start| start + raw.get().len());
        }
    }
    let (splice, comma) = match splice {
        Some(after) => (after, Comma::Before),
        None if entries.0.is_empty() => (1, Comma::Neither),
        None => (1, Comma::After),
    };
    Ok(Metadata { parts, splice, comma })
}

fn string(raw: &RawValue) -> Result<Box<str>, LayoutError> {
    serde_json::from_str(raw.get()).map_err(|error| not_an_object(&error))
}

/// The labels in the order of their keys.
type Labels = Vec<(Box<str>, Box<str>)>;

fn labels(raw: &RawValue) -> Result<Labels, LayoutError> {
    let map: std::collections::BTreeMap<Box<str>, Box<str>> =
        serde_json::from_str(raw.get()).map_err(|error| not_an_object(&error))?;
    Ok(map.into_iter().collect())
}

/// The entries of an object, values unparsed.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("metadata, an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// The paths of the selectable fields, as a tree.
#[derive(Default)]
struct FieldTree {
    children: Vec<(String, Self)>,
    /// The positions in the schema of the fields that end here.
    leaves: Vec<usize>,
}

impl FieldTree {
    fn of(schema: &Schema) -> Self {
        let mut root = Self::default();
        for (position, field) in schema.fields.iter().enumerate() {
            root.insert(&field.path, position);
        }
        root
    }

    fn insert(&mut self, path: &[String], position: usize) {
        let Some((first, rest)) = path.split_first() else {
            self.leaves.push(position);
            return;
        };
        if let Some((_, child)) = self.children.iter_mut().find(|(name, _)| name == first) {
            child.insert(rest, position);
            return;
        }
        let mut child = Self::default();
        child.insert(rest, position);
        self.children.push((first.clone(), child));
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(own, _)| own == name).map(|(_, child)| child)
    }
}

/// The values of the selectable fields found so far, in the order of the schema.
struct Found(Vec<Option<Box<str>>>);

impl Found {
    fn new(schema: &Schema) -> Self {
        Self(vec![None; schema.fields.len()])
    }

    /// Notes a value; several, from a list on the path, are joined by commas.
    fn add(&mut self, tree: &FieldTree, value: &str) {
        for position in &tree.leaves {
            if let Some(slot) = self.0.get_mut(*position) {
                *slot = Some(
                    slot.as_ref().map_or_else(|| value.into(), |first| format!("{first},{value}").into()),
                );
            }
        }
    }

    fn into_fields(self, schema: &Schema) -> Vec<Box<str>> {
        let found = schema.fields.iter().zip(self.0);
        found.map(|(field, value)| value.unwrap_or_else(|| field.absent.into())).collect()
    }
}

fn visit_value<'a, A: MapAccess<'a>>(
    tree: &FieldTree,
    key: &str,
    found: &mut Found,
    map: &mut A,
) -> Result<(), A::Error> {
    match tree.child(key) {
        None => map.next_value::<IgnoredAny>().map(|_| ()),
        Some(child) => map.next_value_seed(FieldSeed { tree: child, found }),
    }
}

/// A value on the path of a selectable field. A scalar is taken as its text, a list as its elements; what has
/// another type than the path expects counts as absent.
struct FieldSeed<'b> {
    tree: &'b FieldTree,
    found: &'b mut Found,
}

impl<'a> DeserializeSeed<'a> for FieldSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for FieldSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.found.add(self.tree, value);
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.visit_str(if value { "true" } else { "false" })
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.visit_str(itoa::Buffer::new().format(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.visit_str(itoa::Buffer::new().format(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.visit_str(&value.to_string())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(FieldSeed { tree: self.tree, found: &mut *self.found })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'a, str>>().map_err(A::Error::custom)? {
            visit_value(self.tree, &key, self.found, &mut map)?;
        }
        Ok(())
    }
}
