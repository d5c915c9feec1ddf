//! A store on which nobody can rely: its watches break after a while, and some are not opened; some lists fail.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::Sleep;
use watchkeep_storage::conformance::Decorator;
use watchkeep_storage::{
    BoxFuture, Environment, Error, Interface, ListRequest, Listing, Revision, WatchEvent, WatchRequest,
    WatchSource, Watcher,
};

use crate::chance::Chance as _;

/// The longest that a watch lasts.
const LIFE_MAX: Duration = Duration::from_mins(6);
/// One list, and one watch, in so many is refused.
const REFUSED_ONE_IN: usize = 8;
/// One watch that breaks, in so many, makes the cache begin anew.
const CORRUPT_ONE_IN: usize = 3;
/// What its errors say.
const REASON: &str = "it was shaken";

/// Such a store.
pub(crate) struct Shaky {
    store: Arc<dyn Interface>,
    environment: Environment,
    /// How often a watch broke that made the cache begin anew, or an attempt to list was refused.
    pub(crate) shaken: AtomicUsize,
}

impl Shaky {
    pub(crate) fn new(store: Arc<dyn Interface>, environment: &Environment) -> Arc<Self> {
        Arc::new(Self { store, environment: environment.clone(), shaken: AtomicUsize::new(0) })
    }

    fn refuses(&self) -> bool {
        let refuses = self.environment.one_in(REFUSED_ONE_IN);
        self.shaken.fetch_add(usize::from(refuses), Ordering::Relaxed);
        refuses
    }

    fn life(&self) -> Life {
        let error = if self.environment.one_in(CORRUPT_ONE_IN) {
            self.shaken.fetch_add(1, Ordering::Relaxed);
            let key = self.store.prefix().object(Some("a"), "x").unwrap();
            Error::Corrupt { key, reason: REASON.to_owned(), revision: None }
        } else {
            unreachable()
        };
        Life { ends: Box::pin(tokio::time::sleep(self.environment.up_to(LIFE_MAX))), error }
    }
}

fn unreachable() -> Error {
    Error::Unreachable { reason: REASON.to_owned() }
}

/// Whether an error is one of these.
pub(crate) fn is_of_a_shaky_store(error: &Error) -> bool {
    match error {
        Error::Unreachable { reason } | Error::Corrupt { reason, .. } => reason == REASON,
        _ => false,
    }
}

impl Decorator for Shaky {
    fn below(&self) -> &dyn Interface {
        &*self.store
    }

    fn on_list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, Error>> {
        if self.refuses() {
            return Box::pin(async { Err(unreachable()) });
        }
        self.store.list(request)
    }

    fn on_watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        if self.refuses() {
            return Box::pin(async { Err(unreachable()) });
        }
        Box::pin(async {
            Ok(Watcher::new(Mortal { watch: self.store.watch(request).await?, life: self.life() }))
        })
    }
}

/// When a watch ends, and with what.
struct Life {
    ends: Pin<Box<Sleep>>,
    error: Error,
}

struct Mortal {
    watch: Watcher,
    life: Life,
}

impl WatchSource for Mortal {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        match self.life.ends.poll_unpin(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(self.life.error.clone()))),
            Poll::Pending => self.watch.poll_next_unpin(context),
        }
    }

    fn progress(&self) -> Revision {
        self.watch.progress()
    }
}
