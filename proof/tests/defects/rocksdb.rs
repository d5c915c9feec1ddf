//! Defects of the `RocksDB` backend. A crash is a copy of the files while the store is open.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use watchkeep_proof::worlds::RocksWorld;
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::{Object, pod};
use watchkeep_storage::defect::Defect;
use watchkeep_storage::failpoint::Point;
use watchkeep_storage::{
    Backend as _, Environment, Expect, Freshness, Outcome, ReadAt, Revision, WatchEvent, WatchStart, Watcher,
    collect,
};

use crate::catch::{by_a_scenario, by_the_model_once, expect};
use crate::disk::{folder, killed, open, open_in};

/// How long what has to happen may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// A day for a clock that can jump.
const START: SystemTime = UNIX_EPOCH;

async fn watch(pods: &Resource, after: Revision) -> Watcher {
    pods.watch(pods.watching(pods.all(), WatchStart::After(after))).await.unwrap()
}

/// The revisions that a watch shows up to one of them, or for as long as anybody waits.
async fn shown(watch: &mut Watcher, end: Revision) -> Vec<Revision> {
    let mut shown = Vec::new();
    while shown.last().is_none_or(|last| *last < end)
        && let Ok(Some(Ok(event))) = tokio::time::timeout(PATIENCE, watch.next()).await
    {
        if let WatchEvent::Change(change) = event {
            shown.push(change.revision());
        }
    }
    shown
}

/// Whether an object goes within patience.
async fn is_gone_at_last(pods: &Resource, object: &Object) -> bool {
    let gone = async {
        while pods.find(object).await.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.is_ok()
}

/// Creates an object, again and again until the store takes it.
async fn put_at_last(pods: &Resource, object: &Object) -> Revision {
    loop {
        match pods.try_put(object, Expect::Absent).await {
            Ok(Outcome::Committed(committed)) => return committed.revision,
            Ok(Outcome::Conflict { current }) => panic!("{current:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[test]
fn rocks_publishes_before_write() {
    by_a_scenario(Defect::RocksPublishesBeforeWrite, "COMMIT-VISIBLE", &async |scenario| {
        let directory = folder();
        let (_backend, pods) = open(directory.path()).await;
        let mut watch = watch(&pods, pods.now().await).await;
        scenario.set(Point::RocksWrite, "sleep(100)");
        let (object, reader) = (pod("ns", "a"), pods.clone());
        let key = pods.key(&object);
        let write = pods.try_put(&object, Expect::Absent);
        let read = async {
            watch.next().await.unwrap().unwrap();
            reader.get(&key, Freshness::Latest).await.unwrap().record
        };
        let (written, seen) = tokio::join!(write, read);
        written.unwrap();
        expect(seen.is_some(), "COMMIT-VISIBLE", "whoever has seen the event does not find the object")
    });
}

#[test]
fn rocks_acknowledges_before_publish() {
    // A slow thread.
    let points = [(Point::RocksDurable, "sleep(20)")];
    let promises = ["COMMIT-VISIBLE", "REVISION-MONOTONIC"];
    by_the_model_once::<RocksWorld>(Defect::RocksAcknowledgesBeforePublish, &points, &promises);
}

#[test]
fn rocks_skips_sync() {
    by_a_scenario(Defect::RocksSkipsSync, "I4", &async |scenario| {
        let directory = folder();
        let (_backend, pods) = open(directory.path()).await;
        scenario.set(Point::RocksSync, "return");
        let outcome = pods.try_put(&pod("ns", "a"), Expect::Absent).await;
        expect(outcome.is_err(), "I4", "it was acknowledged, and no sync has succeeded")
    });
}

#[test]
fn rocks_block_not_reserved() {
    by_a_scenario(Defect::RocksBlockNotReserved, "REVISION-MONOTONIC", &async |_| {
        let directory = folder();
        let (_backend, pods) = open(directory.path()).await;
        // More than a block, by many at once.
        let (clients, writes) = (100, 22);
        let newest = join_all((0..clients).map(async |client| {
            let mut newest = Revision::ZERO;
            for write in 0..writes {
                let object = pod("ns", &format!("{client}-{write}"));
                match pods.try_put(&object, Expect::Absent).await.unwrap() {
                    Outcome::Committed(committed) => newest = committed.revision,
                    Outcome::Conflict { current } => panic!("{current:?}"),
                }
            }
            newest
        }));
        let newest = newest.await.into_iter().max().unwrap();
        let image = killed(directory.path());
        let (_after, pods) = open(image.path()).await;
        let next = put_at_last(&pods, &pod("ns", "next")).await;
        expect(next > newest, "REVISION-MONOTONIC", format!("{next} after a crash, and {newest} before it"))
    });
}

#[test]
fn rocks_remembers_deleted() {
    by_the_model_once::<RocksWorld>(
        Defect::RocksRemembersDeleted,
        &[],
        &["COMMIT-CONFLICT", "CREATE", "UPDATE-CURRENT", "DELETE-CURRENT"],
    );
}

#[test]
fn rocks_reopens_without_newest() {
    by_a_scenario(Defect::RocksReopensWithoutNewest, "WATCH-RELIABLE", &async |scenario| {
        let directory = folder();
        let (_backend, pods) = open(directory.path()).await;
        let mut watch = watch(&pods, pods.now().await).await;
        scenario.set(Point::RocksSync, "1*return");
        pods.try_put(&pod("ns", "unknown"), Expect::Absent).await.unwrap_err();
        let last = put_at_last(&pods, &pod("ns", "last")).await;
        let is_there = pods.find(&pod("ns", "unknown")).await.is_some();
        let shown = shown(&mut watch, last).await;
        expect(
            is_there && shown.len() == 2,
            "WATCH-RELIABLE",
            format!("an object is there, and {shown:?} is shown"),
        )
    });
}

#[test]
fn rocks_replay_skips_at_boundary() {
    by_a_scenario(Defect::RocksReplaySkipsAtBoundary, "WATCH-RELIABLE", &async |_| {
        let directory = folder();
        let (_backend, pods) = open(directory.path()).await;
        let begin = pods.now().await;
        let mut written = Vec::new();
        // More than one read of history has room for.
        for name in 0..8 {
            let object = pod("ns", &format!("{name}")).mark("x".repeat(400_000));
            written.push(pods.put(&object).await.revision);
        }
        let shown = shown(&mut watch(&pods, begin).await, written[7]).await;
        expect(shown == written, "WATCH-RELIABLE", format!("{written:?} were written, {shown:?} are shown"))
    });
}

#[test]
fn rocks_rewrite_keeps_deadline() {
    by_a_scenario(Defect::RocksRewriteKeepsDeadline, "TTL-DROPPED", &async |_| {
        let directory = folder();
        let environment = Environment::simulated(START, 1);
        let (_backend, pods) = open_in(directory.path(), environment.clone()).await;
        let (stays, goes, hour) = (pod("ns", "a"), pod("ns", "b"), Some(Duration::from_hours(1)));
        pods.put_for(&stays, hour).await;
        pods.put_for(&goes, hour).await;
        pods.put(&stays.clone().mark("for good")).await;
        environment.jump(Duration::from_hours(2));
        expect(is_gone_at_last(&pods, &goes).await, "TTL-LOWER-BOUND", "it is there an hour after its time")?;
        expect(pods.find(&stays).await.is_some(), "TTL-DROPPED", "it has no time-to-live, and is gone")
    });
}

#[test]
fn rocks_forgets_deadlines() {
    by_a_scenario(Defect::RocksForgetsDeadlines, "TTL-LOWER-BOUND", &async |_| {
        let directory = folder();
        let environment = Environment::simulated(START, 1);
        let (backend, pods) = open_in(directory.path(), environment.clone()).await;
        pods.put_for(&pod("ns", "a"), Some(Duration::from_hours(1))).await;
        backend.close().await.unwrap();
        let (_again, pods) = open_in(directory.path(), environment.clone()).await;
        environment.jump(Duration::from_hours(2));
        let gone = is_gone_at_last(&pods, &pod("ns", "a")).await;
        expect(gone, "TTL-LOWER-BOUND", "it is there an hour after its time")
    });
}

#[test]
fn rocks_ignores_pins() {
    by_a_scenario(Defect::RocksIgnoresPins, "LIST-ATOMIC", &async |_| {
        let directory = folder();
        let (_backend, pods) = open(directory.path()).await;
        let (object, changed) = (pod("ns", "a").mark("1"), pod("ns", "a").mark("2"));
        let record = pods.put(&object).await;
        let listing = pods.list(pods.request(pods.all(), ReadAt::Latest)).await.unwrap();
        let newest = pods.put(&changed).await.revision;
        pods.compact(newest).await.unwrap();
        // History goes between two groups of writes.
        for name in ["b", "c"] {
            pods.put(&pod("ns", name)).await;
        }
        let read = collect(listing.cursor).await;
        expect(read == Ok(vec![record]), "LIST-ATOMIC", format!("{read:?}"))
    });
}

#[test]
fn rocks_compacts_one_too_many() {
    by_the_model_once::<RocksWorld>(
        Defect::RocksCompactsOneTooMany,
        &[],
        &["COMPACT-READS", "COMPACT-WATCHES", "LIST-OPTIONS"],
    );
}

#[test]
fn rocks_page_reads_latest() {
    by_the_model_once::<RocksWorld>(
        Defect::RocksPageReadsLatest,
        &[],
        &["LIST-ATOMIC", "WATCH-ORDERED", "WATCH-UNIQUE"],
    );
}

#[test]
fn rocks_progress_is_the_head() {
    by_a_scenario(Defect::RocksProgressIsTheHead, "WATCH-BOOKMARKABLE", &async |_| {
        let directory = folder();
        let (_backend, pods) = open(directory.path()).await;
        let begin = pods.now().await;
        let first = pods.put(&pod("ns", "a")).await.revision;
        let watch = watch(&pods, begin).await;
        let says = format!("{first} is not delivered, and it says {}", watch.progress());
        expect(watch.progress() < first, "WATCH-BOOKMARKABLE", says)
    });
}
