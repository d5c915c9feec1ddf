//! Checkpoints of a running store: whole, a store of their own, and no burden to the original.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod disk;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use watchkeep_storage::rocksdb::{Checkpoint, CheckpointError, RocksBackend, RocksOptions, check};
use watchkeep_storage::{
    Backend as _, Environment, Error, Interface, Predicate, ReadAt, Revision, WatchRequest, WatchStart,
};

use crate::disk::{folder, list, open, put, write};

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn watch_after(pods: &Arc<dyn Interface>, after: Revision) -> Result<(), Error> {
    let scope = pods.prefix().under(None).unwrap();
    let start = WatchStart::After(after);
    let request = WatchRequest { scope, start, predicate: Predicate::everything(), progress: false };
    pods.watch(request).await.map(drop)
}

#[tokio::test]
async fn a_checkpoint_under_writes_holds_a_beginning_of_them_with_all_that_was_acknowledged() {
    let directory = folder();
    let targets = folder();
    let (backend, pods) = open(directory.path()).await;
    let (over, acknowledged) =
        (Arc::new(AtomicBool::new(false)), Arc::new(parking_lot::Mutex::new(Vec::new())));
    let (ended, end) = tokio::sync::oneshot::channel();
    {
        let (pods, over, acknowledged) = (Arc::clone(&pods), Arc::clone(&over), Arc::clone(&acknowledged));
        Environment::system().spawn(async move {
            for at in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let revision = put(&pods, &format!("a-{at:05}"), at * 997 % 9000).await;
                acknowledged.lock().push(revision);
            }
            ended.send(()).unwrap();
        });
    }
    for number in 0..5 {
        let before = loop {
            let so_far = acknowledged.lock().clone();
            if so_far.len() >= (number + 1) * 10 {
                break so_far;
            }
            tokio::task::yield_now().await;
        };
        let target = targets.path().join(number.to_string());
        let Checkpoint { directory, revision } = backend.checkpoint(&target).await.unwrap();
        assert_eq!(directory, target);
        let report = check(&target).unwrap();
        assert!(report.is_well(), "{report}");
        let (copy, copied) = open(&target).await;
        let mut found: Vec<_> =
            list(&copied, ReadAt::Latest).await.unwrap().iter().map(|record| record.revision).collect();
        found.sort();
        assert!(found.starts_with(&before), "everything acknowledged before");
        assert_eq!(found.last(), Some(&revision));
        let now = acknowledged.lock().clone();
        let both = found.len().min(now.len());
        assert_eq!(found[..both], now[..both], "and of the rest a beginning");
        drop(copied);
        copy.close().await.unwrap();
        let report = check(&target).unwrap();
        assert!(report.is_well(), "{report}");
    }
    over.store(true, Ordering::Relaxed);
    end.await.unwrap();
    let all = acknowledged.lock().clone();
    let found = list(&pods, ReadAt::Latest).await.unwrap();
    assert_eq!(found.len(), all.len(), "the original is untouched");
    drop((pods, found));
    backend.close().await.unwrap();
    let report = check(directory.path()).unwrap();
    assert!(report.is_well(), "{report}");
}

#[tokio::test]
async fn revisions_of_a_checkpoint_go_on_above_all_that_the_original_has_issued_since() {
    let directory = folder();
    let targets = folder();
    let (backend, originals) = open(directory.path()).await;
    let kept = put(&originals, "kept", 10).await;
    let target = targets.path().join("backup");
    let made = backend.checkpoint(&target).await.unwrap();
    assert_eq!(made.revision, kept);
    assert!(target.join("checkpoint").is_file());
    let mut since = Vec::new();
    for _ in 0..20 {
        since.push(put(&originals, "kept", 20).await);
    }
    let newest = *since.last().unwrap();
    for opened in 0..2 {
        let (copy, copied) = open(&target).await;
        assert!(!target.join("checkpoint").exists(), "from now on it is a store like any other");
        assert_eq!(list(&copied, ReadAt::Latest).await.unwrap().len(), 1 + opened, "the original runs");
        if opened == 0 {
            assert_eq!(list(&copied, ReadAt::Exact(kept)).await.unwrap()[0].revision, kept);
            // Who has seen the original's later states starts anew.
            for seen in [since[0], newest] {
                assert!(matches!(watch_after(&copied, seen).await, Err(Error::Compacted { .. })));
                assert!(matches!(list(&copied, ReadAt::Exact(seen)).await, Err(Error::Compacted { .. })));
            }
            watch_after(&copied, kept).await.unwrap();
        }
        let first = put(&copied, "new", 10).await;
        assert!(first > newest, "{first} is not above {newest}");
        drop(copied);
        copy.close().await.unwrap();
    }
    assert!(put(&originals, "kept", 30).await > newest, "the original goes on as before");
}

#[tokio::test]
async fn an_old_checkpoint_goes_on_at_the_time_where_the_original_may_be() {
    let directory = folder();
    let first_revision = Some(Revision::new(1000));
    let options = RocksOptions { first_revision, ..RocksOptions::new(directory.path()) };
    let environment = Environment::system();
    let backend = RocksBackend::open(options, environment.clone()).unwrap();
    let made = put(&disk::pods(&backend).await, "a", 10).await;
    assert_eq!(made, Revision::new(1001));
    let targets = folder();
    let target = targets.path().join("backup");
    backend.checkpoint(&target).await.unwrap();
    let now = environment.unix_time().as_micros();
    let (_copy, copied) = open(&target).await;
    assert!(u128::from(put(&copied, "a", 20).await.get()) > now);
}

#[tokio::test]
async fn a_checkpoint_that_dies_while_it_is_opened_first_goes_on_above_again() {
    let directory = folder();
    let (backend, pods) = open(directory.path()).await;
    put(&pods, "a", 10).await;
    let targets = folder();
    let target = targets.path().join("backup");
    backend.checkpoint(&target).await.unwrap();
    let (_first, opened) = open(&target).await;
    let image = disk::killed(&target);
    // The removal of the file was not durable yet.
    fs::write(image.path().join("checkpoint"), "7\n").unwrap();
    let (_second, again) = open(image.path()).await;
    let before = opened.current_revision().await.unwrap();
    assert!(again.current_revision().await.unwrap() > before);
    let report = check(disk::killed(image.path()).path()).unwrap();
    assert!(report.is_well(), "{report}");
}

#[tokio::test]
async fn checkpoints_within_a_directory_are_named_by_their_revisions() {
    let directory = folder();
    let targets = folder();
    let parent = targets.path().join("made");
    let (backend, pods) = open(directory.path()).await;
    write(&pods, "expires", Some(10), Some(Duration::from_hours(1))).await;
    for round in 0..3 {
        let last = put(&pods, &format!("a-{round}"), 5000).await;
        let made = backend.checkpoints().within(&parent).await.unwrap();
        assert_eq!(made, Checkpoint { directory: parent.join(last.to_string()), revision: last });
        assert!(check(&made.directory).unwrap().is_well());
        let again = backend.checkpoints().within(&parent).await.unwrap_err();
        assert!(matches!(&again, CheckpointError::Exists(path) if *path == made.directory), "{again}");
    }
    assert_eq!(names(&parent).len(), 3, "{:?}", names(&parent));
}

#[tokio::test]
async fn what_cannot_be_made_is_told_in_one_line_and_leaves_nothing() {
    let directory = folder();
    let targets = folder();
    let (backend, pods) = open(directory.path()).await;
    put(&pods, "a", 10).await;
    let taken = targets.path().join("taken");
    fs::create_dir(&taken).unwrap();
    let file = targets.path().join("file");
    fs::write(&file, "letter").unwrap();
    let before = names(directory.path());
    for target in [&*taken, &*file, &*file.join("below"), Path::new("/proc/self/checkpoint")] {
        let error = backend.checkpoint(target).await.unwrap_err();
        let line = error.to_string();
        let place = if target.starts_with(&file) { &file } else { target.parent().unwrap() };
        assert!(line.contains(place.to_str().unwrap()) && !line.contains('\n'), "{line}");
        assert_eq!(names(targets.path()), ["file", "taken"]);
        assert_eq!(names(&taken).len(), 0);
    }
    assert_eq!(names(directory.path()), before);
    put(&pods, "b", 10).await;
    let handle = backend.checkpoints();
    drop(pods);
    backend.close().await.unwrap();
    let closed = handle.at(targets.path().join("late")).await.unwrap_err();
    assert!(closed.to_string().contains("closed"), "{closed}");
    let reopened = RocksBackend::open(RocksOptions::new(directory.path()), Environment::system()).unwrap();
    assert_eq!(list(&disk::pods(&reopened).await, ReadAt::Latest).await.unwrap().len(), 2);
}
