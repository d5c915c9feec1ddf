//! Counts.

use super::harness::{Harness, Setup};
use super::instrument::conflict;
use super::object::pod;
use crate::interface::{Commit, Expect, Operation};

/// Holds \[STATS\].
pub async fn stats_count_the_objects_of_the_resource(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    store.others().await.put(&pod("ns", "x")).await;
    let objects = async || pods.stats().await.unwrap().objects;
    assert_eq!(objects().await, 0);
    pods.put(&pod("ns", "a")).await;
    assert_eq!(objects().await, 1);
    let created = pods.put(&pod("other", "b")).await;
    assert_eq!(objects().await, 2);
    pods.put(&pod("other", "b").mark("new")).await;
    assert_eq!(objects().await, 2);
    pods.remove(&pod("ns", "a")).await;
    assert_eq!(objects().await, 1);
    conflict(pods.try_put(&pod("other", "b"), Expect::Absent).await.unwrap());
    assert_eq!(objects().await, 1, "a conflict changes nothing");
    let key = pods.key(&pod("other", "b"));
    let stale = Commit { key, expect: Expect::Revision(created.revision), operation: Operation::Delete };
    conflict(pods.commit(stale).await.unwrap());
    assert_eq!(objects().await, 1, "neither does a deletion that is refused");
    pods.remove(&pod("other", "b")).await;
    assert_eq!(objects().await, 0);
}

/// Holds \[STATS\].
pub async fn stats_tell_the_mean_size_of_a_value(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    assert_eq!(pods.stats().await.unwrap().mean_value_bytes(), 0);
    let small = pod("ns", "a");
    let large = pod("ns", "b").mark("m".repeat(1000));
    let bytes = |object| pods.value(object).bytes().len() as u64;
    pods.put(&small).await;
    pods.put(&large).await;
    let stats = pods.stats().await.unwrap();
    assert_eq!(stats.value_bytes, bytes(&small) + bytes(&large));
    assert_eq!(stats.mean_value_bytes(), u64::midpoint(bytes(&small), bytes(&large)));
    pods.put(&pod("ns", "b")).await;
    assert_eq!(pods.stats().await.unwrap().mean_value_bytes(), bytes(&small));
    pods.remove(&small).await;
    pods.remove(&large).await;
    assert_eq!(pods.stats().await.unwrap().mean_value_bytes(), 0);
}
