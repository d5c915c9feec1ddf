//! A decorator that lets something happen right before a call of the store below: conflicts that occur
//! exactly when a test wants them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::decorate::Decorator;
use super::instrument::Resource;
use crate::error::Error;
use crate::interface::{BoxFuture, Commit, Found, Freshness, Interface, Outcome};
use crate::key::Key;

/// What happens in between.
type Hook = BoxFuture<'static, ()>;

/// An interface that counts gets and commits, and runs a hook before some of them.
pub struct Interleave {
    store: Arc<dyn Interface>,
    before_commits: Mutex<VecDeque<Hook>>,
    before_gets: Mutex<VecDeque<Hook>>,
    gets: AtomicUsize,
    commits: AtomicUsize,
}

impl Interleave {
    /// Decorates a resource.
    pub fn new(resource: &Resource) -> Self {
        Self {
            store: resource.interface(),
            before_commits: Mutex::default(),
            before_gets: Mutex::default(),
            gets: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
        }
    }

    /// Runs `hook` before the next commit that has no hook yet.
    pub fn before_commit(&self, hook: impl Future<Output = ()> + Send + 'static) {
        self.before_commits.lock().push_back(Box::pin(hook));
    }

    /// Runs `hook` before the next get that has no hook yet.
    pub fn before_get(&self, hook: impl Future<Output = ()> + Send + 'static) {
        self.before_gets.lock().push_back(Box::pin(hook));
    }

    /// How many gets there were.
    pub fn gets(&self) -> usize {
        self.gets.load(Ordering::SeqCst)
    }

    /// How many commits were attempted.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }
}

impl Decorator for Interleave {
    fn below(&self) -> &dyn Interface {
        &*self.store
    }

    fn on_commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, Error>> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let hook = self.before_commits.lock().pop_front();
        Box::pin(async move {
            if let Some(hook) = hook {
                hook.await;
            }
            self.store.commit(commit).await
        })
    }

    fn on_get(&self, key: &Key, freshness: Freshness) -> BoxFuture<'_, Result<Found, Error>> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        let hook = self.before_gets.lock().pop_front();
        let key = key.clone();
        Box::pin(async move {
            if let Some(hook) = hook {
                hook.await;
            }
            self.store.get(&key, freshness).await
        })
    }
}
