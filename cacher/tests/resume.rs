//! Watches that go on from before all that the cache knows.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod faulty;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use watchkeep_cacher::{Cacher, CacherOptions};
use watchkeep_storage::{
    Environment, Error, Interface, Predicate, Revision, WatchEvent, WatchRequest, WatchStart,
};

use self::faulty::{Fault, Faulty, create};

const DEADLINE: Duration = Duration::from_secs(20);

/// A cache that was filled after some commits, and the revisions before and after the first of them. The store may
/// have lost the one before.
async fn start(is_lost: bool) -> (Cacher, [Revision; 2]) {
    let environment = Environment::system();
    let (store, fault) = Faulty::new("/jobs", &environment, Fault::None).await;
    let before = store.current_revision().await.unwrap();
    create(&store, &["a"]).await;
    let after = store.current_revision().await.unwrap();
    create(&store, &["b"]).await;
    if is_lost {
        *fault.lock() = Fault::LostBefore(after);
    }
    let cache = Cacher::new(Arc::new(store), CacherOptions::default(), &environment);
    cache.filled().await;
    (cache, [before, after])
}

fn watch_after(cache: &Cacher, revision: Revision) -> WatchRequest {
    let scope = cache.prefix().under(None).unwrap();
    let predicate = Predicate::everything();
    WatchRequest { scope, start: WatchStart::After(revision), predicate, progress: false }
}

/// The refusal has to come before the stream: who is cut off after it comes again with the same revision.
#[tokio::test]
async fn a_watch_from_a_revision_that_the_store_has_lost_is_refused_when_it_is_opened() {
    let (cache, [before, after]) = start(true).await;
    let refused = cache.watch(watch_after(&cache, before)).await.err();
    assert!(
        matches!(refused, Some(Error::Compacted { requested, oldest, .. }) if (requested, oldest) == (before, after)),
        "{refused:?}"
    );
    cache.watch(watch_after(&cache, after)).await.unwrap();
}

#[tokio::test]
async fn a_watch_from_before_the_cache_was_filled_begins_there() {
    let (cache, [before, _]) = start(false).await;
    let mut watch = cache.watch(watch_after(&cache, before)).await.unwrap();
    create(&cache, &["c"]).await;
    for name in ["a", "b", "c"] {
        let event = tokio::time::timeout(DEADLINE, watch.next()).await.unwrap().unwrap().unwrap();
        let WatchEvent::Change(change) = event else { panic!("{event:?}") };
        assert_eq!(change.event.key, cache.prefix().object(Some("n"), name).unwrap());
    }
}

/// A crash takes revisions back that were seen, in the middle of history. Only the store knows which.
#[tokio::test]
async fn a_watch_from_a_lost_revision_is_refused_also_where_the_window_reaches_further_back() {
    let environment = Environment::system();
    let (store, fault) = Faulty::new("/jobs", &environment, Fault::None).await;
    create(&store, &["a"]).await;
    let lost = store.current_revision().await.unwrap();
    create(&store, &["b"]).await;
    *fault.lock() = Fault::Lost(lost);
    let cache = Cacher::new(Arc::new(store), CacherOptions::default(), &environment);
    cache.filled().await;
    tokio::time::timeout(DEADLINE, async {
        while cache.window().oldest >= lost {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    for (revision, is_lost) in [(lost.previous(), false), (lost, true), (lost.next(), false)] {
        let opened = cache.watch(watch_after(&cache, revision)).await;
        assert_eq!(matches!(opened, Err(Error::Compacted { .. })), is_lost, "{revision}");
    }
}
