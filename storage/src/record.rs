//! The record: an object as every part of the system shares it.
//!
//! A [`Value`] is what a client wrote, in canonical form, with everything that selectors, keys and
//! responses need extracted once. A [`Record`] is a committed value: it knows its key and its revision.
//! The commit makes it, and backend, watch events and cache share the one `Arc`.
//!
//! The canonical bytes never hold a resourceVersion; the place where it belongs is known, so that every
//! response is a join of slices:
//!
//! ```text
//! {"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","labels":{}},"spec":{}}
//! └──────────── type ───────────┘└── body ──────────────────────────────┘▲
//!                                                        the revision is spliced here
//! ```

use bytes::Bytes;

use crate::attributes::Attributes;
use crate::extract::{self, Extracted};
use crate::key::Key;
use crate::revision::Revision;
use crate::schema::Schema;

/// An object in canonical form, with what was extracted from it.
#[derive(Clone, Debug)]
pub struct Value {
    bytes: Bytes,
    layout: Layout,
    attributes: Attributes,
}

/// Where the parts of the canonical bytes are, as offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The first byte after `{"kind":…,"apiVersion":…,`: the quote that opens `"metadata"`.
    pub(crate) body: usize,
    /// The opening brace of the metadata.
    pub(crate) metadata_start: usize,
    /// The byte after the closing brace of the metadata.
    pub(crate) metadata_end: usize,
    /// Where the resourceVersion is spliced in.
    pub(crate) splice: usize,
    /// What separates it from its neighbours.
    pub(crate) comma: Comma,
}

/// On which side of the spliced resourceVersion a comma stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comma {
    Before,
    After,
    Neither,
}

/// A committed object.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it is stored.
    pub key: Key,
    /// What was committed.
    pub value: Value,
    /// The commit: the object's resourceVersion.
    pub revision: Revision,
}

/// Why bytes are no canonical object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The bytes are no JSON object, or a part of it has the wrong type.
    #[error("not an object: {reason}")]
    NotAnObject {
        /// What the parser said.
        reason: String,
    },
    /// The object does not begin with `kind`, `apiVersion` and `metadata`, in this order, without spaces.
    #[error("not in canonical form: {reason}")]
    NotCanonical {
        /// What was found.
        reason: &'static str,
    },
    /// The object carries a resourceVersion; its revision is the store's to give.
    #[error("metadata.resourceVersion is set")]
    ResourceVersionSet,
}

impl Value {
    /// Lays out canonical bytes and extracts what `schema` asks for, in one pass.
    ///
    /// Spare capacity of a `Vec` is kept for as long as the value lives, in a store in memory and in a cache: hand over
    /// a boxed slice.
    ///
    /// # Errors
    /// [`LayoutError`] when the bytes are not in canonical form.
    pub fn new(bytes: impl Into<Bytes>, schema: &Schema) -> Result<Self, LayoutError> {
        let bytes = bytes.into();
        let Extracted { layout, attributes } = extract::extract(&bytes, schema)?;
        Ok(Self { bytes, layout, attributes })
    }

    /// A value that was laid out before: for engines that keep layout and attributes beside the bytes.
    /// Gives the bytes back where the layout does not fit them.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn laid_out(bytes: Bytes, layout: Layout, attributes: Attributes) -> Result<Self, Bytes> {
        let Layout { body, metadata_start, metadata_end, splice, .. } = layout;
        let offsets = [0, body, metadata_start, splice, metadata_end, bytes.len()];
        if offsets.is_sorted() { Ok(Self { bytes, layout, attributes }) } else { Err(bytes) }
    }

    /// Where the parts of the bytes are.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The canonical bytes, without a resourceVersion.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What was extracted.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }
}

/// Equality of what is stored: two spellings of one object are equal values.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Value {}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.revision == other.revision && self.key == other.key && self.value == other.value
    }
}

impl Eq for Record {}

impl Record {
    /// Appends the object as a client gets it, with its resourceVersion: for GET and for watch events.
    pub fn write_object(&self, out: &mut Vec<u8>) {
        self.write_object_at(self.revision, out);
    }

    /// As [`Record::write_object`], with another resourceVersion: a DELETED event carries the last state
    /// with the revision of the deletion.
    pub fn write_object_at(&self, revision: Revision, out: &mut Vec<u8>) {
        let Layout { splice, .. } = self.value.layout;
        let (head, tail) = self.value.bytes.split_at(splice);
        out.extend_from_slice(head);
        self.write_resource_version(revision, out);
        out.extend_from_slice(tail);
    }

    /// Appends the object without `kind` and `apiVersion`: an item of a list.
    pub fn write_item(&self, out: &mut Vec<u8>) {
        let Layout { body, splice, .. } = self.value.layout;
        let (head, tail) = self.value.bytes.split_at(splice);
        out.push(b'{');
        out.extend_from_slice(head.get(body..).unwrap_or_default());
        self.write_resource_version(self.revision, out);
        out.extend_from_slice(tail);
    }

    /// Appends the metadata alone, with the resourceVersion.
    pub fn write_metadata(&self, revision: Revision, out: &mut Vec<u8>) {
        let Layout { metadata_start, metadata_end, splice, .. } = self.value.layout;
        let bytes = &self.value.bytes;
        out.extend_from_slice(bytes.get(metadata_start..splice).unwrap_or_default());
        self.write_resource_version(revision, out);
        out.extend_from_slice(bytes.get(splice..metadata_end).unwrap_or_default());
    }

    /// The object as a client gets it.
    pub fn object(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.value.bytes.len() + RESOURCE_VERSION_BYTES_MAX);
        self.write_object(&mut out);
        out
    }

    fn write_resource_version(&self, revision: Revision, out: &mut Vec<u8>) {
        let comma = self.value.layout.comma;
        if comma == Comma::Before {
            out.push(b',');
        }
        out.extend_from_slice(b"\"resourceVersion\":\"");
        out.extend_from_slice(itoa::Buffer::new().format(revision.get()).as_bytes());
        out.push(b'"');
        if comma == Comma::After {
            out.push(b',');
        }
    }
}

/// The longest text that is spliced in: `,"resourceVersion":"` and 20 digits and a quote.
const RESOURCE_VERSION_BYTES_MAX: usize = 41;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SelectableField;

    fn record(json: &str) -> Record {
        let schema = Schema::new(1, vec![SelectableField::new("spec.nodeName")]);
        let value = Value::new(json.as_bytes().to_vec(), &schema).unwrap();
        Record { key: Key::unchecked("/pods/n/a"), value, revision: Revision::new(7) }
    }

    fn text_of(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    const POD: &str = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","labels":{"b":"2","a":"1"}},"spec":{"nodeName":"m","x":[1,{"y":2}]}}"#;

    #[test]
    fn the_revision_is_spliced_after_the_uid() {
        assert_eq!(
            text_of(|out| record(POD).write_object(out)),
            POD.replace(r#""uid":"u""#, r#""uid":"u","resourceVersion":"7""#)
        );
    }

    #[test]
    fn an_item_has_neither_kind_nor_api_version() {
        assert_eq!(
            text_of(|out| record(POD).write_item(out)),
            POD.replace(r#""kind":"Pod","apiVersion":"v1","#, "")
                .replace(r#""uid":"u""#, r#""uid":"u","resourceVersion":"7""#)
        );
    }

    #[test]
    fn the_metadata_stands_alone() {
        let json: serde_json::Value =
            serde_json::from_str(&text_of(|out| record(POD).write_metadata(Revision::new(9), out))).unwrap();
        assert_eq!(json["resourceVersion"], "9");
        assert_eq!(json["labels"]["b"], "2");
    }

    #[test]
    fn the_splice_is_valid_json_wherever_it_falls() {
        for metadata in [
            "{}",
            r#"{"labels":{}}"#,
            r#"{"name":"a"}"#,
            r#"{"generateName":"a-","namespace":"n","labels":{"x":"}"}}"#,
            r#"{"name":"a\"}","creationTimestamp":"t"}"#,
        ] {
            let json = format!(r#"{{"kind":"K","apiVersion":"v1","metadata":{metadata}}}"#);
            for written in
                [text_of(|out| record(&json).write_object(out)), text_of(|out| record(&json).write_item(out))]
            {
                let parsed: serde_json::Value = serde_json::from_str(&written).unwrap();
                assert_eq!(parsed["metadata"]["resourceVersion"], "7", "{written}");
            }
        }
    }

    #[test]
    fn attributes_hold_labels_in_order_and_fields_of_the_schema() {
        let record = record(POD);
        let attributes = record.value.attributes();
        assert_eq!((attributes.namespace(), attributes.name(), attributes.uid()), ("n", "a", "u"));
        assert_eq!(attributes.label("a"), Some("1"));
        assert_eq!(attributes.label("c"), None);
        assert_eq!(attributes.field("spec.nodeName"), Some("m"));
        assert_eq!(attributes.field("metadata.name"), Some("a"));
        assert_eq!(attributes.field("spec.x"), None);
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        let schema = Schema::default();
        for (json, want) in [
            ("[]", "not an object"),
            (r#"{"kind":"K","apiVersion":"v1"}"#, "not in canonical form"),
            (r#"{"apiVersion":"v1","kind":"K","metadata":{}}"#, "not in canonical form"),
            (r#"{"kind":"K","apiVersion":"v1","metadata": {}}"#, "not in canonical form"),
            (r#"{"kind":"K","apiVersion":"v1","spec":{},"metadata":{}}"#, "not in canonical form"),
            (r#"{"kind":"K","apiVersion":"v1","metadata":{"name":1}}"#, "not an object"),
            (
                r#"{"kind":"K","apiVersion":"v1","metadata":{"resourceVersion":"1"}}"#,
                "resourceVersion is set",
            ),
            (r#"{"kind":"K","apiVersion":"v1","metadata":{}"#, "not an object"),
            (r#"{"kind":"K","apiVersion":"v1","metadata":{}} x"#, "not an object"),
            (r#"{"kind":"K","apiVersion":"v1","metadata":{},"metadata":{}}"#, "duplicate field"),
            (r#"{ "kind":"K","apiVersion":"v1","metadata":{}}"#, "not in canonical form"),
        ] {
            let error = Value::new(json.as_bytes().to_vec(), &schema).unwrap_err().to_string();
            assert!(error.contains(want), "{json}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_way_out_is_the_object_with_its_revision(
            metadata in proptest::collection::btree_map("[a-zA-Z\"\\\\{}:,\u{1}\u{e9}]{1,8}", ".{0,8}", 0..5),
            first in proptest::sample::subsequence(vec!["name", "generateName", "namespace", "uid"], 0..=4),
            text in ".{0,12}",
        ) {
            let mut fields: Vec<_> = first.iter().map(|field| ((*field).to_owned(), text.clone())).collect();
            fields.extend(metadata);
            let metadata: serde_json::Map<_, _> =
                fields.into_iter().map(|(field, value)| (field, serde_json::Value::from(value))).collect();
            let object = serde_json::json!({"kind": "K", "apiVersion": "v1", "metadata": metadata, "spec": {"x": text}});
            let record = record(&object.to_string());

            let mut whole = object.clone();
            whole["metadata"]["resourceVersion"] = "7".into();
            let parsed = |bytes: String| serde_json::from_str::<serde_json::Value>(&bytes).unwrap();
            proptest::prop_assert_eq!(&parsed(text_of(|out| record.write_object(out))), &whole);
            proptest::prop_assert_eq!(&parsed(text_of(|out| record.write_metadata(Revision::new(7), out))), &whole["metadata"]);
            let mut item = whole.clone();
            item.as_object_mut().unwrap().retain(|field, _| field != "kind" && field != "apiVersion");
            proptest::prop_assert_eq!(&parsed(text_of(|out| record.write_item(out))), &item);
        }
    }
}
