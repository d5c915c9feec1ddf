//! A store that counts what it is asked for, whose watches can be held back or broken, and which can fail.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use watchkeep_cacher::{Cacher, CacherOptions};
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::{Decorator, Store};
use watchkeep_storage::{
    BoxFuture, CompactedDuring, Error, Found, Freshness, Interface, Key, ListRequest, Listing, Revision,
    WatchEvent, WatchRequest, WatchSource, Watcher,
};

/// Such a store.
pub(crate) struct Observed {
    store: Arc<dyn Interface>,
    /// What it was asked for, and what is wrong with it.
    pub(crate) hand: Arc<Hand>,
}

/// What is counted, and what can be switched.
#[derive(Default)]
pub(crate) struct Hand {
    lists: AtomicUsize,
    watches: AtomicUsize,
    progress: AtomicUsize,
    holds: AtomicBool,
    fails: AtomicBool,
    /// How often the watches were broken by now, and by what.
    broken: Mutex<(usize, Option<Error>)>,
    wakers: Mutex<Vec<Waker>>,
}

impl Observed {
    pub(crate) fn new(store: Arc<dyn Interface>) -> Arc<Self> {
        Arc::new(Self { store, hand: Arc::default() })
    }

    /// A cache over it that is filled.
    pub(crate) async fn cached(
        self: &Arc<Self>,
        of: &Store,
        options: CacherOptions,
    ) -> (Arc<Cacher>, Resource) {
        let store = Arc::clone(self) as Arc<dyn Interface>;
        let cacher = Arc::new(Cacher::new(store, options, of.environment()));
        cacher.filled().await;
        // History has been read.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let cache = Resource::new(Arc::clone(&cacher) as Arc<dyn Interface>);
        (cacher, cache)
    }
}

impl Hand {
    pub(crate) fn lists(&self) -> usize {
        self.lists.load(Ordering::Relaxed)
    }

    pub(crate) fn watches(&self) -> usize {
        self.watches.load(Ordering::Relaxed)
    }

    /// How often it was asked for its progress.
    pub(crate) fn progress(&self) -> usize {
        self.progress.load(Ordering::Relaxed)
    }

    /// Its watches show nothing until they are let go.
    pub(crate) fn hold(&self) {
        self.holds.store(true, Ordering::Relaxed);
    }

    pub(crate) fn let_go(&self) {
        self.holds.store(false, Ordering::Relaxed);
        self.wake();
    }

    /// Lists and gets are refused from now on.
    pub(crate) fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }

    /// Its open watches end with this.
    pub(crate) fn break_with(&self, error: Error) {
        {
            let mut broken = self.broken.lock();
            *broken = (broken.0 + 1, Some(error));
        }
        self.wake();
    }

    /// Its open watches end as if they had been left behind: a cache is filled anew.
    pub(crate) fn leave_behind(&self) {
        let during = CompactedDuring::Watch;
        self.break_with(Error::Compacted { requested: Revision::ZERO, oldest: Revision::new(1), during });
    }

    fn wake(&self) {
        let wakers = std::mem::take(&mut *self.wakers.lock());
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn refusal() -> Error {
    Error::Unreachable { reason: "it is a test".to_owned() }
}

impl Decorator for Observed {
    fn below(&self) -> &dyn Interface {
        &*self.store
    }

    fn on_get(&self, key: &Key, freshness: Freshness) -> BoxFuture<'_, Result<Found, Error>> {
        if self.hand.fails.load(Ordering::Relaxed) {
            return Box::pin(async { Err(refusal()) });
        }
        self.store.get(key, freshness)
    }

    fn on_list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, Error>> {
        self.hand.lists.fetch_add(1, Ordering::Relaxed);
        if self.hand.fails.load(Ordering::Relaxed) {
            return Box::pin(async { Err(refusal()) });
        }
        self.store.list(request)
    }

    fn on_watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        self.hand.watches.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let watch = self.store.watch(request).await?;
            let (hand, opened_at) = (Arc::clone(&self.hand), self.hand.broken.lock().0);
            Ok(Watcher::new(Held { watch, hand, opened_at, progress: Mutex::default() }))
        })
    }

    fn on_request_progress(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.hand.progress.fetch_add(1, Ordering::Relaxed);
        self.store.request_progress()
    }
}

struct Held {
    watch: Watcher,
    hand: Arc<Hand>,
    /// How often watches were broken when it was opened.
    opened_at: usize,
    /// What it said last.
    progress: Mutex<Revision>,
}

impl WatchSource for Held {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        self.hand.wakers.lock().push(context.waker().clone());
        {
            let broken = self.hand.broken.lock();
            if let (times, Some(error)) = &*broken
                && *times > self.opened_at
            {
                return Poll::Ready(Some(Err(error.clone())));
            }
        }
        if self.hand.holds.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.watch.poll_next_unpin(context)
    }

    fn progress(&self) -> Revision {
        let mut said = self.progress.lock();
        if !self.hand.holds.load(Ordering::Relaxed) {
            *said = self.watch.progress();
        }
        *said
    }
}
