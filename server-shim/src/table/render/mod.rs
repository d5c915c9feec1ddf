//! Tables as bytes: the one of a GET, POST or LIST, or those of a watch.
//!
//! A list is written as it comes: head, a row for each object, tail. A record's own bytes go into its
//! row; only the cells are made from the parsed object.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};
use watchkeep_storage::{Bookmark, Record, Revision};

use super::Table;
use crate::kinds::resource::Resource;

/// The annotation on the bookmark that ends the initial events of a watch.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// The version of the Table that the client understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableVersion {
    /// `meta.k8s.io/v1`.
    V1,
    /// `meta.k8s.io/v1beta1`.
    V1Beta1,
}

/// How much of the object a row carries beside its cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// The metadata, as a `PartialObjectMetadata`.
    #[default]
    Metadata,
    /// The whole object.
    Object,
    /// Nothing.
    None,
}

/// A value of the parameter `includeObject` that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Unable to convert to Table as requested: includeObject: Invalid value: {value:?}: must be 'Metadata', 'Object', 'None', or empty"
)]
pub struct InvalidIncludeObject {
    /// What the client has sent.
    pub value: String,
}

/// The metadata of a Table: those of the list, or the revision of the one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableMetadata {
    /// Absent where nothing was stored, as in a dry run.
    pub resource_version: Option<Revision>,
    /// The token of the next page, if there is one.
    pub continue_token: Option<String>,
    /// How many objects follow, if that is known.
    pub remaining: Option<u64>,
    /// Of which shard the rows are, in the words of the client.
    pub shard_selector: Option<String>,
}

/// Writes the Table of an answer, or one after the other those of a watch: the first one carries the
/// definitions of the columns.
#[derive(Debug)]
pub struct TableWriter {
    table: &'static Table,
    kind: &'static str,
    api_version: &'static str,
    version: TableVersion,
    include: IncludeObject,
    needs_definitions: bool,
    has_rows: bool,
}

impl IncludeObject {
    /// Reads the parameter `includeObject`; an absent one is empty.
    ///
    /// # Errors
    /// [`InvalidIncludeObject`] for a value that does not exist.
    pub fn parse(value: &str) -> Result<Self, InvalidIncludeObject> {
        match value {
            "" | "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            "None" => Ok(Self::None),
            _ => Err(InvalidIncludeObject { value: value.to_owned() }),
        }
    }
}

impl TableVersion {
    /// The `apiVersion` of the Table, and of the partial objects in it.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

impl From<Revision> for TableMetadata {
    fn from(revision: Revision) -> Self {
        Self { resource_version: Some(revision), ..Self::default() }
    }
}

impl TableWriter {
    /// A writer for the objects of a resource.
    pub fn new(resource: &Resource, version: TableVersion, include: IncludeObject) -> Self {
        Self {
            table: Table::of(resource),
            kind: resource.kind,
            api_version: resource.api_version,
            version,
            include,
            needs_definitions: true,
            has_rows: false,
        }
    }

    /// Opens a Table.
    pub fn head(&mut self, metadata: &TableMetadata, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"kind":"Table","apiVersion":""#);
        out.extend_from_slice(self.version.api_version().as_bytes());
        out.extend_from_slice(br#"","metadata":"#);
        metadata.write(out);
        out.extend_from_slice(br#","columnDefinitions":"#);
        let definitions = std::mem::take(&mut self.needs_definitions).then_some(self.table.columns());
        write_json(&definitions, out);
        out.extend_from_slice(br#","rows":["#);
        self.has_rows = false;
    }

    /// Adds the row of a record that shows this revision: its own, or that of its deletion.
    pub fn record(&mut self, record: &Record, revision: Revision, now: SystemTime, out: &mut Vec<u8>) {
        // What is stored is canonical JSON. If it were not, one row would say little; the list stands.
        let object: Value = serde_json::from_slice(record.value.bytes()).unwrap_or_default();
        self.begin_row(&object, now, out);
        match self.include {
            IncludeObject::Metadata => self.partial(out, |out| record.write_metadata(revision, out)),
            IncludeObject::Object => record.write_object_at(revision, out),
            IncludeObject::None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }

    /// Adds the row of an object that is not shown as it is stored: converted to another version, or
    /// the outcome of a dry run.
    pub fn object(&mut self, object: &Value, now: SystemTime, out: &mut Vec<u8>) {
        self.begin_row(object, now, out);
        match self.include {
            IncludeObject::Metadata => {
                let metadata = object.get("metadata").unwrap_or(&Value::Null);
                self.partial(out, |out| write_json(metadata, out));
            }
            IncludeObject::Object => write_json(object, out),
            IncludeObject::None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }

    /// Closes a Table.
    pub fn tail(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"]}");
    }

    /// Writes a Table of one record: for GET, and for an event of a watch.
    pub fn single_record(&mut self, record: &Record, revision: Revision, now: SystemTime, out: &mut Vec<u8>) {
        self.head(&revision.into(), out);
        self.record(record, revision, now, out);
        self.tail(out);
    }

    /// Writes a Table of one object that is not shown as it is stored.
    pub fn single_object(
        &mut self,
        object: &Value,
        revision: Option<Revision>,
        now: SystemTime,
        out: &mut Vec<u8>,
    ) {
        self.head(&TableMetadata { resource_version: revision, ..TableMetadata::default() }, out);
        self.object(object, now, out);
        self.tail(out);
    }

    /// Writes the Table of a bookmark: one row for an object of which only the revision is known.
    pub fn bookmark(&mut self, bookmark: Bookmark, now: SystemTime, out: &mut Vec<u8>) {
        let revision = bookmark.revision.get().to_string();
        let metadata = if bookmark.initial_events_end {
            json!({"resourceVersion": revision, "annotations": {INITIAL_EVENTS_END: "true"}})
        } else {
            json!({"resourceVersion": revision})
        };
        let object = json!({"kind": self.kind, "apiVersion": self.api_version, "metadata": metadata});
        self.single_object(&object, Some(bookmark.revision), now, out);
    }

    fn begin_row(&mut self, object: &Value, now: SystemTime, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_rows, true) {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"cells":"#);
        write_json(&self.table.cells(object, now), out);
        out.extend_from_slice(br#","object":"#);
    }

    fn partial(&self, out: &mut Vec<u8>, write_metadata: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(br#"{"kind":"PartialObjectMetadata","apiVersion":""#);
        out.extend_from_slice(self.version.api_version().as_bytes());
        out.extend_from_slice(br#"","metadata":"#);
        write_metadata(out);
        out.push(b'}');
    }
}

impl TableMetadata {
    fn write(&self, out: &mut Vec<u8>) {
        let mut metadata = serde_json::Map::new();
        if let Some(revision) = self.resource_version {
            metadata.insert("resourceVersion".to_owned(), revision.get().to_string().into());
        }
        if let Some(token) = &self.continue_token {
            metadata.insert("continue".to_owned(), token.as_str().into());
        }
        if let Some(remaining) = self.remaining {
            metadata.insert("remainingItemCount".to_owned(), remaining.into());
        }
        if let Some(selector) = &self.shard_selector {
            metadata.insert("shardInfo".to_owned(), json!({ "selector": selector }));
        }
        write_json(&metadata, out);
    }
}

fn write_json(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("memory takes all bytes, and the keys of these maps are texts");
}

#[cfg(test)]
mod tests;
