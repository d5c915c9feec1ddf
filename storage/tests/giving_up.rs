//! Giving up history may be interrupted anywhere: whatever part of it is on the disk, what a compaction has
//! promised can be read, and the rest goes when the store is open again.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod disk;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;
use watchkeep_storage::rocksdb::{RocksBackend, RocksOptions, check};
use watchkeep_storage::{
    Backend as _, Environment, Error, Interface, Predicate, ReadAt, Record, ResourcePrefix, Revision, Schema,
    WatchEvent, WatchRequest, WatchStart,
};

use crate::disk::{copy, engine_files, folder, killed, list, open, pods, put, write};

/// More than two pieces of what is given up at a time.
const EVENTS: usize = 2_300;
/// Few enough that every event replaces or deletes something.
const NAMES: usize = 17;
const CUTS: usize = 12;
const PATIENCE: Duration = Duration::from_secs(30);

/// What the store was after each commit.
type Pictures = BTreeMap<Revision, BTreeMap<String, Revision>>;

/// Writes to two resources in turns; the pictures of the pods.
async fn history(backend: &RocksBackend, pods: &Arc<dyn Interface>) -> Pictures {
    let leases = ResourcePrefix::new("/leases").unwrap();
    let leases = backend.resource(leases, Arc::new(Schema::default())).await.unwrap();
    let (mut pictures, mut picture) = (Pictures::new(), BTreeMap::new());
    for n in 0..EVENTS {
        let name = format!("p-{}", n * 7 % NAMES);
        let deletes = n % 5 == 4 && picture.contains_key(&name);
        let committed = write(pods, &name, (!deletes).then_some(40), None).await;
        if deletes {
            picture.remove(&name);
        } else {
            picture.insert(name, committed.revision);
        }
        pictures.insert(committed.revision, picture.clone());
        if n % 3 == 0 {
            put(&leases, "lease", 10).await;
        }
    }
    pictures
}

fn seen(records: &[Arc<Record>]) -> BTreeMap<String, Revision> {
    let entry = |record: &Arc<Record>| (record.value.attributes().name().to_owned(), record.revision);
    records.iter().map(entry).collect()
}

/// Waits until history has exactly so many events of the resource.
async fn wait_for_events(pods: &Arc<dyn Interface>, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = pods.stats().await.unwrap().history_events;
        if found == count as u64 {
            return;
        }
        assert!(Instant::now() < deadline, "history has {found} events instead of {count}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Follows a watch from `after` to `until`, which is what the pictures say.
async fn follow(pods: &Arc<dyn Interface>, pictures: &Pictures, after: Revision, until: Revision) {
    let scope = pods.prefix().under(None).unwrap();
    let start = WatchStart::After(after);
    let request = WatchRequest { scope, start, predicate: Predicate::everything(), progress: false };
    let mut watch = pods.watch(request).await.unwrap();
    let mut picture = pictures[&after].clone();
    for (revision, want) in pictures.range(after.next()..=until) {
        let event = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
        let WatchEvent::Change(change) = event else { panic!("{event:?}") };
        assert_eq!(change.revision(), *revision);
        let name = change.record().unwrap().value.attributes().name().to_owned();
        let replaced = change.event.previous.as_ref().map(|record| record.revision);
        assert_eq!(replaced, picture.get(&name).copied(), "what {revision} has replaced");
        match &change.event.current {
            Some(record) => picture.insert(name, record.revision),
            None => picture.remove(&name),
        };
        assert_eq!(&picture, want, "at {revision}");
    }
}

/// Whether a store that was cut off keeps what it has promised, and goes on.
async fn holds(directory: &Path, pictures: &Pictures, kept: Revision) {
    let report = check(directory).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let (backend, pods) = open(directory).await;
    let last = *pictures.keys().last().unwrap();
    let compacted = pods.compacted_revision();
    assert!(compacted <= kept, "no more is given up than was asked for");
    assert_eq!(seen(&list(&pods, ReadAt::Latest).await.unwrap()), pictures[&last]);
    let readable: Vec<_> = pictures.range(compacted..).map(|(revision, _)| *revision).collect();
    for revision in readable.iter().step_by(readable.len() / 6 + 1) {
        let found = list(&pods, ReadAt::Exact(*revision)).await.unwrap();
        assert_eq!(seen(&found), pictures[revision], "at {revision}");
    }
    follow(&pods, pictures, readable[0], last).await;
    if compacted == kept {
        let refused = list(&pods, ReadAt::Exact(kept.previous())).await;
        assert!(matches!(refused, Err(Error::Compacted { .. })), "{refused:?}");
        // The rest goes without being asked for again.
        wait_for_events(&pods, pictures.range(kept.next()..).count()).await;
        follow(&pods, pictures, kept, last).await;
    }
    put(&pods, "new", 10).await;
    backend.close().await.unwrap();
    let report = check(directory).unwrap();
    assert!(report.problems.is_empty(), "afterwards: {:?}", report.problems);
}

fn log_bytes(directory: &Path) -> u64 {
    let logs = engine_files(directory, "log");
    assert_eq!(logs.len(), 1, "nothing was flushed, so all is in one log: {logs:?}");
    fs::metadata(&logs[0]).unwrap().len()
}

#[tokio::test]
async fn a_compaction_that_is_interrupted_anywhere_is_safe() {
    let directory = folder();
    let options = RocksOptions::new(directory.path());
    let backend = RocksBackend::open(options, Environment::system()).unwrap();
    let pods = pods(&backend).await;
    let pictures = history(&backend, &pods).await;
    let before = log_bytes(killed(directory.path()).path());
    let kept = *pictures.keys().nth(EVENTS - 100).unwrap();
    pods.compact(kept).await.unwrap();
    wait_for_events(&pods, pictures.range(kept.next()..).count()).await;
    let image = killed(directory.path());
    let after = log_bytes(image.path());
    assert!(after - before > 10 * EVENTS as u64, "giving up has written {before} to {after}");
    let mut stages = BTreeSet::new();
    for n in 0..=CUTS as u64 {
        // From the moment before the compaction to the one after its end.
        let cut = before + (after - before) * n / CUTS as u64;
        let copied = folder();
        copy(image.path(), copied.path());
        let log = fs::OpenOptions::new().write(true).open(&engine_files(copied.path(), "log")[0]).unwrap();
        log.set_len(cut).unwrap();
        stages.insert(check(copied.path()).unwrap().events);
        holds(copied.path(), &pictures, kept).await;
    }
    assert!(stages.len() >= 4, "it was interrupted before, between and after the pieces: {stages:?}");
}
