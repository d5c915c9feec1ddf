//! Cursors: a list that is read bit by bit.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use super::harness::{Harness, Setup};
use super::instrument::{Resource, selecting};
use super::object::pod;
use crate::error::Error;
use crate::interface::Freshness;
use crate::list::{BATCH_RECORDS_MAX, ListRequest, ReadAt, collect};
use crate::record::Record;
use crate::watch::{WatchRequest, WatchStart};

/// More than two batches.
const OBJECTS: usize = 2 * BATCH_RECORDS_MAX + 100;

/// By when an abandoned cursor has let go of its picture, beyond its deadline.
const SLACK: Duration = Duration::from_secs(5);

async fn fill(pods: &Resource) -> Vec<Arc<Record>> {
    let mut records = Vec::new();
    for at in 0..OBJECTS {
        records.push(pods.put(&pod("ns", &format!("a-{at:04}"))).await);
    }
    records
}

fn latest(pods: &Resource) -> ListRequest {
    pods.request(pods.all(), ReadAt::Latest)
}

/// Holds \[CURSOR\].
pub async fn a_cursor_hands_out_batches_and_then_nothing(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let records = fill(&pods).await;
    let mut listing = pods.list(latest(&pods)).await.unwrap();
    let mut read = Vec::new();
    loop {
        let batch = listing.cursor.next().await.unwrap();
        assert!(batch.len() <= BATCH_RECORDS_MAX);
        if batch.is_empty() {
            break;
        }
        read.extend(batch);
    }
    assert_eq!(read, records);
    for _ in 0..3 {
        assert_eq!(listing.cursor.next().await.unwrap(), []);
    }
}

/// Holds \[CURSOR\]: an empty batch is the end, also where a selector rejects more than a batch.
pub async fn a_batch_is_empty_only_at_the_end(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let records = fill(&pods).await;
    let name = format!("a-{:04}", OBJECTS - 1);
    let predicate = selecting("", &format!("metadata.name={name}"));
    let mut listing = pods.list(ListRequest { predicate, ..latest(&pods) }).await.unwrap();
    assert_eq!(listing.cursor.next().await.unwrap(), records[OBJECTS - 1..]);
    assert_eq!(listing.cursor.next().await.unwrap(), []);
}

/// Holds \[CURSOR\], \[LIST-CONTINUATION\]: a limit of more than a batch.
pub async fn a_limit_counts_over_batches(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let records = fill(&pods).await;
    for limit in [BATCH_RECORDS_MAX - 1, BATCH_RECORDS_MAX, BATCH_RECORDS_MAX + 1, OBJECTS - 1, OBJECTS] {
        let request = ListRequest { limit: NonZeroUsize::new(limit), ..latest(&pods) };
        let listing = pods.list(request).await.unwrap();
        assert_eq!(collect(listing.cursor).await.unwrap(), records[..limit]);
        let left = OBJECTS - limit;
        match listing.continuation {
            None => assert_eq!(left, 0),
            Some(continuation) => {
                assert_eq!(continuation.remaining, Some(left as u64));
                assert_eq!(continuation.start, format!("{}\0", records[limit - 1].key));
            }
        }
    }
}

/// Holds \[CURSOR\], \[LIST-ATOMIC\]: nothing that happens later shows in it, not even a compaction.
pub async fn a_picture_stays_while_writes_go_on(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let records = fill(&pods).await;
    let mut listing = pods.list(latest(&pods)).await.unwrap();
    let mut read = listing.cursor.next().await.unwrap();
    for at in (0..OBJECTS).step_by(3) {
        pods.put(&pod("ns", &format!("a-{at:04}")).mark("new")).await;
        pods.put(&pod("ns", &format!("a-{at:04}x"))).await;
        pods.remove(&pod("ns", &format!("a-{:04}", at + 1).clone())).await;
    }
    pods.compact(pods.now().await).await.unwrap();
    read.extend(collect(listing.cursor).await.unwrap());
    assert_eq!(read, records);
}

/// Holds \[CURSOR\].
pub async fn a_cursor_ends_with_an_error_after_its_deadline(harness: &dyn Harness) {
    let limit = Duration::from_secs(2);
    let store = harness.open(Setup { cursor_deadline: Some(limit), ..Setup::default() }).await;
    let pods = store.pods().await;
    fill(&pods).await;
    let mut listing = pods.list(latest(&pods)).await.unwrap();
    assert!(!listing.cursor.next().await.unwrap().is_empty());
    store.advance(limit + Duration::from_millis(100)).await;
    let expired = listing.cursor.next().await.unwrap_err();
    assert_eq!(expired, Error::CursorExpired { revision: listing.revision, limit });
}

/// Holds \[CURSOR\]: what was read to its end stays at its end.
pub async fn a_cursor_at_its_end_does_not_expire(harness: &dyn Harness) {
    let limit = Duration::from_secs(2);
    let store = harness.open(Setup { cursor_deadline: Some(limit), ..Setup::default() }).await;
    let pods = store.pods().await;
    pods.put(&pod("ns", "a")).await;
    let mut listing = pods.list(latest(&pods)).await.unwrap();
    while !listing.cursor.next().await.unwrap().is_empty() {}
    store.advance(limit * 2).await;
    assert_eq!(listing.cursor.next().await.unwrap(), []);
}

/// Holds \[CURSOR\]: a reader that went to sleep does not keep what everybody else has given up.
pub async fn the_deadline_frees_the_picture_of_a_sleeping_reader(harness: &dyn Harness) {
    let limit = Duration::from_secs(2);
    let store = harness.open(Setup { cursor_deadline: Some(limit), ..Setup::default() }).await;
    let pods = store.pods().await;
    let object = pod("ns", "a");
    let record = Arc::downgrade(&pods.put(&object).await);
    let listing = pods.list(latest(&pods)).await.unwrap();
    pods.remove(&object).await;
    pods.compact(pods.now().await).await.unwrap();
    store.advance(limit + SLACK).await;
    assert!(record.upgrade().is_none(), "the picture is still there");
    drop(listing);
}

/// Holds \[CURSOR\]: the initial events of a watch are a picture too.
pub async fn a_stalled_watch_lets_go_of_its_initial_events(harness: &dyn Harness) {
    let limit = Duration::from_secs(2);
    let store = harness.open(Setup { cursor_deadline: Some(limit), ..Setup::default() }).await;
    let pods = store.pods().await;
    fill(&pods).await;
    let object = pod("ns", "z");
    let record = Arc::downgrade(&pods.put(&object).await);
    let start = WatchStart::Initial { freshness: Freshness::Latest, bookmark: true };
    let request = WatchRequest { scope: pods.all(), start, predicate: selecting("", ""), progress: false };
    let mut watch = pods.watch(request).await.unwrap();
    assert!(watch.next().await.unwrap().is_ok());
    pods.remove(&object).await;
    pods.compact(pods.now().await).await.unwrap();
    store.advance(limit + SLACK).await;
    assert!(record.upgrade().is_none(), "the picture is still there");
    let mut last = None;
    while let Some(next) = watch.next().await {
        last = Some(next);
    }
    assert!(matches!(last, Some(Err(Error::CursorExpired { .. }))), "{last:?}");
}
