//! Reading an object of any shape: what is absent, null or of another type reads as nothing.

use serde_json::Value;

static NULL: Value = Value::Null;

/// A place in an object, which may be empty.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    /// The place of a whole object.
    pub(super) fn new(object: &'a Value) -> Self {
        Self(object)
    }

    /// The field at the end of a path such as `spec.template.spec`.
    pub(super) fn at(self, path: &str) -> Self {
        path.split('.').fold(self, Self::get)
    }

    /// The field of this name; here a dot is a part of the name, as in labels.
    pub(super) fn get(self, name: &str) -> Self {
        Self(self.0.get(name).unwrap_or(&NULL))
    }

    /// Whether something is here.
    pub(super) fn is_present(self) -> bool {
        !self.0.is_null()
    }

    /// The place itself, if something is here.
    pub(super) fn present(self) -> Option<Self> {
        self.is_present().then_some(self)
    }

    /// The text that is here, or an empty one.
    pub(super) fn text(self) -> &'a str {
        self.0.as_str().unwrap_or_default()
    }

    /// The text that is here, or else `otherwise`, also in place of an empty text.
    pub(super) fn text_or(self, otherwise: &'a str) -> &'a str {
        match self.text() {
            "" => otherwise,
            text => text,
        }
    }

    /// The whole number that is here, or zero.
    pub(super) fn number(self) -> i64 {
        self.0.as_i64().unwrap_or_default()
    }

    /// The whole number that is here, or else `otherwise`.
    pub(super) fn number_or(self, otherwise: i64) -> i64 {
        self.0.as_i64().unwrap_or(otherwise)
    }

    /// The truth value that is here.
    pub(super) fn flag(self) -> Option<bool> {
        self.0.as_bool()
    }

    /// Text or number as text: a quantity, or a field that may be either; empty for anything else.
    pub(super) fn scalar(self) -> String {
        match self.0 {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        }
    }

    /// How many elements or entries are here.
    pub(super) fn len(self) -> usize {
        match self.0 {
            Value::Array(elements) => elements.len(),
            Value::Object(entries) => entries.len(),
            _ => 0,
        }
    }

    /// The elements of a list.
    pub(super) fn items(self) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        self.0.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(Self)
    }

    /// The texts in a list; elements of other types are left out.
    pub(super) fn texts(self) -> impl Iterator<Item = &'a str> {
        self.items().filter_map(|item| item.0.as_str())
    }

    /// The entries of a map.
    pub(super) fn entries(self) -> impl Iterator<Item = (&'a str, Self)> {
        self.0.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), Self(value)))
    }

    /// The first element of a list whose `field` has this text.
    pub(super) fn item_with(self, field: &str, text: &str) -> Option<Self> {
        self.items().find(|item| item.get(field).text() == text)
    }

    /// The name of the object.
    pub(super) fn name(self) -> &'a str {
        self.at("metadata.name").text()
    }

    /// The creation time of the object, in RFC 3339.
    pub(super) fn created(self) -> &'a str {
        self.at("metadata.creationTimestamp").text()
    }

    /// Whether the object is being deleted.
    pub(super) fn is_terminating(self) -> bool {
        self.at("metadata.deletionTimestamp").is_present()
    }

    /// The status of the condition of this type, if the object has one.
    pub(super) fn condition(self, kind: &str) -> Option<&'a str> {
        Some(self.at("status.conditions").item_with("type", kind)?.get("status").text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_reads_as_nothing() {
        let object = serde_json::json!({"a": {"b": [1, "x", null]}, "n": null, "k": {"c.d": 7}});
        let fields = Fields::new(&object);
        assert_eq!(fields.at("a.b.c.d").text(), "");
        assert!(!fields.get("n").is_present());
        assert_eq!(fields.at("a.b").texts().collect::<Vec<_>>(), ["x"]);
        assert_eq!(fields.at("a.b").len(), 3);
        assert_eq!(fields.get("k").get("c.d").scalar(), "7");
        assert_eq!(fields.at("k.c.d").number_or(3), 3);
        assert_eq!(fields.get("a").items().len(), 0);
    }
}
