//! What stands in etcd, and what something else has written there.

use std::future::ready;

use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::{
    Commit, Error, EventType, Expect, Freshness, Operation, Outcome, Preconditions, ReadAt, Revision,
    UpdateOptions, WatchStart, delete,
};
use watchkeep_tests::etcd::Etcd;

use crate::gateway::Gateway;
use crate::store::{change, next, open, options, pods, watch};

/// What the reference writes: its magic, and protobuf.
const PROTOBUF: &[u8] = b"k8s\0\n\x0a\n\x02v1\x12\x03Pod";

#[tokio::test]
async fn a_value_stands_below_its_key_as_it_is() {
    let etcd = Etcd::start().unwrap();
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let record = pods.put(&pod("ns", "a").mark("m")).await;
    let stored = Gateway(etcd.port()).value("/registry/pods/ns/a").await.unwrap();
    assert_eq!(stored, record.value.bytes()[..]);
}

#[tokio::test]
async fn what_cannot_be_read_is_corrupt_with_its_key() {
    let etcd = Etcd::start().unwrap();
    let gateway = Gateway(etcd.port());
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let good = pods.put(&pod("ns", "a")).await;
    for value in [PROTOBUF, b"no JSON", b"", b"{}", br#"{"kind":"Pod"}"#, b"\xff\xfe"] {
        gateway.put("/registry/pods/ns/b", value).await;
        let key = pods.key(&pod("ns", "b"));
        let got = pods.get(&key, Freshness::Latest).await.unwrap_err();
        let Error::Corrupt { key: named, revision: Some(revision), .. } = &got else { panic!("{got:?}") };
        assert!(*named == key && *revision > good.revision, "{got:?}");
        let listed = pods.read(pods.all(), ReadAt::Latest).await.unwrap_err();
        assert_eq!(listed, got);
        let put = pods.try_put(&pod("ns", "b"), Expect::Absent).await.unwrap_err();
        assert_eq!(put, got, "a conflict with it");
        // A deletion that expects it gets rid of it.
        let commit = Commit { key, expect: Expect::Revision(*revision), operation: Operation::Delete };
        let Outcome::Committed(deleted) = pods.commit(commit).await.unwrap() else { panic!("a conflict") };
        assert_eq!(deleted.previous, None);
        assert_eq!(pods.read(pods.all(), ReadAt::Latest).await.unwrap().0, std::slice::from_ref(&good));
    }
}

/// A list ends with the first, so that what it tells is bounded; who gets rid of that is told the next.
#[tokio::test]
async fn several_corrupt_objects_are_told_one_after_the_other() {
    let etcd = Etcd::start().unwrap();
    let gateway = Gateway(etcd.port());
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let mut whole = Vec::new();
    for at in 0..6 {
        let object = pod("ns", &format!("a-{at}"));
        if at % 2 == 0 {
            whole.push(pods.put(&object).await);
        } else {
            gateway.put(&format!("/registry{}", pods.key(&object)), PROTOBUF).await;
        }
    }
    for at in [1, 3, 5] {
        let error = pods.read(pods.all(), ReadAt::Latest).await.unwrap_err();
        let Error::Corrupt { key, revision: Some(revision), .. } = error else { panic!("{error:?}") };
        assert_eq!(key, pods.key(&pod("ns", &format!("a-{at}"))), "in the order of their keys");
        let expect = Expect::Revision(revision);
        let deleted = pods.commit(Commit { key, expect, operation: Operation::Delete }).await.unwrap();
        assert!(matches!(deleted, Outcome::Committed(_)), "{deleted:?}");
    }
    assert_eq!(pods.read(pods.all(), ReadAt::Latest).await.unwrap().0, whole);
}

#[tokio::test]
async fn updates_and_deletions_of_something_corrupt_are_refused() {
    let etcd = Etcd::start().unwrap();
    let gateway = Gateway(etcd.port());
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let object = pod("ns", "a");
    let (before, key) = (pods.put(&object).await, pods.key(&object));
    gateway.put("/registry/pods/ns/a", PROTOBUF).await;
    let corrupt = pods.get(&key, Freshness::Latest).await.unwrap_err();
    assert!(matches!(corrupt, Error::Corrupt { .. }), "{corrupt:?}");
    for suggestion in [None, Some(before)] {
        for wanted in [object.clone(), object.clone().mark("new")] {
            let options = UpdateOptions { suggestion: suggestion.clone(), ..UpdateOptions::default() };
            assert_eq!(pods.update_to(&wanted, options).await.unwrap_err(), corrupt, "{suggestion:?}");
        }
        let accept = |_| ready(Ok::<_, Error>(()));
        let deleted = delete(&*pods, &key, &Preconditions::NONE, suggestion.clone(), accept).await;
        assert_eq!(deleted.unwrap_err(), corrupt, "{suggestion:?}");
    }
    assert_eq!(gateway.value("/registry/pods/ns/a").await.unwrap(), PROTOBUF);
}

#[tokio::test]
async fn a_deletion_of_something_corrupt_spares_what_has_replaced_it() {
    let etcd = Etcd::start().unwrap();
    let gateway = Gateway(etcd.port());
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let (object, key) = (pod("ns", "a"), pods.key(&pod("ns", "a")));
    gateway.put("/registry/pods/ns/a", PROTOBUF).await;
    let corrupt = pods.get(&key, Freshness::Latest).await.unwrap_err();
    let Error::Corrupt { revision: Some(revision), .. } = corrupt else { panic!("{corrupt:?}") };
    let delete = || {
        let (key, expect) = (key.clone(), Expect::Revision(revision));
        pods.commit(Commit { key, expect, operation: Operation::Delete })
    };

    gateway.put("/registry/pods/ns/a", pods.value(&object).bytes()).await;
    let Outcome::Conflict { current: Some(whole) } = delete().await.unwrap() else { panic!("it is gone") };
    assert_eq!(whole.value, pods.value(&object));
    assert_eq!(pods.find(&object).await.as_ref(), Some(&whole));

    gateway.put("/registry/pods/ns/a", "no JSON").await;
    let other = delete().await.unwrap_err();
    assert!(matches!(other, Error::Corrupt { revision: Some(own), .. } if own > whole.revision), "{other:?}");
    assert_eq!(gateway.value("/registry/pods/ns/a").await.unwrap(), b"no JSON");
}

#[tokio::test]
async fn a_key_that_is_no_text_is_corrupt() {
    let etcd = Etcd::start().unwrap();
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let key = [b"/registry/pods/ns/".as_slice(), b"\xff"].concat();
    let request = serde_json::json!({"key": crate::gateway::encoded(key), "value": ""});
    Gateway(etcd.port()).ask("kv/put", &request).await;
    let listed = pods.read(pods.all(), ReadAt::Latest).await.unwrap_err();
    assert!(matches!(listed, Error::Corrupt { .. }), "{listed:?}");
}

#[tokio::test]
async fn a_watch_shows_what_came_before_something_corrupt_and_ends_with_it() {
    let etcd = Etcd::start().unwrap();
    let gateway = Gateway(etcd.port());
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let start = pods.now().await;
    let good = pods.put(&pod("ns", "a")).await;
    gateway.put("/registry/pods/ns/b", PROTOBUF).await;
    let mut watching = watch(&pods, WatchStart::After(start)).await;
    assert_eq!(change(&mut watching).await.record(), Some(&good));
    let error = next(&mut watching).await.unwrap().unwrap_err();
    let Error::Corrupt { key, revision: Some(revision), .. } = error else { panic!("{error:?}") };
    assert_eq!((key, revision), (pods.key(&pod("ns", "b")), good.revision.next()));
    assert!(next(&mut watching).await.is_none());
    assert!(watching.progress() < revision, "what was not shown is not claimed");

    // What replaces it was not there before, for whoever watches.
    let mut after = watch(&pods, WatchStart::After(revision)).await;
    gateway.put("/registry/pods/ns/b", pods.value(&pod("ns", "b")).bytes()).await;
    assert_eq!(change(&mut after).await.event_type, EventType::Added);

    // A deletion of it cannot be shown.
    gateway.put("/registry/pods/ns/c", PROTOBUF).await;
    let corrupt: Revision = pods.now().await;
    let mut last = watch(&pods, WatchStart::After(corrupt)).await;
    gateway.delete("/registry/pods/ns/c").await;
    let error = next(&mut last).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn several_changes_of_one_commit_are_shown_with_its_revision() {
    let etcd = Etcd::start().unwrap();
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    for name in ["a", "b", "c"] {
        pods.put(&pod("ns", name)).await;
    }
    let mut watching = watch(&pods, WatchStart::Now).await;
    Gateway(etcd.port()).delete("/registry/pods/").await;
    let deleted = pods.now().await;
    let mut names = Vec::new();
    for _ in 0..3 {
        let change = change(&mut watching).await;
        assert_eq!((change.event_type, change.revision()), (EventType::Deleted, deleted));
        names.push(change.event.key.to_string());
        let is_last = names.len() == 3;
        assert_eq!(watching.progress() >= deleted, is_last, "not before all of them were shown");
    }
    assert_eq!(names, ["/pods/ns/a", "/pods/ns/b", "/pods/ns/c"]);
}
