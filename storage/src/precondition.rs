//! What a caller demands of the object that it updates or deletes.

use crate::error::Error;
use crate::key::Key;
use crate::record::Record;

/// Demands on the stored object, as a client states them in `preconditions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// The uid it must have.
    pub uid: Option<String>,
    /// The resourceVersion it must have.
    pub resource_version: Option<String>,
}

impl Preconditions {
    /// No demands.
    pub const NONE: Self = Self { uid: None, resource_version: None };

    /// The demand for one uid.
    pub fn uid(uid: impl Into<String>) -> Self {
        Self { uid: Some(uid.into()), resource_version: None }
    }

    /// Checks the demands against a record; `None` is an object that does not exist, and meets none.
    /// Clause \[PRECONDITIONS\].
    ///
    /// # Errors
    /// [`Error::InvalidObject`] that names the first demand that is not met, with both values.
    pub fn check(&self, key: &Key, record: Option<&Record>) -> Result<(), Error> {
        let found_uid = record.map_or("", |record| record.value.attributes().uid());
        if let Some(uid) = &self.uid
            && uid != found_uid
        {
            return Err(failed(key, "UID", uid, found_uid));
        }
        let found_version = record.map(|record| record.revision.to_string()).unwrap_or_default();
        if let Some(version) = &self.resource_version
            && *version != found_version
        {
            return Err(failed(key, "ResourceVersion", version, &found_version));
        }
        Ok(())
    }
}

fn failed(key: &Key, what: &str, wanted: &str, found: &str) -> Error {
    let reason =
        format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}");
    Error::invalid_object(key, reason)
}
