//! How records look in responses: whole, as metadata, or as rows of a table; alone, in a list, or in the
//! events of a watch.

use serde_json::json;
use watchkeep_storage::{Bookmark, EventType, Record, Revision, WatchEvent};

use super::object::Object;
use super::target::Target;
use crate::http::error::ApiError;
use crate::http::negotiate::{MetaVersion, Transform};
use crate::http::params::Query;
use crate::table::{IncludeObject, TableMetadata, TableVersion, TableWriter};

/// The annotation of the bookmark that ends the initial events of a watch.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// How records look.
#[derive(Clone, Copy, Debug)]
pub(super) enum View {
    /// As they are.
    Whole,
    /// Their metadata.
    Metadata(MetaVersion),
    /// As rows of a table, with this much of the object beside the cells.
    Table(MetaVersion, IncludeObject),
}

/// What a list says about itself.
#[derive(Clone, Debug)]
pub(super) struct ListMetadata {
    /// The resourceVersion of the list.
    pub(super) revision: Revision,
    /// The token of the next page.
    pub(super) continue_token: Option<String>,
    /// How many objects follow.
    pub(super) remaining: Option<u64>,
    /// Of which shard it is, in the words of the client, who knows by it that there is more.
    pub(super) shard_selector: Option<String>,
}

impl View {
    /// The view that a client negotiated.
    ///
    /// # Errors
    /// 400 for an unknown `includeObject`.
    pub(super) fn new(transform: Option<Transform>, query: &Query) -> Result<Self, ApiError> {
        Ok(match transform {
            None => Self::Whole,
            Some(Transform::Table(version)) => {
                let include = IncludeObject::parse(query.text("includeObject"));
                let include = include.map_err(|error| ApiError::bad_request(error.to_string()))?;
                Self::Table(version, include)
            }
            Some(
                Transform::PartialObjectMetadata(version) | Transform::PartialObjectMetadataList(version),
            ) => Self::Metadata(version),
        })
    }

    /// The writer of tables, if the view is one.
    fn table(self, target: &Target) -> Option<TableWriter> {
        let Self::Table(version, include) = self else { return None };
        let version = match version {
            MetaVersion::V1 => TableVersion::V1,
            MetaVersion::V1Beta1 => TableVersion::V1Beta1,
        };
        Some(TableWriter::new(&target.resource, version, include))
    }

    /// A single object, with a line end.
    ///
    /// # Errors
    /// 500 if what is stored is no JSON.
    pub(super) fn object(self, target: &Target, record: &Record) -> Result<Vec<u8>, ApiError> {
        let mut out = Vec::with_capacity(record.value.bytes().len() + 64);
        if let Some(mut table) = self.table(target) {
            write_table(&mut table, target, &*target.shown(record)?, record.revision, &mut out)?;
        } else {
            self.write(&*target.shown(record)?, record.revision, &mut out);
        }
        out.push(b'\n');
        Ok(out)
    }

    /// Appends an object, whole or as its metadata.
    fn write(self, record: &Record, revision: Revision, out: &mut Vec<u8>) {
        match self {
            Self::Metadata(version) => write_partial(record, revision, version, out),
            Self::Whole | Self::Table(..) => write_whole(record, revision, out),
        }
    }
}

/// Appends an object as it is.
fn write_whole(record: &Record, revision: Revision, out: &mut Vec<u8>) {
    if revision.is_zero() {
        // Nothing was stored: a dry run has no resourceVersion to show.
        out.extend_from_slice(record.value.bytes());
    } else {
        record.write_object_at(revision, out);
    }
}

/// Appends the metadata of an object, as an object of its own kind.
fn write_partial(record: &Record, revision: Revision, version: MetaVersion, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"");
    out.extend_from_slice(version.api_version().as_bytes());
    out.extend_from_slice(b"\",\"metadata\":");
    record.write_metadata(revision, out);
    out.push(b'}');
}

/// Appends a table of one row.
fn write_table(
    table: &mut TableWriter,
    target: &Target,
    record: &Record,
    revision: Revision,
    out: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let resource_version = (!revision.is_zero()).then_some(revision);
    table.head(&TableMetadata { resource_version, ..TableMetadata::default() }, out);
    write_row(table, target, record, revision, out)?;
    table.tail(out);
    Ok(())
}

/// Appends the row of a record.
fn write_row(
    table: &mut TableWriter,
    target: &Target,
    record: &Record,
    revision: Revision,
    out: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let now = target.app.environment.now();
    if revision.is_zero() {
        table.object(&Object::of_record(record)?.into_tree(), now, out);
    } else {
        table.record(record, revision, now, out);
    }
    Ok(())
}

/// Writes a list, piece by piece.
pub(super) struct ListWriter {
    view: View,
    table: Option<TableWriter>,
    /// What comes before the first item; taken by the first piece.
    head: Vec<u8>,
    is_first: bool,
}

impl ListWriter {
    /// The writer of a list of the target's collection.
    pub(super) fn new(view: View, target: &Target, metadata: &ListMetadata) -> Self {
        let mut head = Vec::new();
        let mut table = view.table(target);
        if let Some(table) = &mut table {
            let metadata = TableMetadata {
                resource_version: Some(metadata.revision),
                continue_token: metadata.continue_token.clone(),
                remaining: metadata.remaining,
                shard_selector: metadata.shard_selector.clone(),
            };
            table.head(&metadata, &mut head);
        } else if let View::Metadata(version) = view {
            write_list_head("PartialObjectMetadataList", version.api_version(), metadata, &mut head);
        } else {
            let resource = &target.resource;
            write_list_head(resource.list_kind, resource.api_version, metadata, &mut head);
        }
        Self { view, table, head, is_first: true }
    }

    /// The beginning of the list; empty after the first call.
    pub(super) fn head(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.head)
    }

    /// Appends an item.
    ///
    /// # Errors
    /// 500 if what is stored is no JSON.
    pub(super) fn item(
        &mut self,
        target: &Target,
        record: &Record,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let record = &*target.shown(record)?;
        if let Some(table) = &mut self.table {
            return write_row(table, target, record, record.revision, out);
        }
        if !std::mem::take(&mut self.is_first) {
            out.push(b',');
        }
        match self.view {
            View::Whole => record.write_item(out),
            view => view.write(record, record.revision, out),
        }
        Ok(())
    }

    /// Appends the end of the list, with a line end.
    pub(super) fn tail(&self, out: &mut Vec<u8>) {
        match &self.table {
            Some(table) => table.tail(out),
            None => out.extend_from_slice(b"]}"),
        }
        out.push(b'\n');
    }
}

/// A list of records that are all there.
///
/// # Errors
/// 500 if what is stored is no JSON.
pub(super) fn list(
    view: View,
    target: &Target,
    metadata: &ListMetadata,
    records: &[std::sync::Arc<Record>],
) -> Result<Vec<u8>, ApiError> {
    let mut writer = ListWriter::new(view, target, metadata);
    let mut out = writer.head();
    for record in records {
        writer.item(target, record, &mut out)?;
    }
    writer.tail(&mut out);
    Ok(out)
}

fn write_list_head(kind: &str, api_version: &str, metadata: &ListMetadata, out: &mut Vec<u8>) {
    let ListMetadata { revision, continue_token, remaining, shard_selector } = metadata;
    // Kinds, versions and tokens hold nothing that JSON has to escape.
    let next = continue_token.as_ref().map(|token| format!(",\"continue\":\"{token}\"")).unwrap_or_default();
    let remaining = remaining.map(|count| format!(",\"remainingItemCount\":{count}")).unwrap_or_default();
    let shard = shard_selector.as_ref().map(|text| format!(",\"shardInfo\":{}", json!({ "selector": text })));
    let shard = shard.unwrap_or_default();
    let head = format!(
        "{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{{\"resourceVersion\":\"{revision}\"{next}{remaining}{shard}}},\"items\":["
    );
    out.extend_from_slice(head.as_bytes());
}

/// Writes the events of one watch.
pub(super) struct EventView {
    view: View,
    /// Writes all tables of the watch: only the first has column definitions.
    table: Option<TableWriter>,
}

impl EventView {
    /// The writer of a watch's events.
    pub(super) fn new(view: View, target: &Target) -> Self {
        Self { view, table: view.table(target) }
    }

    /// Appends an event, with its line end.
    ///
    /// # Errors
    /// 500 if what is stored is no JSON; then nothing was appended.
    pub(super) fn write(
        &mut self,
        target: &Target,
        event: &WatchEvent,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let start = out.len();
        let written = self.write_line(target, event, out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// As [`EventView::write`], but may leave a part of the line behind.
    fn write_line(&mut self, target: &Target, event: &WatchEvent, out: &mut Vec<u8>) -> Result<(), ApiError> {
        match event {
            WatchEvent::Bookmark(bookmark) => {
                out.extend_from_slice(b"{\"type\":\"BOOKMARK\",\"object\":");
                self.write_bookmark(target, *bookmark, out);
            }
            WatchEvent::Change(change) => {
                let Some(record) = change.record() else { return Ok(()) };
                out.extend_from_slice(match change.event_type {
                    EventType::Added => b"{\"type\":\"ADDED\",\"object\":".as_slice(),
                    EventType::Modified => b"{\"type\":\"MODIFIED\",\"object\":",
                    EventType::Deleted => b"{\"type\":\"DELETED\",\"object\":",
                });
                self.write_object(target, record, change.revision(), out)?;
            }
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    fn write_object(
        &mut self,
        target: &Target,
        record: &Record,
        revision: Revision,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let record = &*target.shown(record)?;
        match &mut self.table {
            Some(table) => write_table(table, target, record, revision, out)?,
            None => self.view.write(record, revision, out),
        }
        Ok(())
    }

    fn write_bookmark(&mut self, target: &Target, bookmark: Bookmark, out: &mut Vec<u8>) {
        if let Some(table) = &mut self.table {
            table.bookmark(bookmark, target.app.environment.now(), out);
            return;
        }
        let annotations = if bookmark.initial_events_end {
            format!(",\"annotations\":{{\"{INITIAL_EVENTS_END}\":\"true\"}}")
        } else {
            String::new()
        };
        let metadata = format!("{{\"resourceVersion\":\"{}\"{annotations}}}", bookmark.revision);
        let resource = &target.resource;
        let (kind, api_version) = match self.view {
            View::Metadata(version) => ("PartialObjectMetadata", version.api_version()),
            View::Whole | View::Table(..) => (resource.kind, resource.api_version),
        };
        let text =
            format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{metadata}}}");
        out.extend_from_slice(text.as_bytes());
    }
}

/// Appends the event that ends a watch with an error. It is a plain Status in every view.
pub(super) fn write_error(error: &ApiError, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"ERROR\",\"object\":");
    out.extend_from_slice(&error.to_json());
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests {
    use std::sync::Arc;

    use watchkeep_storage::{Change, Event, Value};

    use super::super::target::test_target;
    use super::*;

    /// The addition of an object that is stored in this form.
    fn added(target: &Target, stored: &str) -> WatchEvent {
        let key = target.named("e").key().unwrap();
        let value = Value::new(stored.as_bytes().to_vec(), target.store.schema()).unwrap();
        let revision = Revision::new(7);
        let current = Some(Arc::new(Record { key: key.clone(), value, revision }));
        let event = Arc::new(Event { key, revision, previous: None, current });
        WatchEvent::Change(Change { event_type: EventType::Added, event })
    }

    #[tokio::test]
    async fn an_event_that_cannot_be_shown_leaves_no_half_line() {
        let target = test_target("events.k8s.io", "events").await;
        let mut view = EventView::new(View::Whole, &target);
        let mut out = Vec::new();
        let event = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"e"}}"#;
        view.write(&target, &added(&target, event), &mut out).unwrap();
        let before = out.clone();
        // A number that no reader of JSON can hold: the engine does not look at it, the conversion has to.
        let broken = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"e"},"count":1e999}"#;
        let error = view.write(&target, &added(&target, broken), &mut out).unwrap_err();
        assert_eq!(error.code, 500);
        assert_eq!(out, before);
        assert!(out.ends_with(b"}\n"));
    }
}
