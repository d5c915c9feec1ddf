//! What is stored in etcd as records: the value is the canonical JSON as it is, the revision that of the last
//! change.
//!
//! Attributes are extracted at each read: a header in front of the value would hide it from every tool that
//! shows what etcd holds, and from servers that write JSON there. What cannot be read, because something else
//! wrote it, is [`Error::Corrupt`] with its key and revision.

use std::sync::Arc;

use super::proto::KeyValue;
use super::resources::Resource;
use crate::error::Error;
use crate::key::Key;
use crate::record::{Record, Value};
use crate::revision::Revision;

/// With this begin the values of the reference where it stores protobuf, its default.
const PROTOBUF_MAGIC: &[u8] = b"k8s\0";

/// A revision as etcd counts it. None reaches the end of 63 bits.
pub(super) fn to_etcd(revision: Revision) -> i64 {
    i64::try_from(revision.get()).unwrap_or(i64::MAX)
}

/// A revision of etcd. None is negative.
pub(super) fn from_etcd(revision: i64) -> Revision {
    Revision::new(u64::try_from(revision).unwrap_or_default())
}

impl Resource {
    /// The record of what is stored under a key.
    pub(super) fn record(&self, stored: KeyValue) -> Result<Arc<Record>, Error> {
        let revision = from_etcd(stored.mod_revision);
        let key = self.key_of(&stored)?;
        let is_protobuf = stored.value.starts_with(PROTOBUF_MAGIC);
        match Value::new(stored.value, &self.schema) {
            Ok(value) => Ok(Arc::new(Record { key, value, revision })),
            Err(_) if is_protobuf => Err(corrupt(key, revision, "it is protobuf: another server wrote it")),
            Err(error) => Err(corrupt(key, revision, &error.to_string())),
        }
    }

    /// The key of the store under which something is stored.
    pub(super) fn key_of(&self, stored: &KeyValue) -> Result<Key, Error> {
        self.keys.strip(&stored.key).map(Key::unchecked).ok_or_else(|| {
            let key = Key::unchecked(&String::from_utf8_lossy(&stored.key));
            corrupt(key, from_etcd(stored.mod_revision), "its key is no text of this store")
        })
    }
}

fn corrupt(key: Key, revision: Revision, reason: &str) -> Error {
    Error::Corrupt { key, revision: Some(revision), reason: reason.to_owned() }
}
