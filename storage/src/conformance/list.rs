//! Lists: what a picture is. The table of requests is in [`super::list_table`].

use std::collections::BTreeMap;

use super::harness::{Harness, Setup};
use super::instrument::{paths, selecting};
use super::object::pod;
use crate::key::Scope;
use crate::list::{ListOptions, ReadAt, collect};
use crate::revision::Revision;

/// Holds \[LIST-ORDERED\]: byte by byte, whatever the order of the writes.
pub async fn records_come_in_the_order_of_their_keys(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let names = ["b", "a-b", "a", "aa", "a.b", "z0", "z-", "a0"];
    for namespace in ["n.s", "ns", "n-s", "n"] {
        for name in names {
            pods.put(&pod(namespace, name)).await;
        }
    }
    let (records, _) = pods.read(pods.all(), ReadAt::Latest).await.unwrap();
    assert_eq!(records.len(), 32);
    assert!(records.windows(2).all(|pair| pair[0].key.as_str() < pair[1].key.as_str()));
    let (records, _) = pods.read(pods.namespace("n"), ReadAt::Latest).await.unwrap();
    assert_eq!(paths(&records), ["n/a", "n/a-b", "n/a.b", "n/a0", "n/aa", "n/b", "n/z-", "n/z0"]);
}

/// Holds \[LIST-ORDERED\]: neither namespaces nor resources whose names begin alike.
pub async fn a_list_returns_nothing_from_outside_its_scope(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    for (namespace, name) in [("foo", "a"), ("foobar", "b"), ("fo", "c"), ("foo-", "d"), ("foo.", "e")] {
        pods.put(&pod(namespace, name)).await;
    }
    let last = store.others().await.put(&pod("foo", "f")).await;
    for at in [ReadAt::Latest, ReadAt::AtLeast(last.revision), ReadAt::Exact(last.revision)] {
        let (records, _) = pods.read(pods.namespace("foo"), at).await.unwrap();
        assert_eq!(paths(&records), ["foo/a"], "{at:?}");
        let (records, _) = pods.read(pods.one(&pod("foo", "a")), at).await.unwrap();
        assert_eq!(paths(&records), ["foo/a"], "{at:?}");
        let (records, _) = pods.read(pods.one(&pod("fo", "a")), at).await.unwrap();
        assert_eq!(paths(&records), [""; 0], "{at:?}");
        let (records, _) = pods.read(pods.all(), at).await.unwrap();
        assert_eq!(paths(&records), ["fo/c", "foo-/d", "foo./e", "foo/a", "foobar/b"], "{at:?}");
    }
}

/// Holds \[LIST-ORDERED\], \[KEYS\]: one key is at most one object, a prefix is whole segments. So a prefix is the
/// key of nothing, and below the key of an object there is nothing.
pub async fn a_prefix_is_no_object_and_an_object_no_prefix(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    for (namespace, name) in [("ns", "foo"), ("ns", "foobar")] {
        pods.put(&pod(namespace, name)).await;
    }
    let last = pods.put(&pod("ns2", "baz")).await;
    let (exact, latest) = (ReadAt::Exact(last.revision), ReadAt::Latest);
    for at in [exact, latest, ReadAt::AtLeast(last.revision)] {
        for (text, as_prefix, as_key) in [
            ("/pods/", &["ns/foo", "ns/foobar", "ns2/baz"][..], &[][..]),
            ("/pods/ns/", &["ns/foo", "ns/foobar"], &[]),
            ("/pods/ns", &["ns/foo", "ns/foobar"], &[]),
            ("/pods/ns/foo", &[], &["ns/foo"]),
            ("/pods/ns/foobar", &[], &["ns/foobar"]),
            ("/pods/ns/fo", &[], &[]),
        ] {
            let (records, _) = pods.read(pods.prefix().scope(text).unwrap(), at).await.unwrap();
            assert_eq!(paths(&records), as_prefix, "below {text}, {at:?}");
            let (records, _) = pods.read(Scope::One(pods.prefix().key(text).unwrap()), at).await.unwrap();
            assert_eq!(paths(&records), as_key, "under {text}, {at:?}");
        }
    }
}

/// Holds \[LIST-ATOMIC\], \[GET-FRESH\]: a latest list sees every write that was acknowledged before, also of
/// other resources, in its revision.
pub async fn the_latest_list_sees_every_acknowledged_write(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let mut seen = Revision::ZERO;
    for at in 0..5 {
        let record = pods.put(&pod("ns", "a").mark(at.to_string())).await;
        let elsewhere = store.others().await.put(&pod("ns", "b").mark(at.to_string())).await;
        let (any, revision) = pods.read(pods.all(), ReadAt::AtLeast(Revision::ZERO)).await.unwrap();
        assert!(revision >= seen, "time does not run backwards");
        assert!(any.iter().all(|any| any.revision <= revision));
        let (latest, revision) = pods.read(pods.all(), ReadAt::Latest).await.unwrap();
        assert_eq!(latest, [record]);
        assert!(revision >= elsewhere.revision);
        seen = revision;
        let (after, revision) = pods.read(pods.all(), ReadAt::AtLeast(seen)).await.unwrap();
        assert_eq!(after, latest);
        assert!(revision >= seen);
    }
}

/// Holds \[LIST-ATOMIC\]: each of two objects that are written in turns is in a list as of its revision.
pub async fn a_list_is_the_state_of_one_revision(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut history = BTreeMap::new();
    let mut state = BTreeMap::new();
    history.insert(pods.now().await, state.clone());
    for at in 0..60_usize {
        let object = pod("ns", ["a", "b", "c"][at % 3]).mark(at.to_string());
        let revision = if at % 5 == 4 && state.contains_key(&object.name) {
            state.remove(&object.name);
            pods.remove(&object).await.revision
        } else {
            let record = pods.put(&object).await;
            state.insert(object.name, record.revision);
            record.revision
        };
        history.insert(revision, state.clone());
    }
    for (revision, state) in &history {
        let (records, at) = pods.read(pods.all(), ReadAt::Exact(*revision)).await.unwrap();
        assert_eq!(at, *revision);
        let found: Vec<_> = records.iter().map(|record| record.revision).collect();
        assert_eq!(found, state.values().copied().collect::<Vec<_>>(), "at {revision}");
    }
}

/// Holds \[LIST-ATOMIC\]: writers at work while lists are read; each list, read again at its revision, is
/// the same.
pub async fn a_list_read_again_at_its_revision_is_the_same(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    for at in 0..20 {
        pods.put(&pod("ns", &format!("a{at:02}"))).await;
    }
    let write = async {
        for at in 0..80 {
            pods.put(&pod("ns", &format!("a{:02}", at % 20)).mark(at.to_string())).await;
            tokio::task::yield_now().await;
        }
    };
    let read = async {
        for _ in 0..20 {
            for at in [ReadAt::Latest, ReadAt::AtLeast(pods.now().await)] {
                let listing = pods.list(pods.request(pods.all(), at)).await.unwrap();
                tokio::task::yield_now().await;
                let records = collect(listing.cursor).await.unwrap();
                let (again, revision) = pods.read(pods.all(), ReadAt::Exact(listing.revision)).await.unwrap();
                assert_eq!(revision, listing.revision);
                assert_eq!(again, records);
            }
        }
    };
    futures_util::future::join(write, read).await;
}

/// Holds \[LIST-OPTIONS\].
pub async fn a_list_of_namespaced_objects_returns_its_part(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    for (namespace, name, node) in
        [("ns1", "a", "n1"), ("ns1", "b", "n2"), ("ns2", "a", "n1"), ("ns1x", "a", "n2"), ("ns2", "c", "")]
    {
        pods.put(&pod(namespace, name).node(node)).await;
    }
    let everything: &[&str] = &["ns1/a", "ns1/b", "ns1x/a", "ns2/a", "ns2/c"];
    for (scope, fields, want) in [
        ("", "", everything),
        ("", "metadata.namespace=ns1", &["ns1/a", "ns1/b"]),
        ("", "metadata.namespace!=ns1", &["ns1x/a", "ns2/a", "ns2/c"]),
        ("", "metadata.name=a", &["ns1/a", "ns1x/a", "ns2/a"]),
        ("", "metadata.namespace=ns1,metadata.name=a", &["ns1/a"]),
        ("", "metadata.namespace=ns,metadata.name=a", &[]),
        ("", "spec.nodeName=n1", &["ns1/a", "ns2/a"]),
        ("", "spec.nodeName=", &["ns2/c"]),
        ("", "metadata.name=a,spec.nodeName=n2", &["ns1x/a"]),
        ("ns1", "", &["ns1/a", "ns1/b"]),
        ("ns1", "metadata.namespace=ns1", &["ns1/a", "ns1/b"]),
        ("ns1", "metadata.namespace=ns2", &[]),
        ("ns1", "metadata.name=b", &["ns1/b"]),
        ("ns1", "metadata.name=c", &[]),
        ("ns1", "spec.nodeName=n2", &["ns1/b"]),
        ("ns1", "spec.nodeName=n1,metadata.name=b", &[]),
        ("ns3", "", &[]),
    ] {
        let covered = if scope.is_empty() { pods.all() } else { pods.namespace(scope) };
        let options = ListOptions { predicate: selecting("", fields), ..ListOptions::default() };
        let page = pods.page(covered, &options).await.unwrap();
        assert_eq!(paths(&page.records), want, "{scope:?} {fields}");
    }
}

/// Holds \[LIST-OPTIONS\].
pub async fn a_list_selects_by_labels(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    pods.put(&pod("ns", "a").label("color", "red").label("size", "1")).await;
    pods.put(&pod("ns", "b").label("color", "blue")).await;
    pods.put(&pod("ns", "c")).await;
    for (labels, want) in [
        ("", &["ns/a", "ns/b", "ns/c"][..]),
        ("color", &["ns/a", "ns/b"]),
        ("!color", &["ns/c"]),
        ("color=red", &["ns/a"]),
        ("color!=red", &["ns/b", "ns/c"]),
        ("color in (red, blue),size=1", &["ns/a"]),
    ] {
        let options = ListOptions { predicate: selecting(labels, ""), ..ListOptions::default() };
        let page = pods.page(pods.all(), &options).await.unwrap();
        assert_eq!(paths(&page.records), want, "{labels}");
    }
}
