//! Large lists: their pages, and what happens meanwhile.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use watchkeep_storage::conformance::instrument::{Resource, selecting};
use watchkeep_storage::conformance::object::{Object, pod};
use watchkeep_storage::etcd3::EtcdOptions;
use watchkeep_storage::{
    Expect, ListRequest, OBJECT_BYTES_MAX, Outcome, ReadAt, Record, WatchStart, collect,
};
use watchkeep_tests::etcd::Etcd;

use crate::store::{PATIENCE, change, open, options, pods, watch};

/// How many objects are written at once.
const WRITERS: usize = 16;

/// Creates objects; they come back in the order of their keys.
async fn fill(pods: &Resource, objects: impl Iterator<Item = Object>) -> Vec<Arc<Record>> {
    let write = async |object: Object| match pods.try_put(&object, Expect::Absent).await? {
        Outcome::Committed(committed) => Ok(committed.record.unwrap()),
        Outcome::Conflict { current } => panic!("{current:?}"),
    };
    let written = stream::iter(objects.map(write)).buffer_unordered(WRITERS);
    let mut records: Vec<_> =
        written.try_collect::<Vec<_>>().await.map_err(|error: watchkeep_storage::Error| error).unwrap();
    records.sort_by(|one, other| one.key.cmp(&other.key));
    records
}

fn small(at: usize) -> Object {
    pod("ns", &format!("a-{at:05}")).node(if at.is_multiple_of(1000) { "rare" } else { "common" })
}

/// An object near the limit, behind all [`small`] ones.
fn large(at: usize) -> Object {
    pod("ns", &format!("b-{at:05}")).mark("m".repeat(OBJECT_BYTES_MAX - 4096))
}

#[tokio::test]
async fn a_list_stays_what_it_was_while_writes_go_on() {
    let etcd = Etcd::start().unwrap();
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let records = fill(&pods, (0..3000).map(small)).await;
    let mut listing = pods.list(pods.request(pods.all(), ReadAt::Latest)).await.unwrap();
    let mut read = listing.cursor.next().await.unwrap();
    assert!(read.len() < 1000, "the rest is not read yet");
    for at in (0..3000).step_by(100) {
        pods.put(&small(at).mark("new")).await;
        pods.put(&pod("ns", &format!("a-{at:05}x"))).await;
        pods.remove(&small(at + 1)).await;
    }
    read.extend(collect(listing.cursor).await.unwrap());
    assert_eq!(read, records);
}

#[tokio::test]
async fn a_page_ends_where_it_says_however_it_is_read() {
    let etcd = Etcd::start().unwrap();
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let records = fill(&pods, (0..3000).map(small)).await;
    let of_predicate =
        |rare: bool| if rare { selecting("", "spec.nodeName=rare") } else { selecting("", "") };
    for (rare, limit) in [
        (false, 50),
        (false, 256),
        (false, 257),
        (false, 2999),
        (false, 3000),
        (true, 1),
        (true, 2),
        (true, 3),
    ] {
        let matching: Vec<_> = records
            .iter()
            .enumerate()
            .filter(|(at, _)| !rare || at % 1000 == 0)
            .map(|(_, record)| Arc::clone(record))
            .collect();
        let (mut start, mut read) = (None, Vec::new());
        loop {
            let request = ListRequest {
                start,
                limit: NonZeroUsize::new(limit),
                predicate: of_predicate(rare),
                ..pods.request(pods.all(), ReadAt::Latest)
            };
            let listing = pods.list(request).await.unwrap();
            let page = collect(listing.cursor).await.unwrap();
            let last = page.last().map(|record| format!("{}\0", record.key));
            read.extend(page);
            let Some(continuation) = listing.continuation else { break };
            assert_eq!(read.len() % limit, 0, "a page before the last is full");
            assert_eq!(Some(&continuation.start), last.as_ref());
            let left = (records.len() - read.len()) as u64;
            assert_eq!(continuation.remaining, (!rare).then_some(left));
            start = Some(continuation.start);
        }
        assert_eq!(read, matching, "rare: {rare}, limit {limit}");
    }
}

/// The second half is larger than any response may be, and the pages before it were of thousands of keys.
#[tokio::test]
async fn the_largest_objects_pass_through_lists_and_watches() {
    const LARGE: usize = 60;
    let etcd = Etcd::start().unwrap();
    // Many megabytes at once take a busy machine a while.
    let patient = || EtcdOptions { request_timeout: PATIENCE * 2, ..options(etcd.url()) };
    let writer = open(patient());
    let writing = pods(&writer).await;
    let start = writing.now().await;
    let mut records = fill(&writing, (0..4000).map(small)).await;
    let first_large = writing.now().await;
    records.extend(fill(&writing, (0..LARGE).map(large)).await);

    // A client that has seen none of them.
    let backend = open(patient());
    let pods = pods(&backend).await;
    let (read, _) = pods.read(pods.all(), ReadAt::Latest).await.unwrap();
    assert!(read == records, "{} of {}", read.len(), records.len());
    let stats = pods.stats().await.unwrap();
    assert_eq!(stats.objects, records.len() as u64);

    let mut watching = watch(&pods, WatchStart::After(first_large)).await;
    for _ in 0..LARGE {
        let change = change(&mut watching).await;
        assert!(records.contains(change.record().unwrap()));
    }
    assert!(watching.progress() > start);
    // Both states of a large object are more than etcd puts into a part of a response.
    let updated = pods.put(&large(0).node("n")).await;
    assert_eq!(change(&mut watching).await.record(), Some(&updated));
}
