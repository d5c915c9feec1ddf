//! Moments of a watch that the suite of conformance does not meet: bursts, wake-ups, and stores whose watches break.

mod troubled;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::Semaphore;
use watchkeep_cacher::{Cacher, CacherOptions};
use watchkeep_storage::conformance::instrument::{Resource, selecting};
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::conformance::{Harness as _, MemoryHarness, Setup, Store};
use watchkeep_storage::{
    Change, Commit, Error, Event, Expect, Interface, ListRequest, Operation, ReadAt, Revision, Schema,
    WatchEvent, WatchRequest, WatchSource, WatchStart, Watcher, collect,
};

use self::troubled::Troubled;

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a watch has ready.
fn ready(watch: &mut Watcher, waker: &Waker) -> Vec<Result<WatchEvent, Error>> {
    let mut context = Context::from_waker(waker);
    let mut ready = Vec::new();
    while let Poll::Ready(Some(next)) =
        pin!(tokio::task::coop::unconstrained(watch.next())).poll_unpin(&mut context)
    {
        ready.push(next);
    }
    ready
}

async fn filled(store: Arc<dyn Interface>, of: &Store) -> (Arc<Cacher>, Resource) {
    filled_with(CacherOptions::default(), store, of).await
}

async fn filled_with(
    options: CacherOptions,
    store: Arc<dyn Interface>,
    of: &Store,
) -> (Arc<Cacher>, Resource) {
    let cacher = Arc::new(Cacher::new(store, options, of.environment()));
    cacher.filled().await;
    let cache = Resource::new(Arc::clone(&cacher) as Arc<dyn Interface>);
    (cacher, cache)
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_slept_through_a_compaction_misses_nothing_of_a_burst() {
    let store = MemoryHarness.open(Setup::default()).await;
    let (pods, others) = (store.pods().await, store.others().await);
    let (_cacher, cache) = filled(pods.interface(), &store).await;
    let idle = || async {
        let mut watch = cache.watch(cache.watching(cache.all(), WatchStart::Now)).await.unwrap();
        assert!(ready(&mut watch, Waker::noop()).is_empty());
        watch
    };
    let mut watches = [idle().await, idle().await];
    let compacted = others.put(&pod("ns", "elsewhere")).await.revision;
    cache.compact(compacted).await.unwrap();
    // All at once, as a group of commits or a watch that comes back brings them: more than a topic keeps.
    let mut written = Vec::new();
    for at in 0..100 {
        written.push(pods.put(&pod("ns", &format!("pod-{at}"))).await.revision);
    }
    for watch in &mut watches {
        // Progress drives the cache, whoever asks.
        watch.progress();
        let shown = ready(watch, Waker::noop()).into_iter().map(|event| match event.unwrap() {
            WatchEvent::Change(change) => change.revision(),
            WatchEvent::Bookmark(bookmark) => panic!("{bookmark:?}"),
        });
        assert_eq!(shown.collect::<Vec<_>>(), written);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_woken_for_what_concerns_it_also_after_progress_was_asked_for() {
    let store = MemoryHarness.open(Setup::default()).await;
    let (_cacher, cache) = filled(store.pods().await.interface(), &store).await;
    let request =
        WatchRequest { progress: true, ..cache.watching(cache.namespace("quiet"), WatchStart::Now) };
    let mut watch = cache.watch(request).await.unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(ready(&mut watch, &waker).is_empty());
    cache.put(&pod("loud", "a")).await;
    assert_eq!(woken.times(), 0);
    for asked in 1..=2 {
        cache.request_progress().await.unwrap();
        let before = woken.times();
        assert!(before > 0, "for the bookmark");
        assert_eq!(ready(&mut watch, &waker).len(), 1, "bookmark {asked}");
        for name in ["a", "b", "c", "d"] {
            cache.put(&pod("loud", name)).await;
            ready(&mut watch, &waker);
        }
        assert!(woken.times() <= before + 1, "{} times for what is elsewhere", woken.times() - before);
    }
    let before = woken.times();
    cache.put(&pod("quiet", "a")).await;
    assert_eq!(woken.times(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_found_wrong_while_it_has_no_watch_is_filled_anew() {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let (opened, let_go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(1)));
    let gate = (Arc::clone(&opened), Arc::clone(&let_go));
    // The second watch opens when it is let go.
    let troubled = Troubled::new(
        pods.interface(),
        Box::new(move |store, request| {
            let (opened, let_go) = (Arc::clone(&gate.0), Arc::clone(&gate.1));
            Box::pin(async move {
                opened.fetch_add(1, Ordering::Relaxed);
                let_go.acquire().await.unwrap().forget();
                troubled::forgetful(store, request).await
            })
        }),
    );
    let (cacher, cache) = filled(troubled, &store).await;
    cache.put(&pod("ns", "lost")).await;
    cache.put(&pod("ns", "break")).await;
    while opened.load(Ordering::Relaxed) < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!cacher.check().await.unwrap());
    let_go.add_permits(2);
    tokio::time::timeout(Duration::from_mins(1), async {
        while cacher.len() != 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it is filled anew");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_at_once_is_opened_again_with_pauses() {
    let store = MemoryHarness.open(Setup::default()).await;
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let troubled = Troubled::new(
        store.pods().await.interface(),
        Box::new(move |_, _| {
            let count = Arc::clone(&count);
            Box::pin(async move {
                assert!(count.fetch_add(1, Ordering::Relaxed) < 1000, "without a pause");
                Ok(Watcher::new(troubled::Broken))
            })
        }),
    );
    let _cache = filled(troubled, &store).await;
    tokio::time::sleep(Duration::from_mins(2)).await;
    let opened = opened.load(Ordering::Relaxed);
    assert!((5..20).contains(&opened), "{opened} times in two minutes");
}

#[tokio::test(start_paused = true)]
async fn an_object_without_a_field_is_one_where_it_is_empty() {
    let store = MemoryHarness.open(Setup::default()).await;
    let (_cacher, cache) = filled(store.pods().await.interface(), &store).await;
    let predicate = selecting("", "spec.nodeName=");
    let watched =
        WatchRequest { predicate: predicate.clone(), ..cache.watching(cache.all(), WatchStart::Now) };
    let mut watch = cache.watch(watched).await.unwrap();
    // Written when the field could not be selected by yet.
    let object = pod("ns", "old");
    let value = object.value(&Schema::default());
    let operation = Operation::Put { value, ttl: None };
    let commit = Commit { key: cache.key(&object), expect: Expect::Absent, operation };
    cache.commit(commit).await.unwrap();
    let list = ListRequest { predicate, ..cache.request(cache.all(), ReadAt::Latest) };
    assert_eq!(collect(cache.list(list).await.unwrap().cursor).await.unwrap().len(), 1);
    assert_eq!(ready(&mut watch, Waker::noop()).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn watches_end_with_their_cache() {
    let store = MemoryHarness.open(Setup::default()).await;
    let (cacher, cache) = filled(store.pods().await.interface(), &store).await;
    let mut watch = cache.watch(cache.watching(cache.all(), WatchStart::Now)).await.unwrap();
    let woken = Arc::new(Woken::default());
    assert!(ready(&mut watch, &Waker::from(Arc::clone(&woken))).is_empty());
    drop((cacher, cache));
    assert_eq!(woken.times(), 1);
    let end = watch.next().await;
    assert!(matches!(end, Some(Err(Error::NotReady { .. }))), "{end:?}");
    assert!(watch.next().await.is_none());
}

/// A store that shows what is written before its turn comes as of one revision. As another program may write to
/// etcd: in one transaction.
fn written_together(store: Arc<dyn Interface>, turn: &Arc<Semaphore>) -> Arc<dyn Interface> {
    let turn = Arc::clone(turn);
    Troubled::new(
        store,
        Box::new(move |store, request| {
            let turn = Arc::clone(&turn);
            Box::pin(async move { Ok(Watcher::new(Together::new(store.watch(request).await?, turn))) })
        }),
    )
}

/// More than is published, or read, in one go.
const TOGETHER: usize = 3_000;

#[tokio::test(start_paused = true)]
async fn events_of_one_revision_are_not_cut_apart() {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let turn = Arc::new(Semaphore::new(0));
    let (_cacher, cache) = filled(written_together(pods.interface(), &turn), &store).await;
    let (start, watching) = (cache.now().await, |start| cache.watching(cache.all(), start));
    let mut live = cache.watch(watching(WatchStart::Now)).await.unwrap();
    assert!(ready(&mut live, Waker::noop()).is_empty());
    for at in 0..TOGETHER {
        pods.put(&pod("ns", &format!("pod-{at}"))).await;
    }
    turn.add_permits(1);
    // Progress drives the cache.
    live.progress();
    assert_eq!(ready(&mut live, Waker::noop()).len(), TOGETHER);
    let mut late = cache.watch(watching(WatchStart::After(start))).await.unwrap();
    assert_eq!(ready(&mut late, Waker::noop()).len(), TOGETHER);
}

#[tokio::test(start_paused = true)]
async fn events_of_one_revision_are_not_cut_apart_in_history() {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    let start = pods.now().await;
    for at in 0..TOGETHER {
        pods.put(&pod("ns", &format!("pod-{at}"))).await;
    }
    let together = written_together(pods.interface(), &Arc::new(Semaphore::new(1)));
    let options = CacherOptions { window_bytes_max: 0, ..CacherOptions::default() };
    let (cacher, cache) = filled_with(options, together, &store).await;
    assert!(cacher.window().oldest > start, "{:?}", cacher.window());
    let mut late = cache.watch(cache.watching(cache.all(), WatchStart::After(start))).await.unwrap();
    assert_eq!(ready(&mut late, Waker::noop()).len(), TOGETHER);
}

/// A watch that shows nothing before it may, and then all there is as of one revision.
struct Together {
    watch: Watcher,
    turn: Arc<Semaphore>,
    gathered: VecDeque<Change>,
}

impl Together {
    fn new(watch: Watcher, turn: Arc<Semaphore>) -> Self {
        Self { watch, turn, gathered: VecDeque::new() }
    }
}

impl WatchSource for Together {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        if self.gathered.is_empty() && self.turn.available_permits() > 0 {
            while let Poll::Ready(Some(Ok(WatchEvent::Change(change)))) = self.watch.poll_next_unpin(context)
            {
                self.gathered.push_back(change);
            }
            let last = self.gathered.back().map(|change| change.event.revision).unwrap_or_default();
            for change in &mut self.gathered {
                let event = Event { revision: last, ..(*change.event).clone() };
                *change = Change { event: Arc::new(event), event_type: change.event_type };
            }
        }
        match self.gathered.pop_front() {
            Some(change) => Poll::Ready(Some(Ok(WatchEvent::Change(change)))),
            None => Poll::Pending,
        }
    }

    fn progress(&self) -> Revision {
        let next = self.gathered.front().map(|change| change.event.revision.previous());
        next.unwrap_or_else(|| {
            if self.turn.available_permits() > 0 { self.watch.progress() } else { Revision::ZERO }
        })
    }
}
