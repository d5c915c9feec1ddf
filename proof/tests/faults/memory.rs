//! What others do at the points of the memory backend, in the middle of its steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use watchkeep_storage::conformance::instrument::{Resource, committed};
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::conformance::{Harness as _, MemoryHarness, Setup, Store};
use watchkeep_storage::failpoint::{Point, Scenario};
use watchkeep_storage::{
    Commit, Error, Expect, Freshness, Operation, ReadAt, Revision, WatchEvent, WatchStart,
};

async fn store() -> (Store, Resource) {
    let store = MemoryHarness.open(Setup::default()).await;
    let pods = store.pods().await;
    (store, pods)
}

/// Writes an object whatever is there, without waiting: memory has nothing to wait for.
fn put_now(pods: &Resource, mark: &str) -> Revision {
    let object = pod("ns", "a").mark(mark);
    let stored = pods.get(&pods.key(&object), Freshness::Latest).now_or_never().unwrap().unwrap().record;
    let expect = stored.map_or(Expect::Absent, |record| Expect::Revision(record.revision));
    let operation = Operation::Put { value: pods.value(&object), ttl: None };
    let commit = pods.commit(Commit { key: pods.key(&object), expect, operation });
    committed(commit.now_or_never().unwrap().unwrap()).revision
}

#[tokio::test(start_paused = true)]
async fn a_write_while_a_watch_is_opened_is_shown_once() {
    let scenario = Scenario::begin();
    let (_store, pods) = store().await;
    let before = pods.put(&pod("ns", "a").mark("before")).await.revision;
    let writer = pods.clone();
    scenario.call(Point::MemoryPicture, move || {
        put_now(&writer, "meanwhile");
    });
    let start = WatchStart::Initial { freshness: Freshness::Latest, bookmark: true };
    let mut watch = pods.watch(pods.watching(pods.all(), start)).await.unwrap();
    scenario.clear(Point::MemoryPicture);
    let last = put_now(&pods, "after");
    let mut shown = Vec::new();
    while shown.last() != Some(&last) {
        if let WatchEvent::Change(change) = watch.next().await.unwrap().unwrap() {
            shown.push(change.revision());
        }
    }
    assert_eq!(shown, [before, before.next(), last]);
}

#[tokio::test(start_paused = true)]
async fn what_is_published_is_there_for_all_before_anybody_is_woken_or_told() {
    for point in [Point::MemoryPublished, Point::MemoryAcknowledge] {
        let scenario = Scenario::begin();
        let (_store, pods) = store().await;
        let (reader, before, visits) = (pods.clone(), pods.now().await, Arc::new(AtomicUsize::new(0)));
        let visited = Arc::clone(&visits);
        scenario.call(point, move || {
            let found =
                reader.get(&reader.key(&pod("ns", "a")), Freshness::Latest).now_or_never().unwrap().unwrap();
            assert_eq!(found.record.map(|record| record.revision), Some(before.next()));
            assert_eq!(reader.current_revision().now_or_never().unwrap().unwrap(), before.next());
            visited.fetch_add(1, Ordering::Relaxed);
        });
        put_now(&pods, "a");
        assert_eq!(visits.load(Ordering::Relaxed), 1, "{point:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_overtakes_another_makes_it_a_conflict() {
    let scenario = Scenario::begin();
    let (_store, pods) = store().await;
    let (writer, overtook) = (pods.clone(), Arc::new(AtomicUsize::new(0)));
    let once = Arc::clone(&overtook);
    scenario.call(Point::MemoryCommit, move || {
        if once.fetch_add(1, Ordering::Relaxed) == 0 {
            put_now(&writer, "faster");
        }
    });
    let outcome = pods.try_put(&pod("ns", "a").mark("slower"), Expect::Absent).await.unwrap();
    assert!(matches!(outcome, watchkeep_storage::Outcome::Conflict { current: Some(_) }), "{outcome:?}");
    assert_eq!(overtook.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reader_amid_a_compaction_sees_it_done() {
    let scenario = Scenario::begin();
    let (_store, pods) = store().await;
    let first = put_now(&pods, "1");
    let second = put_now(&pods, "2");
    let (reader, visits) = (pods.clone(), Arc::new(AtomicUsize::new(0)));
    let visited = Arc::clone(&visits);
    scenario.call(Point::MemoryCompacted, move || {
        let list = |at| reader.list(reader.request(reader.all(), ReadAt::Exact(at))).now_or_never().unwrap();
        assert!(matches!(list(first), Err(Error::Compacted { .. })));
        assert_eq!(list(second).unwrap().revision, second);
        visited.fetch_add(1, Ordering::Relaxed);
    });
    pods.compact(second).await.unwrap();
    assert_eq!(visits.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_again_right_before_it_expires_stays() {
    let scenario = Scenario::begin();
    let (store, pods) = store().await;
    pods.put_for(&pod("ns", "a").mark("short"), Some(Duration::from_secs(5))).await;
    store.advance(Duration::from_millis(4_900)).await;
    let (writer, written) = (pods.clone(), Arc::new(AtomicUsize::new(0)));
    let once = Arc::clone(&written);
    scenario.call(Point::MemoryExpire, move || {
        if once.fetch_add(1, Ordering::Relaxed) == 0 {
            put_now(&writer, "for good");
        }
    });
    store.advance(Duration::from_secs(5)).await;
    assert!(written.load(Ordering::Relaxed) > 0);
    assert!(pods.find(&pod("ns", "a")).await.is_some());
}
