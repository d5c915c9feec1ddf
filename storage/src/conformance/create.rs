//! Creation.

use std::time::Duration;

use super::harness::{Harness, Setup};
use super::instrument::conflict;
use super::object::pod;
use crate::create::create;
use crate::error::Error;
use crate::event::EventType;
use crate::interface::Expect;
use crate::record::{LayoutError, Value};
use crate::watch::WatchStart;

/// Holds \[CREATE\].
pub async fn a_created_object_is_read_back_with_its_revision(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a").uid("u").label("color", "red");
    assert_eq!(pods.find(&object).await, None);
    let before = pods.now().await;
    let record = create(&*pods, pods.key(&object), pods.value(&object), None).await.unwrap();
    assert!(record.revision > before);
    assert_eq!(record.key, pods.key(&object));
    assert_eq!(record.value, pods.value(&object));
    assert_eq!(record.value.attributes(), pods.value(&object).attributes());
    assert_eq!(pods.find(&object).await, Some(record));
}

/// Holds \[CREATE\].
pub async fn stored_bytes_hold_no_resource_version(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let record = pods.put(&pod("ns", "a").uid("u")).await;
    let stored = std::str::from_utf8(record.value.bytes()).unwrap();
    assert!(!stored.contains("resourceVersion"), "{stored}");
    let shown = String::from_utf8(record.object()).unwrap();
    assert!(shown.contains(&format!(r#""resourceVersion":"{}""#, record.revision)), "{shown}");
}

/// Holds \[CREATE\].
pub async fn a_value_with_a_resource_version_cannot_be_made(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let json = br#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"1"}}"#;
    assert!(matches!(Value::new(json.to_vec(), pods.schema()), Err(LayoutError::ResourceVersionSet)));
}

/// Holds \[CREATE\].
pub async fn a_taken_key_cannot_be_created(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let first = pods.put(&object.clone().mark("first")).await;
    let key = pods.key(&object);
    let second = create(&*pods, key.clone(), pods.value(&object.clone().mark("second")), None).await;
    assert_eq!(second, Err(Error::Exists { key }));
    assert_eq!(pods.find(&object).await, Some(first));
}

/// Holds \[CREATE\].
pub async fn a_deleted_key_can_be_created_again(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    pods.put(&object).await;
    let deleted = pods.remove(&object).await;
    let again = create(&*pods, pods.key(&object), pods.value(&object), None).await.unwrap();
    assert!(again.revision > deleted.revision);
}

/// Holds \[CREATE\], \[COMMIT-CONFLICT\].
pub async fn one_of_many_concurrent_creations_wins(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let attempts = (0..16).map(|writer| {
        let pods = pods.clone();
        async move { pods.try_put(&pod("ns", "a").mark(writer.to_string()), Expect::Absent).await.unwrap() }
    });
    let outcomes = futures_util::future::join_all(attempts).await;
    let (won, lost): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|outcome| matches!(outcome, crate::Outcome::Committed(_)));
    assert_eq!((won.len(), lost.len()), (1, 15));
    let stored = pods.find(&pod("ns", "a")).await;
    for outcome in lost {
        assert_eq!(conflict(outcome), stored);
    }
}

/// Holds \[TTL-EVENT\].
pub async fn an_object_created_with_a_ttl_is_deleted_on_the_watch(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    let object = pod("ns", "a");
    let ttl = Some(Duration::from_secs(1));
    let record = create(&*pods, pods.key(&object), pods.value(&object), ttl).await.unwrap();
    probe.shows(EventType::Added, &record).await;
    let change = probe.change().await;
    assert_eq!(change.event_type, EventType::Deleted);
    assert_eq!(change.record(), Some(&record));
}
