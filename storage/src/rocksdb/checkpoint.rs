//! Checkpoints: backups of a running store, each of which is a store.
//!
//! The files of the engine never change once they are written, so a checkpoint links those that there are;
//! only the end of the log is copied. It holds everything that was acknowledged before it was asked for,
//! and of what came later a part from its beginning. On another file system than the store's the files are
//! copied.
//!
//! It is made under a temporary name beside its own, which it gets when all of it is durable: what has the
//! name is whole, and what fails leaves nothing. The file `checkpoint` says what it is. Whoever opens it
//! (`open`) goes on with revisions above those that the original may have issued meanwhile.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::rocksdb::DB;
use ::rocksdb::checkpoint::Checkpoint as EngineCheckpoint;

use super::open::{self, CHECKPOINT_FILE, ENGINE_DIRECTORY};
use super::options::RocksOptions;
use super::view::advised;
use super::{RocksBackend, Shared};
use crate::error::Error;
use crate::revision::Revision;

/// A checkpoint that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its directory.
    pub directory: PathBuf,
    /// The last revision that it holds.
    pub revision: Revision,
}

/// Why there is no checkpoint; one line, and nothing was left behind.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is something of this name.
    #[error("{} is there already: name another place, or move it away", .0.display())]
    Exists(PathBuf),
    /// The place cannot be written.
    #[error("{}: {error}: choose a place that can be written and has room", directory.display())]
    Place {
        /// The directory that was to hold the checkpoint.
        directory: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The engine could not write it.
    #[error("{}: {reason}", directory.display())]
    Engine {
        /// The directory that was to hold the checkpoint.
        directory: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Makes checkpoints of a store. It does not keep the store open. Cheap to clone.
#[derive(Clone)]
pub struct Checkpoints {
    shared: Arc<Shared>,
}

impl RocksBackend {
    /// Makes a checkpoint of this directory, which must not be there yet.
    ///
    /// # Errors
    /// [`CheckpointError`]; nothing was left behind.
    pub async fn checkpoint(&self, directory: impl Into<PathBuf>) -> Result<Checkpoint, CheckpointError> {
        self.checkpoints().at(directory).await
    }

    /// What makes checkpoints of this store, for who does not have the store itself.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints { shared: Arc::clone(&self.shared) }
    }
}

impl Checkpoints {
    /// Makes a checkpoint of this directory, which must not be there yet.
    ///
    /// # Errors
    /// [`CheckpointError`]; nothing was left behind.
    pub async fn at(&self, directory: impl Into<PathBuf>) -> Result<Checkpoint, CheckpointError> {
        let directory = directory.into();
        let parent = match directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        self.make(parent, move |_| directory).await
    }

    /// Makes a checkpoint in this directory, named by the last revision that it holds. The directory is
    /// made if there is none.
    ///
    /// # Errors
    /// [`CheckpointError`]; nothing was left behind.
    pub async fn within(&self, parent: impl Into<PathBuf>) -> Result<Checkpoint, CheckpointError> {
        let parent = parent.into();
        let target = parent.clone();
        self.make(parent, move |revision| target.join(revision.to_string())).await
    }

    async fn make(
        &self,
        parent: PathBuf,
        name: impl FnOnce(Revision) -> PathBuf + Send + 'static,
    ) -> Result<Checkpoint, CheckpointError> {
        let shared = Arc::clone(&self.shared);
        // Of its own, so that two at a time do not meet.
        let temporary = parent.join(format!(".checkpoint-{:016x}.new", shared.environment.random()));
        let made = tokio::task::spawn_blocking(move || {
            let copied = shared.engine.copy()?;
            make(&copied.db, &parent, temporary, name)
        });
        made.await.unwrap_or_else(|error| Err(Error::Internal { reason: error.to_string() }.into()))
    }
}

/// A directory that goes, with what is in it, unless it gets its own name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What cannot be removed has a name that says what it is.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn make(
    db: &DB,
    parent: &Path,
    temporary: PathBuf,
    name: impl FnOnce(Revision) -> PathBuf,
) -> Result<Checkpoint, CheckpointError> {
    let failed = |error| CheckpointError::Place { directory: parent.to_owned(), error };
    open::make_directory(parent).map_err(failed)?;
    fs::create_dir(&temporary).map_err(failed)?;
    let unfinished = Unfinished(temporary);
    let temporary = unfinished.0.as_path();
    let engine = temporary.join(ENGINE_DIRECTORY);
    let refused = |reason| CheckpointError::Engine { directory: parent.to_owned(), reason };
    let made = EngineCheckpoint::new(db).and_then(|checkpoint| checkpoint.create_checkpoint(&engine));
    made.map_err(|error| refused(advised(error)))?;
    let revision = last_revision(temporary).map_err(refused)?;
    fs::write(temporary.join(CHECKPOINT_FILE), format!("{revision}\n")).map_err(failed)?;
    open::write_format(temporary).map_err(failed)?;
    sync(&engine).and_then(|()| sync(temporary)).map_err(failed)?;
    let directory = name(revision);
    if fs::symlink_metadata(&directory).is_ok() {
        return Err(CheckpointError::Exists(directory));
    }
    fs::rename(temporary, &directory).map_err(failed)?;
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
    Ok(Checkpoint { directory, revision })
}

/// The last revision of a store, which is opened to read it.
fn last_revision(directory: &Path) -> Result<Revision, String> {
    let db = open::read_only_engine(&RocksOptions::new(directory)).map_err(|error| error.to_string())?;
    open::read(&db).map(|found| found.last()).map_err(|error| error.to_string())
}

/// Makes what is in a directory durable, and that it is there.
fn sync(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(directory)?.sync_all()
}
