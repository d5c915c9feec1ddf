//! Every future of the interface, dropped at every point where it waits.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::StreamExt;
use futures_util::future::join_all;

use super::harness::{Harness, Setup};
use super::instrument::{Resource, polled};
use super::object::{Object, pod};
use crate::delete::delete;
use crate::error::Error;
use crate::event::EventType;
use crate::interface::{Commit, Expect, Freshness, Operation, Outcome};
use crate::list::{ReadAt, collect};
use crate::precondition::Preconditions;
use crate::record::Record;
use crate::update::{Update, UpdateOptions, guaranteed_update};
use crate::watch::WatchStart;

/// After how many polls the futures are dropped: each number up to here.
const POLLS_MAX: usize = 12;

/// Holds \[CANCEL-READ\].
pub async fn dropped_reads_have_no_effect(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let record = pods.put(&object).await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    let key = pods.key(&object);
    for polls in 0..POLLS_MAX {
        drop(polled(pods.get(&key, Freshness::Latest), polls).await);
        drop(polled(pods.list(pods.request(pods.all(), ReadAt::Latest)), polls).await);
        drop(polled(pods.watch(pods.watching(pods.all(), WatchStart::Now)), polls).await);
        drop(polled(pods.current_revision(), polls).await);
        drop(polled(pods.stats(), polls).await);
        drop(polled(pods.request_progress(), polls).await);
    }
    assert_eq!(pods.find(&object).await, Some(record));
    probe.is_quiet().await;
    let next = pods.put(&object.mark("next")).await;
    probe.shows(EventType::Modified, &next).await;
}

/// Holds \[CANCEL-READ\]: a dropped call of a cursor has skipped nothing and repeats nothing.
pub async fn a_dropped_batch_is_not_skipped(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut records = Vec::new();
    for at in 0..3000 {
        records.push(pods.put(&pod("ns", &format!("a-{at:04}"))).await);
    }
    let mut cursor = pods.list(pods.request(pods.all(), ReadAt::Latest)).await.unwrap().cursor;
    let mut read = Vec::new();
    let mut polls = 0;
    loop {
        polls = (polls + 1) % POLLS_MAX;
        let Some(batch) = polled(cursor.next(), polls).await else { continue };
        let batch = batch.unwrap();
        if batch.is_empty() {
            break;
        }
        read.extend(batch);
    }
    assert_eq!(read, records);
    assert_eq!(collect(cursor).await.unwrap(), []);
}

/// Holds \[CANCEL-COMMIT\]: a commit is done or not done, and the store goes on.
pub async fn a_dropped_commit_is_done_or_not_done(harness: &dyn Harness) {
    for polls in 0..POLLS_MAX {
        let pods = harness.open(Setup::default()).await.pods().await;
        let object = pod("ns", "a");
        let start = pods.now().await;
        for expect_absent in [true, false] {
            let current = pods.find(&object).await;
            let expect = current.as_ref().map_or(Expect::Absent, |record| Expect::Revision(record.revision));
            let operation = if expect_absent {
                Operation::Put { value: pods.value(&object), ttl: None }
            } else {
                Operation::Delete
            };
            let commit = Commit { key: pods.key(&object), expect, operation };
            drop(polled(pods.commit(commit), polls).await);
            tells_one_story(harness, &pods, &object, start).await;
        }
    }
}

/// Holds \[CANCEL-COMMIT\].
pub async fn dropped_updates_and_deletions_leave_the_store_consistent(harness: &dyn Harness) {
    for polls in 0..POLLS_MAX {
        let pods = harness.open(Setup::default()).await.pods().await;
        let object = pod("ns", "a");
        let key = pods.key(&object);
        let start = pods.now().await;
        pods.put(&object).await;
        let set = |_: Option<Arc<Record>>| {
            ready(Ok::<_, Error>(Update::Put { value: pods.value(&object.clone().mark("set")), ttl: None }))
        };
        drop(polled(Box::pin(guaranteed_update(&*pods, &key, UpdateOptions::default(), set)), polls).await);
        tells_one_story(harness, &pods, &object, start).await;
        let accept = |_| ready(Ok::<_, Error>(()));
        let deletion = delete(&*pods, &key, &Preconditions::NONE, None, accept);
        drop(polled(Box::pin(deletion), polls).await);
        tells_one_story(harness, &pods, &object, start).await;
    }
}

/// Writes the object once more, and checks that its events are one chain that ends in that write: no
/// commit is half there.
async fn tells_one_story(harness: &dyn Harness, pods: &Resource, object: &Object, start: crate::Revision) {
    let options = UpdateOptions { create_missing: true, ..UpdateOptions::default() };
    let last = object.clone().mark(format!("after {}", pods.now().await));
    pods.update_to(&last, options).await.unwrap();
    let stored = pods.find(object).await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::After(start)).await;
    let mut state: Option<Arc<Record>> = None;
    while state.as_ref().is_none_or(|record| record.value != pods.value(&last)) {
        let change = probe.change().await;
        assert_eq!(change.event.previous, state, "each event goes on where the one before ended");
        state.clone_from(&change.event.current);
        let (records, _) = pods.read(pods.all(), ReadAt::Exact(change.revision())).await.unwrap();
        assert_eq!(records.first(), state.as_ref());
    }
    assert_eq!(state, stored);
    assert_eq!(pods.stats().await.unwrap().objects, 1);
    probe.is_quiet().await;
}

/// Holds \[CANCEL-COMMIT\].
pub async fn a_dropped_compaction_leaves_the_store_consistent(harness: &dyn Harness) {
    for polls in 0..POLLS_MAX {
        let pods = harness.open(Setup::default()).await.pods().await;
        let written = join_all((0..OBJECTS).map(|at| write_history(&pods, at))).await;
        let now = pods.now().await;
        drop(polled(pods.compact(now), polls).await);
        assert!(pods.compacted_revision() <= now);
        assert_eq!(pods.read(pods.all(), ReadAt::Latest).await.unwrap().0, written);
        let mut probe = pods.probe(harness, pods.all(), WatchStart::After(now)).await;
        let next = pods.put(&numbered(0).mark("next")).await;
        probe.shows(EventType::Modified, &next).await;
        pods.compact(next.revision).await.unwrap();
        assert!(pods.compacted_revision() >= next.revision);
    }
}

/// How many objects there are and how often each is written: too much history to be given up in one step.
/// They are written side by side, for the sake of stores where each write is a trip elsewhere.
const OBJECTS: usize = 25;
const VERSIONS: usize = 40;

fn numbered(at: usize) -> Object {
    pod("ns", &format!("a-{at:02}"))
}

/// Writes an object again and again; returns what it is at last.
async fn write_history(pods: &Resource, at: usize) -> Arc<Record> {
    let mut expect = Expect::Absent;
    let mut last = None;
    for version in 0..VERSIONS {
        let object = numbered(at).mark(version.to_string());
        let outcome = pods.try_put(&object, expect).await.unwrap();
        let Outcome::Committed(committed) = outcome else { panic!("{outcome:?}") };
        expect = Expect::Revision(committed.revision);
        last = committed.record;
    }
    last.unwrap()
}

/// Counts how often it is woken; how often it is held is its reference count.
#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Holds \[CANCEL-READ\]: nobody wakes, or keeps, the reader of a watch that is gone.
pub async fn a_dropped_watch_lets_go_of_its_reader(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    for start in [WatchStart::Now, WatchStart::After(pods.now().await)] {
        let mut probe = pods.probe(harness, pods.all(), start).await;
        let polled = probe.watcher().poll_next_unpin(&mut Context::from_waker(&waker));
        assert!(matches!(polled, Poll::Pending));
    }
    drop(waker);
    store.advance(harness.clock().quiet()).await;
    assert_eq!(Arc::strong_count(&alarm), 1, "somebody still holds the waker");
    let before = alarm.0.load(Ordering::SeqCst);
    pods.put(&pod("ns", "a")).await;
    assert_eq!(alarm.0.load(Ordering::SeqCst), before);
}

/// Holds \[CANCEL-READ\]: a reader that gives up waiting and comes back misses nothing.
pub async fn an_interrupted_watch_misses_nothing(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    for at in 0..40 {
        for polls in 0..3 {
            assert!(polled(Box::pin(probe.next()), polls).await.is_none());
        }
        let record = pods.put(&pod("ns", &format!("a{at}"))).await;
        probe.shows(EventType::Added, &record).await;
    }
}
