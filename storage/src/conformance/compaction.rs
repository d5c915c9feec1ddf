//! Compaction, asked for and forced.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::future::{join, join_all};

use super::harness::{Harness, Setup};
use super::instrument::Resource;
use super::object::pod;
use crate::error::{CompactedDuring, Error};
use crate::event::{EventType, WatchEvent};
use crate::list::ReadAt;
use crate::revision::Revision;
use crate::watch::{WatchRequest, WatchStart};

/// The watch has to be refused as compacted, when it is opened or by its first item: engines elsewhere
/// learn it only from the stream.
pub(super) async fn is_compacted(harness: &dyn Harness, resource: &Resource, request: WatchRequest) {
    let error = match resource.try_probe(harness, request).await {
        Err(error) => error,
        Ok(mut probe) => probe.next_or_end().await.unwrap().unwrap_err(),
    };
    assert!(matches!(error, Error::Compacted { during: CompactedDuring::Watch, .. }), "{error:?}");
}

/// Holds \[COMPACT-READS\].
pub async fn reads_below_the_compacted_revision_are_refused(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let old = pods.put(&pod("ns", "a").mark("old")).await;
    let new = pods.put(&pod("ns", "a").mark("new")).await;
    assert!(pods.compacted_revision() < new.revision);
    let (before, _) = pods.read(pods.all(), ReadAt::Exact(old.revision)).await.unwrap();
    assert_eq!(before, std::slice::from_ref(&old));
    pods.compact(new.revision).await.unwrap();
    assert!(pods.compacted_revision() >= new.revision);
    let refused = pods.read(pods.all(), ReadAt::Exact(old.revision)).await.unwrap_err();
    let Error::Compacted { requested, oldest, during } = refused else { panic!("{refused:?}") };
    assert_eq!((requested, during), (old.revision, CompactedDuring::List));
    assert!(oldest >= new.revision);
    let (at, _) = pods.read(pods.all(), ReadAt::Exact(new.revision)).await.unwrap();
    assert_eq!(at, std::slice::from_ref(&new), "the compacted revision itself is kept");
    let (any, _) = pods.read(pods.all(), ReadAt::AtLeast(old.revision)).await.unwrap();
    assert_eq!(any, [new], "no exact read");
}

/// Holds \[COMPACT-WATCHES\].
pub async fn watches_from_below_the_compacted_revision_are_refused(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let first = pods.put(&pod("ns", "a").mark("1")).await;
    let second = pods.put(&pod("ns", "a").mark("2")).await;
    let third = pods.put(&pod("ns", "a").mark("3")).await;
    pods.compact(second.revision).await.unwrap();
    for scope in [pods.all(), pods.one(&pod("ns", "a"))] {
        let from = |record: Revision| pods.watching(scope.clone(), WatchStart::After(record));
        is_compacted(harness, &pods, from(first.revision)).await;
        let mut probe = pods.try_probe(harness, from(second.revision)).await.unwrap();
        probe.shows(EventType::Modified, &third).await;
        probe.is_quiet().await;
    }
}

/// Holds \[COMPACT-READS\], \[COMPACT-WATCHES\]: the whole store is compacted, at a revision of any resource.
pub async fn a_compaction_concerns_all_resources(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let (pods, others) = (store.pods().await, store.others().await);
    let old = pods.put(&pod("ns", "a")).await;
    let new = others.put(&pod("ns", "b")).await;
    others.compact(new.revision).await.unwrap();
    let refused = pods.read(pods.all(), ReadAt::Exact(old.revision)).await;
    assert!(matches!(refused, Err(Error::Compacted { .. })), "{refused:?}");
    let after = pods.watching(pods.all(), WatchStart::After(old.revision));
    is_compacted(harness, &pods, after).await;
    let (kept, _) = pods.read(pods.all(), ReadAt::Exact(new.revision)).await.unwrap();
    assert_eq!(kept, [old]);
}

/// Holds \[COMPACT-READS\].
pub async fn a_compaction_never_goes_back(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let old = pods.put(&pod("ns", "a").mark("old")).await;
    let new = pods.put(&pod("ns", "a").mark("new")).await;
    pods.compact(new.revision).await.unwrap();
    let oldest = pods.compacted_revision();
    let refused = pods.compact(old.revision).await.unwrap_err();
    let Error::Compacted { requested, during: CompactedDuring::Compact, .. } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(requested, old.revision);
    assert!(pods.compacted_revision() >= oldest);
    assert_eq!(pods.find(&pod("ns", "a")).await, Some(new));
}

/// Holds \[COMPACT-READS\].
pub async fn the_future_cannot_be_compacted(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let record = pods.put(&pod("ns", "a")).await;
    let before = pods.compacted_revision();
    let future = Revision::new(record.revision.get() + 1_000_000);
    let refused = pods.compact(future).await;
    assert!(
        matches!(refused, Err(Error::FutureRevision { requested, .. }) if requested == future),
        "{refused:?}"
    );
    assert_eq!(pods.compacted_revision(), before);
    assert!(pods.read(pods.all(), ReadAt::Exact(record.revision)).await.is_ok());
}

/// Holds \[COMPACT-READS\], \[LIST-ATOMIC\]: whatever is compacted, every revision that is kept reads as before.
pub async fn what_is_kept_reads_as_before(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let mut history = BTreeMap::new();
    for at in 0..40_usize {
        let object = pod("ns", ["a", "b", "c", "d"][at % 4]).mark(at.to_string());
        let revision = match pods.find(&object).await {
            Some(_) if at % 3 == 0 => pods.remove(&object).await.revision,
            _ => pods.put(&object).await.revision,
        };
        history.insert(revision, pods.read(pods.all(), ReadAt::Latest).await.unwrap().0);
    }
    let revisions: Vec<_> = history.keys().copied().collect();
    for compacted in revisions.iter().step_by(3) {
        pods.compact(*compacted).await.unwrap();
        for (revision, want) in history.range(*compacted..) {
            let (found, _) = pods.read(pods.all(), ReadAt::Exact(*revision)).await.unwrap();
            assert_eq!(&found, want, "at {revision}, compacted {compacted}");
        }
    }
}

/// Holds \[COMPACT-WATCHES\]: nobody who is up to date notices.
pub async fn an_idle_watch_that_is_up_to_date_survives(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let (pods, others) = (store.pods().await, store.others().await);
    let record = pods.put(&pod("ns", "a")).await;
    let mut probe = pods.probe(harness, pods.all(), WatchStart::After(record.revision)).await;
    let mut unread = pods.probe(harness, pods.namespace("ns"), WatchStart::Now).await;
    probe.is_quiet().await;
    for at in 0..300 {
        others.put(&pod("ns", "b").mark(at.to_string())).await;
    }
    others.compact(others.now().await).await.unwrap();
    probe.is_quiet().await;
    let next = pods.put(&pod("ns", "a").mark("new")).await;
    probe.shows(EventType::Modified, &next).await;
    unread.shows(EventType::Modified, &next).await;
}

/// Holds \[WATCH-ERROR-LAST\], \[COMPACT-WATCHES\]: while somebody writes, watches that were left behind and
/// watches from below the compacted revision are read. Each ends with an error or shows everything.
pub async fn nothing_follows_the_error_of_a_watch(harness: &dyn Harness) {
    const WATCHES: usize = 10;
    let pods = harness.open(Setup::default()).await.pods().await;
    let object = pod("ns", "a");
    let first = pods.put(&object).await;
    let after_first = || pods.watching(pods.all(), WatchStart::After(first.revision));
    let mut left_behind = Vec::new();
    for _ in 0..WATCHES {
        left_behind.push(pods.try_probe(harness, after_first()).await.unwrap());
    }
    let mut written = Vec::new();
    for at in 0..40 {
        written.push(pods.put(&object.clone().mark(at.to_string())).await.revision);
    }
    let compacted = pods.now().await;
    pods.compact(compacted).await.unwrap();
    let mut refused = 0;
    for _ in 0..WATCHES {
        match pods.try_probe(harness, after_first()).await {
            Ok(probe) => left_behind.push(probe),
            Err(_) => refused += 1,
        }
    }
    let write = async {
        for at in 40..80 {
            written.push(pods.put(&object.clone().mark(at.to_string())).await.revision);
            tokio::task::yield_now().await;
        }
        written
    };
    let read = join_all(left_behind.into_iter().map(async |mut probe| {
        let mut seen = Vec::new();
        while seen.len() < 80 {
            match probe.next_or_end().await.unwrap() {
                Ok(WatchEvent::Change(change)) => seen.push(change.revision()),
                Ok(WatchEvent::Bookmark(bookmark)) => panic!("{bookmark:?}"),
                Err(error) => return (seen, Some((error, probe))),
            }
        }
        (seen, None)
    }));
    let (written, read) = join(write, read).await;
    let mut ended = 0;
    for (seen, error) in read {
        assert_eq!(seen, written[..seen.len()]);
        if let Some((error, mut probe)) = error {
            assert!(matches!(error, Error::Compacted { during: CompactedDuring::Watch, .. }), "{error:?}");
            assert_eq!(probe.next_or_end().await, None, "nothing, whatever was written meanwhile");
            assert!(probe.progress() < compacted, "what was lost is not claimed");
            ended += 1;
        }
    }
    assert!(refused + ended >= WATCHES, "{refused} were refused, {ended} ended");
}

/// A bound that some twenty large objects outgrow.
const HISTORY_BYTES_MAX: usize = 64 << 10;

fn bounded() -> Setup {
    Setup { history_bytes_max: Some(HISTORY_BYTES_MAX), ..Setup::default() }
}

fn large(name: &str, at: usize) -> super::object::Object {
    pod("ns", name).mark(format!("{at}{}", "x".repeat(10_000)))
}

/// Holds \[COMPACT-WATCHES\], \[COMPACT-READS\], \[WATCH-ERROR-LAST\]: a watch that was left behind ends with an
/// error, and nothing after it; one that keeps up does not notice.
pub async fn history_that_outgrows_its_bound_is_given_up_early(harness: &dyn Harness) {
    let pods = harness.open(bounded()).await.pods().await;
    let first = pods.put(&large("a", 0)).await;
    let mut lagging = pods.probe(harness, pods.all(), WatchStart::After(first.revision)).await;
    let mut reader = pods.probe(harness, pods.all(), WatchStart::After(first.revision)).await;
    let mut missed = VecDeque::new();
    for at in 1..40 {
        let record = pods.put(&large("a", at)).await;
        reader.shows(EventType::Modified, &record).await;
        missed.push_back(record);
    }
    let stats = pods.stats().await.unwrap();
    assert!(stats.early_compactions > 0);
    assert!(stats.history_bytes <= HISTORY_BYTES_MAX as u64, "{stats:?}");
    assert!(pods.compacted_revision() > first.revision);
    let refused = pods.read(pods.all(), ReadAt::Exact(first.revision)).await;
    assert!(matches!(refused, Err(Error::Compacted { .. })), "{refused:?}");
    // A cache may still have what the store has given up; then nothing is missing.
    while let Some(record) = missed.pop_front() {
        match lagging.next_or_end().await {
            Some(Ok(WatchEvent::Change(change))) => assert_eq!(change.record(), Some(&record)),
            Some(Err(Error::Compacted { during: CompactedDuring::Watch, .. })) => {
                assert!(lagging.progress() < pods.now().await, "what was lost is not claimed");
                break;
            }
            other => panic!("expected the next event or the end, got {other:?}"),
        }
    }
    reader.is_quiet().await;
}

/// Holds \[COMPACT-READS\]: expiry makes history too.
pub async fn history_stays_in_its_bound_when_objects_expire(harness: &dyn Harness) {
    let store = harness.open(bounded()).await;
    let pods = store.pods().await;
    for at in 0..20 {
        pods.put_for(&large(&format!("a{at}"), at), Some(Duration::from_secs(2))).await;
    }
    store.advance(Duration::from_secs(4)).await;
    let stats = pods.stats().await.unwrap();
    assert_eq!(stats.objects, 0);
    assert!(stats.history_bytes <= HISTORY_BYTES_MAX as u64, "{stats:?}");
}
