//! Lists: a revision and a place, read page by page on threads that may block, until the deadline.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::codec::Reader;
use super::remaining::Place;
use super::scan::{self, Scan};
use super::state::PinId;
use super::view::View;
use super::{Shared, User, blocking, joined, start_blocking};
use crate::error::Error;
use crate::interface::BoxFuture;
use crate::key::Scope;
use crate::list::{BATCH_RECORDS_MAX, Continuation, Cursor, ReadAt};
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;

/// Keeps the history after a revision from being given up, so that the state at the revision can be read.
pub(super) struct Pin {
    shared: Arc<Shared>,
    id: PinId,
    revision: Revision,
}

impl Pin {
    /// Pins the revision of a read, for as long as a list may be open.
    pub(super) fn new(shared: &Arc<Shared>, at: ReadAt) -> Result<Self, Error> {
        let mut state = shared.state.lock();
        let revision = state.read_at(at)?;
        let id = state.pin(revision, deadline(shared));
        Ok(Self { shared: Arc::clone(shared), id, revision })
    }

    /// The pinned revision.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// Starts the time until the deadline anew: for a reader that goes on.
    pub(super) fn renew(&mut self) {
        if let Some(id) = self.shared.state.lock().renew(&self.id, deadline(&self.shared)) {
            self.id = id;
        }
    }

    /// An error when the deadline is over.
    pub(super) fn check(&self) -> Result<(), Error> {
        let (deadline, _) = self.id;
        if self.shared.environment.uptime() > deadline { Err(self.expired()) } else { Ok(()) }
    }

    /// A read in what was pinned: only one whose pin is gone finds the history gone that it would undo.
    pub(super) fn checked<T>(&self, read: Result<T, Error>) -> Result<T, Error> {
        read.map_err(|error| if matches!(error, Error::Compacted { .. }) { self.expired() } else { error })
    }

    fn expired(&self) -> Error {
        Error::CursorExpired { revision: self.revision, limit: self.shared.options.cursor_deadline }
    }
}

fn deadline(shared: &Shared) -> Duration {
    shared.environment.uptime().saturating_add(shared.options.cursor_deadline)
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.shared.state.lock().unpin(&self.id);
    }
}

/// Reads a picture batch by batch, until its end or its deadline.
pub(super) struct ScanCursor {
    _user: Arc<User>,
    /// The picture and the place in it; `None` at the end.
    open: Option<(Pin, Scan)>,
    /// The read under way. It stays when a call is dropped: the next one waits for it.
    reading: Option<JoinHandle<Result<scan::Page, Error>>>,
    /// What was read and not yet returned.
    batch: Vec<Arc<Record>>,
    batch_bytes: usize,
    reader: Arc<Reader>,
    predicate: Predicate,
    /// How many records may still be read.
    left: usize,
}

impl ScanCursor {
    /// A cursor that returns at most `limit` matching records of a scan.
    pub(super) fn new(
        user: Arc<User>,
        pin: Pin,
        reader: Arc<Reader>,
        scan: Scan,
        predicate: Predicate,
        limit: Option<NonZeroUsize>,
    ) -> Self {
        let left = limit.map_or(usize::MAX, NonZeroUsize::get);
        let open = Some((pin, scan));
        Self { _user: user, open, reading: None, batch: Vec::new(), batch_bytes: 0, reader, predicate, left }
    }

    /// Starts to read what the batch has room for.
    fn start(&self, pin: &Pin, scan: &Scan) -> JoinHandle<Result<scan::Page, Error>> {
        let (scan, reader, predicate) = (scan.clone(), Arc::clone(&self.reader), self.predicate.clone());
        let records_max = self.left.min(BATCH_RECORDS_MAX - self.batch.len());
        start_blocking(&pin.shared, move |db| scan.page(&View::open(db, &reader), &predicate, records_max))
    }

    /// Takes what was read and moves on; or ends, and lets go of the picture.
    fn advance(&mut self, scan::Page { records, next }: scan::Page) {
        self.left -= records.len();
        self.batch_bytes += records.iter().map(|record| record.value.bytes().len()).sum::<usize>();
        self.batch.extend(records);
        match (next.filter(|_| self.left > 0), &mut self.open) {
            (Some(next), Some((_, place))) => *place = next,
            _ => self.open = None,
        }
    }
}

impl Cursor for ScanCursor {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Arc<Record>>, Error>> {
        Box::pin(async move {
            while let Some((pin, scan)) = &self.open
                && self.batch.len() < BATCH_RECORDS_MAX
                && self.batch_bytes < scan::PAGE_BYTES_MAX
            {
                pin.check()?;
                // Kept while it is waited for, so that a dropped call has skipped nothing. [CANCEL-READ]
                let under_way = self.reading.take();
                let reading = under_way.unwrap_or_else(|| self.start(pin, scan));
                let read = joined(self.reading.insert(reading).await);
                self.reading = None;
                let page = pin.checked(read)?;
                self.advance(page);
            }
            self.batch_bytes = 0;
            Ok(std::mem::take(&mut self.batch))
        })
    }
}

/// A page of a list.
pub(super) struct Page<'a> {
    pub(super) place: Place,
    pub(super) limit: NonZeroUsize,
    pub(super) predicate: &'a Predicate,
}

/// Finds where a page of matching records ends, and what follows it. \[LIST-CONTINUATION\]
pub(super) async fn continuation(
    shared: &Arc<Shared>,
    reader: &Arc<Reader>,
    scan: Scan,
    page: Page<'_>,
) -> Result<Option<Continuation>, Error> {
    let Page { place: page, limit, predicate } = page;
    let known = known_count(shared, reader, &page).filter(|_| predicate.is_empty());
    let mut place = Some(scan);
    let mut last = None;
    let mut left = limit.get();
    while left > 0 {
        let Some(scan) = place else { return Ok(None) };
        let (reader, predicate) = (Arc::clone(reader), predicate.clone());
        let skipped = blocking(shared, move |db| {
            let mut last = None;
            let next = scan.skip(&View::open(db, &reader), &predicate, &mut left, &mut last)?;
            Ok((next, left, last))
        });
        let newest;
        (place, left, newest) = skipped.await?;
        last = newest.or(last);
    }
    let (Some(last), Some(rest)) = (last, place) else { return Ok(None) };
    let remaining = match known {
        Some(known) => known.saturating_sub(limit.get() as u64),
        None => count(shared, reader, rest, !predicate.is_empty()).await?,
    };
    if remaining == 0 {
        return Ok(None);
    }
    let start = format!("{last}\0");
    if predicate.is_empty() {
        shared.remaining.note(Place { start: start.clone(), ..page }, remaining);
    }
    Ok(Some(Continuation { start, remaining: predicate.is_empty().then_some(remaining) }))
}

/// How many objects there are from the beginning of a page on, where that was counted before.
fn known_count(shared: &Shared, reader: &Reader, page: &Place) -> Option<u64> {
    let whole = matches!(&page.scope, Scope::Under(under) if under.as_str() == reader.prefix.as_str());
    if !whole || !page.start.is_empty() {
        return shared.remaining.at(page);
    }
    let state = shared.state.lock();
    (state.revision == page.revision).then(|| state.keyspace(reader.id).counters.objects)
}

/// How many records follow; stops at the first where only their existence matters.
async fn count(
    shared: &Arc<Shared>,
    reader: &Arc<Reader>,
    scan: Scan,
    first_is_enough: bool,
) -> Result<u64, Error> {
    let most = if first_is_enough { 1 } else { u64::MAX };
    let (mut place, mut count) = (Some(scan), 0);
    while let Some(scan) = place.take().filter(|_| count < most) {
        let reader = Arc::clone(reader);
        let counted = blocking(shared, move |db| {
            let next = scan.count(&View::open(db, &reader), &mut count, most)?;
            Ok((next, count))
        });
        (place, count) = counted.await?;
    }
    Ok(count)
}
