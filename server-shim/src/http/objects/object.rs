//! An object while it is being written: the tree of its canonical form, with access to its metadata.

use serde_json::{Map, Value as Json};
use watchkeep_storage::{Record, Revision};

use crate::http::error::ApiError;

/// The tree of an object. Its top and its metadata are always objects.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object(Map<String, Json>);

impl Object {
    /// The object of a tree; what is no object becomes an empty one.
    pub(crate) fn new(tree: Json) -> Self {
        let mut map = match tree {
            Json::Object(map) => map,
            _ => Map::new(),
        };
        if !map.get("metadata").is_some_and(Json::is_object) {
            map.insert("metadata".to_owned(), Json::Object(Map::new()));
        }
        Self(map)
    }

    /// The tree of a stored object, without its resourceVersion.
    ///
    /// # Errors
    /// 500 if what is stored is no JSON.
    pub(crate) fn of_record(record: &Record) -> Result<Self, ApiError> {
        let tree = serde_json::from_slice(record.value.bytes()).map_err(ApiError::internal)?;
        Ok(Self::new(tree))
    }

    /// The tree.
    pub(crate) fn into_tree(self) -> Json {
        Json::Object(self.0)
    }

    /// A top-level field.
    pub(crate) fn get(&self, field: &str) -> Option<&Json> {
        self.0.get(field)
    }

    /// Sets a top-level field, or removes it.
    pub(crate) fn set(&mut self, field: &str, value: Option<Json>) {
        match value {
            Some(value) => self.0.insert(field.to_owned(), value),
            None => self.0.shift_remove(field),
        };
    }

    /// A value below the top, by JSON pointer.
    pub(crate) fn pointer(&self, path: &str) -> Option<&Json> {
        let path = path.strip_prefix('/')?;
        let (first, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        self.0.get(first)?.pointer(rest)
    }

    /// The object at a top-level field, made if there is none.
    pub(crate) fn object_mut(&mut self, field: &str) -> &mut Map<String, Json> {
        object_mut(&mut self.0, field)
    }

    /// A field of the metadata.
    pub(crate) fn meta(&self, field: &str) -> Option<&Json> {
        self.0.get("metadata")?.get(field)
    }

    /// A text of the metadata; empty if there is none.
    pub(crate) fn meta_text(&self, field: &str) -> &str {
        self.meta(field).and_then(Json::as_str).unwrap_or_default()
    }

    /// A list of texts of the metadata.
    pub(crate) fn meta_texts(&self, field: &str) -> Vec<&str> {
        let list = self.meta(field).and_then(Json::as_array);
        list.into_iter().flatten().filter_map(Json::as_str).collect()
    }

    /// The metadata, to change it.
    pub(crate) fn metadata_mut(&mut self) -> &mut Map<String, Json> {
        self.object_mut("metadata")
    }

    /// Sets a field of the metadata, or removes it.
    pub(crate) fn set_meta(&mut self, field: &str, value: Option<Json>) {
        let metadata = self.metadata_mut();
        match value {
            Some(value) => metadata.insert(field.to_owned(), value),
            None => metadata.shift_remove(field),
        };
    }

    /// Sets `metadata.resourceVersion`: what a patch is applied to has one.
    pub(crate) fn set_revision(&mut self, revision: Revision) {
        self.set_meta("resourceVersion", Some(Json::from(revision.to_string())));
    }

    /// Whether the object is being deleted.
    pub(crate) fn is_terminating(&self) -> bool {
        self.meta("deletionTimestamp").is_some()
    }
}

/// The object at a field of a map, made if there is none.
pub(crate) fn object_mut<'a>(map: &'a mut Map<String, Json>, field: &str) -> &'a mut Map<String, Json> {
    let slot = map.entry(field).or_insert_with(|| Json::Object(Map::new()));
    if !slot.is_object() {
        *slot = Json::Object(Map::new());
    }
    match slot {
        Json::Object(object) => object,
        _ => unreachable!("it was made an object above"),
    }
}
