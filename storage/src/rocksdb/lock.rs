//! Who has the directory of a store: one process at a time, and one store in it.
//!
//! The engine has a lock of its own, but takes it only when it opens the store to write. This one is held
//! from before the first look at the files until the writer has ended, also by who only reads them. It is
//! on the directory itself, so that it leaves nothing behind.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::open::OpenError;

/// Holds the directory until it is dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _directory: File,
}

impl DirectoryLock {
    /// Takes the directory, if nobody has it.
    pub(super) fn take(directory: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Directory { directory: directory.to_owned(), error };
        let opened = File::open(directory).map_err(failed)?;
        match opened.try_lock() {
            Ok(()) => Ok(Self { _directory: opened }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
