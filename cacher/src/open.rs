//! Pictures that are being read, each with a deadline: a reader that went to sleep keeps none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use watchkeep_storage::{Environment, Error, Revision};

use crate::picture::{Picture, Places};

/// The pictures that are being read, by the uptime of their deadlines.
pub(crate) struct OpenPictures {
    environment: Environment,
    deadline: Duration,
    open: Mutex<ByDeadline>,
}

#[derive(Default)]
struct ByDeadline {
    opened: u64,
    places: BTreeMap<(Duration, u64), Arc<Mutex<Option<Place>>>>,
}

/// What is still to be read of a picture.
#[derive(Clone)]
struct Place {
    picture: Arc<Picture>,
    left: Places,
}

/// A picture that is read in batches, until its deadline. Dropping it lets go of the picture.
pub(crate) struct OpenPicture {
    pictures: Arc<OpenPictures>,
    id: (Duration, u64),
    place: Arc<Mutex<Option<Place>>>,
    revision: Revision,
}

impl OpenPictures {
    pub(crate) fn new(environment: Environment, deadline: Duration) -> Self {
        Self { environment, deadline, open: Mutex::default() }
    }

    /// Lets go of the pictures whose deadline is over.
    pub(crate) fn free_expired(&self) {
        let now = self.environment.uptime();
        while let Some(place) = { self.open.lock().pop_expired(now) } {
            // Dropped outside of the locks: it may be all that holds a large tree.
            let picture = place.lock().take();
            drop(picture);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().places.len()
    }

    fn next_deadline(&self) -> Duration {
        self.environment.uptime().saturating_add(self.deadline)
    }
}

impl ByDeadline {
    fn open(&mut self, deadline: Duration, place: &Arc<Mutex<Option<Place>>>) -> (Duration, u64) {
        self.opened += 1;
        let id = (deadline, self.opened);
        self.places.insert(id, Arc::clone(place));
        id
    }

    fn pop_expired(&mut self, now: Duration) -> Option<Arc<Mutex<Option<Place>>>> {
        let first = self.places.first_entry()?;
        (first.key().0 < now).then(|| first.remove())
    }
}

impl OpenPicture {
    /// Opens these places of a picture.
    pub(crate) fn new(
        pictures: &Arc<OpenPictures>,
        picture: Arc<Picture>,
        places: Places,
        revision: Revision,
    ) -> Self {
        let place = Arc::new(Mutex::new(Some(Place { picture, left: places })));
        let id = pictures.open.lock().open(pictures.next_deadline(), &place);
        Self { pictures: Arc::clone(pictures), id, place, revision }
    }

    /// The picture, and the places that are still to be read.
    ///
    /// # Errors
    /// [`Error::CursorExpired`] after the deadline.
    pub(crate) fn left(&self) -> Result<(Arc<Picture>, Places), Error> {
        let (deadline, _) = self.id;
        let in_time = self.pictures.environment.uptime() <= deadline;
        let place = in_time.then(|| self.place.lock().clone()).flatten();
        let expired = || Error::CursorExpired { revision: self.revision, limit: self.pictures.deadline };
        place.map(|place| (place.picture, place.left)).ok_or_else(expired)
    }

    /// Moves on; does nothing if the picture was let go of in between.
    pub(crate) fn advance(&self, left: Places) {
        if let Some(place) = self.place.lock().as_mut() {
            place.left = left;
        }
    }

    /// Starts the time until the deadline anew: for a reader that goes on.
    pub(crate) fn renew(&mut self) {
        let deadline = self.pictures.next_deadline();
        let mut open = self.pictures.open.lock();
        if open.places.remove(&self.id).is_some() {
            self.id = open.open(deadline, &self.place);
        }
    }
}

impl Drop for OpenPicture {
    fn drop(&mut self) {
        self.pictures.open.lock().places.remove(&self.id);
    }
}
