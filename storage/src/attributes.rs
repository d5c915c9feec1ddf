//! What selectors, preconditions and tables of contents need to know of an object, in one piece of memory.
//!
//! Attributes are kept as they are encoded, and read in place: a record costs no allocation for each name
//! and label, and an engine that stores the encoding beside the object makes a record from its bytes
//! without parsing either.
//!
//! ```text
//! namespace │ name │ uid │ count │ (label key │ label value)… │ count │ (selectable field)…
//! ```
//!
//! Texts are UTF-8 behind their length; lengths and counts are LEB128 numbers. Labels are in the order of
//! their keys, fields in the order of the schema, which holds their names.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::schema::{Schema, SelectableField};

/// What selectors, preconditions and tables of contents need to know of an object. Cheap to clone.
///
/// Every look costs what stands before the place it looks at: some nanoseconds for a name, and as many for
/// each label that is passed by.
#[derive(Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Well-formed: made by [`Parts::encode`], or seen through by [`Attributes::decode`].
    encoded: Bytes,
    schema: Arc<[SelectableField]>,
}

/// Attributes that are being gathered.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) uid: Box<str>,
    /// In the order of their keys.
    pub(crate) labels: Vec<(Box<str>, Box<str>)>,
    /// As many as the schema has, in its order.
    pub(crate) fields: Vec<Box<str>>,
}

/// Takes texts and numbers off the front of an encoding; `None` where it is too short or malformed.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn number(&mut self) -> Option<usize> {
        let mut number = 0_usize;
        let mut shift = 0;
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.number()?;
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn skip(&mut self, texts: usize) -> Option<()> {
        (0..texts).try_for_each(|_| self.bytes().map(|_| ()))
    }
}

fn put_number(out: &mut Vec<u8>, mut number: usize) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

impl Parts {
    /// The attributes of an object of this schema.
    pub(crate) fn encode(&self, schema: &Schema) -> Attributes {
        let Self { namespace, name, uid, labels, fields } = self;
        let mut out = Vec::with_capacity(128);
        for text in [namespace, name, uid] {
            put_text(&mut out, text);
        }
        put_number(&mut out, labels.len());
        for (key, value) in labels {
            put_text(&mut out, key);
            put_text(&mut out, value);
        }
        put_number(&mut out, fields.len());
        for value in fields {
            put_text(&mut out, value);
        }
        Attributes { encoded: out.into_boxed_slice().into(), schema: Arc::clone(&schema.fields) }
    }
}

impl Attributes {
    /// `metadata.namespace`; empty where there is none.
    pub fn namespace(&self) -> &str {
        self.name_at(0)
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.name_at(1)
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> &str {
        self.name_at(2)
    }

    /// `metadata.labels`, in the order of their keys.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let (count, mut labels) = self.labels_at().unwrap_or((0, Input(&[])));
        (0..count).map_while(move |_| Some((labels.text()?, labels.text()?)))
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels().take_while(|(own, _)| *own <= key).find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    /// The selectable fields of the schema, in its order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut values = self.fields_at().unwrap_or(Input(&[]));
        self.schema.iter().map_while(move |field| Some((&*field.name, values.text()?)))
    }

    /// The value of a selectable field; `None` for a field that the schema does not know.
    pub fn field(&self, name: &str) -> Option<&str> {
        match name {
            "metadata.name" => Some(self.name()),
            "metadata.namespace" => Some(self.namespace()),
            _ => {
                let position = self.schema.iter().position(|field| &*field.name == name)?;
                let mut values = self.fields_at()?;
                values.skip(position)?;
                values.text()
            }
        }
    }

    /// The encoding: for engines that keep it beside the object.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Attributes that were encoded before, of an object of this schema. `None` where the bytes are no such
    /// encoding.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn decode(encoded: Bytes, schema: &Schema) -> Option<Self> {
        let mut input = Input(&encoded);
        for _ in 0..3 {
            input.text()?;
        }
        for _ in 0..input.number()? {
            input.text()?;
            input.text()?;
        }
        if input.number()? != schema.fields.len() {
            return None;
        }
        for _ in 0..schema.fields.len() {
            input.text()?;
        }
        let whole = input.0.is_empty();
        whole.then(|| Self { encoded, schema: Arc::clone(&schema.fields) })
    }

    /// Whether an encoding, of an object of any schema, says the same but for the fields.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn are_those_of(&self, encoded: &[u8]) -> bool {
        let fields = self.fields_at().map_or(0, |fields| fields.0.len());
        // Before the fields stands their count, in as many bytes as it takes.
        let mut count = Vec::new();
        put_number(&mut count, self.schema.len());
        let common = self.encoded.len().saturating_sub(fields + count.len());
        let rest = self.encoded.get(..common).and_then(|common| encoded.strip_prefix(common));
        let mut rest = Input(rest.unwrap_or_default());
        let texts = rest.number().and_then(|count| (0..count).try_for_each(|_| rest.text().map(drop)));
        texts.is_some() && rest.0.is_empty()
    }

    fn name_at(&self, position: usize) -> &str {
        let mut input = Input(&self.encoded);
        // Well-formed, so there are three.
        input.skip(position).and_then(|()| input.text()).unwrap_or_default()
    }

    /// How many labels there are, and where.
    fn labels_at(&self) -> Option<(usize, Input<'_>)> {
        let mut input = Input(&self.encoded);
        input.skip(3)?;
        Some((input.number()?, input))
    }

    /// Where the values of the fields are.
    fn fields_at(&self) -> Option<Input<'_>> {
        let (labels, mut input) = self.labels_at()?;
        input.skip(2 * labels)?;
        input.number()?;
        Some(input)
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Attributes")
            .field("namespace", &self.namespace())
            .field("name", &self.name())
            .field("uid", &self.uid())
            .field("labels", &self.labels().collect::<Vec<_>>())
            .field("fields", &self.fields().collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::new(1, ["spec.a", "spec.b"].map(SelectableField::new).into())
    }

    fn parts() -> Parts {
        let text = |text: &str| Box::<str>::from(text);
        Parts {
            namespace: text("n"),
            name: text("é".repeat(100).as_str()),
            uid: text(""),
            labels: vec![(text("a"), text("1")), (text("b/c"), text("")), (text("d"), text("4"))],
            fields: vec![text("x".repeat(70_000).as_str()), text("y")],
        }
    }

    #[test]
    fn everything_is_read_as_it_was_gathered() {
        let attributes = parts().encode(&schema());
        assert_eq!((attributes.namespace(), attributes.uid()), ("n", ""));
        assert_eq!(attributes.name(), "é".repeat(100));
        assert_eq!(attributes.labels().collect::<Vec<_>>(), [("a", "1"), ("b/c", ""), ("d", "4")]);
        for (key, want) in [("a", Some("1")), ("b/c", Some("")), ("b", None), ("d", Some("4")), ("e", None)] {
            assert_eq!(attributes.label(key), want, "{key}");
        }
        assert_eq!(attributes.field("spec.a").unwrap().len(), 70_000);
        assert_eq!(attributes.field("spec.b"), Some("y"));
        assert_eq!(attributes.field("spec.c"), None);
        assert_eq!(attributes.field("metadata.namespace"), Some("n"));
        assert_eq!(attributes.fields().nth(1), Some(("spec.b", "y")));
        assert!(format!("{attributes:?}").contains("b/c"));
    }

    #[test]
    fn nothing_is_read_of_nothing() {
        let attributes = Parts::default().encode(&Schema::default());
        assert_eq!((attributes.namespace(), attributes.name(), attributes.uid()), ("", "", ""));
        assert_eq!(attributes.labels().count() + attributes.fields().count(), 0);
    }

    #[cfg(feature = "rocksdb")]
    #[test]
    fn only_a_whole_encoding_is_taken() {
        let schema = schema();
        let parts = Parts { fields: vec!["x".into(), "y".into()], ..parts() };
        let attributes = parts.encode(&schema);
        let encoded = Bytes::copy_from_slice(attributes.encoded());
        assert_eq!(Attributes::decode(encoded.clone(), &schema), Some(attributes));
        for end in 0..encoded.len() {
            assert_eq!(Attributes::decode(encoded.slice(..end), &schema), None, "{end}");
        }
        let longer = Bytes::from([&encoded[..], b"\0"].concat());
        assert_eq!(Attributes::decode(longer, &schema), None);
        assert_eq!(Attributes::decode(encoded.clone(), &Schema::default()), None, "other fields");
        let mut no_text = encoded.to_vec();
        no_text[3] = 0xff;
        assert_eq!(Attributes::decode(no_text.into(), &schema), None);
        let endless = Bytes::from(vec![0xff; 30]);
        assert_eq!(Attributes::decode(endless, &schema), None);
    }
}
