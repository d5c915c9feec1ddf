//! The layout of the store's values. All numbers are big-endian; `text` is a length of two bytes and so
//! many bytes of UTF-8.
//!
//! ```text
//! header    schema:4 │ body:4 │ metadata start:4 │ end:4 │ splice:4 │ comma:1
//!           │ namespace:text │ name:text │ uid:text
//!           │ count:2 │ (label key:text │ value:text)… │ count:2 │ (selectable field:text)…
//! version   header length:4 │ header │ value
//! latest    revision:8 │ deadline in ms, 0 for none:8 │ inline:1 │ version
//!           where the value is there only if inline is 1; otherwise it is in `versions`
//! event     previous revision, 0 for none:8 │ deletion:1 │ value length of the previous:4 │ key:text
//! counters  objects:8 │ value bytes:8 │ history events:8 │ history bytes:8 │ dropped:8
//! mark      Unix time in ms:8 │ bytes:8 │ events:8
//! ```
//!
//! The header is what selectors, keys and responses need: with it neither a list nor a restart parses
//! JSON. Where the schema has another version than the header, the bytes are parsed after all.

use bytes::Bytes;

use super::keyspace::ResourceId;
use crate::error::Error;
use crate::interface::Stats;
use crate::key::{Key, ResourcePrefix};
use crate::record::{Attributes, Comma, Layout, Record, Value};
use crate::revision::Revision;
use crate::schema::Schema;

/// Values up to this size stand in `latest` too, so that a list of them is one scan. A larger one is
/// written once, and a list reads it from `versions`: its bytes cost more than finding it.
const INLINE_BYTES_MAX: usize = 4096;

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

    fn count(&mut self) -> Option<usize> {
        self.array().map(u16::from_be_bytes).map(usize::from)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn text(&mut self) -> Option<&'a str> {
        let count = self.count()?;
        std::str::from_utf8(self.take(count)?).ok()
    }
}

/// An offset or a length within an object, which [`crate::OBJECT_BYTES_MAX`] bounds.
fn put_offset(out: &mut Vec<u8>, offset: usize) {
    out.extend_from_slice(&u32::try_from(offset).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) -> Option<()> {
    out.extend_from_slice(&u16::try_from(count).ok()?.to_be_bytes());
    Some(())
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    put_count(out, text.len())?;
    out.extend_from_slice(text.as_bytes());
    Some(())
}

/// The header of a value; `None` where an attribute is longer than the layout has room for.
fn header(value: &Value, schema: &Schema) -> Option<Vec<u8>> {
    let Layout { body, metadata_start, metadata_end, splice, comma } = value.layout();
    let attributes = value.attributes();
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(&schema.version.to_be_bytes());
    for offset in [body, metadata_start, metadata_end, splice] {
        put_offset(&mut out, offset);
    }
    out.push(match comma {
        Comma::Before => 0,
        Comma::After => 1,
        Comma::Neither => 2,
    });
    for text in [&attributes.namespace, &attributes.name, &attributes.uid] {
        put_text(&mut out, text)?;
    }
    put_count(&mut out, attributes.labels.len())?;
    for (key, value) in &attributes.labels {
        put_text(&mut out, key)?;
        put_text(&mut out, value)?;
    }
    put_count(&mut out, attributes.fields.len())?;
    for (_, value) in &attributes.fields {
        put_text(&mut out, value)?;
    }
    Some(out)
}

/// What a header says, if it was made with this schema.
fn read_header(header: &[u8], schema: &Schema) -> Option<(Layout, Attributes)> {
    let mut input = Input(header);
    if input.short()? != schema.version {
        return None;
    }
    let (body, metadata_start) = (input.offset()?, input.offset()?);
    let (metadata_end, splice) = (input.offset()?, input.offset()?);
    let comma = match input.byte()? {
        0 => Comma::Before,
        1 => Comma::After,
        _ => Comma::Neither,
    };
    let (namespace, name, uid) = (input.text()?.into(), input.text()?.into(), input.text()?.into());
    let labels = (0..input.count()?)
        .map(|_| Some((input.text()?.into(), input.text()?.into())))
        .collect::<Option<Vec<_>>>()?;
    if input.count()? != schema.fields.len() {
        return None;
    }
    let field = |field: &crate::schema::SelectableField| Some((field.name.clone(), input.text()?.into()));
    let fields = schema.fields.iter().map(field).collect::<Option<Vec<_>>>()?;
    let layout = Layout { body, metadata_start, metadata_end, splice, comma };
    Some((layout, Attributes { namespace, name, uid, labels, fields }))
}

/// The bytes of a version, and where its value begins.
///
/// An empty header stands for attributes that have no room in one: such a value is parsed when it is read.
pub(super) fn version(value: &Value, schema: &Schema) -> (Vec<u8>, usize) {
    let header = header(value, schema).unwrap_or_default();
    let mut out = Vec::with_capacity(4 + header.len() + value.bytes().len());
    put_offset(&mut out, header.len());
    out.extend_from_slice(&header);
    let start = out.len();
    out.extend_from_slice(value.bytes());
    (out, start)
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
        let mut input = Input(self.version);
        let header_bytes = input.offset()?;
        read_header(input.take(header_bytes)?, schema).map(|(_, attributes)| attributes)
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
        let mut input = Input(version);
        let header = input.offset().and_then(|count| input.take(count));
        let Some(header) = header else {
            return Err(Error::Corrupt {
                key,
                revision: Some(revision),
                reason: "its header is cut off".to_owned(),
            });
        };
        let bytes = Bytes::copy_from_slice(input.0);
        let laid_out = read_header(header, &self.schema)
            .and_then(|(layout, attributes)| Value::laid_out(bytes.clone(), layout, attributes));
        let value = match laid_out {
            Some(value) => value,
            None => Value::new(bytes, &self.schema).map_err(|error| Error::Corrupt {
                key: key.clone(),
                revision: Some(revision),
                reason: error.to_string(),
            })?,
        };
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
    fn attributes_without_room_are_parsed_when_read() {
        let huge = POD.replace(r#""a":"1""#, &format!(r#""a":"{}""#, "1".repeat(70_000)));
        let (value, bytes, start) = written(&huge);
        assert_eq!(start, 4);
        let record = reader(1).record("n/a", Revision::new(7), &bytes).unwrap();
        assert_eq!(record.value.attributes(), value.attributes());
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
