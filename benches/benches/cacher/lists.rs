//! Lists.

use std::hint::black_box;
use std::num::NonZeroUsize;

use watchkeep_storage::{ListRequest, ReadAt, Revision};

use crate::clocks::row;
use crate::pods::{NODES, Pods, Size, on_node, request};

/// Exact lists are of the last so many revisions, in turns.
const REVISIONS: usize = 100;
const WALKS: usize = 20;
const LISTS: usize = 2_000;

pub(crate) async fn run(size: Size) {
    let pods = Pods::new(size).await;
    let mut revisions = Vec::new();
    for turn in 0..REVISIONS {
        pods.patch(turn).await;
        revisions.push(pods.cache.current_revision().await.expect("memory"));
    }
    let any = ReadAt::AtLeast(Revision::new(1));
    let exact =
        |turn: usize| ReadAt::Exact(revisions.get(turn * 37 % REVISIONS).copied().unwrap_or_default());
    row("StoreList Cluster NotOlderThan", WALKS, whole(&pods, |_| any)).await;
    row("StoreList Cluster Exact", WALKS, whole(&pods, exact)).await;
    row("StoreList Cluster consistent", WALKS, whole(&pods, |_| ReadAt::Latest)).await;
    row("one page of 1,000 with the count of the rest", LISTS, page(&pods, any)).await;
    row("StoreList Namespace NotOlderThan", LISTS, namespace(&pods, |_| any)).await;
    row("StoreList Namespace Exact", LISTS, namespace(&pods, exact)).await;
    row("StoreList Node NotOlderThan, indexed", LISTS, node(&pods, |_| any)).await;
    row("StoreList Node Exact, indexed", LISTS, node(&pods, exact)).await;
}

async fn whole(pods: &Pods, at: impl Fn(usize) -> ReadAt) {
    for turn in 0..WALKS {
        assert_eq!(pods.walk(request(pods.all(), at(turn))).await.expect("a list"), pods.len());
    }
}

async fn page(pods: &Pods, at: ReadAt) {
    for _ in 0..LISTS {
        let request = ListRequest { limit: NonZeroUsize::new(1_000), ..request(pods.all(), at) };
        let listing = pods.cache.list(request).await.expect("a list");
        let remaining = listing.continuation.expect("more").remaining.expect("counted");
        assert_eq!(remaining, (pods.len() - 1_000) as u64);
        let mut cursor = listing.cursor;
        while !black_box(cursor.next().await.expect("a list")).is_empty() {}
    }
}

async fn namespace(pods: &Pods, at: impl Fn(usize) -> ReadAt) {
    for turn in 0..LISTS {
        let request = request(pods.namespace(turn), at(turn));
        assert_eq!(pods.walk(request).await.expect("a list"), pods.size.per_namespace);
    }
}

async fn node(pods: &Pods, at: impl Fn(usize) -> ReadAt) {
    for turn in 0..LISTS {
        let request = ListRequest { predicate: on_node(turn % NODES), ..request(pods.all(), at(turn)) };
        assert_eq!(pods.walk(request).await.expect("a list"), pods.len() / NODES);
    }
}
