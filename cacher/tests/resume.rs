//! Watches that go on from before all that the cache knows.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod faulty;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use watchkeep_cacher::{Cacher, CacherOptions};
use watchkeep_storage::conformance::Decorator;
use watchkeep_storage::{
    BoxFuture, Environment, Error, Interface, Predicate, Revision, Scope, WatchEvent, WatchRequest,
    WatchSource, WatchStart, Watcher,
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

/// A store that notes where its watches begin, and lets none of some go on before it is told to.
struct Noting {
    store: Arc<dyn Interface>,
    notes: Arc<Notes>,
}

#[derive(Default)]
struct Notes {
    begun: Mutex<Vec<Revision>>,
    /// Watches from here show nothing.
    held: Mutex<Option<Revision>>,
    /// Who asked a held watch last, as a store keeps it.
    waker: Mutex<Option<Waker>>,
}

impl Notes {
    fn hold(&self, from: Option<Revision>) {
        *self.held.lock() = from;
        let waker = self.waker.lock().take();
        if let Some(waker) = waker.filter(|_| from.is_none()) {
            waker.wake();
        }
    }
}

impl Decorator for Noting {
    fn below(&self) -> &dyn Interface {
        &*self.store
    }

    fn on_watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        let WatchStart::After(from) = request.start else { return self.store.watch(request) };
        self.notes.begun.lock().push(from);
        Box::pin(async move {
            let (watcher, notes) = (self.store.watch(request).await?, Arc::clone(&self.notes));
            Ok(Watcher::new(Held { watcher, from, notes }))
        })
    }
}

struct Held {
    watcher: Watcher,
    from: Revision,
    notes: Arc<Notes>,
}

impl WatchSource for Held {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        if *self.notes.held.lock() == Some(self.from) {
            *self.notes.waker.lock() = Some(context.waker().clone());
            return Poll::Pending;
        }
        self.watcher.poll_next_unpin(context)
    }

    fn progress(&self) -> Revision {
        let is_held = *self.notes.held.lock() == Some(self.from);
        if is_held { self.from } else { self.watcher.progress() }
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A cache with a short window over a store with a long history.
struct Scene {
    store: Arc<dyn Interface>,
    cache: Cacher,
    notes: Arc<Notes>,
    /// Those of all events.
    revisions: Vec<Revision>,
}

impl Scene {
    async fn new(events: usize, options: CacherOptions) -> Self {
        let environment = Environment::system();
        let (store, _) = Faulty::new("/jobs", &environment, Fault::None).await;
        let mut revisions = Vec::new();
        for number in 0..events {
            create(&store, &[&format!("j{number}")]).await;
            revisions.push(store.current_revision().await.unwrap());
        }
        let notes = Arc::<Notes>::default();
        let store: Arc<dyn Interface> =
            Arc::new(Noting { store: Arc::new(store), notes: Arc::clone(&notes) });
        let options = CacherOptions { window_bytes_max: 8 << 10, ..options };
        let cache = Cacher::new(Arc::clone(&store), options, &environment);
        cache.filled().await;
        let filled = async {
            while cache.window().events == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, filled).await.unwrap();
        notes.begun.lock().clear();
        Self { store, cache, notes, revisions }
    }

    async fn watch(&self, after: Revision) -> Watcher {
        self.cache.watch(watch_after(&self.cache, after)).await.unwrap()
    }

    /// How often the store was read.
    fn reads(&self) -> usize {
        self.notes.begun.lock().len()
    }

    /// The revisions of the events after one.
    fn after(&self, revision: Revision) -> Vec<Revision> {
        self.revisions.iter().copied().filter(|event| *event > revision).collect()
    }
}

async fn next(watch: &mut Watcher) -> Revision {
    let event = tokio::time::timeout(DEADLINE, watch.next()).await.unwrap().unwrap().unwrap();
    let WatchEvent::Change(change) = event else { panic!("{event:?}") };
    change.revision()
}

async fn take(watch: &mut Watcher, count: usize) -> Vec<Revision> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(next(watch).await);
    }
    taken
}

#[tokio::test]
async fn watches_that_resume_from_few_revisions_read_the_store_once_for_each() {
    let mut scene = Scene::new(400, CacherOptions::default()).await;
    let starts = [10, 20, 200].map(|number| scene.revisions[number]);
    assert!(scene.cache.window().oldest > starts[2], "{:?}", scene.cache.window());
    let mut watches = Vec::new();
    for number in 0..1000 {
        let from = starts[number % 3];
        watches.push((from, scene.watch(from).await));
    }
    create(&scene.cache, &["after"]).await;
    scene.revisions.push(scene.cache.current_revision().await.unwrap());
    let environment = Environment::system();
    let mut readers = Vec::new();
    for (from, mut watch) in watches {
        let expected = scene.after(from);
        readers.push(environment.spawn(async move {
            assert_eq!(take(&mut watch, expected.len()).await, expected);
            assert!(watch.next().now_or_never().is_none(), "there is nothing more");
            watch
        }));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(scene.reads(), 3, "{:?}", scene.notes.begun.lock());
}

#[tokio::test]
async fn watches_of_different_scopes_share_a_reading() {
    let scene = Scene::new(200, CacherOptions::default()).await;
    let from = scene.revisions[5];
    let mut watches = Vec::new();
    for number in 6..100 {
        let key = scene.cache.prefix().object(Some("n"), &format!("j{number}")).unwrap();
        let request = WatchRequest { scope: Scope::One(key), ..watch_after(&scene.cache, from) };
        watches.push((number, scene.cache.watch(request).await.unwrap()));
    }
    for (number, mut watch) in watches {
        assert_eq!(next(&mut watch).await, scene.revisions[number]);
        assert!(watch.next().now_or_never().is_none(), "there is nothing more");
    }
    assert_eq!(scene.reads(), 1);
}

/// The others read more than is kept for it. Those that are left behind go on together.
#[tokio::test]
async fn a_slow_watch_holds_the_others_not_up_and_misses_nothing() {
    let scene = Scene::new(5000, CacherOptions::default()).await;
    let from = scene.revisions[0];
    let expected = scene.after(from);
    let mut watches = Vec::new();
    for _ in 0..4 {
        watches.push(scene.watch(from).await);
    }
    let mut fast = watches.pop().unwrap();
    // The slow ones have begun.
    for watch in &mut watches {
        assert_eq!(next(watch).await, expected[0]);
    }
    assert_eq!(take(&mut fast, expected.len()).await, expected);
    assert_eq!(scene.reads(), 1);
    for revision in &expected[1..] {
        for watch in &mut watches {
            assert_eq!(next(watch).await, *revision);
        }
    }
    assert_eq!(scene.reads(), 2, "{:?}", scene.notes.begun.lock());
}

#[tokio::test]
async fn who_goes_away_hands_the_reading_on() {
    let scene = Scene::new(200, CacherOptions::default()).await;
    let from = scene.revisions[5];
    scene.notes.hold(Some(from));
    let (mut first, mut second, mut third) =
        (scene.watch(from).await, scene.watch(from).await, scene.watch(from).await);
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(Arc::clone(&woken));
    assert!(second.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
    // The store knows of the last one that asked.
    assert!(third.next().now_or_never().is_none());
    assert!(first.next().now_or_never().is_none());
    drop((first, third));
    scene.notes.hold(None);
    assert!(woken.0.load(Ordering::Relaxed) > 0, "nobody reads on");
    assert_eq!(take(&mut second, 190).await, scene.after(from)[..190]);
    assert_eq!(scene.reads(), 1);
    drop(second);
    scene.watch(from).await;
    assert_eq!(scene.reads(), 2, "the reading has ended with its last reader");
}

#[tokio::test]
async fn readings_wait_for_their_turn_and_their_watches_are_open_meanwhile() {
    let options = CacherOptions { catching_up_max: 1, ..CacherOptions::default() };
    let scene = Scene::new(200, options).await;
    let [from, other] = [5, 7].map(|number| scene.revisions[number]);
    scene.notes.hold(Some(from));
    let mut first = scene.watch(from).await;
    let mut second = scene.watch(other).await;
    assert!(second.next().now_or_never().is_none(), "it is not its turn");
    scene.notes.hold(None);
    assert_eq!(take(&mut first, 194).await, scene.after(from));
    assert_eq!(take(&mut second, 192).await, scene.after(other));
}

#[tokio::test]
async fn who_does_not_read_what_others_have_read_takes_no_turn() {
    let options = CacherOptions { catching_up_max: 1, ..CacherOptions::default() };
    let scene = Scene::new(200, options).await;
    let [from, other] = [5, 7].map(|number| scene.revisions[number]);
    let (mut first, mut asleep) = (scene.watch(from).await, scene.watch(from).await);
    let mut second = scene.watch(other).await;
    assert_eq!(next(&mut asleep).await, scene.revisions[6]);
    assert_eq!(take(&mut first, 194).await, scene.after(from));
    assert_eq!(take(&mut second, 192).await, scene.after(other));
    assert_eq!(take(&mut asleep, 193).await, scene.after(scene.revisions[6]));
}

#[tokio::test]
async fn compacted_history_is_shown_to_nobody_though_another_watch_has_read_it() {
    let scene = Scene::new(200, CacherOptions::default()).await;
    let from = scene.revisions[5];
    let (mut first, mut second) = (scene.watch(from).await, scene.watch(from).await);
    assert_eq!(take(&mut first, 194).await, scene.after(from));
    let oldest = scene.revisions[199];
    scene.cache.compact(oldest).await.unwrap();
    let ended = tokio::time::timeout(DEADLINE, second.next()).await.unwrap();
    let Some(Err(Error::Compacted { requested, oldest: told, .. })) = ended else { panic!("{ended:?}") };
    assert_eq!((requested, told), (from, oldest));
    assert!(second.next().await.is_none(), "nothing follows an error");
    create(&scene.cache, &["after"]).await;
    assert_eq!(next(&mut first).await, scene.cache.current_revision().await.unwrap());
}

/// The store gives up history by itself, and the cache learns of it later.
#[tokio::test]
async fn what_the_store_has_compacted_is_refused_at_once_though_the_window_has_it() {
    let scene = Scene::new(200, CacherOptions::default()).await;
    let from = scene.cache.window().oldest;
    let mut watch = scene.watch(from).await;
    let oldest = scene.revisions[199];
    scene.store.compact(oldest).await.unwrap();
    assert_eq!(scene.cache.window().oldest, from, "the cache knows by now");
    let ended = watch.next().now_or_never();
    assert!(matches!(ended, Some(Some(Err(Error::Compacted { .. })))), "{ended:?}");
}

#[tokio::test]
async fn a_watch_that_waits_for_history_ends_with_its_cache() {
    let environment = Environment::system();
    let (store, fault) = Faulty::new("/jobs", &environment, Fault::None).await;
    let before = store.current_revision().await.unwrap();
    create(&store, &["a", "b"]).await;
    // The window begins behind what no history tells of.
    *fault.lock() = Fault::SilentWatches;
    let cache = Cacher::new(Arc::new(store), CacherOptions::default(), &environment);
    cache.filled().await;
    let mut watch = cache.watch(watch_after(&cache, before)).await.unwrap();
    assert!(watch.next().now_or_never().is_none());
    let waits = environment.spawn(async move { watch.next().await });
    tokio::task::yield_now().await;
    drop(cache);
    let end = tokio::time::timeout(DEADLINE, waits).await.unwrap().unwrap();
    assert!(matches!(end, Some(Err(Error::NotReady { .. }))), "{end:?}");
}
