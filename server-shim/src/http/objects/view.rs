//! How records look in responses: whole, as metadata, or as rows of a table; alone, in a list, or in the
//! events of a watch.

use std::convert::Infallible;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use watchkeep_storage::{Bookmark, Change, EventType, Record, Revision, WatchEvent};

use super::chunk::Chunk;
use super::encoded::Form;
use super::object::Object;
use super::target::Target;
use crate::codec::Identity;
use crate::codec::protobuf::{self, Envelope, ListHead, WatchFrame};
use crate::convert;
use crate::http::error::ApiError;
use crate::http::negotiate::{Format, MetaVersion, Transform};
use crate::http::params::Query;
use crate::http::render;
use crate::table::{IncludeObject, TableMetadata, TableVersion, TableWriter};

/// The annotation of the bookmark that ends the initial events of a watch.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// From how many bytes on an object that is shown as it is stored is encoded once for all watches: below, a copy
/// costs less than a look whether somebody made it.
const SHARED_BYTES_MIN: usize = 4 << 10;

/// What the line of an event has beside the object: its type and the resourceVersion.
const LINE_BYTES: usize = 96;

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

    /// The kind of what is shown.
    fn identity(self, target: &Target) -> Identity<'static> {
        match self {
            Self::Metadata(version) => {
                Identity { api_version: version.api_version(), kind: "PartialObjectMetadata" }
            }
            Self::Whole | Self::Table(..) => {
                Identity { api_version: target.resource.api_version, kind: target.resource.kind }
            }
        }
    }

    /// An object in protobuf, or its metadata, without an envelope. Encoded once for each revision.
    ///
    /// # Errors
    /// 500 if what is stored is no JSON.
    pub(super) fn message(
        self,
        target: &Target,
        record: &Record,
        revision: Revision,
    ) -> Result<Bytes, ApiError> {
        let metadata = if let Self::Metadata(version) = self { Some(version) } else { None };
        let encode = || {
            let mut json = Vec::with_capacity(record.value.bytes().len() + LINE_BYTES);
            self.write(&*target.shown(record)?, revision, &mut json);
            let object: Map<String, Json> = serde_json::from_slice(&json).map_err(ApiError::internal)?;
            let schema =
                if metadata.is_some() { &render::PARTIAL_OBJECT_METADATA } else { target.resource.schema };
            Ok::<_, ApiError>(protobuf::encode(schema, &object))
        };
        if revision != record.revision || revision.is_zero() {
            // As it was before its deletion, or as it would be: nobody else asks for that.
            return Ok(encode()?.into());
        }
        let form = Form { metadata, api_version: target.resource.api_version, format: Format::Protobuf };
        target.app.messages.object((revision, &record.key), form, encode)
    }

    /// An object in protobuf, or its metadata, in its envelope.
    ///
    /// # Errors
    /// As [`View::message`].
    pub(super) fn envelope(
        self,
        target: &Target,
        record: &Record,
        revision: Revision,
    ) -> Result<Vec<u8>, ApiError> {
        Ok(Envelope::close(self.identity(target), &self.message(target, record, revision)?))
    }

    /// The beginning of a list of these messages in protobuf.
    pub(super) fn begin_list(self, target: &Target, metadata: &ListMetadata, items: &[Bytes]) -> Vec<u8> {
        let identity = match self {
            Self::Metadata(version) => {
                Identity { api_version: version.api_version(), kind: "PartialObjectMetadataList" }
            }
            Self::Whole | Self::Table(..) => {
                Identity { api_version: target.resource.api_version, kind: target.resource.list_kind }
            }
        };
        let head = ListHead {
            resource_version: &metadata.revision.to_string(),
            continue_token: metadata.continue_token.as_deref(),
            remaining: metadata.remaining,
        };
        head.begin(identity, items.iter().map(AsRef::as_ref))
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
    format: Format,
    /// Writes all tables of the watch: only the first has column definitions.
    table: Option<TableWriter>,
}

impl EventView {
    /// The writer of a watch's events.
    pub(super) fn new(view: View, format: Format, target: &Target) -> Self {
        Self { view, format, table: view.table(target) }
    }

    /// Appends an event, with its line end.
    ///
    /// # Errors
    /// 500 if what is stored is no JSON; then nothing was appended.
    pub(super) fn write(
        &mut self,
        target: &Target,
        event: &WatchEvent,
        is_initial: bool,
        out: &mut Chunk,
    ) -> Result<(), ApiError> {
        match event {
            WatchEvent::Bookmark(bookmark) => {
                let format = self.format;
                let write = |out: &mut Vec<u8>| {
                    self.write_bookmark(target, *bookmark, out);
                    Ok(())
                };
                write_frame(format, "BOOKMARK", out.lines(), write)?;
            }
            WatchEvent::Change(change) => {
                let Some(record) = change.record() else { return Ok(()) };
                if let Some(form) = self.shared(target, record, is_initial) {
                    let frames = &target.app.frames;
                    out.share(frames.line(change, form, || self.line(target, change, record))?);
                } else {
                    self.append(target, change, record, out.lines())?;
                }
            }
        }
        Ok(())
    }

    /// The form in which watches share the line of an object, if that costs less than to encode it for each.
    fn shared(&self, target: &Target, record: &Record, is_initial: bool) -> Option<Form> {
        let is_long = record.value.bytes().len() >= SHARED_BYTES_MIN;
        let (metadata, is_copy_dear) = match self.view {
            View::Whole => (None, is_long && !is_initial),
            View::Metadata(version) => (Some(version), false),
            View::Table(..) => return None,
        };
        let is_made = self.format == Format::Protobuf || convert::is_needed(&target.resource);
        let form = Form { metadata, api_version: target.resource.api_version, format: self.format };
        (is_copy_dear || is_made).then_some(form)
    }

    /// The line of a change.
    fn line(&mut self, target: &Target, change: &Change, record: &Record) -> Result<Vec<u8>, ApiError> {
        let mut line = Vec::with_capacity(record.value.bytes().len() + LINE_BYTES);
        self.write_line(target, change, record, &mut line)?;
        Ok(line)
    }

    /// Appends the line of a change, or nothing.
    fn append(
        &mut self,
        target: &Target,
        change: &Change,
        record: &Record,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let start = out.len();
        let written = self.write_line(target, change, record, out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// As [`EventView::append`], but may leave a part of the line behind.
    fn write_line(
        &mut self,
        target: &Target,
        change: &Change,
        record: &Record,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        if let View::Whole = self.view {
            out.reserve(record.value.bytes().len() + LINE_BYTES);
        }
        let event_type = match change.event_type {
            EventType::Added => "ADDED",
            EventType::Modified => "MODIFIED",
            EventType::Deleted => "DELETED",
        };
        if self.format == Format::Protobuf {
            let object = self.view.envelope(target, record, change.revision())?;
            WatchFrame { event_type, object: &object }.write(out);
            return Ok(());
        }
        let format = self.format;
        let write = |out: &mut Vec<u8>| self.write_object(target, record, change.revision(), out);
        write_frame(format, event_type, out, write)
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

    /// Appends the event that ends a watch with an error. It is a plain Status in every view.
    pub(super) fn write_error(&self, error: &ApiError, out: &mut Vec<u8>) {
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(&error.to_json());
            Ok::<_, Infallible>(())
        };
        let Ok(()) = write_frame(self.format, "ERROR", out, write);
    }
}

/// Appends an event in its frame. `write` appends the object as JSON.
fn write_frame<E>(
    format: Format,
    event_type: &str,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    if format == Format::Protobuf {
        let mut json = Vec::new();
        write(&mut json)?;
        WatchFrame { event_type, object: &render::protobuf(&json) }.write(out);
        return Ok(());
    }
    for part in ["{\"type\":\"", event_type, "\",\"object\":"] {
        out.extend_from_slice(part.as_bytes());
    }
    write(out)?;
    out.extend_from_slice(b"}\n");
    Ok(())
}

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests {
    use std::sync::Arc;

    use watchkeep_storage::{Change, Event, Value};

    use super::super::target::test_target;
    use super::*;

    fn record(target: &Target, name: &str, stored: String, revision: u64) -> Arc<Record> {
        let value = Value::new(stored.into_bytes(), target.store.schema()).unwrap();
        let (key, revision) = (target.named(name).key().unwrap(), Revision::new(revision));
        Arc::new(Record { key, value, revision })
    }

    /// The addition of an object that is stored in this form.
    fn added(target: &Target, stored: &str) -> WatchEvent {
        let record = record(target, "e", stored.to_owned(), 7);
        let (key, revision) = (record.key.clone(), record.revision);
        let event = Arc::new(Event { key, revision, previous: None, current: Some(record) });
        WatchEvent::Change(Change { event_type: EventType::Added, event })
    }

    /// What goes out next.
    fn sent(chunk: &mut Chunk) -> String {
        let mut sent = Vec::new();
        while let Some(bytes) = chunk.take() {
            sent.extend_from_slice(&bytes);
        }
        String::from_utf8(sent).unwrap()
    }

    #[tokio::test]
    async fn an_event_that_cannot_be_shown_leaves_no_half_line() {
        let target = test_target("events.k8s.io", "events").await;
        let mut view = EventView::new(View::Whole, Format::Json, &target);
        let mut chunk = Chunk::default();
        let event = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"e"}}"#;
        view.write(&target, &added(&target, event), false, &mut chunk).unwrap();
        // Another one of the same name and revision would be the same line.
        let target = test_target("events.k8s.io", "events").await;
        // A number that no reader of JSON can hold: the engine does not look at it, the conversion has to.
        let broken = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"e"},"count":1e999}"#;
        let before = chunk.lines().clone();
        for _ in 0..2 {
            let error = view.write(&target, &added(&target, broken), false, &mut chunk).unwrap_err();
            assert_eq!(error.code, 500);
        }
        assert_eq!(*chunk.lines(), before);
        assert!(before.ends_with(b"}\n"));
    }

    /// A change of an object from one form to another, at revision 9.
    fn changed(target: &Target, stored: [String; 2]) -> Arc<Event> {
        let [previous, current] = stored;
        let (previous, current) = (record(target, "e", previous, 8), record(target, "e", current, 9));
        let (key, revision) = (current.key.clone(), current.revision);
        Arc::new(Event { key, revision, previous: Some(previous), current: Some(current) })
    }

    /// All resources, versions, views and types are asked for at one server: what one asks for is not what another
    /// one gets. The objects are long, so that each whole one is shared in every version.
    #[tokio::test]
    async fn a_shared_line_is_what_the_watch_would_have_written() {
        let first = test_target("", "configmaps").await;
        let served = |group: &str, version: &str, plural: &str| {
            let resource = Arc::clone(first.app.table.load().resource(group, version, plural).unwrap());
            Target::new(&first.app, &resource, Some("n".to_owned()), None).unwrap()
        };
        let long = "x".repeat(SHARED_BYTES_MIN);
        let event = |note: &str| {
            format!(
                r#"{{"kind":"Event","apiVersion":"v1","metadata":{{"name":"e","labels":{{"n":"{note}"}},"annotations":{{"long":"{long}"}}}},"message":"{note}"}}"#
            )
        };
        let autoscaler = |max: &str| {
            let max = max.len();
            format!(
                r#"{{"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/v2","metadata":{{"name":"e","labels":{{"n":"{max}"}},"annotations":{{"long":"{long}"}}}},"spec":{{"scaleTargetRef":{{"kind":"","name":""}},"maxReplicas":{max},"metrics":[{{"type":"Resource","resource":{{"name":"cpu","target":{{"type":"Utilization","averageUtilization":70}}}}}}]}}}}"#
            )
        };
        let config_map = |text: &str| {
            format!(
                r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"e"}},"data":{{"a":"{text}","b":"{long}"}}}}"#
            )
        };
        let of = |stored: &dyn Fn(&str) -> String| ["before", "now"].map(stored);
        let views = [View::Whole, View::Metadata(MetaVersion::V1), View::Metadata(MetaVersion::V1Beta1)];
        let mut all = std::collections::HashSet::new();
        for (target, stored) in [
            (served("", "v1", "events"), of(&event)),
            (served("events.k8s.io", "v1", "events"), of(&event)),
            (served("autoscaling", "v1", "horizontalpodautoscalers"), of(&autoscaler)),
            (served("autoscaling", "v2", "horizontalpodautoscalers"), of(&autoscaler)),
            (served("", "v1", "configmaps"), of(&config_map)),
        ] {
            for view in views {
                for event_type in [EventType::Added, EventType::Modified, EventType::Deleted] {
                    let change = Change { event_type, event: changed(&target, stored.clone()) };
                    let mut alone = Vec::new();
                    let writer = &mut EventView::new(view, Format::Json, &target);
                    writer.append(&target, &change, change.record().unwrap(), &mut alone).unwrap();
                    for _ in 0..2 {
                        let mut chunk = Chunk::default();
                        let event = WatchEvent::Change(change.clone());
                        EventView::new(view, Format::Json, &target)
                            .write(&target, &event, false, &mut chunk)
                            .unwrap();
                        let sent = sent(&mut chunk);
                        assert_eq!(sent.as_bytes(), alone, "{view:?} {event_type:?}");
                        all.insert(sent);
                    }
                }
            }
        }
        // But for the metadata of two versions of one kind, which are the same, no two lines are.
        let line = |kind: &str| all.iter().filter(|line| line.contains(kind)).count();
        assert_eq!((line("PartialObjectMetadata"), all.len()), (3 * 2 * 3, 3 * 2 * 3 + 5 * 3));
    }

    /// What is long, or has to be converted, is shared; nothing else is.
    #[tokio::test]
    async fn watches_share_what_costs_more_than_a_copy() {
        let long = "x".repeat(SHARED_BYTES_MIN);
        let cases = [
            ("", "configmaps", "short", false, [false; 3]),
            ("", "configmaps", &*long, false, [true, false, false]),
            ("", "configmaps", &*long, true, [false; 3]),
            ("events.k8s.io", "events", "short", false, [true, true, false]),
            ("events.k8s.io", "events", "short", true, [true, true, false]),
        ];
        for (group, plural, text, is_initial, shared) in cases {
            let target = test_target(group, plural).await;
            let stored = format!(
                r#"{{"kind":"K","apiVersion":"v1","metadata":{{"name":"e"}},"data":{{"a":"{text}"}}}}"#
            );
            let record = record(&target, "e", stored, 7);
            let table = View::Table(MetaVersion::V1, IncludeObject::parse("").unwrap());
            let views = [View::Whole, View::Metadata(MetaVersion::V1), table];
            let found = views.map(|view| {
                EventView::new(view, Format::Json, &target).shared(&target, &record, is_initial).is_some()
            });
            assert_eq!(found, shared, "{plural} of {} bytes, initial: {is_initial}", text.len());
        }
    }
}
