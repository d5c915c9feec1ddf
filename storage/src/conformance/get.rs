//! Reads of one key.

use super::harness::{Harness, Setup};
use super::object::pod;
use crate::error::Error;
use crate::interface::Freshness;
use crate::revision::Revision;

/// Holds \[GET-FRESH\].
pub async fn a_get_returns_what_was_written_last(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let object = pod("ns", "a");
    let created = pods.put(&object.clone().mark("created")).await;
    let updated = pods.put(&object.clone().mark("updated")).await;
    assert!(updated.revision > created.revision);
    let elsewhere = store.others().await.put(&pod("ns", "b")).await;
    let found = pods.get(&pods.key(&object), Freshness::Latest).await.unwrap();
    assert_eq!(found.record, Some(updated));
    assert!(found.revision >= elsewhere.revision, "the revision is the store's");
}

/// Holds \[GET-FRESH\].
pub async fn a_get_is_at_least_as_fresh_as_demanded(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let object = pod("ns", "a");
    let created = pods.put(&object.clone().mark("created")).await;
    let updated = pods.put(&object.clone().mark("updated")).await;
    let elsewhere = store.others().await.put(&pod("ns", "b")).await;
    let states = [None, Some(&created), Some(&updated)];
    for (demanded, allowed) in [
        (Revision::ZERO, &states[..]),
        (created.revision, &states[1..]),
        (updated.revision, &states[2..]),
        (elsewhere.revision, &states[2..]),
    ] {
        let found = pods.get(&pods.key(&object), Freshness::AtLeast(demanded)).await.unwrap();
        assert!(allowed.contains(&found.record.as_ref()), "{demanded}: {found:?}");
        assert!(found.revision >= demanded);
    }
}

/// Holds \[GET-FRESH\].
pub async fn a_get_from_the_future_is_refused(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let newest = pods.put(&object).await.revision;
    let demanded = Revision::new(u64::from(u32::MAX) << 31);
    let refused = pods.get(&pods.key(&object), Freshness::AtLeast(demanded)).await;
    match refused {
        Err(Error::FutureRevision { requested, current, .. }) => {
            assert_eq!(requested, demanded);
            assert!(current >= newest);
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Holds \[GET-FRESH\].
pub async fn a_missing_key_is_no_error(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let written = pods.put(&pod("ns", "a")).await;
    for name in ["b", "A", "a.b", "aa"] {
        let found = pods.get(&pods.key(&pod("ns", name)), Freshness::Latest).await.unwrap();
        assert_eq!(found.record, None, "{name}");
        assert!(found.revision >= written.revision);
    }
}

/// Holds \[GET-FRESH\].
pub async fn a_deleted_object_is_gone(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    pods.put(&object).await;
    let deleted = pods.remove(&object).await;
    let found = pods.get(&pods.key(&object), Freshness::AtLeast(deleted.revision)).await.unwrap();
    assert_eq!(found.record, None);
    assert!(found.revision >= deleted.revision);
}
