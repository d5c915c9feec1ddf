//! Deletion.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::harness::{Harness, Setup};
use super::instrument::Resource;
use super::interleave::Interleave;
use super::object::{Object, pod};
use crate::delete::{Deleted, delete};
use crate::error::Error;
use crate::interface::Interface;
use crate::precondition::Preconditions;
use crate::record::Record;

/// Deletes, refusing objects of this mark; counts how often it was asked.
async fn delete_unless(
    store: &dyn Interface,
    pods: &Resource,
    (object, refused): (&Object, Option<&str>),
    suggestion: Option<&Arc<Record>>,
) -> (Result<Deleted, Error>, usize) {
    let calls = AtomicUsize::new(0);
    let refused = refused.map(|mark| pods.value(&object.clone().mark(mark)));
    let validate = |record: Arc<Record>| {
        calls.fetch_add(1, Ordering::SeqCst);
        let is_refused = refused.as_ref() == Some(&record.value);
        ready(if is_refused { Err(Error::Internal { reason: "refused".to_owned() }) } else { Ok(()) })
    };
    let suggestion = suggestion.map(Arc::clone);
    let deleted = delete(store, &pods.key(object), &Preconditions::NONE, suggestion, validate).await;
    (deleted, calls.into_inner())
}

fn refusal() -> Error {
    Error::Internal { reason: "refused".to_owned() }
}

fn update_before_commit(store: &Interleave, pods: &Resource, object: Object) {
    let pods = pods.clone();
    store.before_commit(async move { drop(pods.put(&object).await) });
}

/// Holds \[DELETE-CURRENT\].
pub async fn a_deleted_object_carries_the_revision_of_its_deletion(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a").mark("last");
    let record = pods.put(&object).await;
    let deleted = pods.remove(&object).await;
    assert_eq!(deleted.record, record);
    assert!(deleted.revision > record.revision);
    assert!(pods.now().await >= deleted.revision);
    assert_eq!(pods.find(&object).await, None);
}

/// Holds \[DELETE-CURRENT\].
pub async fn a_missing_object_cannot_be_deleted(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let (refused, calls) = delete_unless(&*pods, &pods, (&object, None), None).await;
    assert_eq!(refused, Err(Error::NotFound { key: pods.key(&object) }));
    assert_eq!(calls, 0);
}

/// Holds \[PRECONDITIONS\].
pub async fn a_deletion_of_another_uid_is_refused(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a").uid("A");
    let record = pods.put(&object).await;
    let accept = |_| ready(Ok::<_, Error>(()));
    let key = pods.key(&object);
    let refused = delete(&*pods, &key, &Preconditions::uid("B"), None, accept).await;
    let Err(Error::InvalidObject { reason, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(reason, "Precondition failed: UID in precondition: B, UID in object meta: A");
    let deleted = delete(&*pods, &key, &Preconditions::uid("A"), None, accept).await.unwrap();
    assert_eq!(deleted.record, record);
}

/// Holds \[PRECONDITIONS\].
pub async fn a_deletion_of_another_revision_is_refused(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let old = pods.put(&object.clone().mark("old")).await;
    let new = pods.put(&object.clone().mark("new")).await;
    let accept = |_| ready(Ok::<_, Error>(()));
    let at =
        |record: &Record| Preconditions { uid: None, resource_version: Some(record.revision.to_string()) };
    let refused = delete(&*pods, &pods.key(&object), &at(&old), None, accept).await;
    assert!(matches!(refused, Err(Error::InvalidObject { .. })), "{refused:?}");
    assert!(delete(&*pods, &pods.key(&object), &at(&new), None, accept).await.is_ok());
}

/// Holds \[DELETE-SUGGESTION\].
pub async fn a_fresh_suggestion_saves_the_read_before_a_deletion(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let record = pods.put(&object).await;
    let store = Interleave::new(&pods);
    let (deleted, _) = delete_unless(&store, &pods, (&object, None), Some(&record)).await;
    assert_eq!(deleted.unwrap().record, record);
    assert_eq!((store.gets(), store.commits()), (0, 1));
}

/// Holds \[DELETE-SUGGESTION\].
pub async fn a_stale_suggestion_deletes_what_is_stored(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let stale = pods.put(&object.clone().mark("old")).await;
    let record = pods.put(&object.clone().mark("new")).await;
    let (deleted, calls) = delete_unless(&*pods, &pods, (&object, None), Some(&stale)).await;
    assert_eq!(deleted.unwrap().record, record);
    assert_eq!(calls, 2, "what is deleted was validated");
}

/// Holds \[DELETE-SUGGESTION\].
pub async fn a_suggestion_of_a_deleted_object_cannot_be_deleted(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let stale = pods.put(&object.clone().mark("bad")).await;
    pods.remove(&object).await;
    let gone = Err(Error::NotFound { key: pods.key(&object) });
    assert_eq!(delete_unless(&*pods, &pods, (&object, None), Some(&stale)).await.0, gone);
    assert_eq!(delete_unless(&*pods, &pods, (&object, Some("bad")), Some(&stale)).await.0, gone);
}

/// Holds \[DELETE-SUGGESTION\].
pub async fn a_stale_suggestion_that_is_refused_is_read_again(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let stale = pods.put(&object.clone().mark("bad")).await;
    let record = pods.put(&object.clone().mark("good")).await;
    let (deleted, calls) = delete_unless(&*pods, &pods, (&object, Some("bad")), Some(&stale)).await;
    assert_eq!(deleted.unwrap().record, record);
    assert_eq!(calls, 2);
}

/// Holds \[DELETE-SUGGESTION\].
pub async fn a_refusal_of_what_is_stored_stands(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let record = pods.put(&object.clone().mark("bad")).await;
    for suggestion in [None, Some(&record)] {
        let (refused, calls) = delete_unless(&*pods, &pods, (&object, Some("bad")), suggestion).await;
        assert_eq!((refused, calls), (Err(refusal()), 1));
    }
    assert_eq!(pods.find(&object).await, Some(record));
}

/// Holds \[DELETE-SUGGESTION\].
pub async fn a_suggestion_that_passes_does_not_delete_what_would_be_refused(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let stale = pods.put(&object.clone().mark("good")).await;
    let record = pods.put(&object.clone().mark("bad")).await;
    let (refused, _) = delete_unless(&*pods, &pods, (&object, Some("bad")), Some(&stale)).await;
    assert_eq!(refused, Err(refusal()));
    assert_eq!(pods.find(&object).await, Some(record));
}

/// Holds \[DELETE-SUGGESTION\], \[PRECONDITIONS\].
pub async fn preconditions_are_held_against_what_is_stored(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let stale = pods.put(&object.clone().uid("A")).await;
    pods.remove(&object).await;
    let record = pods.put(&object.clone().uid("B")).await;
    let accept = |_| ready(Ok::<_, Error>(()));
    let key = pods.key(&object);
    let refused = delete(&*pods, &key, &Preconditions::uid("A"), Some(Arc::clone(&stale)), accept).await;
    assert!(matches!(refused, Err(Error::InvalidObject { .. })), "only the suggestion passes: {refused:?}");
    let deleted = delete(&*pods, &key, &Preconditions::uid("B"), Some(stale), accept).await;
    assert_eq!(deleted.unwrap().record, record);
}

/// Holds \[DELETE-CURRENT\], \[COMMIT-CONFLICT\].
pub async fn a_deletion_that_lost_a_race_is_validated_again(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    pods.put(&object.clone().mark("old")).await;
    let store = Interleave::new(&pods);
    update_before_commit(&store, &pods, object.clone().mark("new"));
    let (deleted, calls) = delete_unless(&store, &pods, (&object, None), None).await;
    assert_eq!(deleted.unwrap().record.value, pods.value(&object.clone().mark("new")));
    assert_eq!((calls, store.gets(), store.commits()), (2, 1, 2));
}

/// Holds \[DELETE-CURRENT\].
pub async fn a_deletion_that_lost_a_race_may_be_refused(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    pods.put(&object.clone().mark("old")).await;
    let store = Interleave::new(&pods);
    update_before_commit(&store, &pods, object.clone().mark("bad"));
    let (refused, calls) = delete_unless(&store, &pods, (&object, Some("bad")), None).await;
    assert_eq!((refused, calls), (Err(refusal()), 2));
    assert!(pods.find(&object).await.is_some());
}

/// Holds \[DELETE-CURRENT\].
pub async fn a_deletion_that_lost_to_a_deletion_is_not_found(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    pods.put(&object).await;
    let store = Interleave::new(&pods);
    let (rival, gone) = (pods.clone(), object.clone());
    store.before_commit(async move { drop(rival.remove(&gone).await) });
    let (refused, _) = delete_unless(&store, &pods, (&object, None), None).await;
    assert_eq!(refused, Err(Error::NotFound { key: pods.key(&object) }));
}
