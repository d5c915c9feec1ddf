//! A cache that is not what its store holds is found, and filled anew.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod troubled;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use watchkeep_cacher::{Cacher, CacherOptions};
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::conformance::{Harness as _, MemoryHarness, Setup};
use watchkeep_storage::{Error, Interface, ReadAt, WatchEvent, WatchStart};

use self::troubled::Troubled;

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
    let forgetful = Troubled::new(pods.interface(), Box::new(troubled::forgetful));
    let cacher = Arc::new(Cacher::new(forgetful, CacherOptions::default(), store.environment()));
    cacher.filled().await;
    let cache = Resource::new(Arc::clone(&cacher) as Arc<dyn Interface>);
    cache.put(&pod("ns", "kept")).await;
    assert!(cacher.check().await.unwrap());

    let lost = cache.put(&pod("ns", "lost")).await.revision;
    cache.put(&pod("ns", "last")).await;
    assert_eq!(names(&cache, ReadAt::Latest).await, set(["kept", "last"]), "the event is lost");
    assert!(!cacher.check().await.unwrap());
    // From here on everything comes from the store.
    assert_eq!(names(&cache, ReadAt::Exact(lost)).await, set(["kept", "lost"]));
    assert_eq!(names(&cache, ReadAt::Latest).await, set(["kept", "last", "lost"]));
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
    let forgetful = Troubled::new(store.pods().await.interface(), Box::new(troubled::forgetful));
    let options = CacherOptions { check_interval: Duration::from_mins(1), ..CacherOptions::default() };
    let cacher = Arc::new(Cacher::new(forgetful, options, store.environment()));
    cacher.filled().await;
    let cache = Resource::new(Arc::clone(&cacher) as Arc<dyn Interface>);
    cache.put(&pod("ns", "lost")).await;
    assert_eq!(cacher.len(), 0);
    store.advance(Duration::from_mins(2)).await;
    assert_eq!(cacher.len(), 1);
}

/// What the cache has missed its watches have missed too: they end, and who comes back with a revision from before
/// lists anew.
#[tokio::test(start_paused = true)]
async fn the_watches_of_a_cache_that_was_wrong_end() {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let forgetful = Troubled::new(pods.interface(), Box::new(troubled::forgetful));
    let cacher = Arc::new(Cacher::new(forgetful, CacherOptions::default(), store.environment()));
    cacher.filled().await;
    let cache = Resource::new(Arc::clone(&cacher) as Arc<dyn Interface>);
    let before = cache.put(&pod("ns", "before")).await.revision;
    let watching = |cache: &Resource| cache.watching(cache.all(), WatchStart::After(before));
    let mut sleeping = cache.watch(cache.watching(cache.namespace("other"), WatchStart::Now)).await.unwrap();
    let slept = store.environment().spawn(async move { sleeping.next().await });
    cache.put(&pod("ns", "lost")).await;
    let last = cache.put(&pod("ns", "last")).await.revision;
    let mut behind = cache.watch(watching(&cache)).await.unwrap();

    assert!(!cacher.check().await.unwrap());
    let ends = |next: Option<Result<WatchEvent, Error>>| {
        assert!(
            matches!(next, Some(Err(Error::Compacted { requested, oldest, .. })) if requested < oldest),
            "{next:?}"
        );
    };
    ends(tokio::time::timeout(Duration::from_mins(1), slept).await.unwrap().unwrap());
    ends(behind.next().await);

    cacher.filled().await;
    let refused = cache.watch(watching(&cache)).await.err();
    assert!(
        matches!(refused, Some(Error::Compacted { requested, oldest, .. }) if (requested, oldest) == (before, last)),
        "{refused:?}"
    );
    // As after the list that it is sent to.
    let from = cache.watching(cache.all(), WatchStart::After(last));
    let mut watch = cache.watch(from).await.unwrap();
    let next = cache.put(&pod("ns", "next")).await.revision;
    let Some(Ok(WatchEvent::Change(change))) = watch.next().await else { panic!("it ended") };
    assert_eq!(change.revision(), next);
}
