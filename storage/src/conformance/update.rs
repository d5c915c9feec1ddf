//! Guaranteed update.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::harness::{Harness, Setup};
use super::instrument::Resource;
use super::interleave::Interleave;
use super::object::{Object, pod};
use crate::error::Error;
use crate::interface::Interface;
use crate::precondition::Preconditions;
use crate::record::Record;
use crate::update::{Update, UpdateOptions, Updated, guaranteed_update};
use crate::watch::WatchStart;

fn stored(updated: Updated) -> Arc<Record> {
    match updated {
        Updated::Stored(record) => record,
        Updated::Deleted { .. } => panic!("expected a record, got {updated:?}"),
    }
}

fn creating() -> UpdateOptions {
    UpdateOptions { create_missing: true, ..UpdateOptions::default() }
}

fn suggesting(record: &Arc<Record>) -> UpdateOptions {
    UpdateOptions { suggestion: Some(Arc::clone(record)), ..UpdateOptions::default() }
}

/// An update that sets the object's mark to the one it finds, with `x` appended.
async fn append(
    store: &dyn Interface,
    pods: &Resource,
    object: &Object,
    options: UpdateOptions,
) -> Result<Arc<Record>, Error> {
    let longer = |record: Option<Arc<Record>>| {
        let value = pods.value(&object.clone().mark(format!("{}x", mark(record.as_ref()))));
        ready(Ok(Update::Put { value, ttl: None }))
    };
    guaranteed_update(store, &pods.key(object), options, longer).await.map(stored)
}

fn mark(record: Option<&Arc<Record>>) -> String {
    let Some(record) = record else { return String::new() };
    let json: serde_json::Value = serde_json::from_slice(record.value.bytes()).unwrap();
    json["spec"]["mark"].as_str().unwrap().to_owned()
}

/// Holds \[UPDATE-CURRENT\].
pub async fn an_update_of_a_missing_object_is_not_found(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let refused = pods.update_to(&object, UpdateOptions::default()).await;
    assert_eq!(refused.unwrap_err(), Error::NotFound { key: pods.key(&object) });
    assert_eq!(pods.find(&object).await, None);
}

/// Holds \[UPDATE-CURRENT\].
pub async fn an_update_may_create_a_missing_object(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let record = stored(pods.update_to(&object, creating()).await.unwrap());
    assert_eq!(record.value, pods.value(&object));
    assert_eq!(pods.find(&object).await, Some(record));
}

/// Holds \[PRECONDITIONS\]: an object that does not exist has no uid.
pub async fn a_missing_object_meets_no_precondition(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a").uid("A");
    let options = UpdateOptions { preconditions: Preconditions::uid("A"), ..creating() };
    let refused = pods.update_to(&object, options).await;
    assert!(matches!(refused, Err(Error::InvalidObject { .. })), "{refused:?}");
    assert_eq!(pods.find(&object).await, None);
}

/// Holds \[UPDATE-CURRENT\].
pub async fn an_update_gets_a_new_revision(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let before = pods.put(&object).await;
    let after = stored(pods.update_to(&object.clone().mark("new"), UpdateOptions::default()).await.unwrap());
    assert!(after.revision > before.revision);
    assert_eq!(pods.find(&object).await, Some(after));
}

/// Holds \[UPDATE-NOOP\].
pub async fn an_update_to_what_is_stored_writes_nothing(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a").uid("A").label("x", "y");
    let before = pods.put(&object).await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    for options in [UpdateOptions::default(), creating(), suggesting(&before)] {
        let after = stored(pods.update_to(&object, options).await.unwrap());
        assert_eq!(after, before);
    }
    probe.is_quiet().await;
}

/// Holds \[UPDATE-NOOP\]. The suggestion says "nothing changes", the stored object says otherwise.
pub async fn an_update_that_changes_only_what_is_stored_is_written(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let old = pods.put(&object.clone().mark("old")).await;
    let new = pods.put(&object.clone().mark("new")).await;
    let back = stored(pods.update_to(&object.clone().mark("old"), suggesting(&old)).await.unwrap());
    assert!(back.revision > new.revision);
    assert_eq!(pods.find(&object).await, Some(back));
}

/// Holds \[UPDATE-NOOP\], \[UPDATE-SUGGESTION\]. The suggestion has the revision of the stored object, but other
/// bytes: somebody made it of what the object means.
pub async fn an_update_is_compared_with_the_stored_bytes(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let (object, wanted) = (pod("ns", "a").mark("stored"), pod("ns", "a").mark("wanted"));
    let record = pods.put(&object).await;
    let suggested = Record { value: pods.value(&wanted), ..Record::clone(&record) };
    let after = stored(pods.update_to(&wanted, suggesting(&Arc::new(suggested))).await.unwrap());
    assert!(after.revision > record.revision);
    assert_eq!(after.value, pods.value(&wanted));
    assert_eq!(pods.find(&object).await, Some(after));
}

/// Holds \[PRECONDITIONS\].
pub async fn an_update_of_another_uid_is_refused(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a").uid("A");
    let record = pods.put(&object).await;
    let with = |preconditions| UpdateOptions { preconditions, ..UpdateOptions::default() };
    let refused = pods.update_to(&object.clone().mark("new"), with(Preconditions::uid("B"))).await;
    let Err(Error::InvalidObject { reason, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(reason, "Precondition failed: UID in precondition: B, UID in object meta: A");
    assert_eq!(pods.find(&object).await, Some(record));
    let accepted = pods.update_to(&object.clone().mark("new"), with(Preconditions::uid("A"))).await;
    assert_eq!(mark(Some(&stored(accepted.unwrap()))), "new");
}

/// Holds \[PRECONDITIONS\].
pub async fn an_update_of_another_revision_is_refused(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let old = pods.put(&object.clone().mark("old")).await;
    let new = pods.put(&object.clone().mark("new")).await;
    let with = |record: &Record| {
        let resource_version = Some(record.revision.to_string());
        UpdateOptions {
            preconditions: Preconditions { uid: None, resource_version },
            ..UpdateOptions::default()
        }
    };
    let refused = pods.update_to(&object, with(&old)).await;
    assert!(matches!(refused, Err(Error::InvalidObject { .. })), "{refused:?}");
    assert!(pods.update_to(&object, with(&new)).await.is_ok());
}

/// Holds \[PRECONDITIONS\], \[UPDATE-SUGGESTION\].
pub async fn a_precondition_that_only_the_suggestion_fails_holds(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let old = pods.put(&object.clone().uid("A")).await;
    pods.remove(&object).await;
    pods.put(&object.clone().uid("B")).await;
    let options = UpdateOptions { preconditions: Preconditions::uid("B"), ..suggesting(&old) };
    assert!(pods.update_to(&object.clone().uid("B").mark("new"), options).await.is_ok());
    let options = UpdateOptions { preconditions: Preconditions::uid("A"), ..suggesting(&old) };
    let refused = pods.update_to(&object.clone().uid("A").mark("newer"), options).await;
    assert!(matches!(refused, Err(Error::InvalidObject { .. })), "only the suggestion passes: {refused:?}");
}

/// Holds \[UPDATE-CURRENT\], \[COMMIT-CONFLICT\].
pub async fn an_update_that_lost_a_race_sees_the_winner(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    pods.put(&object.clone().mark("a")).await;
    let store = Interleave::new(&pods);
    for winner in ["b", "c"] {
        let (pods, object) = (pods.clone(), object.clone().mark(winner));
        store.before_commit(async move { drop(pods.put(&object).await) });
    }
    let record = append(&store, &pods, &object, UpdateOptions::default()).await.unwrap();
    assert_eq!(mark(Some(&record)), "cx");
    assert_eq!((store.gets(), store.commits()), (1, 3), "a conflict answers with the current record");
}

/// Holds \[UPDATE-CURRENT\].
pub async fn concurrent_updates_lose_nothing(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    pods.put(&object).await;
    let writers = (0..12).map(|_| append(&*pods, &pods, &object, UpdateOptions::default()));
    for updated in futures_util::future::join_all(writers).await {
        updated.unwrap();
    }
    assert_eq!(mark(pods.find(&object).await.as_ref()), "x".repeat(12));
}

/// Holds \[UPDATE-CURRENT\].
pub async fn an_update_that_lost_to_a_deletion_is_not_found_or_creates(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a").mark("a");
    for (options, want) in [(UpdateOptions::default(), None), (creating(), Some("x"))] {
        pods.put(&object).await;
        let store = Interleave::new(&pods);
        let (rival, gone) = (pods.clone(), object.clone());
        store.before_commit(async move { drop(rival.remove(&gone).await) });
        let updated = append(&store, &pods, &object, options).await;
        match want {
            None => assert_eq!(updated, Err(Error::NotFound { key: pods.key(&object) })),
            Some(want) => assert_eq!(mark(Some(&updated.unwrap())), want),
        }
    }
}

/// Holds \[UPDATE-SUGGESTION\].
pub async fn a_fresh_suggestion_saves_the_read(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let record = pods.put(&object.clone().mark("a")).await;
    let store = Interleave::new(&pods);
    let after = append(&store, &pods, &object, suggesting(&record)).await.unwrap();
    assert_eq!(mark(Some(&after)), "ax");
    assert_eq!((store.gets(), store.commits()), (0, 1));
}

/// Holds \[UPDATE-SUGGESTION\].
pub async fn a_stale_suggestion_does_not_overwrite(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let stale = pods.put(&object.clone().mark("a")).await;
    pods.put(&object.clone().mark("b")).await;
    let after = append(&*pods, &pods, &object, suggesting(&stale)).await.unwrap();
    assert_eq!(mark(Some(&after)), "bx");
}

/// Holds \[UPDATE-SUGGESTION\].
pub async fn a_suggestion_of_a_deleted_object_is_not_found(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let stale = pods.put(&object.clone().mark("a")).await;
    pods.remove(&object).await;
    let refused = append(&*pods, &pods, &object, suggesting(&stale)).await;
    assert_eq!(refused, Err(Error::NotFound { key: pods.key(&object) }));
    let options = UpdateOptions { create_missing: true, ..suggesting(&stale) };
    assert_eq!(mark(Some(&append(&*pods, &pods, &object, options).await.unwrap())), "x");
}

/// Holds \[UPDATE-SUGGESTION\].
pub async fn a_refusal_of_a_stale_suggestion_is_tried_on_what_is_stored(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let stale = pods.put(&object.clone().mark("bad")).await;
    pods.put(&object.clone().mark("good")).await;
    let calls = AtomicUsize::new(0);
    let refuse_bad = |record: Option<Arc<Record>>| {
        calls.fetch_add(1, Ordering::SeqCst);
        let found = mark(record.as_ref());
        let value = pods.value(&object.clone().mark("better"));
        ready(if found == "bad" {
            Err(Error::Internal { reason: found })
        } else {
            Ok(Update::Put { value, ttl: None })
        })
    };
    let updated = guaranteed_update(&*pods, &pods.key(&object), suggesting(&stale), refuse_bad).await;
    assert_eq!(mark(Some(&stored(updated.unwrap()))), "better");
    assert_eq!(calls.load(Ordering::SeqCst), 2);

    let current = pods.put(&object.clone().mark("bad")).await;
    let refused = guaranteed_update(&*pods, &pods.key(&object), suggesting(&current), refuse_bad).await;
    assert_eq!(refused.unwrap_err(), Error::Internal { reason: "bad".to_owned() });
}

/// Holds \[UPDATE-SUGGESTION\].
pub async fn a_refusal_of_what_is_stored_ends_the_update(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let record = pods.put(&object).await;
    let store = Interleave::new(&pods);
    let refuse = |_| ready(Err::<Update, _>(Error::Internal { reason: "no".to_owned() }));
    let refused = guaranteed_update(&store, &pods.key(&object), UpdateOptions::default(), refuse).await;
    assert_eq!(refused.unwrap_err(), Error::Internal { reason: "no".to_owned() });
    assert_eq!((store.gets(), store.commits()), (1, 0));
    assert_eq!(pods.find(&object).await, Some(record));
}

/// Holds \[UPDATE-CURRENT\].
pub async fn an_update_may_delete(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let record = pods.put(&object).await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    let remove = |_| ready(Ok::<_, Error>(Update::Delete));
    let updated = guaranteed_update(&*pods, &pods.key(&object), UpdateOptions::default(), remove).await;
    let Ok(Updated::Deleted { previous: Some(previous), revision }) = updated else { panic!("{updated:?}") };
    assert_eq!(previous, record);
    probe.shows_deleted(&record, revision).await;
    assert_eq!(pods.find(&object).await, None);
}

/// Holds \[UPDATE-CURRENT\].
pub async fn an_update_that_deletes_a_missing_object_changes_nothing(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::Now).await;
    let remove = |_| ready(Ok::<_, Error>(Update::Delete));
    let updated = guaranteed_update(&*pods, &pods.key(&pod("ns", "a")), creating(), remove).await;
    assert!(matches!(updated, Ok(Updated::Deleted { previous: None, .. })), "{updated:?}");
    probe.is_quiet().await;
}

/// Holds \[UPDATE-CURRENT\]. Somebody else deleted the object first: that was not this update's deletion.
pub async fn a_deleting_update_that_lost_to_a_deletion_is_not_found(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    pods.put(&object).await;
    let store = Interleave::new(&pods);
    let (rival, gone) = (pods.clone(), object.clone());
    store.before_commit(async move { drop(rival.remove(&gone).await) });
    let remove = |_| ready(Ok::<_, Error>(Update::Delete));
    let updated = guaranteed_update(&store, &pods.key(&object), UpdateOptions::default(), remove).await;
    assert_eq!(updated.unwrap_err(), Error::NotFound { key: pods.key(&object) });
}

/// Holds \[TTL-DROPPED\].
pub async fn an_update_without_a_ttl_drops_the_one_there_was(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let object = pod("ns", "a");
    pods.put_for(&object, Some(Duration::from_secs(1))).await;
    let record = stored(pods.update_to(&object.clone().mark("new"), UpdateOptions::default()).await.unwrap());
    store.advance(Duration::from_secs(4)).await;
    assert_eq!(pods.find(&object).await, Some(record));
}
