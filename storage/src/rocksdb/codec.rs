//! The layout of the store's values. All numbers are big-endian; a text is UTF-8 up to the end.
//!
//! ```text
//! header    schema:4 │ body:4 │ metadata start:4 │ end:4 │ splice:4 │ comma:1 │ length:4 │ attributes
//! version   header │ value
//! latest    revision:8 │ deadline in ms, 0 for none:8 │ inline:1 │ header │ value, if inline is 1
//! event     previous revision, 0 for none:8 │ deletion:1 │ value length of the previous:4 │ key:text
//! counters  objects:8 │ value bytes:8 │ history events:8 │ history bytes:8 │ dropped:8
//! mark      Unix time in ms:8 │ bytes:8 │ events:8
//! ```
//!
//! The header is what selectors, keys and responses need: with it neither a list nor a restart parses
//! JSON. The offsets are those of [`Layout`], the attributes those of [`Attributes`], which are read in
//! place. Where the schema has another version than the header, the bytes are parsed after all.

use std::ops::Range;

use bytes::Bytes;

use super::keyspace::ResourceId;
use crate::attributes::Attributes;
use crate::error::Error;
use crate::interface::Stats;
use crate::key::{Key, ResourcePrefix};
use crate::record::{Comma, Layout, Record, Value};
use crate::revision::Revision;
use crate::schema::Schema;

/// Values up to this size stand in `latest` too, so that a list of them is one scan. A larger one is
/// written once, and a list reads it from `versions`: its bytes cost more than finding it.
const INLINE_BYTES_MAX: usize = 4096;

/// A header without attributes.
const HEADER_BYTES_MIN: usize = 25;

/// Which resource is read, and what is needed to make its records.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) id: ResourceId,
    pub(super) prefix: ResourcePrefix,
    pub(super) schema: std::sync::Arc<Schema>,
}

/// An entry of `latest`.
#[derive(Debug)]
pub(super) struct Latest<'a> {
    pub(super) revision: Revision,
    pub(super) deadline_millis: u64,
    inline: bool,
    /// The version; without its value where that is not inline.
    version: &'a [u8],
}

/// An entry of `history`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The commit before this one of the same key; zero if there was no object.
    pub(super) previous: Revision,
    pub(super) deletion: bool,
    pub(super) previous_bytes: u32,
    pub(super) suffix: String,
}

/// What `meta` keeps of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) objects: u64,
    pub(super) value_bytes: u64,
    pub(super) history_events: u64,
    pub(super) history_bytes: u64,
    /// The newest event of the resource that history has given up.
    pub(super) dropped: Revision,
}

/// Takes values off the front of bytes; `None` where they are too short.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn short(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn offset(&mut self) -> Option<usize> {
        usize::try_from(self.short()?).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }
}

/// An offset or a length within an object, which [`crate::OBJECT_BYTES_MAX`] bounds.
fn put_offset(out: &mut Vec<u8>, offset: usize) {
    out.extend_from_slice(&u32::try_from(offset).unwrap_or(u32::MAX).to_be_bytes());
}

/// The bytes of a version, and where its value begins.
pub(super) fn version(value: &Value, schema: &Schema) -> (Vec<u8>, usize) {
    let Layout { body, metadata_start, metadata_end, splice, comma } = value.layout();
    let attributes = value.attributes().encoded();
    let mut out = Vec::with_capacity(HEADER_BYTES_MIN + attributes.len() + value.bytes().len());
    out.extend_from_slice(&schema.version.to_be_bytes());
    for offset in [body, metadata_start, metadata_end, splice] {
        put_offset(&mut out, offset);
    }
    out.push(match comma {
        Comma::Before => 0,
        Comma::After => 1,
        Comma::Neither => 2,
    });
    put_offset(&mut out, attributes.len());
    out.extend_from_slice(attributes);
    let start = out.len();
    out.extend_from_slice(value.bytes());
    (out, start)
}

/// What a header says, and where the value begins.
struct Header {
    schema: u32,
    layout: Layout,
    /// Where the encoded attributes are.
    attributes: Range<usize>,
}

impl Header {
    fn read(version: &[u8]) -> Option<Self> {
        let mut input = Input(version);
        let schema = input.short()?;
        let (body, metadata_start) = (input.offset()?, input.offset()?);
        let (metadata_end, splice) = (input.offset()?, input.offset()?);
        let comma = match input.byte()? {
            0 => Comma::Before,
            1 => Comma::After,
            _ => Comma::Neither,
        };
        let length = input.offset()?;
        input.take(length)?;
        let end = version.len() - input.0.len();
        let layout = Layout { body, metadata_start, metadata_end, splice, comma };
        Some(Self { schema, layout, attributes: end - length..end })
    }
}

/// The value of a version.
pub(super) fn value_of(version: &[u8]) -> Option<&[u8]> {
    version.get(Header::read(version)?.attributes.end..)
}

/// Compares what the header of a version says with its value. The selectable fields are not compared: that
/// takes the schema.
pub(super) fn check_version(version: &[u8]) -> Result<(), String> {
    let header = Header::read(version).ok_or("its header is cut off")?;
    let (attributes, value) = version.split_at_checked(header.attributes.end).unwrap_or_default();
    let attributes = attributes.get(header.attributes.start..).unwrap_or_default();
    let value = Value::new(Bytes::copy_from_slice(value), &Schema::default());
    let value = value.map_err(|error| error.to_string())?;
    if header.layout != value.layout() {
        return Err("its header says another layout than its value has".to_owned());
    }
    if !value.attributes().are_those_of(attributes) {
        return Err("its header says another namespace, name, uid or labels than its value has".to_owned());
    }
    Ok(())
}

/// The bytes of an entry of `latest` over the version that was made for it.
pub(super) fn latest(
    revision: Revision,
    deadline_millis: u64,
    version: &[u8],
    value_start: usize,
) -> Vec<u8> {
    let (header, value) = version.split_at_checked(value_start).unwrap_or((version, &[]));
    let inline = value.len() <= INLINE_BYTES_MAX;
    let mut out = Vec::with_capacity(17 + if inline { version.len() } else { header.len() });
    out.extend_from_slice(&revision.get().to_be_bytes());
    out.extend_from_slice(&deadline_millis.to_be_bytes());
    out.push(u8::from(inline));
    out.extend_from_slice(if inline { version } else { header });
    out
}

impl<'a> Latest<'a> {
    /// Reads an entry of `latest`.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut input = Input(bytes);
        let (revision, deadline_millis) = (Revision::new(input.number()?), input.number()?);
        let inline = input.byte()? == 1;
        Some(Self { revision, deadline_millis, inline, version: input.0 })
    }

    /// The attributes, where they can be had without the value.
    pub(super) fn attributes(&self, schema: &Schema) -> Option<Attributes> {
        let header = Header::read(self.version)?;
        let attributes = self.version.get(header.attributes)?;
        (header.schema == schema.version)
            .then(|| Attributes::decode(Bytes::copy_from_slice(attributes), schema))?
    }

    /// Whether this is what was written of a version.
    pub(super) fn agrees_with(&self, version: &[u8]) -> bool {
        if self.inline { self.version == version } else { version.starts_with(self.version) }
    }

    /// The version, if its value stands here.
    pub(super) fn inline_version(&self) -> Option<&'a [u8]> {
        self.inline.then_some(self.version)
    }
}

impl Reader {
    /// The key of a suffix.
    pub(super) fn key(&self, suffix: &str) -> Key {
        Key::unchecked(&[self.prefix.as_str(), suffix].concat())
    }

    /// A key without the prefix of the resource.
    pub(super) fn suffix<'a>(&self, key: &'a str) -> &'a str {
        key.strip_prefix(self.prefix.as_str()).unwrap_or(key)
    }

    /// The record of a version.
    pub(super) fn record(&self, suffix: &str, revision: Revision, version: &[u8]) -> Result<Record, Error> {
        let key = self.key(suffix);
        let corrupt = |reason| Error::Corrupt { key: key.clone(), revision: Some(revision), reason };
        let header = Header::read(version).ok_or_else(|| corrupt("its header is cut off".to_owned()))?;
        // Two pieces of memory: two parts of one would need a third, which counts who has it.
        let (head, value) = version.split_at_checked(header.attributes.end).unwrap_or_default();
        let bytes = Bytes::copy_from_slice(value);
        let attributes = head.get(header.attributes).filter(|_| header.schema == self.schema.version);
        let decode = |bytes| Attributes::decode(Bytes::copy_from_slice(bytes), &self.schema);
        let attributes = attributes.and_then(decode);
        let laid_out = match attributes {
            Some(attributes) => Value::laid_out(bytes, header.layout, attributes),
            None => Err(bytes),
        };
        let value = laid_out.or_else(|bytes| Value::new(bytes, &self.schema));
        let value = value.map_err(|error| corrupt(error.to_string()))?;
        Ok(Record { key, value, revision })
    }
}

impl Entry {
    /// The bytes of the entry.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.suffix.len());
        out.extend_from_slice(&self.previous.get().to_be_bytes());
        out.push(u8::from(self.deletion));
        out.extend_from_slice(&self.previous_bytes.to_be_bytes());
        out.extend_from_slice(self.suffix.as_bytes());
        out
    }

    /// Reads an entry.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        let previous = Revision::new(input.number()?);
        let (deletion, previous_bytes) = (input.byte()? == 1, input.short()?);
        let suffix = std::str::from_utf8(input.0).ok()?.to_owned();
        Some(Self { previous, deletion, previous_bytes, suffix })
    }
}

impl Counters {
    /// The bytes of the counters.
    pub(super) fn write(&self) -> Vec<u8> {
        let Self { objects, value_bytes, history_events, history_bytes, dropped } = *self;
        numbers(&[objects, value_bytes, history_events, history_bytes, dropped.get()])
    }

    /// Reads counters.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        Some(Self {
            objects: input.number()?,
            value_bytes: input.number()?,
            history_events: input.number()?,
            history_bytes: input.number()?,
            dropped: Revision::new(input.number()?),
        })
    }

    /// As the trait tells them.
    pub(super) fn stats(&self, early_compactions: u64) -> Stats {
        let Self { objects, value_bytes, history_events, history_bytes, .. } = *self;
        Stats { objects, value_bytes, history_events, history_bytes, early_compactions }
    }
}

/// Numbers, one after the other.
pub(super) fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// One number.
pub(super) fn read_number(bytes: &[u8]) -> Option<u64> {
    Input(bytes).number()
}

/// The time in milliseconds, the bytes and the events of a mark.
pub(super) fn read_mark(bytes: &[u8]) -> Option<[u64; 3]> {
    let mut input = Input(bytes);
    Some([input.number()?, input.number()?, input.number()?])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::schema::SelectableField;

    const POD: &str = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","labels":{"b":"2","a":"1"}},"spec":{"nodeName":"m"}}"#;

    fn reader(version: u32) -> Reader {
        let schema = Arc::new(Schema::new(version, vec![SelectableField::new("spec.nodeName")]));
        Reader { id: ResourceId(1), prefix: ResourcePrefix::new("/pods").unwrap(), schema }
    }

    fn written(json: &str) -> (Value, Vec<u8>, usize) {
        let schema = &reader(1).schema;
        let value = Value::new(json.as_bytes().to_vec(), schema).unwrap();
        let (bytes, start) = version(&value, schema);
        (value, bytes, start)
    }

    #[test]
    fn a_record_comes_back_with_layout_and_attributes() {
        let (value, bytes, _) = written(POD);
        let record = reader(1).record("n/a", Revision::new(7), &bytes).unwrap();
        let want = Record { key: Key::unchecked("/pods/n/a"), value, revision: Revision::new(7) };
        assert_eq!(record, want);
        assert_eq!(record.value.attributes(), want.value.attributes());
        assert_eq!(record.object(), want.object());
    }

    #[test]
    fn another_schema_extracts_anew() {
        let (_, bytes, _) = written(POD);
        let other = Reader { schema: Arc::new(Schema::new(2, vec![])), ..reader(2) };
        let record = other.record("n/a", Revision::new(7), &bytes).unwrap();
        assert_eq!(record.value.attributes().field("spec.nodeName"), None);
        assert_eq!(record.value.attributes().label("a"), Some("1"));
    }

    #[test]
    fn attributes_stand_in_latest_and_large_values_do_not() {
        let large = POD.replace(r#""m""#, &format!(r#""m","text":"{}""#, "x".repeat(INLINE_BYTES_MAX)));
        for (json, inline) in [(POD, true), (large.as_str(), false)] {
            let (value, bytes, start) = written(json);
            let entry = latest(Revision::new(3), 5, &bytes, start);
            let read = Latest::read(&entry).unwrap();
            assert_eq!((read.revision, read.deadline_millis), (Revision::new(3), 5));
            assert_eq!(read.attributes(&reader(1).schema).as_ref(), Some(value.attributes()));
            assert_eq!(read.inline_version(), inline.then_some(bytes.as_slice()));
            assert!(entry.len() < 1000, "a large value is not there");
        }
    }

    #[test]
    fn what_is_cut_off_is_corrupt_and_no_panic() {
        let (_, bytes, start) = written(POD);
        let entry = latest(Revision::new(3), 5, &bytes, start);
        let metadata_end = start + POD.find(r#","spec""#).unwrap();
        for end in 0..metadata_end {
            assert!(reader(1).record("n/a", Revision::new(7), &bytes[..end]).is_err(), "{end}");
        }
        for end in 0..17 {
            assert!(Latest::read(&entry[..end]).is_none());
        }
        assert!(Entry::read(&[0; 12]).is_none());
        assert!(Counters::read(&[0; 39]).is_none());
    }

    #[test]
    fn an_entry_and_counters_come_back() {
        let previous = Revision::new(9);
        let entry = Entry { previous, deletion: true, previous_bytes: 77, suffix: "n/a".to_owned() };
        assert_eq!(Entry::read(&entry.write()), Some(entry));
        let counters =
            Counters { objects: 1, value_bytes: 2, history_events: 3, history_bytes: 4, dropped: previous };
        assert_eq!(Counters::read(&counters.write()), Some(counters));
    }
}
