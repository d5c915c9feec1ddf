//! What is asked of the store, and what is not: who answers a read, and that a cache that is closed answers nothing.

mod observed;

use std::sync::Arc;

use futures_util::StreamExt as _;
use watchkeep_cacher::{CachedBackend, CacherOptions};
use watchkeep_storage::conformance::instrument::committed;
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::conformance::{Harness as _, MemoryHarness, Setup};
use watchkeep_storage::{
    Error, Expect, Freshness, ListOptions, ReadAt, Revision, WatchEvent, WatchOptions, WatchStart,
};

use self::observed::{Hand, Observed};

/// How many lists the store has seen since the last look.
struct Asked<'h>(&'h Hand, usize);

impl Asked<'_> {
    fn since(&mut self) -> usize {
        let before = std::mem::replace(&mut self.1, self.0.lists());
        self.1 - before
    }
}

#[tokio::test(start_paused = true)]
async fn an_exact_list_is_the_caches_where_it_knows_that_state_and_else_the_stores() {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let before = pods.put(&pod("ns", "before")).await.revision;
    pods.put(&pod("ns", "filled")).await;
    let observed = Observed::new(pods.interface());
    let (_cacher, cache) = observed.cached(&store, CacherOptions::default()).await;
    let mut asked = Asked(&observed.hand, 0);
    assert_eq!(asked.since(), 1, "one list fills it");
    let known = cache.put(&pod("ns", "known")).await.revision;
    cache.put(&pod("ns", "last")).await;

    let (records, revision) = cache.read(cache.all(), ReadAt::Exact(known)).await.unwrap();
    assert_eq!((records.len(), revision, asked.since()), (3, known, 0));
    let (records, revision) = cache.read(cache.all(), ReadAt::Exact(before)).await.unwrap();
    assert_eq!((records.len(), revision, asked.since()), (1, before, 1));
    // The further pages of a list are lists of one revision.
    let first = ListOptions { limit: 2, ..ListOptions::default() };
    let page = cache.page(cache.all(), &first).await.unwrap();
    cache.put(&pod("ns", "after")).await;
    let next = ListOptions { continue_token: page.token.unwrap(), ..ListOptions::default() };
    let rest = cache.page(cache.all(), &next).await.unwrap();
    assert_eq!((page.records.len() + rest.records.len(), rest.revision), (4, page.revision));
    assert_eq!(asked.since(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_list_of_the_latest_or_of_any_state_is_the_stores() {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let observed = Observed::new(pods.interface());
    let (_cacher, cache) = observed.cached(&store, CacherOptions::default()).await;
    let mut asked = Asked(&observed.hand, 1);
    let object = pod("ns", "a");
    let written = pods.put(&object).await.revision;
    for at in [ReadAt::Latest, ReadAt::AtLeast(Revision::ZERO), ReadAt::AtLeast(written)] {
        for scope in [cache.all(), cache.namespace("ns"), cache.one(&object)] {
            let (records, revision) = cache.read(scope.clone(), at).await.unwrap();
            assert_eq!(
                (records.len(), revision >= written, asked.since()),
                (1, true, 0),
                "{at:?} of {scope:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_get_of_any_state_does_without_the_store_and_one_of_the_latest_does_not() {
    let store = MemoryHarness.open(Setup::default()).await;
    let observed = Observed::new(store.pods().await.interface());
    let (_cacher, cache) = observed.cached(&store, CacherOptions::default()).await;
    let object = pod("ns", "a");
    let written = cache.put(&object).await;
    observed.hand.fail();
    let key = cache.key(&object);
    for revision in [Revision::ZERO, written.revision] {
        let found = cache.get(&key, Freshness::AtLeast(revision)).await.unwrap();
        assert_eq!(found.record.as_ref(), Some(&written));
    }
    assert!(matches!(cache.get(&key, Freshness::Latest).await, Err(Error::Unreachable { .. })));
}

#[tokio::test(start_paused = true)]
async fn watches_of_the_present_are_one_watch_of_the_store() {
    let store = MemoryHarness.open(Setup::default()).await;
    let observed = Observed::new(store.pods().await.interface());
    let (_cacher, cache) = observed.cached(&store, CacherOptions::default()).await;
    let before = observed.hand.watches();
    observed.hand.fail();
    let mut open = Vec::new();
    for resource_version in ["", "0", &cache.now().await.to_string()] {
        for send_initial_events in [None, Some(true), Some(false)] {
            let resource_version = resource_version.to_owned();
            let options = WatchOptions { resource_version, send_initial_events, ..WatchOptions::default() };
            open.push(cache.watch(options.resolve(cache.all()).unwrap()).await.unwrap());
        }
    }
    // Without a read before it.
    let written = committed(cache.try_put(&pod("ns", "a"), Expect::Absent).await.unwrap()).revision;
    for watch in &mut open {
        let Some(Ok(WatchEvent::Change(change))) = watch.next().await else { panic!("nothing came") };
        assert_eq!(change.revision(), written);
    }
    assert_eq!(observed.hand.watches(), before);
}

#[tokio::test(start_paused = true)]
async fn a_closed_cache_opens_no_watch_and_leaves_reads_and_writes_to_the_store() {
    let store = MemoryHarness.open(Setup::default()).await.map(|backend, environment| {
        Arc::new(CachedBackend::new(backend, CacherOptions::default(), environment))
    });
    let cache = store.pods().await;
    let object = pod("ns", "a");
    cache.put(&object).await;
    store.stop().await;
    for start in [WatchStart::Now, WatchStart::After(cache.now().await)] {
        let refused = cache.watch(cache.watching(cache.all(), start)).await.err();
        assert!(matches!(refused, Some(Error::NotReady { .. })), "{refused:?}");
    }
    assert!(matches!(cache.readiness(), Err(Error::NotReady { .. })));
    let written = cache.put(&object.mark("after")).await;
    let any = Freshness::AtLeast(Revision::ZERO);
    assert_eq!(cache.get(&written.key, any).await.unwrap().record.as_ref(), Some(&written));
    for at in [ReadAt::Latest, ReadAt::AtLeast(Revision::ZERO), ReadAt::Exact(written.revision)] {
        assert_eq!(cache.read(cache.all(), at).await.unwrap().0, [Arc::clone(&written)], "{at:?}");
    }
}
