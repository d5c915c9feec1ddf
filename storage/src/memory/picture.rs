//! Pictures that are being read, each with a deadline: a reader that went to sleep keeps none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Shared;
use super::scan::Scan;
use crate::error::Error;
use crate::revision::Revision;

/// The place of a reader in its picture; empty when the picture was let go of.
type Place = Arc<Mutex<Option<Scan>>>;

/// The open pictures by the uptime of their deadlines.
#[derive(Default)]
pub(super) struct OpenPictures {
    opened: u64,
    by_deadline: BTreeMap<(Duration, u64), Place>,
}

/// A picture and a place in it, until the deadline. Dropping it lets go of the picture.
pub(super) struct OpenPicture {
    shared: Arc<Shared>,
    id: (Duration, u64),
    place: Place,
    revision: Revision,
}

impl OpenPictures {
    fn open(&mut self, deadline: Duration, place: &Place) -> (Duration, u64) {
        self.opened += 1;
        let id = (deadline, self.opened);
        self.by_deadline.insert(id, Arc::clone(place));
        id
    }

    /// Removes a picture whose deadline is over at uptime `now`.
    fn pop_expired(&mut self, now: Duration) -> Option<Place> {
        let first = self.by_deadline.first_entry()?;
        (first.key().0 < now).then(|| first.remove())
    }
}

/// Lets go of the pictures whose deadline is over.
pub(super) fn free_expired(shared: &Shared) {
    let now = shared.environment.uptime();
    while let Some(place) = { shared.pictures.lock().pop_expired(now) } {
        // A picture is dropped outside of the locks: it may be all that holds a large tree.
        let picture = place.lock().take();
        drop(picture);
    }
}

impl OpenPicture {
    /// Opens the picture of a scan at a revision.
    pub(super) fn new(shared: &Arc<Shared>, scan: Scan, revision: Revision) -> Self {
        let place = Arc::new(Mutex::new(Some(scan)));
        let deadline = shared.environment.uptime().saturating_add(shared.options.cursor_deadline);
        let id = shared.pictures.lock().open(deadline, &place);
        Self { shared: Arc::clone(shared), id, place, revision }
    }

    /// The place in the picture.
    ///
    /// # Errors
    /// [`Error::CursorExpired`] after the deadline.
    pub(super) fn place(&self) -> Result<Scan, Error> {
        let (deadline, _) = self.id;
        let in_time = self.shared.environment.uptime() <= deadline;
        let scan = in_time.then(|| self.place.lock().clone()).flatten();
        scan.ok_or(Error::CursorExpired {
            revision: self.revision,
            limit: self.shared.options.cursor_deadline,
        })
    }

    /// Starts the time until the deadline anew: for a reader that goes on.
    pub(super) fn renew(&mut self) {
        let deadline = self.shared.environment.uptime().saturating_add(self.shared.options.cursor_deadline);
        let mut pictures = self.shared.pictures.lock();
        if pictures.by_deadline.remove(&self.id).is_some() {
            self.id = pictures.open(deadline, &self.place);
        }
    }

    /// Moves on; does nothing if the picture was let go of in between.
    pub(super) fn advance(&self, next: Scan) {
        let mut place = self.place.lock();
        if place.is_some() {
            *place = Some(next);
        }
    }
}

impl Drop for OpenPicture {
    fn drop(&mut self) {
        self.shared.pictures.lock().by_deadline.remove(&self.id);
    }
}
