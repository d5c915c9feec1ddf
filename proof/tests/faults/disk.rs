//! Stores on the disk, and copies of their directories as a crash leaves them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::rocksdb::{RocksBackend, RocksOptions};
use watchkeep_storage::{Backend as _, Environment, ResourcePrefix, Schema};

pub(crate) fn folder() -> TempDir {
    TempDir::with_prefix("watchkeep-faults-").unwrap()
}

/// Opens a store and its pods.
pub(crate) async fn open(directory: &Path) -> (RocksBackend, Resource) {
    open_in(directory, Environment::system()).await
}

/// As [`open`], with another clock.
pub(crate) async fn open_in(directory: &Path, environment: Environment) -> (RocksBackend, Resource) {
    let backend = RocksBackend::open(RocksOptions::new(directory), environment).unwrap();
    let prefix = ResourcePrefix::new("/pods").unwrap();
    let pods = backend.resource(prefix, Arc::new(Schema::default())).await.unwrap();
    (backend, Resource::new(pods))
}

/// What a process that is killed leaves: a copy of the files, made without a word to the store.
pub(crate) fn killed(directory: &Path) -> TempDir {
    loop {
        let image = folder();
        match copy(directory, image.path()) {
            Ok(()) => return image,
            // The engine of an open store may remove a file that it needs no more.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}"),
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The log that the engine writes, and its length.
pub(crate) fn log(directory: &Path) -> (PathBuf, u64) {
    let files = fs::read_dir(directory.join("db")).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let newest = logs.max().unwrap();
    let bytes = fs::metadata(&newest).unwrap().len();
    (newest, bytes)
}

/// Cuts the log of a closed store off at a length, as a loss of power does.
pub(crate) fn cut_log(directory: &Path, name: &Path, bytes: u64) {
    let path = directory.join("db").join(name.file_name().unwrap());
    fs::File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
}
