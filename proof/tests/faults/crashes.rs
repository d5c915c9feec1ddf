//! Crashes of the `RocksDB` backend at each of its points: its directory is copied in the middle of the step,
//! and the copy is opened.

#![expect(clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use tempfile::TempDir;
use watchkeep_storage::conformance::instrument::{Resource, committed};
use watchkeep_storage::conformance::object::{Object, pod};
use watchkeep_storage::failpoint::{Point, Scenario};
use watchkeep_storage::{Commit, Expect, Key, Operation, Revision, Value, WatchEvent, WatchStart};

use crate::disk::{cut_log, folder, killed, log, open};

/// How many clients write at once, each to keys of its own.
const CLIENTS: usize = 4;
/// How many crashes are looked at for one point.
const IMAGES_MAX: usize = 3;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A write that a client has begun.
#[derive(Clone, Debug)]
struct Write {
    key: Key,
    /// `None` deletes.
    value: Option<Value>,
    /// What the client was told, if it was told anything.
    acknowledged: Option<Revision>,
}

/// What all clients have begun and were told. Each writes one thing after the other.
#[derive(Default)]
struct Clients {
    writes: Mutex<Vec<Write>>,
    news: Condvar,
}

type Told = Arc<Clients>;

/// For how long nobody hears anything when nobody will.
const QUIET: Duration = Duration::from_millis(5);

impl Clients {
    fn begin(&self, key: Key, value: Option<Value>) -> usize {
        let mut writes = self.writes.lock().unwrap();
        writes.push(Write { key, value, acknowledged: None });
        writes.len() - 1
    }

    fn end(&self, position: usize, revision: Revision) {
        self.writes.lock().unwrap()[position].acknowledged = Some(revision);
        self.news.notify_all();
    }

    fn so_far(&self) -> Vec<Write> {
        self.writes.lock().unwrap().clone()
    }

    /// What they know when they have heard what was said to them.
    fn settled(&self) -> Vec<Write> {
        let mut writes = self.writes.lock().unwrap();
        loop {
            let (woken, wait) = self.news.wait_timeout(writes, QUIET).unwrap();
            if wait.timed_out() {
                return woken.clone();
            }
            writes = woken;
        }
    }
}

/// A directory as a crash has left it, and what the clients knew by then.
struct Image {
    directory: TempDir,
    told: Vec<Write>,
}

type Images = Arc<Mutex<Vec<Image>>>;

/// Has every so manieth visit of a point leave an image.
fn crash_at(scenario: &Scenario, point: Point, every: usize, directory: &Path, told: &Told) -> Images {
    let images = Images::default();
    let (directory, told, left) = (directory.to_owned(), Arc::clone(told), Arc::clone(&images));
    let visits = Mutex::new(0_usize);
    scenario.call(point, move || {
        let mut visits = visits.lock().unwrap();
        *visits += 1;
        let mut images = left.lock().unwrap();
        if visits.is_multiple_of(every) && images.len() < IMAGES_MAX {
            let directory = killed(&directory);
            // Nobody acknowledges anything while the step is held: what clients hear by now was said before.
            let told = told.settled();
            images.push(Image { directory, told });
        }
    });
    images
}

/// Writes, and notes what was told.
async fn write(
    pods: &Resource,
    told: &Told,
    object: &Object,
    expect: Expect,
    puts: bool,
    ttl: Option<Duration>,
) -> Option<Revision> {
    let key = pods.key(object);
    let value = puts.then(|| pods.value(object));
    let position = told.begin(key.clone(), value.clone());
    let operation = value.map_or(Operation::Delete, |value| Operation::Put { value, ttl });
    let outcome = pods.commit(Commit { key, expect, operation }).await.ok()?;
    let revision = committed(outcome).revision;
    told.end(position, revision);
    Some(revision)
}

/// Creates, changes and deletes objects, each client its own; until all is done or a write fails.
async fn work(pods: &Resource, told: &Told, rounds: usize) {
    join_all((0..CLIENTS).map(async |client| {
        for round in 0..rounds {
            let object = pod("ns", &format!("{client}-{}", round % 3)).mark(format!("{round}"));
            let stored = match pods.get(&pods.key(&object), watchkeep_storage::Freshness::Latest).await {
                Ok(found) => found.record.map(|record| record.revision),
                Err(_) => return,
            };
            let expect = stored.map_or(Expect::Absent, Expect::Revision);
            let puts = stored.is_none() || round % 5 != 4;
            if write(pods, told, &object, expect, puts, None).await.is_none() {
                return;
            }
        }
    }))
    .await;
}

/// Opens what a crash has left, and holds it against what the clients were told before.
async fn check(image: Image) {
    let Image { directory, told } = image;
    let (_backend, pods) = open(directory.path()).await;
    let mut keys: Vec<&Key> = told.iter().map(|write| &write.key).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let writes: Vec<_> = told.iter().filter(|write| write.key == *key).collect();
        let stored = pods.get(key, watchkeep_storage::Freshness::Latest).await.unwrap().record;
        let last = writes.iter().rposition(|write| write.acknowledged.is_some());
        // The last write that was acknowledged, or one that was under way.
        let possible = &writes[last.unwrap_or(0)..];
        let is_possible = |write: &&&Write| {
            let revision = stored.as_ref().map(|record| record.revision);
            let as_told =
                write.value.is_none() || write.acknowledged.is_none_or(|told| Some(told) == revision);
            stored.as_ref().map(|record| &record.value) == write.value.as_ref() && as_told
        };
        let nothing_yet = last.is_none() && stored.is_none();
        assert!(
            nothing_yet || possible.iter().any(|write| is_possible(&write)),
            "{key}: {stored:?} after {writes:?}"
        );
    }
    let acknowledged: Vec<_> = told.iter().filter_map(|write| write.acknowledged).collect();
    let newest = acknowledged.iter().max().copied().unwrap_or_default();
    shows_all(&pods, &acknowledged).await;
    let next = pods.put(&pod("ns", "after").mark("after")).await.revision;
    assert!(next > newest, "{next} was issued after {newest}");
}

/// A watch of what history there is shows every acknowledged commit, in order and once.
async fn shows_all(pods: &Resource, acknowledged: &[Revision]) {
    let from = pods.compacted_revision();
    let mut watch = pods.watch(pods.watching(pods.all(), WatchStart::After(from))).await.unwrap();
    let end = pods.put(&pod("ns", "end").mark("end")).await.revision;
    let mut shown = Vec::new();
    while shown.last() != Some(&end) {
        let event = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
        if let WatchEvent::Change(change) = event {
            shown.push(change.revision());
        }
    }
    assert!(shown.is_sorted_by(|one, next| one < next), "in order and once: {shown:?}");
    for revision in acknowledged.iter().filter(|revision| **revision > from) {
        assert!(shown.contains(revision), "{revision} is not in {shown:?}");
    }
}

async fn check_all(images: &Images) {
    let images = std::mem::take(&mut *images.lock().unwrap());
    assert!(!images.is_empty(), "nobody came by");
    for image in images {
        check(image).await;
    }
}

/// Crashes at a point that writes pass.
async fn crash_while_writing(point: Point) {
    let (scenario, directory, told) = (Scenario::begin(), folder(), Told::default());
    let (_backend, pods) = open(directory.path()).await;
    let images = crash_at(&scenario, point, 7, directory.path(), &told);
    work(&pods, &told, 30).await;
    scenario.clear(point);
    check_all(&images).await;
}

#[tokio::test]
async fn before_a_batch_is_written() {
    crash_while_writing(Point::RocksWrite).await;
}

#[tokio::test]
async fn between_the_log_and_its_sync() {
    crash_while_writing(Point::RocksSync).await;
}

#[tokio::test]
async fn between_the_sync_and_the_publication() {
    crash_while_writing(Point::RocksDurable).await;
}

#[tokio::test]
async fn amid_a_publication() {
    crash_while_writing(Point::RocksPublished).await;
}

#[tokio::test]
async fn before_an_acknowledgement() {
    crash_while_writing(Point::RocksAcknowledge).await;
}

/// What is in the log and was not synced is lost, or torn.
#[tokio::test]
async fn with_the_power_before_a_sync() {
    let (scenario, directory, told) = (Scenario::begin(), folder(), Told::default());
    let (_backend, pods) = open(directory.path()).await;
    let (before, path) = (Arc::new(Mutex::new(log(directory.path()))), directory.path().to_owned());
    let synced = Arc::clone(&before);
    scenario.call(Point::RocksWrite, move || *synced.lock().unwrap() = log(&path));
    let images = crash_at(&scenario, Point::RocksSync, 7, directory.path(), &told);
    let cuts: Arc<Mutex<Vec<_>>> = Arc::default();
    // One client, so that each group is one write; the length before it stands in for what is on the disk.
    for round in 0..21_u64 {
        let object = pod("ns", &format!("{}", round % 3)).mark(format!("{round}"));
        let stored = pods.find(&object).await.map(|record| record.revision);
        let made = images.lock().unwrap().len();
        write(&pods, &told, &object, stored.map_or(Expect::Absent, Expect::Revision), true, None)
            .await
            .unwrap();
        if images.lock().unwrap().len() > made {
            cuts.lock().unwrap().push(before.lock().unwrap().clone());
        }
    }
    scenario.clear(Point::RocksWrite);
    scenario.clear(Point::RocksSync);
    let all = std::mem::take(&mut *images.lock().unwrap());
    assert_eq!(all.len(), IMAGES_MAX);
    let cuts = std::mem::take(&mut *cuts.lock().unwrap());
    for (torn, (image, (name, bytes))) in [0, 1, 20].into_iter().zip(all.into_iter().zip(cuts)) {
        cut_log(image.directory.path(), &name, bytes + torn);
        check(image).await;
    }
}

#[tokio::test]
async fn while_a_block_of_revisions_is_reserved() {
    let (scenario, directory, told) = (Scenario::begin(), folder(), Told::default());
    let (_backend, pods) = open(directory.path()).await;
    let images = crash_at(&scenario, Point::RocksReserve, 1, directory.path(), &told);
    while images.lock().unwrap().is_empty() {
        work(&pods, &told, 100).await;
    }
    scenario.clear(Point::RocksReserve);
    check_all(&images).await;
    // And right after it.
    work(&pods, &told, 10).await;
    check(Image { directory: killed(directory.path()), told: told.so_far() }).await;
}

#[tokio::test]
async fn amid_a_compaction() {
    for point in [Point::RocksCompacted, Point::RocksTrim] {
        let (scenario, directory, told) = (Scenario::begin(), folder(), Told::default());
        let (_backend, pods) = open(directory.path()).await;
        let images = crash_at(&scenario, point, 1, directory.path(), &told);
        // More than one piece of history.
        work(&pods, &told, 300).await;
        let compacted = pods.now().await;
        pods.compact(compacted).await.unwrap();
        work(&pods, &told, 10).await;
        scenario.clear(point);
        let copies: Vec<_> =
            images.lock().unwrap().iter().map(|image| killed(image.directory.path())).collect();
        for copy in copies {
            let (_backend, pods) = open(copy.path()).await;
            assert_eq!(pods.compacted_revision(), compacted, "{point:?}: it was durable");
        }
        check_all(&images).await;
    }
}

#[tokio::test]
async fn before_an_expiry() {
    let (scenario, directory, told) = (Scenario::begin(), folder(), Told::default());
    let (_backend, pods) = open(directory.path()).await;
    let short = pod("ns", "short").mark("short");
    let began = pods.now().await;
    pods.put_for(&short, Some(Duration::from_millis(1))).await;
    let images = crash_at(&scenario, Point::RocksExpire, 1, directory.path(), &told);
    work(&pods, &told, 10).await;
    let gone = async {
        while pods.find(&short).await.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    scenario.clear(Point::RocksExpire);
    let image = images.lock().unwrap().remove(0);
    let copy = killed(image.directory.path());
    let (_backend, after) = open(copy.path()).await;
    // It expires there too, by one commit with an event.
    let mut watch = after.watch(after.watching(after.one(&short), WatchStart::After(began))).await.unwrap();
    for want in ["Added", "Deleted"] {
        let event = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
        assert!(
            matches!(&event, WatchEvent::Change(change) if format!("{:?}", change.event_type) == want),
            "{event:?}"
        );
    }
    check(image).await;
}

#[tokio::test]
async fn while_it_recovers() {
    let (scenario, directory, told) = (Scenario::begin(), folder(), Told::default());
    let (_backend, pods) = open(directory.path()).await;
    work(&pods, &told, 10).await;
    let once = killed(directory.path());
    let images = crash_at(&scenario, Point::RocksRecover, 1, once.path(), &told);
    let (_recovered, again) = open(once.path()).await;
    scenario.clear(Point::RocksRecover);
    work(&again, &told, 2).await;
    check_all(&images).await;
}

#[tokio::test]
async fn while_it_is_opened_anew() {
    for failing in [Point::RocksWrite, Point::RocksSync] {
        let (scenario, directory, told) = (Scenario::begin(), folder(), Told::default());
        let (_backend, pods) = open(directory.path()).await;
        let images = crash_at(&scenario, Point::RocksReopen, 1, directory.path(), &told);
        work(&pods, &told, 5).await;
        scenario.set(failing, "1*return");
        work(&pods, &told, 5).await;
        let reopened = async {
            while images.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reopened).await.unwrap();
        scenario.clear(Point::RocksReopen);
        check_all(&images).await;
    }
}
