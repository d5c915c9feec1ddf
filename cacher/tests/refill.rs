//! A cache that was filled anew knows what happened before, so that who was connected before a restart goes on from
//! memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_util::StreamExt as _;
use watchkeep_cacher::{Cacher, CacherOptions, WindowStats};
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::conformance::{Harness as _, MemoryHarness, Setup, Store};
use watchkeep_storage::{Interface, Revision, WatchEvent, WatchStart};

/// A new cache over a store that has a history, once its window reaches back to a revision.
async fn cache(store: &Store, reaches: Revision) -> Arc<Cacher> {
    refilled(store, CacherOptions::default(), |window| window.oldest == reaches).await
}

/// A new cache over a store that has a history, once its window is like this.
async fn refilled(store: &Store, options: CacherOptions, is: impl Fn(WindowStats) -> bool) -> Arc<Cacher> {
    let pods = store.pods().await;
    let cache = Arc::new(Cacher::new(pods.interface(), options, store.environment()));
    cache.filled().await;
    tokio::time::timeout(Duration::from_mins(1), async {
        while !is(cache.window()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{:?}", cache.window()));
    cache
}

async fn fill(pods: &Resource, count: usize) -> Vec<Revision> {
    let mut revisions = Vec::new();
    for n in 0..count {
        revisions.push(pods.put(&pod("ns", &format!("a{}", n % 5)).mark(n.to_string())).await.revision);
    }
    revisions
}

#[tokio::test(start_paused = true)]
async fn the_window_of_a_new_cache_reaches_back_into_history() {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let begin = pods.now().await;
    let revisions = fill(&pods, 40).await;
    let cache = cache(&store, begin).await;
    assert_eq!(cache.window().events, 40);

    let cache = Resource::new(cache as Arc<dyn Interface>);
    let mut watch = cache.watch(cache.watching(cache.all(), WatchStart::After(revisions[9]))).await.unwrap();
    for revision in &revisions[10..] {
        let Some(Ok(WatchEvent::Change(change))) = watch.next().await else { panic!("the watch ended") };
        assert_eq!(change.revision(), *revision);
    }
    let next = cache.put(&pod("ns", "a0").mark("next")).await.revision;
    let Some(Ok(WatchEvent::Change(change))) = watch.next().await else { panic!("the watch ended") };
    assert_eq!(change.revision(), next);
}

#[tokio::test(start_paused = true)]
async fn a_window_takes_the_newest_of_history_that_fit() {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let revisions = fill(&pods, 40).await;
    // The cost of an event with its values is some 600 bytes.
    let options = CacherOptions { window_bytes_max: 8 << 10, ..CacherOptions::default() };
    // What is put in front comes all at once.
    let cache = refilled(&store, options, |window| window.events > 0).await;
    let window = cache.window();
    assert!(window.bytes <= 8 << 10 && window.events > 5 && window.events < 40, "{window:?}");
    assert_eq!(window.oldest, revisions[39 - window.events], "the newest ones");
}

#[tokio::test(start_paused = true)]
async fn compacted_history_stays_away() {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let revisions = fill(&pods, 40).await;
    pods.compact(revisions[29]).await.unwrap();
    let cache = cache(&store, revisions[29]).await;
    assert_eq!(cache.window().events, 10);
}

/// The newest event of the resource is older than the list, because another resource has changed since. What is
/// behind it is nothing, and a watch that has read the window is as far as the cache.
#[tokio::test(start_paused = true)]
async fn a_watch_that_has_read_the_window_is_as_far_as_the_cache() {
    let store = MemoryHarness.open(Setup::default()).await;
    let (pods, others) = (store.pods().await, store.others().await);
    let begin = pods.now().await;
    let revisions = fill(&pods, 10).await;
    let head = others.put(&pod("ns", "other")).await.revision;
    let cache = Resource::new(cache(&store, begin).await as Arc<dyn Interface>);

    let mut watch = cache.watch(cache.watching(cache.all(), WatchStart::After(revisions[8]))).await.unwrap();
    let Some(Ok(WatchEvent::Change(change))) = watch.next().await else { panic!("the watch ended") };
    assert_eq!(change.revision(), revisions[9]);
    let counted = Arc::new(CountWakes::default());
    let waker = Waker::from(Arc::clone(&counted));
    for _ in 0..3 {
        assert!(watch.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(watch.progress(), head);
    assert_eq!(counted.0.load(Ordering::Relaxed), 0, "it sleeps until there is something");
}

#[derive(Default)]
struct CountWakes(AtomicUsize);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
