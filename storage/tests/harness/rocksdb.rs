//! Opens RocksDB stores in temporary directories: for the conformance suite, of the backend and of the cache.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;
use watchkeep_storage::conformance::{Clock, Harness, Setup, Store};
use watchkeep_storage::rocksdb::{OpenError, RocksBackend, RocksOptions};
use watchkeep_storage::{BoxFuture, Environment};

/// Opens stores in temporary directories, which go with the test: a resource may outlive its store.
#[derive(Default)]
pub(crate) struct RocksHarness {
    directories: Mutex<Vec<TempDir>>,
}

/// How often a store is tried again that a reader of the one before still has open.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

impl Harness for RocksHarness {
    fn open(&self, setup: Setup) -> BoxFuture<'_, Store> {
        Box::pin(async move {
            let directory = TempDir::with_prefix("watchkeep-rocksdb-").unwrap();
            let path = directory.path().to_owned();
            self.directories.lock().unwrap().push(directory);
            start(options(&path, setup)).await.keeping(path)
        })
    }

    fn restart(&self, store: Store) -> BoxFuture<'_, Store> {
        Box::pin(async move {
            let path = store.stop().await.unwrap().downcast::<PathBuf>().unwrap();
            start(options(&path, Setup::default())).await.keeping(*path)
        })
    }

    fn clock(&self) -> Clock {
        Clock::System
    }
}

fn options(directory: &Path, setup: Setup) -> RocksOptions {
    let defaults = RocksOptions::new(directory);
    RocksOptions {
        history_bytes_max: setup.history_bytes_max.map_or(defaults.history_bytes_max, |bytes| bytes as u64),
        cursor_deadline: setup.cursor_deadline.unwrap_or(defaults.cursor_deadline),
        ..defaults
    }
}

async fn start(options: RocksOptions) -> Store {
    let environment = Environment::system();
    for _ in 0..TRIES {
        match RocksBackend::open(options.clone(), environment.clone()) {
            Ok(backend) => return Store::new(backend, environment),
            Err(OpenError::InUse(_)) => environment.sleep(PAUSE).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{} is still in use", options.directory.display());
}
