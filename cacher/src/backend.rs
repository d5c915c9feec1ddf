//! A store whose resources are cached: a [`Backend`] over a [`Backend`].

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use watchkeep_storage::{Backend, BoxFuture, Environment, Error, Interface, ResourcePrefix, Schema};

use crate::cacher::Cacher;
use crate::options::CacherOptions;

/// A store, with a cache for each of its resources.
pub struct CachedBackend {
    backend: Arc<dyn Backend>,
    options: CacherOptions,
    environment: Environment,
    caches: Mutex<BTreeMap<String, Arc<Cacher>>>,
}

impl CachedBackend {
    /// Caches what a backend stores.
    pub fn new(backend: Arc<dyn Backend>, options: CacherOptions, environment: Environment) -> Self {
        Self { backend, options, environment, caches: Mutex::default() }
    }

    /// The cache of a resource, made if there is none.
    fn cache(&self, store: Arc<dyn Interface>) -> Arc<Cacher> {
        let mut caches = self.caches.lock();
        let cache = caches.entry(store.prefix().to_string());
        let new = || Arc::new(Cacher::new(store, self.options.clone(), &self.environment));
        Arc::clone(cache.or_insert_with(new))
    }
}

impl Backend for CachedBackend {
    /// As the store's; returns when the cache is filled, or was not within [`CacherOptions::fill_timeout`].
    fn resource(
        &self,
        prefix: ResourcePrefix,
        schema: Arc<Schema>,
    ) -> BoxFuture<'_, Result<Arc<dyn Interface>, Error>> {
        Box::pin(async move {
            let store = self.backend.resource(prefix, schema).await?;
            let cache = self.cache(store);
            if tokio::time::timeout(self.options.fill_timeout, cache.filled()).await.is_err() {
                tracing::warn!(prefix = %cache.prefix(), "the cache is not filled in time, and opened without");
            }
            Ok(cache as Arc<dyn Interface>)
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let caches = std::mem::take(&mut *self.caches.lock());
            for cache in caches.values() {
                cache.stop();
            }
            drop(caches);
            self.backend.close().await
        })
    }
}
