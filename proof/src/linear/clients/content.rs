//! The objects that clients write: a tag and a count, and back.

use serde_json::Value as Json;
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::{path_of, pod};
use watchkeep_storage::{Key as StoreKey, Record, Value};

use super::super::history::{Content, Key, Version};

/// The object of a key with this content.
pub(super) fn value(resource: &Resource, key: &str, content: Content) -> Value {
    let (namespace, name) = parts(key);
    resource.value(&pod(namespace, name).mark(format!("{}.{}", content.tag, content.count)))
}

/// Where the store keeps a key.
pub(super) fn place(resource: &Resource, key: &str) -> StoreKey {
    let (namespace, name) = parts(key);
    resource.key(&pod(namespace, name))
}

/// The key and the version of a record.
pub(super) fn version(record: &Record) -> Result<(Key, Version), String> {
    let unread = || format!("{} holds what nobody wrote: {:?}", record.key, record.value.bytes());
    let object: Json = serde_json::from_slice(record.value.bytes()).map_err(|_| unread())?;
    let mark = object.pointer("/spec/mark").and_then(Json::as_str).and_then(|mark| mark.split_once('.'));
    let (tag, count) = mark.ok_or_else(unread)?;
    let content =
        Content { tag: tag.parse().map_err(|_| unread())?, count: count.parse().map_err(|_| unread())? };
    Ok((path_of(&record.key).into(), Version { revision: record.revision.get(), content }))
}

fn parts(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or((key, ""))
}
