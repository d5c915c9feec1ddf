//! What a store extracts from the objects of a resource, so that selectors never parse JSON twice.

use std::sync::Arc;

/// A field that a field selector may name, and where its value stands in the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectableField {
    /// The name in a field selector, such as `spec.nodeName`.
    pub name: Arc<str>,
    /// The path of the value in the object.
    pub path: Vec<String>,
    /// The value where the object has none: empty for strings, `false` for booleans, `0` for numbers.
    pub absent: &'static str,
}

/// What to extract from the objects of a resource. Handed to engine and cache when a resource is opened.
///
/// `metadata.name`, `metadata.namespace`, the uid and the labels are always extracted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Grows with every change of `fields`: an engine that keeps extracted values on disk extracts anew
    /// where the version differs.
    pub version: u32,
    /// The selectable fields beyond the two that every resource has.
    pub fields: Arc<[SelectableField]>,
}

impl SelectableField {
    /// A field whose name is its path, and which is empty where the object has none.
    pub fn new(name: &str) -> Self {
        Self::at(name, name, "")
    }

    /// A field found at `path` (segments joined by dots), with the value `absent` where there is none.
    pub fn at(name: &str, path: &str, absent: &'static str) -> Self {
        Self { name: name.into(), path: path.split('.').map(str::to_owned).collect(), absent }
    }
}

impl Schema {
    /// A schema of these selectable fields.
    pub fn new(version: u32, fields: Vec<SelectableField>) -> Self {
        Self { version, fields: fields.into() }
    }

    /// Whether a field selector may name this field.
    pub fn knows(&self, field: &str) -> bool {
        field == "metadata.name"
            || field == "metadata.namespace"
            || self.fields.iter().any(|known| &*known.name == field)
    }
}
