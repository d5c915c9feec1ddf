//! Defects of the watch cache, over a store in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use watchkeep_cacher::{Cacher, CacherOptions};
use watchkeep_proof::Broken;
use watchkeep_proof::worlds::{Cached, MemoryWorld};
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::defect::Defect;
use watchkeep_storage::failpoint::{Point, Scenario};
use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};
use watchkeep_storage::{
    Backend as _, Environment, Interface, ReadAt, ResourcePrefix, Revision, Schema, WatchEvent, WatchStart,
    Watcher,
};

use crate::catch::{by_a_scenario, by_the_model, expect};

/// What a watch shows too little or too much of.
const SHOWN: [&str; 4] = ["WATCH-RELIABLE", "WATCH-RESUMABLE", "WATCH-UNIQUE", "WATCH-ORDERED"];
/// How long what has to happen may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// A store, and a cache over it.
struct Scene {
    store: Resource,
    cache: Resource,
    cacher: Arc<Cacher>,
}

async fn scene() -> Scene {
    let environment = Environment::system();
    let backend = MemoryBackend::new(MemoryOptions::default(), environment.clone());
    let prefix = ResourcePrefix::new("/pods").unwrap();
    let store = backend.resource(prefix, Arc::new(Schema::default())).await.unwrap();
    let cacher = Arc::new(Cacher::new(Arc::clone(&store), CacherOptions::default(), &environment));
    cacher.filled().await;
    let cache = Resource::new(Arc::clone(&cacher) as Arc<dyn Interface>);
    Scene { store: Resource::new(store), cache, cacher }
}

impl Scene {
    async fn watch(&self, start: WatchStart) -> Watcher {
        self.cache.watch(self.cache.watching(self.cache.all(), start)).await.unwrap()
    }

    async fn names(&self) -> Vec<String> {
        let (records, _) = self.cache.read(self.cache.all(), ReadAt::Latest).await.unwrap();
        records.iter().map(|record| record.value.attributes().name().to_owned()).collect()
    }

    /// Has the cache filled anew, by whoever looks whether it is right.
    async fn fill_anew(&self) {
        assert!(!self.cacher.check().await.unwrap(), "it is right");
        // What is only in a cache that was filled: the past is not.
        let refilled = async {
            loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let mut watch = self.watch(WatchStart::Now).await;
                let mark = self.cache.put(&pod("ns", "mark").mark("again")).await.revision;
                if shown(&mut watch, mark).await == [mark] {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, refilled).await.unwrap();
    }
}

/// What a watch has ready, by revision.
fn ready(watch: &mut Watcher, waker: &Waker) -> Vec<Revision> {
    let (mut context, mut shown) = (Context::from_waker(waker), Vec::new());
    while let Poll::Ready(Some(Ok(event))) = watch.poll_next_unpin(&mut context) {
        shown.extend(change(&event));
    }
    shown
}

fn change(event: &WatchEvent) -> Option<Revision> {
    match event {
        WatchEvent::Change(change) => Some(change.revision()),
        WatchEvent::Bookmark(_) => None,
    }
}

/// The revisions that a watch shows up to one of them, or for as long as anybody waits.
async fn shown(watch: &mut Watcher, end: Revision) -> Vec<Revision> {
    let mut shown = Vec::new();
    while shown.last().is_none_or(|last| *last < end)
        && let Ok(Some(Ok(event))) = tokio::time::timeout(PATIENCE / 4, watch.next()).await
    {
        shown.extend(change(&event));
    }
    shown
}

fn all_shown(written: &[Revision], shown: &[Revision]) -> Result<(), Broken> {
    let what = || format!("{} were written, {} of them are shown", written.len(), shown.len());
    expect(shown == written, "WATCH-RELIABLE", what())
}

#[test]
fn cache_topic_forgets_begun() {
    by_the_model::<Cached<MemoryWorld>>(Defect::CacheTopicForgetsBegun, &SHOWN);
}

#[test]
fn cache_topic_drops_unmarked() {
    by_a_scenario(Defect::CacheTopicDropsUnmarked, "WATCH-RELIABLE", &async |_| {
        let scene = scene().await;
        let mut watch = scene.watch(WatchStart::Now).await;
        let mut written = Vec::new();
        for name in 0..100 {
            written.push(scene.cache.put(&pod("ns", &name.to_string())).await.revision);
        }
        all_shown(&written, &shown(&mut watch, written[99]).await)
    });
}

#[test]
fn cache_topic_ignores_leaving() {
    by_the_model::<Cached<MemoryWorld>>(
        Defect::CacheTopicIgnoresLeaving,
        &["WATCH-FILTERED", "WATCH-RELIABLE", "WATCH-RESUMABLE"],
    );
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn cache_wakes_first_reader() {
    by_a_scenario(Defect::CacheWakesFirstReader, "WATCH-RELIABLE", &async |_| {
        let scene = scene().await;
        let mut watch = scene.watch(WatchStart::Now).await;
        ready(&mut watch, Waker::noop());
        let woken = Arc::new(Woken::default());
        ready(&mut watch, &Waker::from(Arc::clone(&woken)));
        scene.cache.put(&pod("ns", "a")).await;
        expect(woken.0.load(Ordering::Relaxed) > 0, "WATCH-RELIABLE", "the latest reader was not woken")
    });
}

#[test]
fn cache_progress_after_look() {
    by_a_scenario(Defect::CacheProgressAfterLook, "WATCH-RELIABLE", &async |scenario| {
        let scene = scene().await;
        let mut watch = scene.watch(WatchStart::Now).await;
        // Somebody writes while the watch finds nothing.
        let (cache, written) = (scene.cache.clone(), Arc::new(Mutex::new(None)));
        let note = Arc::clone(&written);
        scenario.call(Point::CacheLooked, move || {
            let mut note = note.lock();
            if note.is_none() {
                *note = cache.put(&pod("ns", "a")).now_or_never().map(|record| record.revision);
            }
        });
        let mut shown = ready(&mut watch, Waker::noop());
        scenario.clear(Point::CacheLooked);
        shown.extend(ready(&mut watch, Waker::noop()));
        let written = written.lock().unwrap();
        all_shown(&[written], &shown)
    });
}

#[test]
fn cache_publishes_before_topics() {
    by_a_scenario(Defect::CachePublishesBeforeTopics, "WATCH-RELIABLE", &async |scenario| {
        let scene = scene().await;
        let watch = Arc::new(Mutex::new(scene.watch(WatchStart::Now).await));
        // A watch looks for events while one is being published.
        let looking = Arc::clone(&watch);
        let look = move || drop(ready(&mut looking.lock(), Waker::noop()));
        scenario.call(Point::CacheApplied, look);
        let written = scene.cache.put(&pod("ns", "a")).await.revision;
        scenario.clear(Point::CacheApplied);
        let shown = ready(&mut watch.lock(), Waker::noop());
        all_shown(&[written], &shown)
    });
}

#[test]
fn cache_progress_is_the_head() {
    by_the_model::<Cached<MemoryWorld>>(
        Defect::CacheProgressIsTheHead,
        &["WATCH-BOOKMARKABLE", "WATCH-RESUMABLE", "WATCH-RELIABLE"],
    );
}

#[test]
fn cache_window_hides_gap() {
    by_the_model::<Cached<MemoryWorld>>(Defect::CacheWindowHidesGap, &SHOWN);
}

#[test]
fn cache_leaves_history_early() {
    by_the_model::<Cached<MemoryWorld>>(Defect::CacheLeavesHistoryEarly, &SHOWN);
}

#[test]
fn cache_reopens_at_head() {
    by_a_scenario(Defect::CacheReopensAtHead, "WATCH-RELIABLE", &async |scenario| {
        let scene = scene().await;
        let mut watch = scene.watch(WatchStart::Now).await;
        scenario.set(Point::CacheSource, "1*return");
        let mut written = Vec::new();
        for name in ["a", "b", "c"] {
            written.push(scene.cache.put(&pod("ns", name)).await.revision);
        }
        all_shown(&written, &shown(&mut watch, written[2]).await)
    });
}

/// A cache whose watch was broken while the store gave up what came next: it was filled anew, behind a gap.
async fn overtaken(scenario: &Scenario) -> (Scene, [Revision; 2]) {
    let scene = scene().await;
    scene.cache.put(&pod("ns", "a")).await;
    scenario.set(Point::CacheSource, "return");
    let second = scene.store.put(&pod("ns", "b")).await.revision;
    let third = scene.store.put(&pod("ns", "c")).await.revision;
    scene.store.compact(second).await.unwrap();
    scenario.set(Point::CacheSource, "off");
    let filled = async {
        while scene.cacher.len() != 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, filled).await.unwrap();
    (scene, [second, third])
}

#[test]
fn cache_refill_keeps_window() {
    by_a_scenario(Defect::CacheRefillKeepsWindow, "WATCH-RELIABLE", &async |scenario| {
        let (scene, [second, third]) = overtaken(scenario).await;
        let mut watch = scene.watch(WatchStart::After(second)).await;
        all_shown(&[third], &shown(&mut watch, third).await)
    });
}

#[test]
fn cache_refill_keeps_deleted() {
    by_a_scenario(Defect::CacheRefillKeepsDeleted, "COMMIT-VISIBLE", &async |scenario| {
        let scene = scene().await;
        scene.cache.put(&pod("ns", "a")).await;
        scenario.set(Point::CacheEvent, "1*return");
        scene.cache.remove(&pod("ns", "a")).await;
        scene.fill_anew().await;
        let names = scene.names().await;
        expect(names == ["mark"], "COMMIT-VISIBLE", format!("{names:?} are there"))
    });
}

#[test]
fn cache_latest_does_not_wait() {
    by_a_scenario(Defect::CacheLatestDoesNotWait, "COMMIT-VISIBLE", &async |_| {
        let scene = scene().await;
        // Not through the cache: a deadline that is over, or another server.
        scene.store.put(&pod("ns", "a")).await;
        let names = scene.names().await;
        expect(names == ["a"], "COMMIT-VISIBLE", format!("{names:?} are there"))
    });
}

#[test]
fn cache_past_without_replay() {
    by_the_model::<Cached<MemoryWorld>>(Defect::CachePastWithoutReplay, &["LIST-ATOMIC", "LIST-OPTIONS"]);
}

#[test]
fn cache_keeps_wrong_picture() {
    by_the_model::<Cached<MemoryWorld>>(
        Defect::CacheKeepsWrongPicture,
        &["LIST-ATOMIC", "LIST-OPTIONS", "COMPACT-READS"],
    );
}

#[test]
fn cache_index_keeps_old_value() {
    by_the_model::<Cached<MemoryWorld>>(
        Defect::CacheIndexKeepsOldValue,
        &["LIST-ATOMIC", "LIST-OPTIONS", "WATCH-ATOMIC"],
    );
}

#[test]
fn cache_continues_by_matches() {
    by_the_model::<Cached<MemoryWorld>>(
        Defect::CacheContinuesByMatches,
        &["LIST-CONTINUATION", "LIST-ATOMIC"],
    );
}
