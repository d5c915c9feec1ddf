//! Reads that want more than the cache has: what they wait for, for how long, and what the store is asked meanwhile.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod observed;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use watchkeep_cacher::{Cacher, CacherOptions};
use watchkeep_storage::conformance::instrument::{Resource, selecting};
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::conformance::{Harness as _, MemoryHarness, Setup, Store};
use watchkeep_storage::{
    Error, Freshness, ListRequest, Predicate, ReadAt, Revision, Scope, WatchEvent, WatchRequest, WatchStart,
    collect,
};

use self::observed::{Hand, Observed};

/// Longer than any wait that is told in the end, and short of [`CacherOptions::fresh_timeout`].
const A_WHILE: Duration = Duration::from_secs(2);

/// A store that can hold back what it shows, and a cache over it.
struct Scene {
    store: Store,
    pods: Resource,
    hand: Arc<Hand>,
    _cacher: Arc<Cacher>,
    cache: Resource,
}

async fn scene() -> Scene {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let observed = Observed::new(pods.interface());
    let (cacher, cache) = observed.cached(&store, CacherOptions::default()).await;
    let hand = Arc::clone(&observed.hand);
    Scene { store, pods, hand, _cacher: cacher, cache }
}

async fn names(cache: &Resource, (scope, predicate): (Scope, Predicate), at: ReadAt) -> Vec<String> {
    let request = ListRequest { predicate, ..cache.request(scope, at) };
    let records = collect(cache.list(request).await.unwrap().cursor).await.unwrap();
    records.iter().map(|record| record.key.as_str().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_waits_until_the_cache_has_what_it_wants() {
    let Scene { pods, hand, cache, .. } = &scene().await;
    hand.hold();
    pods.put(&pod("a", "x").label("color", "red").node("n1")).await;
    pods.put(&pod("b", "x").label("color", "red")).await;
    let wanted = pods.put(&pod("a", "y").node("n1")).await.revision;
    for at in [ReadAt::AtLeast(wanted), ReadAt::Latest, ReadAt::Exact(wanted)] {
        for (scope, predicate, expected) in [
            (cache.all(), selecting("", ""), &["/pods/a/x", "/pods/a/y", "/pods/b/x"][..]),
            (cache.namespace("a"), selecting("", ""), &["/pods/a/x", "/pods/a/y"]),
            (cache.namespace("a"), selecting("color=red", ""), &["/pods/a/x"]),
            (cache.all(), selecting("", "spec.nodeName=n1"), &["/pods/a/x", "/pods/a/y"]),
        ] {
            hand.hold();
            let before = cache.put(&pod("c", "later").mark(format!("{at:?}"))).await.revision;
            cache.remove(&pod("c", "later")).await;
            // What was there before is no excuse: this one is not in the cache yet.
            let at = if at == ReadAt::Latest { at } else { ReadAt::AtLeast(before.next()) };
            let mut list = Box::pin(names(cache, (scope, predicate), at));
            assert!(tokio::time::timeout(A_WHILE, &mut list).await.is_err(), "{at:?} did not wait");
            hand.let_go();
            assert_eq!(list.await, expected, "{at:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_exact_list_of_what_is_to_come_waits_and_is_of_that_moment() {
    let Scene { pods, hand, cache, .. } = &scene().await;
    hand.hold();
    let wanted = pods.put(&pod("ns", "a")).await.revision;
    pods.put(&pod("ns", "b")).await;
    let mut list = Box::pin(names(cache, (cache.all(), selecting("", "")), ReadAt::Exact(wanted)));
    assert!(tokio::time::timeout(A_WHILE, &mut list).await.is_err(), "it did not wait");
    hand.let_go();
    assert_eq!(list.await, ["/pods/ns/a"]);
}

#[tokio::test(start_paused = true)]
async fn a_get_waits_until_the_cache_has_what_it_wants() {
    let Scene { pods, hand, cache, .. } = &scene().await;
    for (name, is_there) in [("a", true), ("missing", false)] {
        hand.hold();
        let wanted = pods.put(&pod("ns", "a").mark(name)).await;
        let key = cache.key(&pod("ns", name));
        let mut get = cache.get(&key, Freshness::AtLeast(wanted.revision));
        assert!(tokio::time::timeout(A_WHILE, &mut get).await.is_err(), "it did not wait");
        hand.let_go();
        let found = get.await.unwrap();
        assert!(found.revision >= wanted.revision);
        assert_eq!(found.record, is_there.then_some(wanted));
    }
}

#[tokio::test(start_paused = true)]
async fn progress_without_an_event_is_enough_for_who_waits() {
    let Scene { store, pods, hand, cache, .. } = &scene().await;
    let kept = pods.put(&pod("ns", "a")).await;
    hand.hold();
    let elsewhere = store.others().await.put(&pod("ns", "b")).await.revision;
    let mut list = Box::pin(cache.read(cache.all(), ReadAt::AtLeast(elsewhere)));
    assert!(tokio::time::timeout(A_WHILE, &mut list).await.is_err(), "it did not wait");
    hand.let_go();
    assert_eq!(list.await.unwrap(), (vec![kept], elsewhere));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_in_time_is_refused_with_when_to_come_again() {
    let Scene { store, pods, hand, cache, .. } = &scene().await;
    let seen = cache.put(&pod("ns", "a")).await.revision;
    hand.hold();
    let requested = pods.put(&pod("ns", "b")).await.revision;
    let begin = store.environment().uptime();
    let refused = cache.read(cache.all(), ReadAt::AtLeast(requested)).await.unwrap_err();
    let retry_after = Duration::from_secs(1);
    assert_eq!(refused, Error::FutureRevision { requested, current: seen, retry_after });
    let waited = store.environment().uptime().saturating_sub(begin);
    assert!((Duration::from_secs(3)..Duration::from_millis(3010)).contains(&waited), "{waited:?}");
    // What not even the store has is not waited for.
    let future = Revision::new(requested.get() + 1_000);
    let refused = cache.read(cache.all(), ReadAt::AtLeast(future)).now_or_never().expect("no wait");
    assert_eq!(
        refused.unwrap_err(),
        Error::FutureRevision { requested: future, current: requested, retry_after }
    );
    // And the latest is the store's then.
    let (records, revision) = cache.read(cache.all(), ReadAt::Latest).await.unwrap();
    assert_eq!((records.len(), revision), (2, requested));
}

#[tokio::test(start_paused = true)]
async fn the_store_is_asked_for_its_progress_while_somebody_waits_and_only_then() {
    let Scene { pods, hand, cache, .. } = &scene().await;
    hand.hold();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(hand.progress(), 0, "nobody waits");
    let wanted = pods.put(&pod("ns", "a")).await.revision;
    let list = cache.read(cache.all(), ReadAt::AtLeast(wanted));
    let waits = async {
        // At once, and every 100 ms.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(hand.progress(), 1);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(hand.progress(), 4);
        hand.let_go();
    };
    let (listed, ()) = tokio::join!(list, waits);
    listed.unwrap();
    let asked = hand.progress();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(hand.progress(), asked, "nobody waits any more");
}

#[tokio::test(start_paused = true)]
async fn initial_events_wait_until_the_cache_has_the_state_that_is_wanted() {
    let Scene { pods, hand, cache, .. } = &scene().await;
    hand.hold();
    let wanted = pods.put(&pod("ns", "a")).await.revision;
    let open = |freshness| {
        let start = WatchStart::Initial { freshness, bookmark: true };
        let request = WatchRequest { progress: true, ..cache.watching(cache.all(), start) };
        async move { cache.watch(request).await.unwrap() }
    };
    // Any state is one that is there.
    let any = Freshness::AtLeast(Revision::ZERO);
    let mut watch = open(any).now_or_never().expect("any state needs no wait");
    let Some(Ok(WatchEvent::Bookmark(bookmark))) = watch.next().await else { panic!("there was nothing") };
    assert!(bookmark.initial_events_end && bookmark.revision < wanted);
    for freshness in [Freshness::Latest, Freshness::AtLeast(wanted)] {
        hand.hold();
        let wanted = pods.put(&pod("ns", "a").mark(format!("{freshness:?}"))).await.revision;
        let freshness = if freshness == Freshness::Latest { freshness } else { Freshness::AtLeast(wanted) };
        let asked = hand.progress();
        let mut opening = Box::pin(open(freshness));
        assert!(tokio::time::timeout(A_WHILE, &mut opening).await.is_err(), "{freshness:?} did not wait");
        assert!(hand.progress() > asked, "{freshness:?} did not ask");
        hand.let_go();
        let mut watch = opening.await;
        let Some(Ok(WatchEvent::Change(change))) = watch.next().await else { panic!("the state is missing") };
        assert_eq!(change.revision(), wanted);
        let Some(Ok(WatchEvent::Bookmark(bookmark))) = watch.next().await else { panic!("no mark") };
        assert!(bookmark.initial_events_end && bookmark.revision >= wanted);
    }
}
