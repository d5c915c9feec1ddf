//! Watches of the memory backend: a place in a log and a wake-up. Nothing is queued for a watcher.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use super::Shared;
use super::picture::OpenPicture;
use super::state::ResourceId;
use crate::defect::{self, Defect};
use crate::error::{CompactedDuring, Error};
use crate::event::{Bookmark, Change, Event, EventType, WatchEvent};
use crate::key::Scope;
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;
use crate::watch::WatchSource;

/// How many events are taken from the log at once: the lock is held for no longer.
const TAKE_EVENTS_MAX: usize = 128;

/// How many bytes of values the events that were taken may hold before no more are taken: what a watch that
/// is not read keeps alive beyond history. The first event is always taken.
const TAKE_BYTES_MAX: usize = 1 << 20;

/// How often a poll looks at the log before other tasks get their turn.
const LOOKS_MAX: usize = 8;

/// A watch: `Initial -> Live`.
pub(super) struct LogWatch {
    pub(super) shared: Arc<Shared>,
    pub(super) id: ResourceId,
    pub(super) watcher: u64,
    pub(super) scope: Scope,
    pub(super) predicate: Predicate,
    /// The initial state, while it is being delivered.
    pub(super) initial: Option<Initial>,
    /// Events taken from the log and not yet returned; at most [`TAKE_EVENTS_MAX`].
    pub(super) taken: VecDeque<Taken>,
    /// Everything up to here was taken from the log.
    pub(super) position: Revision,
    /// Whether requests for progress concern this watch, and how many it has answered.
    pub(super) progress_answered: Option<u64>,
}

/// The state of one revision, on its way out. \[WATCH-ATOMIC\]
pub(super) struct Initial {
    /// What is still to be read; `None` at its end.
    pub(super) picture: Option<OpenPicture>,
    /// What was read and not yet returned; at most [`TAKE_EVENTS_MAX`].
    pub(super) batch: VecDeque<Arc<Record>>,
    /// Whether a bookmark follows.
    pub(super) bookmark: bool,
}

/// An event that is to be shown.
pub(super) struct Taken(EventType, Arc<Event>);

/// What a look at the log gives.
enum Look {
    Events(Vec<Arc<Event>>),
    Progress(Revision),
    Nothing,
}

impl WatchSource for LogWatch {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        if self.initial.is_some()
            && let Some(event) = ready!(self.poll_initial(context))
        {
            return Poll::Ready(Some(event));
        }
        for _ in 0..LOOKS_MAX {
            if let Some(Taken(event_type, event)) = self.taken.pop_front() {
                return Poll::Ready(Some(Ok(WatchEvent::Change(Change { event_type, event }))));
            }
            match self.look(context) {
                Ok(Look::Events(events)) => self.take(events),
                Ok(Look::Progress(revision)) => {
                    let bookmark = Bookmark { revision, initial_events_end: false };
                    return Poll::Ready(Some(Ok(WatchEvent::Bookmark(bookmark))));
                }
                Ok(Look::Nothing) => return Poll::Pending,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        // Many events and none to show: other tasks get their turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn progress(&self) -> Revision {
        if self.initial.is_some() {
            return Revision::ZERO;
        }
        if let Some(Taken(_, next)) = self.taken.front()
            && !defect::on(Defect::MemoryProgressIsTheHead)
        {
            return next.revision.previous();
        }
        let state = self.shared.state.lock();
        let keyspace = state.keyspace(self.id);
        if keyspace.dropped > self.position {
            return self.position;
        }
        let next = keyspace.events_after(self.position).next();
        next.map_or_else(|| state.revision.max(self.position), |event| event.revision.previous())
    }
}

impl LogWatch {
    /// The next of the initial events, then their bookmark, then nothing. Reads one step at a poll, so
    /// that a selector that matches little does not keep other tasks waiting.
    fn poll_initial(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        let Some(initial) = &mut self.initial else { return Poll::Ready(None) };
        if initial.batch.is_empty()
            && let Err(error) = initial.read(&self.predicate)
        {
            return Poll::Ready(Some(Err(error)));
        }
        if let Some(record) = initial.batch.pop_front() {
            let event = Arc::new(Event::initial(record));
            let change = Change { event_type: EventType::Added, event };
            return Poll::Ready(Some(Ok(WatchEvent::Change(change))));
        }
        if initial.picture.is_some() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let bookmark = Bookmark { revision: self.position, initial_events_end: true };
        let bookmark = initial.bookmark.then_some(Ok(WatchEvent::Bookmark(bookmark)));
        self.initial = None;
        if defect::on(Defect::MemoryWatchRegistersLate) {
            self.position = self.shared.state.lock().revision;
        }
        Poll::Ready(bookmark)
    }

    /// Looks at the log. Registers for the next wake-up under the same lock, so that none is lost.
    fn look(&mut self, context: &mut Context<'_>) -> Result<Look, Error> {
        let mut state = self.shared.state.lock();
        let (revision, compacted) = (state.revision, state.compacted);
        let keyspace = state.keyspace_mut(self.id);
        if keyspace.dropped > self.position && !defect::on(Defect::MemoryWatchSkipsLostHistory) {
            // Events that this watch has not seen are gone. [WATCH-RELIABLE]
            let during = CompactedDuring::Watch;
            return Err(Error::Compacted { requested: self.position, oldest: compacted, during });
        }
        let mut bytes = 0;
        let events = keyspace.events_after(self.position).take(TAKE_EVENTS_MAX).take_while(|event| {
            let fits = bytes < TAKE_BYTES_MAX;
            bytes += event.value_bytes();
            fits
        });
        let events: Vec<_> = events.cloned().collect();
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
        let replaced = keyspace.wake_later(self.watcher, context.waker());
        drop(state);
        drop(replaced);
        Ok(Look::Nothing)
    }

    fn take(&mut self, events: Vec<Arc<Event>>) {
        for event in events {
            self.position = event.revision;
            if self.scope.contains(&event.key)
                && let Some(event_type) = event.seen_through(&self.predicate)
            {
                self.taken.push_back(Taken(event_type, event));
            }
        }
    }
}

impl Initial {
    /// Reads one step of the picture.
    fn read(&mut self, predicate: &Predicate) -> Result<(), Error> {
        let Some(picture) = &mut self.picture else { return Ok(()) };
        let mut scan = picture.place()?;
        picture.renew();
        let more = scan.step(|record| {
            if predicate.matches(record.value.attributes()) {
                self.batch.push_back(Arc::clone(record));
            }
            self.batch.len() < TAKE_EVENTS_MAX
        });
        if more {
            picture.advance(scan);
        } else {
            self.picture = None;
        }
        Ok(())
    }
}

impl Drop for LogWatch {
    fn drop(&mut self) {
        let waker = self.shared.state.lock().keyspace_mut(self.id).forget(self.watcher);
        drop(waker);
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
    wakers.into_values().for_each(Waker::wake);
}
