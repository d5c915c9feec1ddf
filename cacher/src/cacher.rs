//! The cache of one resource: an [`Interface`] over an [`Interface`].

use std::sync::Arc;

use tokio::task::JoinHandle;
use watchkeep_storage::defect::{self, Defect};
use watchkeep_storage::{
    BoxFuture, Commit, CompactedDuring, Environment, Error, Found, Freshness, Interface, Key, ListRequest,
    Listing, Outcome, ResourcePrefix, Revision, Schema, Stats, WatchRequest, WatchStart, Watcher,
};

use crate::checker::{self, Verdict};
use crate::delegate::{Known, Route, route};
use crate::held::Held;
use crate::list;
use crate::open::OpenPicture;
use crate::options::CacherOptions;
use crate::reflector;
use crate::shared::Shared;
use crate::topic::Topic;
use crate::watch::{Begin, CacheWatch, Initial};
use crate::window::WindowStats;

/// The watch cache of one resource. Dropping it ends its tasks.
pub struct Cacher {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 3],
}

impl Cacher {
    /// The cache of a resource, which begins to fill.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(store: Arc<dyn Interface>, options: CacherOptions, environment: &Environment) -> Self {
        let shared = Arc::new(Shared::new(store, options, environment.clone()));
        let weak = Arc::downgrade(&shared);
        let tasks = [
            environment.spawn(reflector::run(weak.clone(), environment.clone())),
            environment.spawn(reflector::tidy(weak.clone(), environment.clone())),
            environment.spawn(checker::run(weak, shared.options.check_interval, environment.clone())),
        ];
        Self { shared, tasks }
    }

    /// Waits until the cache is filled, or closed.
    pub async fn filled(&self) {
        self.shared.ready.wait().await;
    }

    /// Compares what it holds with what the store does, at one revision. A cache that differs is filled anew.
    /// Reads everything once.
    ///
    /// # Errors
    /// Those of [`Interface::list`].
    pub async fn check(&self) -> Result<bool, Error> {
        let verdict = checker::look(&self.shared).await?;
        let differs = matches!(verdict, Verdict::Differs { .. });
        if differs {
            self.shared.distrust();
        }
        Ok(!differs)
    }

    /// What its window of events holds.
    pub fn window(&self) -> WindowStats {
        self.shared.window.lock().stats()
    }

    /// What it keeps for those who read it.
    pub fn held(&self) -> Held {
        self.shared.held()
    }

    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.shared.current().len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends its tasks, and its watches.
    pub(crate) fn stop(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.shared.close();
    }

    async fn get_cached(&self, key: &Key, revision: Revision) -> Result<Found, Error> {
        self.shared.wait_until_fresh(revision).await?;
        let (picture, revision) = self.shared.newest();
        Ok(Found { record: picture.get(key).cloned(), revision })
    }

    async fn list_routed(&self, request: ListRequest) -> Result<Listing, Error> {
        let shared = &self.shared;
        let opened = shared.endings.open();
        let known =
            Known { ready: shared.check_ready().is_ok(), compacted: shared.store.compacted_revision() };
        let route = route(request.at, known);
        let found = match route {
            Route::Current if defect::on(Defect::CacheLatestDoesNotWait) => Some(shared.newest()),
            Route::Current => shared.wait_until_current().await.is_ok().then(|| shared.newest()),
            Route::NotOlder(revision) => {
                shared.wait_until_fresh(revision).await?;
                Some(shared.newest())
            }
            Route::Exactly(revision) => {
                shared.wait_until_fresh(revision).await?;
                shared.picture_at(revision).map(|picture| (picture, revision))
            }
            Route::Compacted(requested) => {
                let (oldest, during) = (known.compacted, CompactedDuring::List);
                return Err(Error::Compacted { requested, oldest, during });
            }
            Route::Store => None,
        };
        let from_store = found.is_none();
        let listing = match found {
            Some((picture, revision)) => {
                let telemetry = Arc::clone(&shared.telemetry);
                let listing =
                    list::open(&shared.open, telemetry, Arc::clone(&picture), revision, request).await;
                if listing.continuation.is_some() {
                    shared.keep_read(revision, picture, opened);
                }
                Ok(listing)
            }
            None => shared.store.list(request).await,
        };
        if route == Route::Current {
            shared.telemetry.consistent_read(listing.is_ok(), from_store);
        }
        listing
    }

    async fn open_watch(&self, request: WatchRequest) -> Result<Watcher, Error> {
        let shared = &self.shared;
        // Before the look whether it is ready: one that is found to be wrong from here on ends this watch.
        let endings = shared.endings.open();
        shared.check_ready()?;
        let mut history = None;
        let now = match request.start {
            WatchStart::After(revision) => {
                self.check_resumable(revision)?;
                let oldest = shared.window.lock().oldest();
                let is_before_window = oldest.is_none_or(|oldest| revision < oldest);
                if is_before_window {
                    // Only the store knows whether one can go on from there. Who is refused is told now: a
                    // watch that ends later begins again at the same place.
                    let reader = shared.histories.begin(revision)?;
                    reader.opened().await?;
                    shared.telemetry.catch_ups.increment(1);
                    history = Some(reader);
                }
                revision
            }
            WatchStart::Now | WatchStart::Initial { freshness: Freshness::Latest, .. } => {
                shared.wait_until_current().await?
            }
            WatchStart::Initial { freshness: Freshness::AtLeast(revision), .. } => {
                shared.wait_until_fresh(revision).await?;
                revision
            }
        };
        let topic = Topic::of(&request.scope, &request.predicate, &*shared.store);
        // Followed before the picture is taken, so that nothing slips through between the two.
        let log = shared.topics.follow(&topic);
        let begin = match request.start {
            WatchStart::Initial { bookmark, .. } => {
                let (picture, revision) = shared.newest();
                let places = picture.matching(&request.scope, None, &request.predicate);
                let picture = OpenPicture::new(&shared.open, picture, places, revision);
                Begin::Initial(Initial::new(picture, bookmark), revision)
            }
            WatchStart::After(_) | WatchStart::Now => match history {
                Some(reader) => Begin::Behind(now, reader),
                None => Begin::After(now),
            },
        };
        Ok(Watcher::new(CacheWatch::new(shared, request, (topic, log), begin, endings)))
    }
}

impl Drop for Cacher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Interface for Cacher {
    fn prefix(&self) -> &ResourcePrefix {
        self.shared.store.prefix()
    }

    fn schema(&self) -> &Schema {
        self.shared.store.schema()
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, Error>> {
        Box::pin(async move {
            let shared = &self.shared;
            let outcome = shared.store.commit(commit).await?;
            if let Outcome::Committed(committed) = &outcome {
                let is_here = shared.published() >= committed.revision;
                shared.telemetry.committed(committed.revision, is_here, &shared.environment);
            }
            // What is acknowledged is there for the cache's watches too, where the store has it by now.
            self.shared.drive();
            Ok(outcome)
        })
    }

    fn get(&self, key: &Key, freshness: Freshness) -> BoxFuture<'_, Result<Found, Error>> {
        let key = key.clone();
        Box::pin(async move {
            match freshness {
                Freshness::AtLeast(revision) if self.shared.check_ready().is_ok() => {
                    self.get_cached(&key, revision).await
                }
                _ => self.shared.store.get(&key, freshness).await,
            }
        })
    }

    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, Error>> {
        Box::pin(self.list_routed(request))
    }

    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        Box::pin(self.open_watch(request))
    }

    fn current_revision(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        self.shared.store.current_revision()
    }

    fn request_progress(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let current = self.shared.store.current_revision().await?;
            self.shared.progress.ask(current);
            self.shared.store.request_progress().await?;
            self.shared.drive();
            Ok(())
        })
    }

    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.shared.store.compact(revision).await?;
            self.shared.give_up_before(revision);
            Ok(())
        })
    }

    fn compacted_revision(&self) -> Revision {
        self.shared.store.compacted_revision()
    }

    fn check_resumable(&self, requested: Revision) -> Result<(), Error> {
        self.shared.store.check_resumable(requested)?;
        self.shared.endings.check_resumable(requested)
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, Error>> {
        self.shared.store.stats()
    }

    fn readiness(&self) -> Result<(), Error> {
        self.shared.store.readiness()?;
        self.shared.check_ready()
    }
}
