//! What is published: the newest picture, and the revision up to which everything is there. One writer, any number
//! of readers without a lock; who knows a revision has a picture that is not older.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use watchkeep_storage::Revision;

use crate::sync::{AtomicU64, Swap};

/// The newest picture and the newest revision. The picture may be older than the revision, where nothing has
/// changed in between, and newer, where it was swapped a moment ago.
pub(crate) struct Published<P> {
    picture: Swap<P>,
    /// Released after the picture, the window and the topics; acquired before a look at them.
    revision: AtomicU64,
}

impl<P> Published<P> {
    /// A picture of nothing.
    pub(crate) fn new(picture: P) -> Self {
        Self { picture: Swap::from_pointee(picture), revision: AtomicU64::new(0) }
    }

    /// Everything up to this revision is published.
    pub(crate) fn revision(&self) -> Revision {
        Revision::new(self.revision.load(Ordering::Acquire))
    }

    /// The newest picture.
    pub(crate) fn picture(&self) -> Arc<P> {
        self.picture.load_full()
    }

    /// A revision that is published, and a picture with all that is published up to it.
    pub(crate) fn newest(&self) -> (Arc<P>, Revision) {
        // In this order: what is published by the first look is in the second.
        let revision = self.revision();
        (self.picture(), revision)
    }

    /// The next picture. It is not published before its revision is.
    pub(crate) fn swap(&self, picture: Arc<P>) {
        self.picture.store(picture);
    }

    /// Everything up to a revision is where readers look. It never goes back.
    pub(crate) fn advance(&self, revision: Revision) {
        self.revision.fetch_max(revision.get(), Ordering::Release);
    }
}

#[cfg(test)]
#[path = "published/tests.rs"]
mod tests;
