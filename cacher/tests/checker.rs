//! A cache that is not what its store holds is found, and filled anew.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream as _;
use watchkeep_cacher::{Cacher, CacherOptions};
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::conformance::{Harness as _, MemoryHarness, Setup};
use watchkeep_storage::{
    BoxFuture, Commit, Error, Found, Freshness, Interface, Key, ListRequest, Listing, Outcome, ReadAt,
    ResourcePrefix, Revision, Schema, Stats, WatchEvent, WatchRequest, WatchSource, Watcher,
};

/// A store whose watches leave out every change of one name.
struct Forgetful(Arc<dyn Interface>);

struct Forgets(Watcher);

impl WatchSource for Forgets {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        loop {
            match Pin::new(&mut self.0).poll_next(context) {
                Poll::Ready(Some(Ok(WatchEvent::Change(change))))
                    if change.event.key.as_str().ends_with("/lost") => {}
                other => return other,
            }
        }
    }

    fn progress(&self) -> Revision {
        self.0.progress()
    }
}

impl Interface for Forgetful {
    fn prefix(&self) -> &ResourcePrefix {
        self.0.prefix()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, Error>> {
        self.0.commit(commit)
    }

    fn get(&self, key: &Key, freshness: Freshness) -> BoxFuture<'_, Result<Found, Error>> {
        self.0.get(key, freshness)
    }

    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, Error>> {
        self.0.list(request)
    }

    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        Box::pin(async move { Ok(Watcher::new(Forgets(self.0.watch(request).await?))) })
    }

    fn current_revision(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        self.0.current_revision()
    }

    fn request_progress(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.0.request_progress()
    }

    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), Error>> {
        self.0.compact(revision)
    }

    fn compacted_revision(&self) -> Revision {
        self.0.compacted_revision()
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, Error>> {
        self.0.stats()
    }

    fn readiness(&self) -> Result<(), Error> {
        self.0.readiness()
    }
}

async fn names(cache: &Resource, at: ReadAt) -> BTreeSet<String> {
    let (records, _) = cache.read(cache.all(), at).await.unwrap();
    records.iter().map(|record| record.value.attributes().name().to_owned()).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_lost_an_event_is_found_and_filled_anew() {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let forgetful = Arc::new(Forgetful(pods.interface()));
    let cacher = Arc::new(Cacher::new(forgetful, CacherOptions::default(), store.environment()));
    cacher.filled().await;
    let cache = Resource::new(Arc::clone(&cacher) as Arc<dyn Interface>);
    cache.put(&pod("ns", "kept")).await;
    assert!(cacher.check().await.unwrap());

    let lost = cache.put(&pod("ns", "lost")).await.revision;
    cache.put(&pod("ns", "last")).await;
    assert_eq!(names(&cache, ReadAt::Latest).await, set(["kept", "last"]), "the event is lost");
    assert!(!cacher.check().await.unwrap());
    // From here on the past comes from the store.
    assert_eq!(names(&cache, ReadAt::Exact(lost)).await, set(["kept", "lost"]));
    // And what is new from a cache that was filled anew.
    tokio::time::timeout(Duration::from_mins(1), async {
        while cacher.len() != 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(names(&cache, ReadAt::Latest).await, set(["kept", "last", "lost"]));
    assert!(cacher.check().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_cache_looks_after_itself() {
    let store = MemoryHarness.open(Setup::default()).await;
    let forgetful = Arc::new(Forgetful(store.pods().await.interface()));
    let options = CacherOptions { check_interval: Duration::from_mins(1), ..CacherOptions::default() };
    let cacher = Arc::new(Cacher::new(forgetful, options, store.environment()));
    cacher.filled().await;
    let cache = Resource::new(Arc::clone(&cacher) as Arc<dyn Interface>);
    cache.put(&pod("ns", "lost")).await;
    assert_eq!(cacher.len(), 0);
    store.advance(Duration::from_mins(2)).await;
    assert_eq!(cacher.len(), 1);
}
