//! Writes of the `RocksDB` backend that fail: who waits for one is told so, reads and watches go on, and writes
//! are taken again.

use std::time::Duration;

use futures_util::StreamExt as _;
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::{Object, pod};
use watchkeep_storage::failpoint::{Point, Scenario};
use watchkeep_storage::{
    CompactedDuring, Error, Expect, Freshness, Outcome, ReadAt, Revision, WatchEvent, WatchStart, Watcher,
};

use crate::disk::{folder, open};

/// How long a store may take to recover.
const PATIENCE: Duration = Duration::from_secs(30);

/// Creates an object, again and again until the store takes it.
async fn put_at_last(pods: &Resource, object: &Object) -> Revision {
    let put = async {
        loop {
            match pods.try_put(object, Expect::Absent).await {
                Ok(Outcome::Committed(committed)) => return committed.revision,
                Ok(Outcome::Conflict { current }) => panic!("{current:?}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, put).await.expect("writes are taken again")
}

/// What a watch shows up to a revision.
async fn shown(watch: &mut Watcher, end: Revision) -> Vec<(String, Revision)> {
    let mut shown = Vec::new();
    while shown.last().is_none_or(|(_, revision)| *revision < end) {
        let event = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
        if let WatchEvent::Change(change) = event {
            shown.push((change.event.key.to_string(), change.revision()));
        }
    }
    shown
}

async fn listed(pods: &Resource) -> Vec<(String, Revision)> {
    let (records, _) = pods.read(pods.all(), ReadAt::Latest).await.unwrap();
    records.iter().map(|record| (record.key.to_string(), record.revision)).collect()
}

/// A write fails at a point, once; whether it is there when the store has recovered.
async fn a_write_fails(point: Point, stays: bool) {
    let (scenario, directory) = (Scenario::begin(), folder());
    let (_backend, pods) = open(directory.path()).await;
    let start = WatchStart::After(pods.now().await);
    let mut watch = pods.watch(pods.watching(pods.all(), start)).await.unwrap();
    let (a, b, c) = (pod("ns", "a"), pod("ns", "b"), pod("ns", "c"));
    let first = pods.put(&a).await;
    scenario.set(Point::RocksReopen, "1*return");
    scenario.set(point, "1*return(the disk)");
    let error = pods.try_put(&b, Expect::Absent).await.unwrap_err();
    assert!(error.outcome_is_unknown() && error.to_string().contains("the disk"), "{error}");
    let error = pods.try_put(&c, Expect::Absent).await.unwrap_err();
    assert!(matches!(error, Error::WritesRefused { .. }), "{error}");
    assert!(matches!(pods.readiness(), Err(Error::NotReady { .. })));
    // Reads go on, and show nothing of which nobody knows whether it is durable.
    assert_eq!(pods.find(&a).await.unwrap(), first);
    assert_eq!(listed(&pods).await, [(first.key.to_string(), first.revision)]);
    assert_eq!(pods.now().await, first.revision);
    match pods.get(&pods.key(&b), Freshness::Latest).await {
        Ok(found) => assert_eq!((found.record, stays), (None, false)),
        Err(error) => assert!(stays && matches!(error, Error::NotReady { .. }), "{error}"),
    }
    let last = put_at_last(&pods, &c).await;
    assert!(pods.readiness().is_ok());
    let there = listed(&pods).await;
    assert_eq!(there.iter().any(|(key, _)| key.ends_with("/b")), stays, "{there:?}");
    assert_eq!(there.len(), if stays { 3 } else { 2 });
    assert_eq!(shown(&mut watch, last).await, there, "what was committed and nothing else");
}

#[tokio::test]
async fn a_write_that_fails_did_not_happen_and_writes_go_on() {
    a_write_fails(Point::RocksWrite, false).await;
}

#[tokio::test]
async fn a_write_whose_sync_fails_is_not_acknowledged_and_shown_if_it_is_there() {
    a_write_fails(Point::RocksSync, true).await;
}

#[tokio::test]
async fn a_compaction_that_fails_leaves_what_there_was() {
    let (scenario, directory) = (Scenario::begin(), folder());
    let (_backend, pods) = open(directory.path()).await;
    let first = pods.put(&pod("ns", "a").mark("1")).await.revision;
    let second = pods.put(&pod("ns", "a").mark("2")).await.revision;
    let before = pods.compacted_revision();
    scenario.set(Point::RocksWrite, "1*return");
    let error = pods.compact(second).await.unwrap_err();
    assert!(error.outcome_is_unknown(), "{error}");
    assert_eq!(pods.compacted_revision(), before);
    let (records, _) = pods.read(pods.all(), ReadAt::Exact(first)).await.unwrap();
    assert_eq!(records[0].revision, first);
    put_at_last(&pods, &pod("ns", "b")).await;
    pods.compact(second).await.unwrap();
    let refused = pods.read(pods.all(), ReadAt::Exact(first)).await.unwrap_err();
    assert!(
        matches!(refused, Error::Compacted { oldest, during: CompactedDuring::List, .. } if oldest == second)
    );
}
