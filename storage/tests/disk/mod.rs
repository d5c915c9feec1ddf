//! Stores on the disk for tests: made, killed, and looked at from below.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use watchkeep_storage::rocksdb::{RocksBackend, RocksOptions};
use watchkeep_storage::{
    Backend as _, Commit, Committed, Environment, Error, Expect, Freshness, Interface, ListRequest,
    Operation, Outcome, Predicate, ReadAt, Record, ResourcePrefix, Revision, Schema, SelectableField, Value,
    collect,
};

pub(crate) fn folder() -> TempDir {
    TempDir::with_prefix("watchkeep-rocksdb-").unwrap()
}

/// Opens a store and its pods.
pub(crate) async fn open(directory: &Path) -> (RocksBackend, Arc<dyn Interface>) {
    let backend = RocksBackend::open(RocksOptions::new(directory), Environment::system()).unwrap();
    let pods = pods(&backend).await;
    (backend, pods)
}

pub(crate) async fn pods(backend: &RocksBackend) -> Arc<dyn Interface> {
    let schema = Schema::new(1, vec![SelectableField::new("spec.nodeName")]);
    backend.resource(ResourcePrefix::new("/pods").unwrap(), Arc::new(schema)).await.unwrap()
}

/// Puts a pod whose filler has so many bytes, or deletes it.
pub(crate) async fn write(
    pods: &Arc<dyn Interface>,
    name: &str,
    filler: Option<usize>,
    ttl: Option<Duration>,
) -> Committed {
    let key = pods.prefix().object(Some("ns"), name).unwrap();
    let stored = pods.get(&key, Freshness::Latest).await.unwrap().record;
    let expect = stored.map_or(Expect::Absent, |record| Expect::Revision(record.revision));
    let operation = filler.map_or(Operation::Delete, |filler| {
        let metadata = format!(r#"{{"name":"{name}","namespace":"ns","uid":"u-{name}","labels":{{"app":"{name}"}}}}"#);
        let filler = text(name, filler);
        let json = format!(
            r#"{{"kind":"Pod","apiVersion":"v1","metadata":{metadata},"spec":{{"nodeName":"n","filler":"{filler}"}}}}"#
        );
        Operation::Put { value: Value::new(json, pods.schema()).unwrap(), ttl }
    });
    match pods.commit(Commit { key, expect, operation }).await.unwrap() {
        Outcome::Committed(committed) => committed,
        Outcome::Conflict { current } => panic!("{current:?}"),
    }
}

/// Text that compression makes little of.
fn text(seed: &str, bytes: usize) -> String {
    let mut state =
        seed.bytes().fold(bytes as u64, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b"abcdefghijklmnopqrstuvwxyz012345"[(state >> 59) as usize])
    };
    (0..bytes).map(|_| letter()).collect()
}

pub(crate) async fn put(pods: &Arc<dyn Interface>, name: &str, filler: usize) -> Revision {
    write(pods, name, Some(filler), None).await.revision
}

pub(crate) async fn list(pods: &Arc<dyn Interface>, at: ReadAt) -> Result<Vec<Arc<Record>>, Error> {
    let scope = pods.prefix().under(None).unwrap();
    let request = ListRequest { scope, at, start: None, limit: None, predicate: Predicate::everything() };
    collect(pods.list(request).await?.cursor).await
}

/// All files below a directory, with what is in them.
pub(crate) fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    // The engine of an open store may remove a file that it needs no more: then they are read again.
    loop {
        match try_files(directory) {
            Ok(files) => return files,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}"),
        }
    }
}

fn try_files(directory: &Path) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(try_files(&entry.path())?);
        } else {
            found.insert(entry.path(), fs::read(entry.path())?);
        }
    }
    Ok(found)
}

/// What a process that is killed leaves: a copy of the files, made without a word to the store.
pub(crate) fn killed(directory: &Path) -> TempDir {
    let image = folder();
    copy(directory, image.path());
    image
}

/// Copies a directory.
pub(crate) fn copy(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

/// The files of the engine with this extension, in order.
pub(crate) fn engine_files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let files = files(&directory.join("db")).into_keys();
    files.filter(|path| path.extension().is_some_and(|own| own == extension)).collect()
}

/// The files of a column family of a closed store.
pub(crate) fn tables(directory: &Path, family: &str) -> Vec<PathBuf> {
    let mut names = Vec::new();
    with_engine(directory, |db| names = db.live_files().unwrap());
    let own = names.into_iter().filter(|file| file.column_family_name == family);
    own.map(|file| directory.join("db").join(file.name.trim_start_matches('/'))).collect()
}

/// Flips bits of one byte of a file.
pub(crate) fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 0x55;
    fs::write(file, bytes).unwrap();
}

/// Works on a closed store from below.
pub(crate) fn with_engine(directory: &Path, work: impl FnOnce(&rocksdb::DB)) {
    let families = ["latest", "versions", "history", "deadlines", "meta"];
    let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), directory.join("db"), families).unwrap();
    work(&db);
}
