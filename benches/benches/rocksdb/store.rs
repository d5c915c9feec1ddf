//! A store in a directory of its own, on a runtime whose threads can be told apart from the store's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::{Builder, Handle, Runtime};
use watchkeep_storage::rocksdb::{RocksBackend, RocksOptions};
use watchkeep_storage::{Backend as _, Environment, Interface, ResourcePrefix, Revision};

use crate::meter::Meter;
use crate::objects::schema;

/// The engine is idle when its threads have used no more than so much CPU in this time.
const IDLE_WINDOW: Duration = Duration::from_millis(400);
const IDLE_CPU: Duration = Duration::from_millis(4);
const IDLE_DEADLINE: Duration = Duration::from_mins(3);

/// A cache that everything fits in.
pub(crate) const LARGE_CACHE_BYTES: usize = 1 << 30;

/// A store that is open.
pub(crate) struct Store {
    pub(crate) backend: RocksBackend,
    pub(crate) pods: Arc<dyn Interface>,
    pub(crate) options: RocksOptions,
}

/// One worker for each core, as a server has. Threads that block stay, so that what they used can be had
/// at the end.
pub(crate) fn runtime() -> Runtime {
    let runtime =
        Builder::new_multi_thread().enable_time().thread_keep_alive(Duration::from_hours(1)).build();
    runtime.expect("the system has room for a few threads")
}

/// Runs a future on the threads of the runtime, so that the main thread uses nothing.
pub(crate) async fn on_workers<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    Handle::current().spawn(work).await.expect("what it does has not panicked")
}

/// A directory that goes when it is dropped.
pub(crate) fn scratch(below: &Path) -> TempDir {
    std::fs::create_dir_all(below).expect("the directory of the data can be made");
    TempDir::with_prefix_in("store-", below).expect("the directory of the data can be written")
}

impl Store {
    /// Opens the store of a directory with the defaults.
    pub(crate) async fn open(directory: impl Into<PathBuf>) -> Self {
        Self::open_with(RocksOptions::new(directory)).await
    }

    /// Opens a store.
    pub(crate) async fn open_with(options: RocksOptions) -> Self {
        let backend = RocksBackend::open(options.clone(), Environment::system()).expect("the store opens");
        let prefix = ResourcePrefix::new("/registry/pods").expect("the prefix follows the rules");
        let pods = backend.resource(prefix, Arc::new(schema())).await.expect("nobody else uses the prefix");
        Self { backend, pods, options }
    }

    /// The newest revision.
    pub(crate) async fn revision(&self) -> Revision {
        self.pods.current_revision().await.expect("the store is open")
    }

    /// Waits until the engine has no work in the background.
    pub(crate) async fn settle(&self) {
        let deadline = crate::meter::now() + IDLE_DEADLINE;
        while crate::meter::now() < deadline {
            let meter = Meter::start();
            Environment::system().sleep(IDLE_WINDOW).await;
            let cost = meter.stop();
            if cost.engine.cpu + cost.writer.cpu < IDLE_CPU {
                return;
            }
        }
    }

    /// Closes the store; what it was opened with.
    pub(crate) async fn close(self) -> RocksOptions {
        self.backend.close().await.expect("a store that works closes cleanly");
        self.options
    }
}

/// A store that keeps all of its history.
pub(crate) fn keeping_history(directory: &Path) -> RocksOptions {
    RocksOptions {
        history_bytes_max: 1 << 40,
        history_retention: Duration::from_hours(24),
        ..RocksOptions::new(directory)
    }
}
