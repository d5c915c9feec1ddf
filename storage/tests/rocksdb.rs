//! What the RocksDB backend promises beyond the contract: what survives, and what it refuses to open.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tempfile::TempDir;
use watchkeep_storage::rocksdb::{OpenError, RocksBackend, RocksOptions};
use watchkeep_storage::selector::{FieldSelector, LabelSelector};
use watchkeep_storage::{
    Backend as _, Commit, Committed, Environment, Error, EventType, Expect, Freshness, Interface,
    ListRequest, Operation, Outcome, Predicate, ReadAt, Record, ResourcePrefix, Revision, Schema,
    SelectableField, Value, WatchEvent, WatchRequest, WatchStart, collect,
};

fn folder() -> TempDir {
    TempDir::with_prefix("watchkeep-rocksdb-").unwrap()
}

async fn open(options: RocksOptions) -> (RocksBackend, Arc<dyn Interface>) {
    let backend = RocksBackend::open(options, Environment::system()).unwrap();
    let schema = Schema::new(1, vec![SelectableField::new("spec.nodeName")]);
    let pods = backend.resource(ResourcePrefix::new("/pods").unwrap(), Arc::new(schema)).await.unwrap();
    (backend, pods)
}

async fn write(
    pods: &Arc<dyn Interface>,
    name: &str,
    operation: Option<&str>,
    ttl: Option<Duration>,
) -> Committed {
    let key = pods.prefix().object(Some("ns"), name).unwrap();
    let stored = pods.get(&key, Freshness::Latest).await.unwrap().record;
    let expect = stored.map_or(Expect::Absent, |record| Expect::Revision(record.revision));
    let operation = match operation {
        None => Operation::Delete,
        Some(node) => {
            let json = format!(
                r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"ns"}},"spec":{{"nodeName":"{node}"}}}}"#
            );
            Operation::Put { value: Value::new(json, pods.schema()).unwrap(), ttl }
        }
    };
    match pods.commit(Commit { key, expect, operation }).await.unwrap() {
        Outcome::Committed(committed) => committed,
        Outcome::Conflict { current } => panic!("{current:?}"),
    }
}

async fn put(pods: &Arc<dyn Interface>, name: &str, node: &str) -> Arc<Record> {
    write(pods, name, Some(node), None).await.record.unwrap()
}

async fn read(pods: &Arc<dyn Interface>, at: ReadAt) -> Result<Vec<Arc<Record>>, Error> {
    let scope = pods.prefix().under(None).unwrap();
    let request = ListRequest { scope, at, start: None, limit: None, predicate: Predicate::everything() };
    collect(pods.list(request).await?.cursor).await
}

/// The revisions of the next events after one.
async fn events(pods: &Arc<dyn Interface>, after: Revision, count: usize) -> Result<Vec<Revision>, Error> {
    let scope = pods.prefix().under(None).unwrap();
    let start = WatchStart::After(after);
    let request = WatchRequest { scope, start, predicate: Predicate::everything(), progress: false };
    let mut watch = pods.watch(request).await?;
    let mut revisions = Vec::new();
    while revisions.len() < count {
        let event = tokio::time::timeout(Duration::from_secs(20), watch.next()).await.unwrap().unwrap()?;
        if let WatchEvent::Change(change) = event {
            revisions.push(change.revision());
        }
    }
    Ok(revisions)
}

/// What a process that is killed leaves: a copy of the files, made without a word to the store.
fn killed(directory: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let image = folder();
    copy(directory, image.path());
    image
}

#[tokio::test]
async fn a_closed_store_goes_on_where_it_was() {
    let directory = folder();
    let options = RocksOptions::new(directory.path());
    let (backend, pods) = open(options.clone()).await;
    let mut pictures = BTreeMap::new();
    let before = pods.current_revision().await.unwrap();
    for at in 0..30 {
        let name = ["a", "b", "c"][at % 3];
        let node = format!("node-{at}");
        let deletes = at % 7 == 6;
        let committed = write(&pods, name, (!deletes).then_some(&*node), None).await;
        pictures.insert(committed.revision, read(&pods, ReadAt::Latest).await.unwrap());
    }
    let stats = pods.stats().await.unwrap();
    backend.close().await.unwrap();
    assert!(
        matches!(pods.current_revision().await, Ok(revision) if revision == *pictures.keys().last().unwrap())
    );
    assert!(pods.readiness().is_err(), "what is left of a closed store serves nothing");
    let (_backend, pods) = open(options).await;
    assert_eq!(pods.current_revision().await.unwrap(), *pictures.keys().last().unwrap(), "no gap");
    for (revision, want) in &pictures {
        assert_eq!(&read(&pods, ReadAt::Exact(*revision)).await.unwrap(), want, "at {revision}");
    }
    let revisions: Vec<_> = pictures.keys().copied().collect();
    assert_eq!(events(&pods, before, 30).await.unwrap(), revisions);
    assert_eq!(events(&pods, revisions[10], 19).await.unwrap(), revisions[11..]);
    assert_eq!(pods.stats().await.unwrap(), stats);
}

#[tokio::test]
async fn a_killed_store_keeps_every_acknowledged_write_and_issues_no_revision_again() {
    let directory = folder();
    let (_backend, pods) = open(RocksOptions::new(directory.path())).await;
    let before = pods.current_revision().await.unwrap();
    let mut records = Vec::new();
    for at in 0..20 {
        records.push(put(&pods, &format!("a-{at:02}"), "node").await);
    }
    let last = records.last().unwrap().revision;
    let mut image = killed(directory.path());
    for kills in 0..3_u32 {
        let (backend, pods) = open(RocksOptions::new(image.path())).await;
        let resumed = pods.current_revision().await.unwrap();
        assert!(resumed > last, "what was reserved is not issued");
        assert_eq!(read(&pods, ReadAt::Latest).await.unwrap(), records);
        assert_eq!(read(&pods, ReadAt::Exact(last)).await.unwrap(), records, "history from before is there");
        // A client that has seen a revision which the store has lost starts anew.
        for lost in [last.next(), resumed.previous()] {
            assert!(
                matches!(events(&pods, lost, 0).await, Err(Error::Compacted { .. })),
                "{lost} of {resumed}"
            );
            assert!(matches!(read(&pods, ReadAt::Exact(lost)).await, Err(Error::Compacted { .. })));
            assert!(matches!(pods.check_resumable(lost), Err(Error::Compacted { .. })));
        }
        pods.check_resumable(last).unwrap();
        let next = put(&pods, "b", &format!("node-{kills}")).await;
        assert!(next.revision > resumed);
        let mut want: Vec<_> = records.iter().map(|record| record.revision).collect();
        let seen = events(&pods, before, 21).await.unwrap();
        if kills == 0 {
            want.push(next.revision);
            assert_eq!(seen, want, "a watch from before the kill goes on without a gap");
        }
        write(&pods, "b", None, None).await;
        pods.compact(pods.current_revision().await.unwrap()).await.unwrap();
        pods.compact(pods.current_revision().await.unwrap()).await.unwrap();
        backend.close().await.unwrap();
        let (_backend, pods) = open(RocksOptions::new(image.path())).await;
        let compacted = pods.compacted_revision();
        assert!(compacted > next.revision, "a compaction survives");
        if kills < 2 {
            // The next one begins with the same history.
            image = killed(directory.path());
        }
    }
}

#[tokio::test]
async fn deadlines_survive() {
    let directory = folder();
    let (backend, pods) = open(RocksOptions::new(directory.path())).await;
    let short = write(&pods, "short", Some("node"), Some(Duration::from_secs(2))).await;
    let stays = put(&pods, "stays", "node").await;
    backend.close().await.unwrap();
    let (_backend, pods) = open(RocksOptions::new(directory.path())).await;
    let expired = events(&pods, stays.revision, 1).await.unwrap();
    assert!(expired[0] > short.revision);
    assert_eq!(read(&pods, ReadAt::Latest).await.unwrap(), [stays]);
}

#[tokio::test]
async fn history_is_given_up_on_the_disk_too() {
    let directory = folder();
    let options = RocksOptions { history_bytes_max: 64 << 10, ..RocksOptions::new(directory.path()) };
    let (backend, pods) = open(options.clone()).await;
    let first = put(&pods, "a", "first").await;
    for at in 0..200 {
        // Beyond what stands in the latest state too.
        put(&pods, "a", &format!("{at}-{}", "x".repeat(5000))).await;
    }
    let (stats, compacted) = (pods.stats().await.unwrap(), pods.compacted_revision());
    assert!(stats.history_bytes <= 64 << 10, "{stats:?}");
    backend.close().await.unwrap();
    let (_backend, pods) = open(options).await;
    assert_eq!(pods.compacted_revision(), compacted);
    assert_eq!(pods.stats().await.unwrap().history_bytes, stats.history_bytes);
    assert!(matches!(events(&pods, first.revision, 1).await, Err(Error::Compacted { .. })));
    let latest = read(&pods, ReadAt::Latest).await.unwrap();
    let kept = read(&pods, ReadAt::Exact(compacted)).await.unwrap();
    assert!(kept[0].revision < latest[0].revision);
    let replayed = events(&pods, compacted, 5).await.unwrap();
    assert!(replayed.iter().all(|revision| *revision > compacted) && replayed.is_sorted());
}

#[tokio::test]
async fn a_directory_in_use_is_refused_in_one_line() {
    let directory = folder();
    let (_backend, _pods) = open(RocksOptions::new(directory.path())).await;
    let refused = RocksBackend::open(RocksOptions::new(directory.path()), Environment::system());
    let Err(refused @ OpenError::InUse(_)) = refused else { panic!("it was opened twice") };
    let line = refused.to_string();
    assert!(line.contains(directory.path().to_str().unwrap()) && !line.contains('\n'), "{line}");
}

#[tokio::test]
async fn what_is_no_store_of_this_format_is_refused_and_left_alone() {
    let foreign = folder();
    fs::write(foreign.path().join("letter.txt"), "dear").unwrap();
    let newer = folder();
    fs::write(newer.path().join("format"), "7001\n").unwrap();
    for (directory, reason) in [(&foreign, "no store"), (&newer, "7001")] {
        let refused = RocksBackend::open(RocksOptions::new(directory.path()), Environment::system());
        let line = refused.err().unwrap().to_string();
        assert!(line.contains(reason) && !line.contains('\n'), "{line}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was changed");
    }
}

#[tokio::test]
async fn a_store_that_has_lost_its_engine_is_refused_and_not_made_anew() {
    let directory = folder();
    let (backend, pods) = open(RocksOptions::new(directory.path())).await;
    put(&pods, "a", "node").await;
    backend.close().await.unwrap();
    for lost in ["db/CURRENT", "db"] {
        let image = killed(directory.path());
        let path = image.path().join(lost);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        let refused = RocksBackend::open(RocksOptions::new(image.path()), Environment::system());
        let line = refused.err().unwrap().to_string();
        assert!(line.contains(image.path().to_str().unwrap()) && !line.contains('\n'), "{line}");
        assert!(!image.path().join("db/CURRENT").exists(), "nothing was made in its place");
    }
}

#[tokio::test]
async fn a_first_start_that_was_cut_off_is_finished_by_the_next() {
    let directory = folder();
    fs::create_dir(directory.path().join("db")).unwrap();
    fs::write(directory.path().join("db/000004.log"), "").unwrap();
    let refused = RocksBackend::open(RocksOptions::new(directory.path()), Environment::system());
    assert!(matches!(refused.err(), Some(OpenError::NotAStore(_))), "somebody else's");
    fs::write(directory.path().join("format.new"), "").unwrap();
    let (backend, pods) = open(RocksOptions::new(directory.path())).await;
    put(&pods, "a", "node").await;
    backend.close().await.unwrap();
    let (_backend, pods) = open(RocksOptions::new(directory.path())).await;
    assert_eq!(read(&pods, ReadAt::Latest).await.unwrap().len(), 1);
}

#[tokio::test]
async fn pages_of_one_list_count_what_follows_once_and_rightly() {
    let directory = folder();
    let (_backend, pods) = open(RocksOptions::new(directory.path())).await;
    for at in 0..10 {
        put(&pods, &format!("a-{at}"), "node").await;
    }
    let scope = pods.prefix().under(None).unwrap();
    let (mut at, mut start, mut counts) = (ReadAt::Latest, None, Vec::new());
    loop {
        let limit = std::num::NonZeroUsize::new(3);
        let predicate = Predicate::everything();
        let page =
            pods.list(ListRequest { scope: scope.clone(), at, start, limit, predicate }).await.unwrap();
        at = ReadAt::Exact(page.revision);
        // What is written meanwhile is not counted, wherever it stands.
        put(&pods, &format!("b-{}", counts.len()), "node").await;
        write(&pods, "a-9", None, None).await;
        put(&pods, "a-9", "node").await;
        let Some(continuation) = page.continuation else { break };
        counts.push(continuation.remaining);
        start = Some(continuation.start);
    }
    assert_eq!(counts, [Some(7), Some(4), Some(1)]);
}

#[tokio::test]
async fn what_expires_is_shown_to_selectors_also_when_its_resource_was_opened_late() {
    let directory = folder();
    let (backend, pods) = open(RocksOptions::new(directory.path())).await;
    let short = write(&pods, "short", Some("node"), Some(Duration::from_millis(200))).await;
    backend.close().await.unwrap();

    let backend = RocksBackend::open(RocksOptions::new(directory.path()), Environment::system()).unwrap();
    let others = backend.resource(ResourcePrefix::new("/others").unwrap(), Arc::default()).await.unwrap();
    let expires = write(&others, "later", Some("node"), Some(Duration::from_secs(1))).await;
    // When this one is gone, the pod has been due for a while.
    events(&others, expires.revision, 1).await.unwrap();

    let schema = Schema::new(1, vec![SelectableField::new("spec.nodeName")]);
    let pods = backend.resource(ResourcePrefix::new("/pods").unwrap(), Arc::new(schema)).await.unwrap();
    let fields = FieldSelector::parse("spec.nodeName=node").unwrap();
    let predicate = Predicate::new(LabelSelector::everything(), fields);
    let (scope, start) = (pods.prefix().under(None).unwrap(), WatchStart::After(short.revision));
    let mut watch = pods.watch(WatchRequest { scope, start, predicate, progress: false }).await.unwrap();
    let event = tokio::time::timeout(Duration::from_secs(20), watch.next()).await.unwrap().unwrap().unwrap();
    let WatchEvent::Change(change) = event else { panic!("{event:?}") };
    assert_eq!(change.event_type, EventType::Deleted);
}

/// More than the writer keeps of what was written last, several times over.
#[tokio::test]
async fn a_write_meets_what_was_written_last_however_long_ago() {
    const BYTES: usize = 64 << 10;
    const KEYS: u64 = 150;
    const WRITES: u64 = 900;
    let directory = folder();
    let (_backend, pods) = open(RocksOptions::new(directory.path())).await;
    let filler = "x".repeat(BYTES);
    let (mut stored, mut chance) = (BTreeMap::new(), 1_u64);
    for n in 0..WRITES {
        // A few keys are written all the time, the others now and then.
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let drawn = chance >> 33;
        let name = format!("p-{}", if drawn.is_multiple_of(3) { drawn % 7 } else { drawn % KEYS });
        let key = pods.prefix().object(Some("ns"), &name).unwrap();
        let expect = stored.get(&name).map_or(Expect::Absent, |revision| Expect::Revision(*revision));
        let json = format!(
            r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}"}},"spec":{{"filler":"{filler}"}}}}"#
        );
        let operation = if drawn % 16 == 0 && stored.contains_key(&name) {
            Operation::Delete
        } else {
            Operation::Put { value: Value::new(json, pods.schema()).unwrap(), ttl: None }
        };
        let outcome = pods.commit(Commit { key, expect, operation }).await.unwrap();
        let Outcome::Committed(committed) = outcome else { panic!("write {n} of {name} met something else") };
        let previous = committed.previous.map(|record| record.revision);
        assert_eq!(previous, stored.remove(&name), "write {n} of {name}");
        stored.extend(committed.record.map(|record| (name, record.revision)));
    }
}

#[tokio::test]
async fn a_batch_of_large_objects_is_bounded_by_bytes() {
    let directory = folder();
    let (_backend, pods) = open(RocksOptions::new(directory.path())).await;
    for at in 0..10 {
        put(&pods, &format!("a-{at}"), &"x".repeat(1 << 20)).await;
    }
    let scope = pods.prefix().under(None).unwrap();
    let request = ListRequest {
        scope,
        at: ReadAt::Latest,
        start: None,
        limit: None,
        predicate: Predicate::everything(),
    };
    let mut cursor = pods.list(request).await.unwrap().cursor;
    let mut batches = Vec::new();
    loop {
        let batch = cursor.next().await.unwrap();
        if batch.is_empty() {
            break;
        }
        batches.push(batch.len());
    }
    assert_eq!(batches, [4, 4, 2]);
}
