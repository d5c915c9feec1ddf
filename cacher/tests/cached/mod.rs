//! The cache over the stores of another harness.

use std::sync::Arc;

use watchkeep_cacher::{CachedBackend, CacherOptions};
use watchkeep_storage::BoxFuture;
use watchkeep_storage::conformance::{Clock, Harness, Setup, Store};

/// Opens caches over the stores of a harness.
pub(crate) struct Cached<H>(pub(crate) H);

fn cached(store: Store, setup: Setup) -> Store {
    store.map(|backend, environment| {
        let defaults = CacherOptions::default();
        let cursor_deadline = setup.cursor_deadline.unwrap_or(defaults.cursor_deadline);
        let options = CacherOptions { cursor_deadline, ..defaults };
        Arc::new(CachedBackend::new(backend, options, environment))
    })
}

impl<H: Harness> Harness for Cached<H> {
    fn open(&self, setup: Setup) -> BoxFuture<'_, Store> {
        Box::pin(async move { cached(self.0.open(setup).await, setup) })
    }

    fn restart(&self, store: Store) -> BoxFuture<'_, Store> {
        Box::pin(async move { cached(self.0.restart(store).await, Setup::default()) })
    }

    fn clock(&self) -> Clock {
        self.0.clock()
    }

    fn exemptions(&self) -> &'static [(&'static str, &'static str)] {
        self.0.exemptions()
    }
}
