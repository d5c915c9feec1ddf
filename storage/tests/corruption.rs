//! Bytes that decay on the disk: what is damaged is told with its file, and never served; what a loss of
//! power tore off the end of the log is no damage.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod disk;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use tempfile::TempDir;
use watchkeep_storage::rocksdb::{OpenError, RocksBackend, RocksOptions};
use watchkeep_storage::{
    Backend as _, Environment, Error, Freshness, Interface, ObjectName, ReadAt, Record, Revision, StatusFor,
    WatchEvent, WatchOptions,
};

use crate::disk::{engine_files, files, flip, folder, killed, list, open, pods, put, tables};

/// How many places are damaged in each file, beside its end.
const PLACES: usize = 8;
/// The end of a table: its footer, and what is read to open it.
const TABLE_END: usize = 120;

/// A closed store with small and large objects and their history.
async fn sample() -> (TempDir, Vec<Arc<Record>>) {
    let directory = folder();
    let (backend, pods) = open(directory.path()).await;
    for at in 0..40 {
        put(&pods, &format!("small-{at:02}"), 900).await;
    }
    for at in 0..4 {
        put(&pods, &format!("large-{at}"), 20_000).await;
        put(&pods, &format!("small-{at:02}"), 700).await;
    }
    let records = list(&pods, ReadAt::Latest).await.unwrap();
    drop(pods);
    backend.close().await.unwrap();
    (directory, records)
}

/// Opens a store; what it says if it does not open.
async fn try_open(directory: &Path) -> Result<(RocksBackend, Arc<dyn Interface>), OpenError> {
    let backend = RocksBackend::open(RocksOptions::new(directory), Environment::system())?;
    let pods = pods(&backend).await;
    Ok((backend, pods))
}

async fn get(pods: &Arc<dyn Interface>, want: &Record) -> Result<Option<Arc<Record>>, Error> {
    Ok(pods.get(&want.key, Freshness::Latest).await?.record)
}

/// A refusal names the file, and is told to clients with what to do.
fn names_file(error: &Error, file: &str) {
    let object = ObjectName { resource: "pods", group: "", name: "a" };
    let status = error.status(StatusFor::Get, object);
    let said = &status.message;
    assert!(said.contains(file) && said.contains("watchkeep check") && said.contains("restore"), "{said}");
    assert_eq!((status.code, status.reason, said.contains('\n')), (500, "InternalError", false));
}

/// Reads all objects, one by one and in a list: each answer is right, or an error that names the file. How
/// many of the reads failed.
async fn read_all(pods: &Arc<dyn Interface>, want: &[Arc<Record>], file: &str) -> usize {
    let mut failed = 0;
    for record in want {
        match get(pods, record).await {
            Ok(found) => assert_eq!(found.as_ref(), Some(record)),
            Err(error) => {
                names_file(&error, file);
                failed += 1;
            }
        }
    }
    match list(pods, ReadAt::Latest).await {
        Ok(found) => assert_eq!(found, want),
        Err(error) => {
            names_file(&error, file);
            failed += 1;
        }
    }
    failed
}

#[tokio::test]
async fn a_damaged_block_is_told_with_its_file_and_never_served() {
    let (directory, want) = sample().await;
    let (mut refused, mut failed, mut harmless) = (0, 0, 0);
    for table in engine_files(directory.path(), "sst") {
        let length = usize::try_from(fs::metadata(&table).unwrap().len()).unwrap();
        let inside = (0..PLACES).map(|place| place * length / PLACES);
        let end = (length.saturating_sub(TABLE_END)..length).step_by(17);
        for at in inside.chain(end) {
            let image = killed(directory.path());
            let file = image.path().join(table.strip_prefix(directory.path()).unwrap());
            flip(&file, at);
            let name = file.to_str().unwrap();
            match try_open(image.path()).await {
                Err(error) => {
                    let line = error.to_string();
                    assert!(
                        line.contains(name) && line.contains("restore") && !line.contains('\n'),
                        "{line}"
                    );
                    refused += 1;
                }
                Ok((backend, pods)) => {
                    let reads = read_all(&pods, &want, name).await;
                    if reads > 0 {
                        failed += 1;
                    } else {
                        harmless += 1;
                    }
                    drop(pods);
                    // What cannot be read may keep it from closing cleanly.
                    let _ = backend.close().await;
                }
            }
        }
    }
    eprintln!("{refused} stores did not open, {failed} failed reads, {harmless} answered as before");
    // The blocks of data, and what leads to them.
    assert!(refused > 0 && failed > 0, "{refused} {failed}");
}

#[tokio::test]
async fn what_is_whole_is_served_beside_what_is_damaged() {
    let (directory, want) = sample().await;
    let values = tables(directory.path(), "versions");
    let [values] = values.as_slice() else { panic!("{values:?}") };
    // Its first block has the values of the first objects that were written, which stand in the latest state.
    flip(values, 20);
    let (backend, pods) = open(directory.path()).await;
    let small = |record: &&Arc<Record>| record.key.as_str().contains("small");
    for record in want.iter().filter(small) {
        assert_eq!(get(&pods, record).await.unwrap().as_ref(), Some(record), "small ones are not read there");
    }
    for record in want.iter().filter(|record| !small(record)) {
        assert_eq!(get(&pods, record).await.unwrap().as_ref(), Some(record), "its block is another one");
    }
    let before = want.iter().map(|record| record.revision).min().unwrap();
    let history = list(&pods, ReadAt::Exact(before)).await;
    names_file(&history.unwrap_err(), values.to_str().unwrap());
    // What becomes of writes is the engine's to say: it takes none any more when it has tried to merge the
    // damaged table.
    drop(pods);
    if let Err(error) = backend.close().await {
        names_file(&error, values.to_str().unwrap());
    }
}

#[tokio::test]
async fn a_watch_ends_at_an_event_that_is_damaged() {
    let (directory, want) = sample().await;
    let values = tables(directory.path(), "versions");
    let [values] = values.as_slice() else { panic!("{values:?}") };
    let start = want.iter().map(|record| record.revision).min().unwrap().previous();
    let middle = usize::try_from(fs::metadata(values).unwrap().len() / 2).unwrap();
    for at in [20, middle] {
        let image = killed(directory.path());
        let file = image.path().join(values.strip_prefix(directory.path()).unwrap());
        flip(&file, at);
        let (backend, pods) = open(image.path()).await;
        let options = WatchOptions { resource_version: start.to_string(), ..WatchOptions::default() };
        let request = options.resolve(pods.prefix().under(None).unwrap()).unwrap();
        let mut watch = pods.watch(request).await.unwrap();
        let mut last = start;
        let error = loop {
            match watch.next().await.unwrap() {
                Ok(WatchEvent::Change(change)) => {
                    assert!(change.revision() > last, "events come in order");
                    last = change.revision();
                    let latest = want.iter().find(|record| record.revision == last);
                    assert!(latest.is_none() || change.record() == latest, "{change:?}");
                }
                Ok(WatchEvent::Bookmark(bookmark)) => panic!("{bookmark:?}"),
                Err(error) => break error,
            }
        };
        names_file(&error, file.to_str().unwrap());
        assert!(watch.next().await.is_none(), "nothing follows an error");
        assert_eq!(watch.progress(), last, "what was not shown is not claimed");
        drop((watch, pods));
        // What cannot be read may keep it from closing cleanly.
        let _ = backend.close().await;
    }
}

/// A killed store whose writes are all in one log file, and what was written, in order.
async fn logged(writes: usize) -> (TempDir, BTreeMap<Revision, String>) {
    let directory = folder();
    let (backend, pods) = open(directory.path()).await;
    let mut written = BTreeMap::new();
    for at in 0..writes {
        let name = format!("a-{at:02}");
        written.insert(put(&pods, &name, 100 + at * 137 % 9000).await, name);
    }
    let image = killed(directory.path());
    drop(pods);
    backend.close().await.unwrap();
    (image, written)
}

fn the_log(directory: &Path) -> std::path::PathBuf {
    let logs = engine_files(directory, "log");
    assert_eq!(logs.len(), 1, "{logs:?}");
    logs.into_iter().next().unwrap()
}

/// The revisions of what is stored.
async fn stored(directory: &Path) -> Vec<Revision> {
    let (backend, pods) = try_open(directory).await.unwrap();
    let mut revisions: Vec<_> =
        list(&pods, ReadAt::Latest).await.unwrap().iter().map(|record| record.revision).collect();
    revisions.sort();
    drop(pods);
    backend.close().await.unwrap();
    revisions
}

#[tokio::test]
async fn a_log_that_is_damaged_before_acknowledged_writes_is_refused_and_left_alone() {
    let (image, written) = logged(30).await;
    let written: Vec<_> = written.into_keys().collect();
    let log = the_log(image.path());
    let whole = fs::read(&log).unwrap();
    let (mut refused, mut torn) = (0, 0);
    for at in (0..whole.len()).step_by(whole.len() / 150) {
        flip(&log, at);
        let before = files(image.path());
        match RocksBackend::open(RocksOptions::new(image.path()), Environment::system()) {
            Err(error) => {
                let line = error.to_string();
                assert!(matches!(error, OpenError::Log(_)), "{line}");
                assert!(line.contains(log.to_str().unwrap()) && line.contains("restore"), "{line}");
                assert!(!line.contains('\n'), "{line}");
                assert!(files(image.path()) == before, "nothing was changed");
                refused += 1;
                fs::write(&log, &whole).unwrap();
            }
            Ok(backend) => {
                // Nothing but the last record, behind which there is nothing.
                backend.close().await.unwrap();
                assert_eq!(stored(image.path()).await, written[..written.len() - 1], "at {at}");
                torn += 1;
                break;
            }
        }
    }
    assert!(refused > 100 && torn == 1, "{refused} {torn}");
}

/// The next of a sequence of numbers that a seed gives.
fn draw(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

fn seed() -> u64 {
    let seed = std::env::var("WATCHKEEP_SEED")
        .map_or_else(|_| u64::from(std::process::id()), |seed| seed.parse().unwrap());
    eprintln!("WATCHKEEP_SEED={seed}");
    seed
}

/// What a loss of power may make of the last group, which was not synced: its end is missing, is zero, is
/// something else, or some of its sectors are.
fn tear(log: &mut Vec<u8>, synced: usize, state: &mut u64) {
    const SECTOR: usize = 512;
    let place = synced + draw(state) % (log.len() - synced);
    match draw(state) % 4 {
        0 => log.truncate(place),
        1 => log[place..].fill(0),
        2 => log[place..].fill_with(|| u8::try_from(draw(state) % 256).unwrap()),
        _ => {
            let mut sector = place - place % SECTOR;
            while sector < log.len() {
                let end = log.len().min(sector + SECTOR);
                if draw(state).is_multiple_of(2) {
                    log[sector.max(synced)..end].fill(0);
                }
                sector = end;
            }
        }
    }
}

#[tokio::test]
async fn a_torn_end_of_the_log_opens_with_everything_before_it() {
    let mut state = seed();
    for _ in 0..12 {
        let directory = folder();
        let (backend, pods) = open(directory.path()).await;
        let mut acknowledged = Vec::new();
        for at in 0..draw(&mut state) % 12 {
            acknowledged.push(put(&pods, &format!("a-{at:02}"), draw(&mut state) % 60_000).await);
        }
        let synced = fs::metadata(the_log(directory.path())).map(|log| log.len()).unwrap();
        let synced = usize::try_from(synced).unwrap();
        put(&pods, "last", 1 + draw(&mut state) % 100_000).await;
        let image = killed(directory.path());
        drop(pods);
        backend.close().await.unwrap();
        let log = the_log(image.path());
        let mut bytes = fs::read(&log).unwrap();
        tear(&mut bytes, synced, &mut state);
        fs::write(&log, &bytes).unwrap();
        let report = watchkeep_storage::rocksdb::check(image.path()).unwrap();
        assert!(report.is_well(), "{report}");
        let mut found = stored(image.path()).await;
        // A tear that spares all of it leaves the last one too.
        found.truncate(acknowledged.len());
        assert_eq!(found, acknowledged);
    }
}

#[tokio::test]
async fn a_torn_end_that_was_recovered_is_no_damage_later() {
    let (image, written) = logged(10).await;
    let log = the_log(image.path());
    let bytes = fs::read(&log).unwrap();
    let torn = &bytes[..bytes.len() - 20];
    fs::write(&log, torn).unwrap();
    let (backend, pods) = open(image.path()).await;
    let new = put(&pods, "new", 10).await;
    // The machine dies before the file system has forgotten the old log.
    let again = killed(image.path());
    fs::write(again.path().join(log.strip_prefix(image.path()).unwrap()), torn).unwrap();
    drop(pods);
    backend.close().await.unwrap();
    let mut want: Vec<_> = written.into_keys().collect();
    *want.last_mut().unwrap() = new;
    assert_eq!(stored(again.path()).await, want);
}
