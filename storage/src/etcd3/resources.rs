//! The resources that are open: what is known of each, once for all who opened it.

use std::sync::Arc;

use parking_lot::Mutex;

use super::keys::Prefix;
use super::progress::Progress;
use super::sizes::Sizes;
use crate::error::Error;
use crate::key::{KeyError, ResourcePrefix};
use crate::schema::Schema;

/// A resource.
pub(super) struct Resource {
    pub(super) prefix: ResourcePrefix,
    pub(super) schema: Arc<Schema>,
    pub(super) keys: Prefix,
    /// The sizes of the values that went by.
    pub(super) sizes: Sizes,
    /// Who wants to know how far the store is.
    pub(super) progress: Progress,
}

/// All of them.
#[derive(Default)]
pub(super) struct Resources(Mutex<Vec<Arc<Resource>>>);

impl Resources {
    /// The resource of this prefix, made if there is none. \[KEYS\]
    pub(super) fn open(
        &self,
        prefix: ResourcePrefix,
        schema: Arc<Schema>,
        keys: &Prefix,
    ) -> Result<Arc<Resource>, Error> {
        let mut open = self.0.lock();
        if let Some(resource) = open.iter().find(|resource| resource.prefix == prefix) {
            if *resource.schema != *schema {
                return Err(Error::SchemaDiffers { prefix });
            }
            return Ok(Arc::clone(resource));
        }
        if let Some(other) = open.iter().find(|resource| resource.prefix.overlaps(&prefix)) {
            let (key, prefix) = (prefix.to_string(), other.prefix.to_string());
            return Err(KeyError::Overlaps { key, prefix }.into());
        }
        let (sizes, progress) = (Sizes::default(), Progress::default());
        let resource = Arc::new(Resource { prefix, schema, keys: keys.clone(), sizes, progress });
        open.push(Arc::clone(&resource));
        Ok(resource)
    }
}
