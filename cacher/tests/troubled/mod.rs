//! A store whose watches are what a test makes of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream as _;
use watchkeep_storage::conformance::Decorator;
use watchkeep_storage::{
    BoxFuture, Error, Interface, Revision, WatchEvent, WatchRequest, WatchSource, Watcher,
};

/// What becomes of a watch that is opened.
pub(crate) type Meddle =
    Box<dyn Fn(Arc<dyn Interface>, WatchRequest) -> BoxFuture<'static, Result<Watcher, Error>> + Send + Sync>;

/// A store, but for its watches.
pub(crate) struct Troubled {
    store: Arc<dyn Interface>,
    meddle: Meddle,
}

impl Troubled {
    pub(crate) fn new(store: Arc<dyn Interface>, meddle: Meddle) -> Arc<Self> {
        Arc::new(Self { store, meddle })
    }
}

impl Decorator for Troubled {
    fn below(&self) -> &dyn Interface {
        &*self.store
    }

    fn on_watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        (self.meddle)(Arc::clone(&self.store), request)
    }
}

/// A watch that ends with an error when it is read.
pub(crate) struct Broken;

impl WatchSource for Broken {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        Poll::Ready(Some(Err(Error::Internal { reason: "the watch is broken".to_owned() })))
    }

    fn progress(&self) -> Revision {
        Revision::ZERO
    }
}

/// A watch that leaves out every change of the name `lost`, and breaks after one of the name `break`.
pub(crate) fn forgetful(
    store: Arc<dyn Interface>,
    request: WatchRequest,
) -> BoxFuture<'static, Result<Watcher, Error>> {
    Box::pin(async move { Ok(Watcher::new(Forgets { watch: store.watch(request).await?, breaks: false })) })
}

struct Forgets {
    watch: Watcher,
    breaks: bool,
}

impl WatchSource for Forgets {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        if self.breaks {
            return Broken.poll_next(context);
        }
        loop {
            let next = Pin::new(&mut self.watch).poll_next(context);
            let Poll::Ready(Some(Ok(WatchEvent::Change(change)))) = &next else { return next };
            self.breaks = change.event.key.as_str().ends_with("/break");
            if !change.event.key.as_str().ends_with("/lost") {
                return next;
            }
        }
    }

    fn progress(&self) -> Revision {
        self.watch.progress()
    }
}
