//! Watches: a place in history and a wake-up. Nothing is queued for a watcher.
//!
//! A watch that keeps up finds the next events in memory; one that was away, or comes from before a
//! restart, reads history on threads that may block, until it has caught up.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::task::JoinHandle;

use super::codec::Reader;
use super::engine::closed;
use super::history::{Newest, Replay, replay};
use super::keyspace::ResourceId;
use super::list;
use super::scan::{Page, Scan};
use super::view::View;
use super::{Shared, User, joined, start_blocking};
use crate::defect::{self, Defect};
use crate::error::{CompactedDuring, Error};
use crate::event::{Bookmark, Change, Event, EventType, WatchEvent};
use crate::key::Scope;
use crate::list::BATCH_RECORDS_MAX;
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;
use crate::watch::WatchSource;

/// How often a poll looks for events before other tasks get their turn.
const LOOKS_MAX: usize = 8;

/// How many events are taken from memory at once: the lock is held for no longer.
const TAKE_EVENTS_MAX: usize = 128;

/// A read on a thread that may block.
type Reading<T> = JoinHandle<Result<T, Error>>;

/// A watch: `Initial -> (Catching up) -> Live`.
pub(super) struct HistoryWatch {
    pub(super) shared: Arc<Shared>,
    pub(super) _user: Arc<User>,
    pub(super) reader: Arc<Reader>,
    pub(super) watcher: u64,
    pub(super) scope: Scope,
    pub(super) predicate: Predicate,
    /// The initial state, while it is being delivered.
    pub(super) initial: Option<Initial>,
    /// The read of history under way.
    pub(super) reading: Option<Reading<Replay>>,
    /// What the last read of history hands to the next one, while this watch catches up.
    pub(super) newest: Newest,
    /// Events taken and not yet returned; bounded by what is taken at once.
    pub(super) taken: VecDeque<(EventType, Arc<Event>)>,
    /// Everything up to here was taken.
    pub(super) position: Revision,
    /// Whether requests for progress concern this watch, and how many it has answered.
    pub(super) progress_answered: Option<u64>,
}

/// The state of one revision: a place in a picture. \[WATCH-ATOMIC\]
pub(super) struct Initial {
    /// Where to go on; `None` at the end.
    place: Option<Scan>,
    reading: Option<Reading<Page>>,
    batch: VecDeque<Arc<Record>>,
    bookmark: bool,
    /// Keeps what the picture needs.
    pin: list::Pin,
}

/// What a look at the newest events gives.
enum Look {
    Events(Vec<Arc<Event>>),
    Progress(Revision),
    /// The next events are no longer in memory.
    Behind,
    Nothing,
}

impl Initial {
    /// The initial state of a scan.
    pub(super) fn new(scan: Scan, bookmark: bool, pin: list::Pin) -> Self {
        Self { place: Some(scan), reading: None, batch: VecDeque::new(), bookmark, pin }
    }
}

impl WatchSource for HistoryWatch {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        self.poll_event(context).map(Some)
    }

    fn progress(&self) -> Revision {
        if self.initial.is_some() {
            return Revision::ZERO;
        }
        if let Some((_, next)) = self.taken.front() {
            return next.revision.previous();
        }
        let state = self.shared.state.lock();
        let keyspace = state.keyspace(self.reader.id);
        if keyspace.counters.dropped > self.position {
            return self.position;
        }
        if defect::on(Defect::RocksProgressIsTheHead) {
            return state.revision.max(self.position);
        }
        let Some(mut events) = keyspace.events_after(self.position) else { return self.position };
        let next = events.next();
        next.map_or_else(|| state.revision.max(self.position), |event| event.revision.previous())
    }
}

impl HistoryWatch {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Result<WatchEvent, Error>> {
        if let Some(event) = ready!(self.poll_initial(context)?) {
            return Poll::Ready(Ok(event));
        }
        for _ in 0..LOOKS_MAX {
            if let Some((event_type, event)) = self.taken.pop_front() {
                return Poll::Ready(Ok(WatchEvent::Change(Change { event_type, event })));
            }
            if let Some(reading) = &mut self.reading {
                let read = joined(ready!(Pin::new(reading).poll(context)));
                self.reading = None;
                let Replay { events, position, newest } = read?;
                self.take(events);
                (self.position, self.newest) = (position, newest);
                continue;
            }
            match self.look(context)? {
                Look::Events(events) => {
                    // Caught up: from here on events come from memory.
                    self.newest = Newest::default();
                    self.take(events);
                }
                Look::Progress(revision) => {
                    let bookmark = Bookmark { revision, initial_events_end: false };
                    return Poll::Ready(Ok(WatchEvent::Bookmark(bookmark)));
                }
                Look::Behind => self.reading = Some(self.catch_up()),
                Look::Nothing => return Poll::Pending,
            }
        }
        // Many events and none to show: other tasks get their turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// The next of the initial events, then their bookmark, then nothing.
    fn poll_initial(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<WatchEvent>, Error>> {
        let Some(initial) = &mut self.initial else { return Poll::Ready(Ok(None)) };
        loop {
            if let Some(record) = initial.batch.pop_front() {
                let event = Arc::new(Event::initial(record));
                let change = Change { event_type: EventType::Added, event };
                return Poll::Ready(Ok(Some(WatchEvent::Change(change))));
            }
            if let Some(reading) = &mut initial.reading {
                let read = joined(ready!(Pin::new(reading).poll(context)));
                initial.reading = None;
                let Page { records, next } = initial.pin.checked(read)?;
                initial.pin.renew();
                initial.batch = records.into();
                initial.place = next;
                continue;
            }
            let Some(scan) = initial.place.take() else { break };
            initial.pin.check()?;
            let (reader, predicate) = (Arc::clone(&self.reader), self.predicate.clone());
            initial.reading = Some(start_blocking(&self.shared, move |db| {
                scan.page(&View::open(db, &reader), &predicate, BATCH_RECORDS_MAX)
            }));
        }
        let bookmark = initial.bookmark;
        self.initial = None;
        let bookmark = bookmark.then_some(Bookmark { revision: self.position, initial_events_end: true });
        Poll::Ready(Ok(bookmark.map(WatchEvent::Bookmark)))
    }

    /// Reads on in history.
    fn catch_up(&mut self) -> Reading<Replay> {
        let (reader, scope, after) = (Arc::clone(&self.reader), self.scope.clone(), self.position);
        let newest = std::mem::take(&mut self.newest);
        // Before the view is opened, so that it holds everything up to here.
        let published = self.shared.state.lock().revision;
        start_blocking(&self.shared, move |db| {
            replay(&View::open(db, &reader), &scope, after, published, newest)
        })
    }

    /// Looks at the newest events. Registers for the next wake-up under the same lock, so that none is
    /// lost.
    fn look(&mut self, context: &mut Context<'_>) -> Result<Look, Error> {
        let mut state = self.shared.state.lock();
        let (revision, compacted) = (state.revision, state.compacted);
        if self.shared.engine.is_closed() {
            return Err(closed());
        }
        let keyspace = state.keyspace_mut(self.reader.id);
        if keyspace.counters.dropped > self.position {
            // Events that this watch has not seen are gone. [WATCH-RELIABLE]
            let during = CompactedDuring::Watch;
            return Err(Error::Compacted { requested: self.position, oldest: compacted, during });
        }
        let Some(events) = keyspace.events_after(self.position) else { return Ok(Look::Behind) };
        let events: Vec<_> = events.take(TAKE_EVENTS_MAX).cloned().collect();
        if !events.is_empty() {
            return Ok(Look::Events(events));
        }
        // A watch that begins in the future waits there.
        self.position = self.position.max(revision);
        let requested = keyspace.progress_requests;
        if self.progress_answered.is_some_and(|answered| answered < requested) {
            self.progress_answered = Some(requested);
            return Ok(Look::Progress(self.position));
        }
        keyspace.wake_later(self.watcher, context.waker());
        Ok(Look::Nothing)
    }

    fn take(&mut self, events: Vec<Arc<Event>>) {
        for event in events {
            self.position = event.revision;
            if self.scope.contains(&event.key)
                && let Some(event_type) = event.seen_through(&self.predicate)
            {
                self.taken.push_back((event_type, event));
            }
        }
    }
}

impl Drop for HistoryWatch {
    fn drop(&mut self) {
        self.shared.state.lock().keyspace_mut(self.reader.id).forget(self.watcher);
    }
}

/// Wakes the watches of a resource, so that they answer a request for progress.
pub(super) fn request_progress(shared: &Shared, id: ResourceId) {
    let wakers = {
        let mut state = shared.state.lock();
        let keyspace = state.keyspace_mut(id);
        keyspace.progress_requests += 1;
        keyspace.take_wakers()
    };
    wakers.into_iter().for_each(Waker::wake);
}
