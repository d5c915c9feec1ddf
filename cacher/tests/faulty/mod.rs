//! A store in memory with a fault that can be switched.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use watchkeep_storage::conformance::Decorator;
use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};
use watchkeep_storage::{
    Backend, BoxFuture, CompactedDuring, Environment, Error, Interface, ListRequest, Listing, ResourcePrefix,
    Revision, Schema, Value, WatchEvent, WatchRequest, WatchSource, WatchStart, Watcher,
};

/// What is wrong with a store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It lets nobody watch.
    RefusesWatches,
    /// Its watches show nothing.
    SilentWatches,
    /// Its watches leave out every event, and say that there was none.
    ForgetfulWatches,
    /// It lets nobody list.
    RefusesLists,
    /// Revisions before this one were lost, as by a crash: who comes with one cannot go on from it.
    LostBefore(Revision),
    /// This one was lost, and its history reaches from before it.
    Lost(Revision),
}

/// A resource of such a store.
pub(crate) struct Faulty {
    store: Arc<dyn Interface>,
    fault: Arc<Mutex<Fault>>,
}

impl Faulty {
    /// One with this prefix, and its fault.
    pub(crate) async fn new(
        prefix: &str,
        environment: &Environment,
        fault: Fault,
    ) -> (Self, Arc<Mutex<Fault>>) {
        let backend = MemoryBackend::new(MemoryOptions::default(), environment.clone());
        let prefix = ResourcePrefix::new(prefix).unwrap();
        let store = backend.resource(prefix, Arc::new(Schema::default())).await.unwrap();
        let fault = Arc::new(Mutex::new(fault));
        (Self { store, fault: Arc::clone(&fault) }, fault)
    }
}

/// Creates an object of each name.
pub(crate) async fn create(store: &dyn Interface, names: &[&str]) {
    for name in names {
        let json = format!(r#"{{"kind":"Job","apiVersion":"batch/v1","metadata":{{"name":"{name}"}}}}"#);
        let value = Value::new(json.into_bytes(), store.schema()).unwrap();
        let key = store.prefix().object(Some("n"), name).unwrap();
        watchkeep_storage::create(store, key, value, None).await.unwrap();
    }
}

struct Silent;

impl WatchSource for Silent {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        Poll::Pending
    }

    fn progress(&self) -> Revision {
        Revision::ZERO
    }
}

struct Forgets(Watcher);

impl WatchSource for Forgets {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        loop {
            match ready!(self.0.poll_next_unpin(context)) {
                Some(Ok(WatchEvent::Change(_))) => {}
                other => return Poll::Ready(other),
            }
        }
    }

    fn progress(&self) -> Revision {
        self.0.progress()
    }
}

fn refusal() -> Error {
    Error::Unreachable { reason: "it is a test".to_owned() }
}

fn gone(requested: Revision, oldest: Revision) -> Error {
    Error::Compacted { requested, oldest, during: CompactedDuring::Watch }
}

impl Decorator for Faulty {
    fn below(&self) -> &dyn Interface {
        &*self.store
    }

    fn on_list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, Error>> {
        match *self.fault.lock() {
            Fault::RefusesLists => Box::pin(async { Err(refusal()) }),
            _ => self.store.list(request),
        }
    }

    fn on_check_resumable(&self, requested: Revision) -> Result<(), Error> {
        match *self.fault.lock() {
            Fault::Lost(lost) if lost == requested => Err(gone(requested, lost.next())),
            _ => self.store.check_resumable(requested),
        }
    }

    fn on_watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        match (*self.fault.lock(), request.start) {
            (Fault::RefusesWatches, _) => Box::pin(async { Err(refusal()) }),
            (Fault::SilentWatches, _) => Box::pin(async { Ok(Watcher::new(Silent)) }),
            (Fault::ForgetfulWatches, _) => {
                Box::pin(async { Ok(Watcher::new(Forgets(self.store.watch(request).await?))) })
            }
            (Fault::LostBefore(oldest), WatchStart::After(requested)) if requested < oldest => {
                Box::pin(async move { Err(gone(requested, oldest)) })
            }
            _ => self.store.watch(request),
        }
    }
}
