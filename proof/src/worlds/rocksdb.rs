//! The RocksDB backend on a real disk. A crash opens a copy of the files as they are while the store is open:
//! what a kill leaves behind. Times of day jump, so that nobody waits for a time-to-live.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;
use watchkeep_storage::conformance::Clock;
use watchkeep_storage::rocksdb::{OpenError, RocksBackend, RocksOptions};
use watchkeep_storage::{Backend, Environment};

use super::{Kept, World};

/// When a store is opened, in seconds since 1970: some day in 2025.
const START: u64 = 1_750_000_000;
/// Longer than any program takes.
const LONG: Duration = Duration::from_hours(10_000);
/// How often a store is tried again that a reader of the one before still has open.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// A store in a temporary directory.
pub struct RocksWorld {
    backend: Option<Arc<RocksBackend>>,
    environment: Environment,
    directory: TempDir,
}

fn directory() -> TempDir {
    TempDir::with_prefix("watchkeep-proof-").unwrap_or_else(|error| panic!("no temporary directory: {error}"))
}

async fn start(directory: &Path, environment: &Environment) -> Arc<RocksBackend> {
    let options = RocksOptions {
        history_retention: LONG,
        cursor_deadline: LONG,
        block_cache_bytes: 4 << 20,
        write_buffer_bytes: 8 << 20,
        ..RocksOptions::new(directory)
    };
    for _ in 0..TRIES {
        match RocksBackend::open(options.clone(), environment.clone()) {
            Ok(backend) => return Arc::new(backend),
            Err(OpenError::InUse(_)) => environment.sleep(PAUSE).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{} is still in use", directory.display());
}

impl World for RocksWorld {
    const CLOCK: Clock = Clock::System;
    const NAME: &'static str = "rocksdb";
    const CACHED_NAME: &'static str = "a cache over rocksdb";

    async fn open(seed: u64) -> Self {
        let directory = directory();
        let environment = Environment::simulated(UNIX_EPOCH + Duration::from_secs(START), seed);
        Self { backend: Some(start(directory.path(), &environment).await), environment, directory }
    }

    fn backend(&self) -> Arc<dyn Backend> {
        match &self.backend {
            Some(backend) => Arc::clone(backend) as Arc<dyn Backend>,
            None => unreachable!("it is only away within a restart"),
        }
    }

    fn environment(&self) -> &Environment {
        &self.environment
    }

    async fn restart(&mut self) -> Kept {
        if let Some(backend) = self.backend.take() {
            backend.close().await.unwrap_or_else(|error| panic!("it does not close: {error}"));
        }
        self.backend = Some(start(self.directory.path(), &self.environment).await);
        Kept::Everything
    }

    async fn crash(&mut self) -> Kept {
        let after = directory();
        copy(self.directory.path(), after.path()).unwrap_or_else(|error| panic!("no copy: {error}"));
        self.backend = None;
        self.directory = after;
        self.backend = Some(start(self.directory.path(), &self.environment).await);
        Kept::Everything
    }

    async fn advance(&mut self, by: Duration) {
        self.environment.jump(by);
    }

    fn expiry_slack(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

/// Copies a directory as it is at one moment: again, as long as files come and go meanwhile.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    loop {
        match copy_once(from, to) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // The engine has removed a file meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        fs::remove_dir_all(to)?;
        fs::create_dir_all(to)?;
    }
}

/// Whether the files were the same before and after.
fn copy_once(from: &Path, to: &Path) -> io::Result<bool> {
    let before = files(from)?;
    for (file, _) in &before {
        let there = to.join(file.strip_prefix(from).unwrap_or(file));
        fs::create_dir_all(there.parent().unwrap_or(to))?;
        fs::copy(file, there)?;
    }
    Ok(files(from)? == before)
}

/// The files below a directory, with their sizes.
fn files(directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push((entry.path(), entry.metadata()?.len()));
        }
    }
    found.sort();
    Ok(found)
}
