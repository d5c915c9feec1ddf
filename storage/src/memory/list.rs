//! Lists of the memory backend: a picture and a place in it, until the deadline.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Shared;
use super::scan::Scan;
use crate::error::Error;
use crate::interface::BoxFuture;
use crate::list::{BATCH_RECORDS_MAX, Continuation, Cursor};
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;

/// The place of a cursor in its picture; empty when the picture was let go of.
type Place = Arc<Mutex<Option<Scan>>>;

/// The open cursors by the Unix time of their deadlines, so that a reader that went to sleep keeps no
/// picture.
#[derive(Default)]
pub(super) struct OpenCursors {
    opened: u64,
    by_deadline: BTreeMap<(Duration, u64), Place>,
}

/// Reads a picture batch by batch, until its deadline.
pub(super) struct PictureCursor {
    shared: Arc<Shared>,
    id: (Duration, u64),
    place: Place,
    predicate: Predicate,
    /// How many records may still be returned; zero at the end.
    left: usize,
    revision: Revision,
}

impl OpenCursors {
    fn open(&mut self, deadline: Duration, place: &Place) -> (Duration, u64) {
        self.opened += 1;
        let id = (deadline, self.opened);
        self.by_deadline.insert(id, Arc::clone(place));
        id
    }

    /// Removes a cursor whose deadline is over at Unix time `now`.
    fn pop_expired(&mut self, now: Duration) -> Option<Place> {
        let first = self.by_deadline.first_entry()?;
        (first.key().0 < now).then(|| first.remove())
    }
}

/// Lets go of the pictures whose deadline is over.
pub(super) fn free_expired(shared: &Shared) {
    let now = shared.environment.unix_time();
    while let Some(place) = { shared.cursors.lock().pop_expired(now) } {
        // A picture is dropped outside of the locks: it may be all that holds a large tree.
        let picture = place.lock().take();
        drop(picture);
    }
}

impl PictureCursor {
    /// A cursor that returns at most `limit` matching records of a scan.
    pub(super) fn open(
        shared: &Arc<Shared>,
        scan: Scan,
        predicate: Predicate,
        limit: Option<NonZeroUsize>,
        revision: Revision,
    ) -> Self {
        let place = Arc::new(Mutex::new(Some(scan)));
        let deadline = shared.environment.unix_time().saturating_add(shared.options.cursor_deadline);
        let id = shared.cursors.lock().open(deadline, &place);
        let left = limit.map_or(usize::MAX, NonZeroUsize::get);
        Self { shared: Arc::clone(shared), id, place, predicate, left, revision }
    }

    /// The place in the picture, if the deadline is not over.
    fn place(&self) -> Option<Scan> {
        let (deadline, _) = self.id;
        if self.shared.environment.unix_time() > deadline {
            return None;
        }
        self.place.lock().clone()
    }

    fn expired(&self) -> Error {
        Error::CursorExpired { revision: self.revision, limit: self.shared.options.cursor_deadline }
    }

    /// Moves on, or ends; does nothing if the picture was let go of in between.
    fn advance(&mut self, returned: usize, next: Option<Scan>) {
        self.left -= returned;
        let next = next.filter(|_| self.left > 0);
        if next.is_none() {
            self.left = 0;
        }
        let mut place = self.place.lock();
        if place.is_some() {
            *place = next;
        }
    }
}

impl Cursor for PictureCursor {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Arc<Record>>, Error>> {
        Box::pin(async move {
            let mut batch = Vec::new();
            let batch_max = self.left.min(BATCH_RECORDS_MAX);
            if batch_max == 0 {
                return Ok(batch);
            }
            // Progress is kept only at the end, so that a dropped call has skipped nothing. [CANCEL-READ]
            let mut scan = self.place().ok_or_else(|| self.expired())?;
            let mut more = true;
            while more && batch.len() < batch_max {
                more = scan.step(|record| {
                    if self.predicate.matches(record.value.attributes()) {
                        batch.push(Arc::clone(record));
                    }
                    batch.len() < batch_max
                });
                tokio::task::yield_now().await;
            }
            self.advance(batch.len(), more.then_some(scan));
            Ok(batch)
        })
    }
}

impl Drop for PictureCursor {
    fn drop(&mut self) {
        self.shared.cursors.lock().by_deadline.remove(&self.id);
    }
}

/// Finds where the page of `limit` matching records ends, and what follows it. \[LIST-CONTINUATION\]
pub(super) async fn continuation(
    mut scan: Scan,
    predicate: &Predicate,
    limit: NonZeroUsize,
) -> Option<Continuation> {
    let mut left = limit.get();
    let mut last = None;
    while left > 0 {
        let more = scan.step(|record| {
            if predicate.matches(record.value.attributes()) {
                left -= 1;
                last = Some(record.key.clone());
            }
            left > 0
        });
        if !more {
            return None;
        }
        tokio::task::yield_now().await;
    }
    let start = format!("{}\0", last?);
    let remaining = count(scan, !predicate.is_empty()).await;
    let remaining = (remaining > 0).then_some(remaining)?;
    Some(Continuation { start, remaining: predicate.is_empty().then_some(remaining) })
}

/// How many records follow; stops at the first where only their existence matters.
async fn count(mut scan: Scan, first_is_enough: bool) -> u64 {
    let mut count = 0;
    loop {
        let more = scan.step(|_| {
            count += 1;
            !first_is_enough
        });
        if !more || (first_is_enough && count > 0) {
            return count;
        }
        tokio::task::yield_now().await;
    }
}
