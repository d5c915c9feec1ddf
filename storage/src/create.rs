//! Create, once for all backends.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::interface::{Commit, Expect, Interface, Operation, Outcome};
use crate::key::Key;
use crate::record::{Record, Value};

/// Stores an object under a key that must be free. \[CREATE\]
///
/// The value cannot carry a resourceVersion: [`Value::new`] refuses it, as
/// [`Error::ResourceVersionOnCreate`] tells the client.
///
/// # Errors
/// [`Error::Exists`] if the key is taken; those of [`Interface::commit`].
///
/// # Cancel safety
/// As [`Interface::commit`]: dropped, the outcome is unknown.
pub async fn create(
    store: &dyn Interface,
    key: Key,
    value: Value,
    ttl: Option<Duration>,
) -> Result<Arc<Record>, Error> {
    let commit =
        Commit { key: key.clone(), expect: Expect::Absent, operation: Operation::Put { value, ttl } };
    match store.commit(commit).await? {
        Outcome::Committed(committed) => committed.record.ok_or_else(|| lost_record(&key)),
        Outcome::Conflict { .. } => Err(Error::Exists { key }),
    }
}

/// A backend that commits a put has to return the record.
pub(crate) fn lost_record(key: &Key) -> Error {
    Error::Internal { reason: format!("{key}: the commit returned no record") }
}
