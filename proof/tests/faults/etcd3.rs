//! What may happen between this backend and its etcd: requests that are never sent, answers that are lost,
//! watches that are cut, leases that are refused, and a compactor that dies in the middle of its work.

use std::time::Duration;

use futures_util::StreamExt as _;
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::etcd3::{EtcdBackend, EtcdOptions};
use watchkeep_storage::failpoint::{Point, Scenario};
use watchkeep_storage::{
    Backend as _, Commit, Environment, Error, Expect, Operation, ResourcePrefix, Revision, Schema,
    WatchEvent, WatchStart,
};
use watchkeep_tests::etcd::Etcd;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

async fn open(options: EtcdOptions) -> (EtcdBackend, Resource) {
    let backend = EtcdBackend::open(options, Environment::system()).unwrap();
    let prefix = ResourcePrefix::new("/pods").unwrap();
    let pods = backend.resource(prefix, std::sync::Arc::new(Schema::default())).await.unwrap();
    (backend, Resource::new(pods))
}

async fn start() -> (Etcd, EtcdBackend, Resource) {
    let etcd = Etcd::start().unwrap();
    let (backend, pods) = open(EtcdOptions::new([etcd.url()])).await;
    (etcd, backend, pods)
}

#[tokio::test]
async fn a_transaction_that_is_never_sent_changes_nothing() {
    let (_etcd, _backend, pods) = start().await;
    let scenario = Scenario::begin();
    scenario.set(Point::EtcdSend, "1*return(no route)");
    let error = pods.try_put(&pod("ns", "a"), Expect::Absent).await.unwrap_err();
    assert!(error.outcome_is_unknown() && matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(pods.find(&pod("ns", "a")).await, None);
    pods.put(&pod("ns", "a")).await;
}

#[tokio::test]
async fn a_transaction_whose_answer_is_lost_has_happened_and_is_shown() {
    let (_etcd, _backend, pods) = start().await;
    let scenario = Scenario::begin();
    let start = WatchStart::After(pods.now().await);
    let mut watch = pods.watch(pods.watching(pods.all(), start)).await.unwrap();
    scenario.set(Point::EtcdAnswer, "1*return");
    let error = pods.try_put(&pod("ns", "a"), Expect::Absent).await.unwrap_err();
    assert!(error.outcome_is_unknown(), "{error}");
    let stored = pods.find(&pod("ns", "a")).await.unwrap();
    let event = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(event, WatchEvent::Change(change) if change.record() == Some(&stored)));
}

#[tokio::test]
async fn a_watch_that_is_cut_again_and_again_shows_everything_once() {
    let (_etcd, _backend, pods) = start().await;
    let scenario = Scenario::begin();
    let start = WatchStart::After(pods.now().await);
    let mut watch = pods.watch(pods.watching(pods.all(), start)).await.unwrap();
    let (mut written, mut shown): (Vec<Revision>, Vec<Revision>) = (Vec::new(), Vec::new());
    for round in 0..8 {
        scenario.set(Point::EtcdWatch, "1*return");
        for name in ["a", "b"] {
            written.push(pods.put(&pod("ns", name).mark(format!("{round}"))).await.revision);
        }
        while shown.last() != written.last() {
            match tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap() {
                WatchEvent::Change(change) => shown.push(change.revision()),
                WatchEvent::Bookmark(_) => {}
            }
        }
    }
    assert_eq!(shown, written);
}

#[tokio::test]
async fn a_write_without_its_lease_is_none() {
    let (_etcd, _backend, pods) = start().await;
    let scenario = Scenario::begin();
    scenario.set(Point::EtcdLease, "1*return");
    let (key, value) = (pods.key(&pod("ns", "a")), pods.value(&pod("ns", "a")));
    let operation = Operation::Put { value, ttl: Some(Duration::from_hours(1)) };
    let commit = Commit { key, expect: Expect::Absent, operation };
    let error = pods.commit(commit.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(pods.find(&pod("ns", "a")).await, None);
    pods.commit(commit).await.unwrap();
    assert!(pods.find(&pod("ns", "a")).await.is_some());
}

#[tokio::test]
async fn history_is_compacted_where_one_of_the_processes_dies_amid_it() {
    let etcd = Etcd::start().unwrap();
    let scenario = Scenario::begin();
    for point in [Point::EtcdClock, Point::EtcdCompact] {
        // The panic ends the one task that has got there.
        scenario.set(point, "1*panic");
        let options = EtcdOptions {
            compaction_interval: Duration::from_millis(100),
            health_interval: Duration::from_millis(50),
            prefix: format!("/{point:?}"),
            ..EtcdOptions::new([etcd.url()])
        };
        let (_one, pods) = open(options.clone()).await;
        let (_other, _) = open(options).await;
        let first = pods.put(&pod("ns", "a")).await.revision;
        let compacted = async {
            while pods.compacted_revision() < first {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, compacted).await;
        assert!(in_time.is_ok(), "{point:?}: {}", pods.compacted_revision());
        assert!(pods.find(&pod("ns", "a")).await.is_some());
    }
}
