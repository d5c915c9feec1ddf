//! Many watches at once: they see the same, whatever happens to the cache, and leave nothing behind.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod observed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use watchkeep_cacher::{Cacher, CacherOptions, Held};
use watchkeep_storage::conformance::instrument::{Resource, selecting};
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::conformance::{Harness as _, MemoryHarness, Setup, Store};
use watchkeep_storage::{
    Environment, Error, Event, EventType, Freshness, Revision, WatchEvent, WatchRequest, WatchStart, Watcher,
};

use self::observed::{Hand, Observed};

const PATIENCE: Duration = Duration::from_mins(2);

struct Scene {
    store: Store,
    pods: Resource,
    hand: Arc<Hand>,
    cacher: Arc<Cacher>,
    cache: Resource,
}

async fn scene(options: CacherOptions) -> Scene {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let observed = Observed::new(pods.interface());
    let (cacher, cache) = observed.cached(&store, options).await;
    Scene { store, pods, hand: Arc::clone(&observed.hand), cacher, cache }
}

/// The next event of a watch, which has to come and to be a change.
async fn change(watch: &mut Watcher) -> (EventType, Arc<Event>) {
    let next = tokio::time::timeout(PATIENCE, watch.next()).await.expect("nothing comes");
    match next {
        Some(Ok(WatchEvent::Change(change))) => (change.event_type, change.event),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn watches_miss_nothing_while_the_cache_is_filled_anew() {
    let Scene { store, pods, hand, cacher, cache } = &scene(CacherOptions::default()).await;
    let begin = cache.now().await;
    let readers: Vec<_> = (0..1000)
        .map(|number| {
            let cache = cache.clone();
            store.environment().spawn(async move {
                // They open one after the other, while all of it happens.
                tokio::time::sleep(Duration::from_millis(number * 10)).await;
                let request = cache.watching(cache.all(), WatchStart::After(begin));
                let mut watch = loop {
                    match cache.watch(request.clone()).await {
                        Ok(watch) => break watch,
                        // The cache has no state at this moment: clients come again.
                        Err(Error::Initializing { retry_after, .. }) => tokio::time::sleep(retry_after).await,
                        Err(error) => panic!("{error}"),
                    }
                };
                let mut shown = Vec::new();
                for _ in 0..120 {
                    shown.push(change(&mut watch).await.1.revision);
                }
                shown
            })
        })
        .collect();
    let mut written = Vec::new();
    for round in 0..12 {
        for _ in 0..10 {
            written.push(pods.put(&pod("ns", "a").mark(written.len().to_string())).await.revision);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if round % 3 == 1 {
            hand.leave_behind();
        }
    }
    for (number, reader) in readers.into_iter().enumerate() {
        assert_eq!(reader.await.unwrap(), written, "watch {number}");
    }
    assert_eq!(hand.lists(), 5, "it was filled anew four times");
    assert_eq!(cacher.held().watches, 0);
}

#[tokio::test(start_paused = true)]
async fn all_watches_of_an_event_share_what_the_commit_made() {
    let Scene { store: _store, cache, cacher: _cacher, .. } = &scene(CacherOptions::default()).await;
    let mut watches = Vec::new();
    for request in [
        cache.watching(cache.all(), WatchStart::Now),
        cache.watching(cache.namespace("ns"), WatchStart::Now),
        cache.watching(cache.one(&pod("ns", "a")), WatchStart::Now),
        WatchRequest {
            predicate: selecting("color=red", "spec.nodeName=n1"),
            ..cache.watching(cache.all(), WatchStart::Now)
        },
    ] {
        watches.push(cache.watch(request).await.unwrap());
    }
    let red = pod("ns", "a").label("color", "red").node("n1");
    let made = cache.put(&red).await;
    let left = cache.put(&pod("ns", "a").mark("blue by now")).await;
    for (number, watch) in watches.iter_mut().enumerate() {
        let (event_type, event) = change(watch).await;
        assert_eq!(event_type, EventType::Added);
        assert!(event.current.as_ref().is_some_and(|record| Arc::ptr_eq(record, &made)), "watch {number}");
        // Who sees it leave sees the state before, which nobody has changed, with the revision of the event.
        let (event_type, event) = change(watch).await;
        let leaves = number == 3;
        assert_eq!(event_type, if leaves { EventType::Deleted } else { EventType::Modified });
        assert_eq!(event.revision, left.revision);
        assert!(event.previous.as_ref().is_some_and(|record| Arc::ptr_eq(record, &made)));
    }
    let initial = WatchStart::Initial { freshness: Freshness::Latest, bookmark: false };
    let mut late = cache.watch(cache.watching(cache.all(), initial)).await.unwrap();
    let (_, event) = change(&mut late).await;
    assert!(event.current.as_ref().is_some_and(|record| Arc::ptr_eq(record, &left)));
}

/// A window of a few events.
fn small() -> CacherOptions {
    CacherOptions { window_bytes_max: 8 << 10, ..CacherOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_the_window_has_passed_shows_all_of_it_all_the_same() {
    let Scene { cache, cacher, hand, .. } = &scene(small()).await;
    let mut watch = cache.watch(cache.watching(cache.all(), WatchStart::Now)).await.unwrap();
    let mut written = Vec::new();
    for number in 0..250 {
        written.push(cache.put(&pod("ns", &format!("p{number}"))).await.revision);
    }
    assert!(cacher.window().events < 100, "the window keeps them all");
    let watches = hand.watches();
    for (number, revision) in written.into_iter().enumerate() {
        assert_eq!(change(&mut watch).await.1.revision, revision, "event {number}");
    }
    assert_eq!(hand.watches(), watches + 1, "from the store's history, once");
    // And follows the cache again.
    let next = cache.put(&pod("ns", "next")).await.revision;
    assert_eq!(change(&mut watch).await.1.revision, next);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_falls_behind_among_its_initial_events_shows_them_their_mark_and_what_followed() {
    let Scene { cache, .. } = &scene(small()).await;
    let mut initial = Vec::new();
    for number in 0..300 {
        initial.push(cache.put(&pod("ns", &format!("p{number:03}"))).await.revision);
    }
    let start = WatchStart::Initial { freshness: Freshness::Latest, bookmark: true };
    let request = WatchRequest { progress: true, ..cache.watching(cache.all(), start) };
    let mut watch = cache.watch(request).await.unwrap();
    assert_eq!(change(&mut watch).await.1.revision, initial[0]);
    let state_at = cache.now().await;
    let mut written = Vec::new();
    for number in 0..300 {
        written.push(cache.put(&pod("ns", &format!("p{number:03}")).mark("again")).await.revision);
    }
    cache.request_progress().await.unwrap();
    for revision in &initial[1..] {
        let (event_type, event) = change(&mut watch).await;
        assert_eq!((event_type, event.revision), (EventType::Added, *revision));
    }
    let Some(Ok(WatchEvent::Bookmark(mark))) = watch.next().await else { panic!("no mark") };
    assert_eq!((mark.initial_events_end, mark.revision), (true, state_at));
    for revision in &written {
        let (event_type, event) = change(&mut watch).await;
        assert_eq!((event_type, event.revision), (EventType::Modified, *revision));
    }
}

/// Real threads: watches of every kind that are opened, read, and given up at any moment, beside a writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn watches_that_come_and_go_leave_nothing() {
    let environment = Environment::system();
    let Scene { cache, cacher, .. } = &scene(small()).await;
    let goes_on = Arc::new(AtomicBool::new(true));
    let (writing, goes_on_writing) = (cache.clone(), Arc::clone(&goes_on));
    let writer = environment.spawn(async move {
        let mut written = 0_u32;
        while goes_on_writing.load(Ordering::Relaxed) {
            let object = pod(&format!("ns-{}", written % 3), &format!("p{}", written % 7));
            writing.put(&object.node(&format!("n{}", written % 2)).mark(written.to_string())).await;
            writing.request_progress().await.unwrap();
            written += 1;
            tokio::task::yield_now().await;
        }
        written
    });
    let crowd: Vec<_> = (0..8)
        .map(|of| {
            let cache = cache.clone();
            environment.spawn(async move {
                for number in 0..500_usize {
                    let seen = come_and_go(&cache, of + number).await;
                    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
                }
            })
        })
        .collect();
    for reader in crowd {
        reader.await.unwrap();
    }
    goes_on.store(false, Ordering::Relaxed);
    assert!(writer.await.unwrap() > 0);
    let held = cacher.held();
    assert_eq!(Held { kept_pictures: held.kept_pictures, ..Held::default() }, held);
    assert!(held.kept_pictures <= CacherOptions::default().pictures_max);
    // And those that come after them see what happens.
    let mut watch = cache.watch(cache.watching(cache.all(), WatchStart::Now)).await.unwrap();
    let written = cache.put(&pod("ns", "after")).await.revision;
    assert_eq!(change(&mut watch).await.1.revision, written);
}

/// Opens a watch, reads a little of it, and gives it up. Returns the revisions of the changes after its beginning.
async fn come_and_go(cache: &Resource, number: usize) -> Vec<Revision> {
    let scope = match number % 3 {
        0 => cache.all(),
        1 => cache.namespace("ns-1"),
        _ => cache.one(&pod("ns-2", "p2")),
    };
    let initial = WatchStart::Initial { freshness: Freshness::Latest, bookmark: true };
    let start = if number.is_multiple_of(4) { initial } else { WatchStart::Now };
    let predicate = selecting("", if number.is_multiple_of(5) { "spec.nodeName=n1" } else { "" });
    let request =
        WatchRequest { predicate, progress: number.is_multiple_of(2), ..cache.watching(scope, start) };
    let mut watch = cache.watch(request).await.unwrap();
    let (mut is_live, mut seen) = (start == WatchStart::Now, Vec::new());
    for _ in 0..number % 12 {
        match watch.next().now_or_never() {
            Some(Some(Ok(WatchEvent::Change(change)))) if is_live => seen.push(change.revision()),
            Some(Some(Ok(WatchEvent::Change(_)))) => {}
            Some(Some(Ok(WatchEvent::Bookmark(_)))) => is_live = true,
            Some(other) => panic!("{other:?}"),
            None => tokio::task::yield_now().await,
        }
    }
    seen
}
