//! Stores that were written when their format was frozen: every later build opens them, and finds what was
//! written then. `WATCHKEEP_WRITE_GOLDEN=DIR` has a build write such a store, for a new format.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod disk;

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use disk::{folder, killed, list, pods, put, write};
use futures_util::StreamExt as _;
use watchkeep_storage::rocksdb::{RocksBackend, RocksOptions, check};
use watchkeep_storage::{
    Backend as _, Environment, Error, EventType, Interface, Predicate, ReadAt, Revision, WatchEvent,
    WatchRequest, WatchStart,
};

/// The revision before the first commit.
const FIRST: u64 = 1000;
/// A value of this size stands in `versions` only.
const LARGE: usize = 6000;

fn options(directory: &Path) -> RocksOptions {
    RocksOptions {
        first_revision: Some(Revision::new(FIRST)),
        // Forever, as far as a golden store is concerned.
        history_retention: Duration::from_hours(24 * 365 * 100),
        ..RocksOptions::new(directory)
    }
}

async fn open(directory: &Path) -> (RocksBackend, Arc<dyn Interface>) {
    let backend = RocksBackend::open(options(directory), Environment::system()).unwrap();
    let pods = pods(&backend).await;
    (backend, pods)
}

/// Everything that the format has a place for.
async fn fill(pods: &Arc<dyn Interface>) {
    put(pods, "replaced", 10).await; // 1001
    put(pods, "large", LARGE).await; // 1002
    put(pods, "gone", 20).await; // 1003
    put(pods, "replaced", LARGE).await; // 1004
    pods.compact(Revision::new(FIRST + 3)).await.unwrap();
    write(pods, "gone", None, None).await; // 1005
    put(pods, "large", 30).await; // 1006
    // Due in some decades: it is there as long as the test.
    write(pods, "expires", Some(5), Some(Duration::from_hours(24 * 365 * 100))).await; // 1007
    put(pods, "replaced", 11).await; // 1008
}

async fn content(pods: &Arc<dyn Interface>, at: ReadAt) -> Vec<(String, u64, usize)> {
    let records = list(pods, at).await.unwrap();
    let seen = records.iter().map(|record| {
        let attributes = record.value.attributes();
        assert_eq!(attributes.label("app"), Some(attributes.name()));
        assert_eq!((attributes.field("spec.nodeName"), attributes.namespace()), (Some("n"), "ns"));
        let object: serde_json::Value = serde_json::from_slice(&record.object()).unwrap();
        assert_eq!(object["metadata"]["resourceVersion"], record.revision.to_string());
        let filler = object["spec"]["filler"].as_str().unwrap().len();
        (attributes.name().to_owned(), record.revision.get(), filler)
    });
    seen.collect()
}

async fn replay(pods: &Arc<dyn Interface>, after: u64, count: usize) -> Vec<(u64, EventType, Option<u64>)> {
    let start = WatchStart::After(Revision::new(after));
    let scope = pods.prefix().under(None).unwrap();
    let request = WatchRequest { scope, start, predicate: Predicate::everything(), progress: false };
    let mut watch = pods.watch(request).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < count {
        let event = tokio::time::timeout(Duration::from_secs(20), watch.next()).await.unwrap().unwrap();
        if let WatchEvent::Change(change) = event.unwrap() {
            let previous = change.event.previous.as_ref().map(|record| record.revision.get());
            seen.push((change.revision().get(), change.event_type, previous));
        }
    }
    seen
}

/// What a store that [`fill`] has filled holds, whoever wrote it and however it ended.
async fn check_content(pods: &Arc<dyn Interface>) {
    let owned = |rows: &[(&str, u64, usize)]| -> Vec<(String, u64, usize)> {
        rows.iter().map(|(name, revision, filler)| ((*name).to_owned(), *revision, *filler)).collect()
    };
    assert_eq!(
        content(pods, ReadAt::Latest).await,
        owned(&[("expires", 1007, 5), ("large", 1006, 30), ("replaced", 1008, 11)])
    );
    assert_eq!(
        content(pods, ReadAt::Exact(Revision::new(1003))).await,
        owned(&[("gone", 1003, 20), ("large", 1002, LARGE), ("replaced", 1001, 10)])
    );
    assert_eq!(
        content(pods, ReadAt::Exact(Revision::new(1005))).await,
        owned(&[("large", 1002, LARGE), ("replaced", 1004, LARGE)])
    );
    let too_old = list(pods, ReadAt::Exact(Revision::new(1002))).await;
    assert!(matches!(too_old, Err(Error::Compacted { .. })));
    assert_eq!(
        replay(pods, 1003, 5).await,
        [
            (1004, EventType::Modified, Some(1001)),
            (1005, EventType::Deleted, Some(1003)),
            (1006, EventType::Modified, Some(1002)),
            (1007, EventType::Added, None),
            (1008, EventType::Modified, Some(1004)),
        ]
    );
    assert_eq!(pods.compacted_revision(), Revision::new(1003));
    let given_up = async {
        // What is compacted goes when the store has nothing else to do.
        while pods.stats().await.unwrap().history_events > 5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), given_up).await.unwrap();
    let stats = pods.stats().await.unwrap();
    assert_eq!((stats.objects, stats.history_events), (3, 5));
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

#[tokio::test]
async fn every_frozen_format_opens_with_all_that_was_written() {
    for format in ["format-1"] {
        for (end, resumes) in [("closed", FIRST + 8), ("killed", FIRST + (1 << 20) + 1)] {
            let image = killed(&golden().join(format).join(end));
            let report = check(image.path()).unwrap();
            assert!(report.is_well(), "{format} {end}: {report}");
            let (backend, pods) = open(image.path()).await;
            assert_eq!(pods.current_revision().await.unwrap().get(), resumes, "{format} {end}");
            check_content(&pods).await;
            let next = put(&pods, "next", 1).await;
            assert_eq!(next.get(), resumes + 1, "{format} {end}");
            backend.close().await.unwrap();
            assert!(check(image.path()).unwrap().is_well(), "{format} {end}");
        }
    }
}

#[tokio::test]
async fn a_store_of_this_build_holds_what_the_frozen_ones_hold() {
    let directory = folder();
    let (backend, pods) = open(directory.path()).await;
    fill(&pods).await;
    check_content(&pods).await;
    let image = killed(directory.path());
    backend.close().await.unwrap();
    if let Ok(target) = env::var("WATCHKEEP_WRITE_GOLDEN") {
        for (image, end) in [(&image, "killed"), (&directory, "closed")] {
            disk::copy(image.path(), &Path::new(&target).join(end));
        }
    }
}
