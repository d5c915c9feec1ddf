//! Watches of the memory backend: a place in a log and a wake-up. Nothing is queued for a watcher.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Shared;
use super::scan::Scan;
use super::state::{Aftermath, ResourceId};
use crate::error::{CompactedDuring, Error};
use crate::event::{Bookmark, Change, Event, EventType, WatchEvent};
use crate::key::Scope;
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;
use crate::watch::WatchSource;

/// How many events are taken from the log at once: the lock is held for no longer.
const TAKE_EVENTS_MAX: usize = 128;

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

/// The initial state: a picture and a place in it.
pub(super) struct Initial {
    pub(super) scan: Scan,
    pub(super) batch: VecDeque<Arc<Record>>,
    pub(super) done: bool,
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
        if let Some(event) = self.next_initial() {
            return Poll::Ready(Some(Ok(event)));
        }
        loop {
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
    }

    fn progress(&self) -> Revision {
        if self.initial.is_some() {
            return Revision::ZERO;
        }
        if let Some(Taken(_, next)) = self.taken.front() {
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
    /// The next of the initial events, then their bookmark, then nothing.
    fn next_initial(&mut self) -> Option<WatchEvent> {
        let initial = self.initial.as_mut()?;
        while initial.batch.is_empty() && !initial.done {
            let Initial { scan, batch, .. } = initial;
            let more = scan.step(|record| {
                if self.predicate.matches(record.value.attributes()) {
                    batch.push_back(Arc::clone(record));
                }
                batch.len() < TAKE_EVENTS_MAX
            });
            initial.done = !more;
        }
        if let Some(record) = initial.batch.pop_front() {
            let event = Arc::new(Event::initial(record));
            return Some(WatchEvent::Change(Change { event_type: EventType::Added, event }));
        }
        let bookmark = initial.bookmark;
        self.initial = None;
        let bookmark = bookmark.then_some(Bookmark { revision: self.position, initial_events_end: true });
        bookmark.map(WatchEvent::Bookmark)
    }

    /// Looks at the log. Registers for the next wake-up under the same lock, so that none is lost.
    fn look(&mut self, context: &mut Context<'_>) -> Result<Look, Error> {
        let mut state = self.shared.state.lock();
        let (revision, compacted) = (state.revision, state.compacted);
        let keyspace = state.keyspace_mut(self.id);
        if keyspace.dropped > self.position {
            // Events that this watch has not seen are gone. [WATCH-RELIABLE]
            let during = CompactedDuring::Watch;
            return Err(Error::Compacted { requested: self.position, oldest: compacted, during });
        }
        let events: Vec<_> = keyspace.events_after(self.position).take(TAKE_EVENTS_MAX).cloned().collect();
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
                self.taken.push_back(Taken(event_type, event));
            }
        }
    }
}

impl Drop for LogWatch {
    fn drop(&mut self) {
        self.shared.state.lock().keyspace_mut(self.id).forget(self.watcher);
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
    Aftermath { wakers, garbage: Vec::new() }.settle();
}
