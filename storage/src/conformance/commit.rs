//! Commits: the one way in which anything changes.

use futures_util::{FutureExt, StreamExt};

use super::harness::{Harness, Setup};
use super::instrument::{Resource, committed, conflict};
use super::object::{Object, pod};
use crate::OBJECT_BYTES_MAX;
use crate::error::Error;
use crate::event::WatchEvent;
use crate::interface::{Commit, Expect, Freshness, Operation, Outcome};
use crate::list::ReadAt;
use crate::revision::Revision;
use crate::watch::WatchStart;

async fn delete(pods: &Resource, object: &Object, expect: Expect) -> Outcome {
    let commit = Commit { key: pods.key(object), expect, operation: Operation::Delete };
    pods.commit(commit).await.unwrap()
}

/// Holds \[COMMIT-ORDERED\], \[REVISION-MONOTONIC\]: one sequence over all resources.
pub async fn commits_of_all_resources_are_one_sequence(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let resources = [store.pods().await, store.others().await, store.resource("/leases").await];
    let mut last = resources[0].now().await;
    for at in 0..30 {
        let resource = &resources[at % 3];
        let object = pod("ns", "a").mark(at.to_string());
        let revision = if at % 10 == 9 {
            resource.remove(&object).await.revision
        } else {
            resource.put(&object).await.revision
        };
        assert!(revision > last, "{revision} after {last}");
        last = revision;
        for resource in &resources {
            assert!(resource.now().await >= revision);
        }
    }
}

/// Holds \[COMMIT-ORDERED\]: what a commit answers.
pub async fn a_commit_answers_with_what_it_did(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let created = committed(pods.try_put(&object.clone().mark("1"), Expect::Absent).await.unwrap());
    let record = created.record.unwrap();
    assert_eq!((record.revision, created.previous), (created.revision, None));
    assert_eq!(record.value, pods.value(&object.clone().mark("1")));

    let expect = Expect::Revision(created.revision);
    let updated = committed(pods.try_put(&object.clone().mark("2"), expect).await.unwrap());
    let newer = updated.record.unwrap();
    assert_eq!((newer.revision, updated.previous), (updated.revision, Some(record)));

    let deleted = committed(delete(&pods, &object, Expect::Revision(updated.revision)).await);
    assert_eq!((deleted.record, deleted.previous), (None, Some(newer)));
    assert!(created.revision < updated.revision && updated.revision < deleted.revision);
}

/// Holds \[COMMIT-ORDERED\]: a commit is not asked whether it changes anything.
pub async fn a_commit_of_equal_bytes_gets_a_revision(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let first = pods.put(&pod("ns", "a")).await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    let second = pods.put(&pod("ns", "a")).await;
    assert!(second.revision > first.revision);
    probe.shows(crate::EventType::Modified, &second).await;
}

/// Holds \[COMMIT-CONFLICT\].
pub async fn a_conflict_changes_nothing_and_answers_with_what_is_stored(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let (object, missing) = (pod("ns", "a"), pod("ns", "missing"));
    let old = pods.put(&object.clone().mark("old")).await;
    let deleted = pods.put(&missing).await;
    pods.remove(&missing).await;
    let stored = pods.put(&object.clone().mark("stored")).await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    let future = Revision::new(stored.revision.get() + 100);
    for expect in [Expect::Absent, Expect::Revision(old.revision), Expect::Revision(future)] {
        let put = pods.try_put(&object.clone().mark("new"), expect).await.unwrap();
        assert_eq!(conflict(put).as_ref(), Some(&stored), "{expect:?}");
        let removed = delete(&pods, &object, expect).await;
        assert_eq!(conflict(removed).as_ref(), Some(&stored), "{expect:?}");
    }
    for expect in [Expect::Revision(deleted.revision), Expect::Revision(stored.revision)] {
        assert_eq!(conflict(pods.try_put(&missing, expect).await.unwrap()), None, "{expect:?}");
        assert_eq!(conflict(delete(&pods, &missing, expect).await), None, "{expect:?}");
    }
    assert_eq!(conflict(delete(&pods, &missing, Expect::Absent).await), None, "nothing to delete");
    probe.is_quiet().await;
    assert_eq!(pods.find(&object).await, Some(stored));
    assert_eq!(pods.find(&missing).await, None);
}

/// Holds \[COMMIT-VISIBLE\].
pub async fn an_acknowledged_commit_is_there_for_readers(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let object = pod("ns", "a");
    for at in 0..20 {
        let record = pods.put(&object.clone().mark(at.to_string())).await;
        assert!(store.others().await.now().await >= record.revision);
        for freshness in [Freshness::Latest, Freshness::AtLeast(record.revision)] {
            let found = pods.get(&pods.key(&object), freshness).await.unwrap();
            assert_eq!(found.record.as_ref(), Some(&record), "{freshness:?}");
            assert!(found.revision >= record.revision);
        }
        for read in [ReadAt::Latest, ReadAt::AtLeast(record.revision), ReadAt::Exact(record.revision)] {
            let (records, _) = pods.read(pods.all(), read).await.unwrap();
            assert_eq!(records, std::slice::from_ref(&record), "{read:?}");
        }
    }
}

/// Holds \[COMMIT-VISIBLE\]: a watch that is polled after the acknowledgement has the event at once.
pub async fn an_acknowledged_commit_is_there_for_open_watches(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    for at in 0..5 {
        let record = pods.put(&pod("ns", "a").mark(at.to_string())).await;
        let event = probe.watcher().next().now_or_never().flatten().unwrap().unwrap();
        let WatchEvent::Change(change) = event else { panic!("no bookmark was asked for") };
        assert_eq!(change.record(), Some(&record));
    }
}

/// Holds \[COMMIT-VISIBLE\]: whoever saw an event can read it.
pub async fn whoever_sees_an_event_can_read_it(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    let write = async {
        for at in 0..50 {
            pods.put(&pod("ns", "a").mark(at.to_string())).await;
            tokio::task::yield_now().await;
        }
    };
    let read = async {
        for _ in 0..50 {
            let change = probe.change().await;
            let found = pods.get(&change.event.key, Freshness::AtLeast(change.revision())).await.unwrap();
            assert!(found.record.unwrap().revision >= change.revision());
            let (records, _) = pods.read(pods.all(), ReadAt::Exact(change.revision())).await.unwrap();
            assert_eq!(records.first(), change.record());
        }
    };
    futures_util::future::join(write, read).await;
}

/// Holds \[COMMIT-SIZE\].
pub async fn an_object_over_the_limit_is_refused(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let overhead = pods.value(&object).bytes().len();
    let largest = object.clone().mark("x".repeat(OBJECT_BYTES_MAX - overhead));
    assert_eq!(pods.value(&largest).bytes().len(), OBJECT_BYTES_MAX);
    let record = pods.put(&largest).await;
    let larger = object.clone().mark("y".repeat(OBJECT_BYTES_MAX - overhead + 1));
    let refused = pods.try_put(&larger, Expect::Revision(record.revision)).await.unwrap_err();
    assert_eq!(refused, Error::ObjectTooLarge { key: pods.key(&object), bytes: OBJECT_BYTES_MAX + 1 });
    assert!(pods.find(&object).await == Some(record), "nothing has changed");
}

/// Holds \[COMMIT-ORDERED\]: an interface that is opened twice is the same resource.
pub async fn a_resource_opened_twice_is_one(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let (one, other) = (store.pods().await, store.pods().await);
    let mut probe = other.probe(harness, other.all(), WatchStart::Now).await;
    let record = one.put(&pod("ns", "a")).await;
    probe.shows(crate::EventType::Added, &record).await;
    assert_eq!(other.find(&pod("ns", "a")).await, Some(record));
}

/// Holds \[REVISION-MONOTONIC\].
pub async fn revisions_start_above_zero_and_never_go_back(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut last = pods.now().await;
    assert!(last > Revision::ZERO, "zero is no revision, also of an empty store");
    assert!(last.get() < 1 << 53, "clients that know only doubles can tell revisions apart");
    let mut write = Box::pin(async {
        for at in 0..40 {
            pods.put(&pod("ns", "a").mark(at.to_string())).await;
            tokio::task::yield_now().await;
        }
    });
    while futures_util::future::poll_immediate(write.as_mut()).await.is_none() {
        let now = pods.now().await;
        assert!(now >= last);
        last = now;
        tokio::task::yield_now().await;
    }
    assert!(pods.now().await >= last);
}

/// Holds \[REVISION-MONOTONIC\]: a client that comes back after a restart does not wait for ever.
pub async fn a_restarted_store_does_not_issue_a_revision_again(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let mut last = Revision::ZERO;
    for at in 0..50 {
        last = store.pods().await.put(&pod("ns", "a").mark(at.to_string())).await.revision;
    }
    store.advance(std::time::Duration::from_secs(1)).await;
    let store = harness.restart(store).await;
    assert!(store.pods().await.now().await >= last);
    let record = store.pods().await.put(&pod("ns", "b")).await;
    assert!(record.revision > last);
}
