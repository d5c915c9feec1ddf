//! When watches of the cache end that did nothing wrong: with the cache itself, or because it was found to be wrong.
//!
//! A watch remembers how often that had happened when it was opened, and looks again each time that it is read.
//! Whoever ends watches counts first and wakes them then; a watch looks after it has left its waker. So none sleeps
//! on.

use std::sync::atomic::Ordering;

use watchkeep_storage::{CompactedDuring, Error, Revision};

use crate::ready;
use crate::sync::{AtomicBool, AtomicU64};

/// What has ended watches so far.
#[derive(Default)]
pub(crate) struct Endings {
    closed: AtomicBool,
    /// How often the cache was found to be wrong.
    distrusted: AtomicU64,
    /// What was shown of revisions before this one may have been wrong.
    wrong_before: AtomicU64,
}

/// How often the cache had been found to be wrong when a watch was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened(u64);

impl Endings {
    /// A watch is opened.
    pub(crate) fn open(&self) -> Opened {
        Opened(self.distrusted.load(Ordering::Acquire))
    }

    /// Whether a watch goes on that has come to a revision.
    ///
    /// # Errors
    /// [`Error::NotReady`] when the cache has been closed, [`Error::Compacted`] when it was found to be wrong.
    pub(crate) fn check(&self, opened: Opened, position: Revision) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(ready::ended());
        }
        if self.open() == opened {
            return Ok(());
        }
        Err(gone(position, self.wrong_before().max(position.next())))
    }

    /// Whether a watch may begin after a revision.
    ///
    /// # Errors
    /// [`Error::Compacted`] when the cache showed it, and was wrong.
    pub(crate) fn check_resumable(&self, requested: Revision) -> Result<(), Error> {
        let oldest = self.wrong_before();
        if requested < oldest { Err(gone(requested, oldest)) } else { Ok(()) }
    }

    /// The cache was found to be wrong, when it had published everything up to a revision.
    pub(crate) fn distrust(&self, published: Revision) {
        self.wrong_before.fetch_max(published.get(), Ordering::Release);
        self.distrusted.fetch_add(1, Ordering::Release);
    }

    /// The cache ends.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn wrong_before(&self) -> Revision {
        Revision::new(self.wrong_before.load(Ordering::Acquire))
    }
}

fn gone(requested: Revision, oldest: Revision) -> Error {
    Error::Compacted { requested, oldest, during: CompactedDuring::Watch }
}

#[cfg(test)]
#[path = "endings/tests.rs"]
mod tests;
