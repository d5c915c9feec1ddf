//! Time-to-live.

use std::future::ready;
use std::time::Duration;

use super::harness::{Harness, Setup};
use super::object::pod;
use crate::error::Error;
use crate::event::EventType;
use crate::update::{Update, UpdateOptions, guaranteed_update};
use crate::watch::WatchStart;

/// The time-to-live that these tests use.
const TTL: Duration = Duration::from_secs(3);

/// By when an expired object has to be gone: the slack that a backend may take.
const SLACK: Duration = Duration::from_secs(2);

/// Holds \[TTL-LOWER-BOUND\].
pub async fn an_object_lives_for_its_ttl_and_not_much_longer(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let object = pod("ns", "a");
    let kept = pods.put(&pod("ns", "b")).await;
    let record = pods.put_for(&object, Some(TTL)).await;
    store.advance(TTL.mul_f32(0.9)).await;
    assert_eq!(pods.find(&object).await, Some(record));
    store.advance(TTL.mul_f32(0.1) + SLACK).await;
    assert_eq!(pods.find(&object).await, None);
    assert_eq!(pods.find(&pod("ns", "b")).await, Some(kept));
}

/// Holds \[TTL-EVENT\].
pub async fn an_expiry_is_a_deletion_with_a_revision_of_its_own(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let record = pods.put_for(&pod("ns", "a"), Some(TTL)).await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::After(record.revision)).await;
    let later = store.others().await.put(&pod("ns", "b")).await;
    let change = probe.change().await;
    assert_eq!(change.event_type, EventType::Deleted);
    assert_eq!(change.record(), Some(&record));
    assert!(change.revision() > later.revision);
    assert!(pods.now().await >= change.revision());
    assert_eq!(pods.find(&pod("ns", "a")).await, None);
    probe.is_quiet().await;
}

/// Holds \[TTL-DROPPED\].
pub async fn a_put_without_a_ttl_stays(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let object = pod("ns", "a");
    pods.put_for(&object, Some(TTL)).await;
    let record = pods.put(&object.clone().mark("new")).await;
    store.advance(TTL + SLACK).await;
    assert_eq!(pods.find(&object).await, Some(record));
}

/// Holds \[TTL-DROPPED\], \[TTL-LOWER-BOUND\].
pub async fn a_put_with_a_ttl_counts_from_then(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let object = pod("ns", "a");
    pods.put_for(&object, Some(TTL)).await;
    store.advance(TTL / 2).await;
    let record = pods.put_for(&object.clone().mark("new"), Some(TTL)).await;
    store.advance(TTL.mul_f32(0.8)).await;
    assert_eq!(pods.find(&object).await, Some(record), "the first deadline is over, the second is not");
    store.advance(TTL.mul_f32(0.2) + SLACK).await;
    assert_eq!(pods.find(&object).await, None);
}

/// Holds \[TTL-DROPPED\], \[TTL-EVENT\]: an update gives a time-to-live to what it creates, and to what had none.
pub async fn an_update_with_a_ttl_ends_in_a_deletion(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    let object = pod("ns", "a");
    let kept = pods.put(&object.clone().mark("kept")).await;
    probe.shows(EventType::Added, &kept).await;
    for event_type in [EventType::Modified, EventType::Added] {
        let value = pods.value(&object);
        let set = |_| ready(Ok::<_, Error>(Update::Put { value: value.clone(), ttl: Some(TTL) }));
        let options = UpdateOptions { create_missing: true, ..UpdateOptions::default() };
        guaranteed_update(&*pods, &pods.key(&object), options, set).await.unwrap();
        let record = pods.find(&object).await.unwrap();
        probe.shows(event_type, &record).await;
        let change = probe.change().await;
        assert_eq!((change.event_type, change.record()), (EventType::Deleted, Some(&record)));
        assert_eq!(pods.find(&object).await, None);
    }
    probe.is_quiet().await;
}

/// Holds \[TTL-DROPPED\]: the deadline goes with the object that had it.
pub async fn a_recreated_object_does_not_inherit_the_ttl(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let object = pod("ns", "a");
    pods.put_for(&object, Some(TTL)).await;
    pods.remove(&object).await;
    let record = pods.put(&object).await;
    store.advance(TTL + SLACK).await;
    assert_eq!(pods.find(&object).await, Some(record));
}

/// Holds \[TTL-EVENT\]: many at once, over several resources, each with its own revision.
pub async fn many_objects_expire_each_by_its_own_commit(harness: &dyn Harness) {
    const OBJECTS: usize = 600;
    let store = harness.open(Setup::default()).await;
    let (pods, others) = (store.pods().await, store.others().await);
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    for at in 0..OBJECTS {
        pods.put_for(&pod("ns", &format!("a-{at:03}")), Some(TTL)).await;
    }
    others.put_for(&pod("ns", "b"), Some(TTL)).await;
    let mut last = None;
    let mut gone = std::collections::BTreeSet::new();
    while gone.len() < OBJECTS {
        let change = probe.change().await;
        assert!(last < Some(change.revision()), "revisions grow");
        last = Some(change.revision());
        if change.event_type == EventType::Deleted {
            assert!(gone.insert(change.event.key.clone()), "each expires once");
        }
    }
    store.advance(SLACK).await;
    assert_eq!(others.find(&pod("ns", "b")).await, None);
    probe.is_quiet().await;
}
