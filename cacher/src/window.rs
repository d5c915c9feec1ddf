//! The window of events: what watches that are behind, and exact reads of the past, are served from.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use watchkeep_storage::defect::{self, Defect};
use watchkeep_storage::{Event, Revision};

use crate::options::CacherOptions;
use crate::ring::{Bounds, Entry, Ring};

/// What an event costs of the window beside the values that it holds: itself, its key, its place. An estimate, so
/// that a flood of small events is bounded too.
const EVENT_OVERHEAD_BYTES: usize = 256;

/// What an event costs of the window.
pub(crate) fn cost_of(event: &Event) -> usize {
    EVENT_OVERHEAD_BYTES + event.value_bytes()
}

fn entry(event: Arc<Event>, time: Duration) -> Entry<Arc<Event>> {
    Entry { revision: event.revision, time, cost: cost_of(&event), event }
}

/// At most so many events, but all of a revision if one of it: a store that others write to may have several. What is
/// cut apart there could not be told from what was seen. \[WATCH-RELIABLE\]
pub(crate) fn take<'a>(events: impl Iterator<Item = &'a Arc<Event>>, events_max: usize) -> Vec<Arc<Event>> {
    let mut taken: Vec<Arc<Event>> = Vec::new();
    for event in events {
        if taken.len() >= events_max && taken.last().is_some_and(|last| last.revision != event.revision) {
            break;
        }
        taken.push(Arc::clone(event));
    }
    taken
}

/// What a window holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowStats {
    /// Every event after this revision is there.
    pub oldest: Revision,
    /// How many events there are.
    pub events: usize,
    /// How many there may be at present: the bound adapts.
    pub capacity: usize,
    /// What they cost, in bytes.
    pub bytes: usize,
}

/// The newest events of a resource.
pub(crate) struct Window(Ring<Arc<Event>>);

impl Window {
    /// An empty window, which can serve nothing before [`Window::reset`].
    pub(crate) fn new(options: &CacherOptions) -> Self {
        Self(Ring::new(Bounds::new(options.events_fresh, options.window_bytes_max)))
    }

    /// Begins anew behind a list of this revision. Returns what was given up, to be dropped without the lock.
    pub(crate) fn reset(&mut self, revision: Revision) -> Vec<Arc<Event>> {
        let mut given_up = Vec::new();
        self.0.reset(revision, &mut given_up);
        given_up
    }

    /// Appends the next event, which came at a time. Returns what was given up for it.
    pub(crate) fn push(&mut self, event: Arc<Event>, time: Duration) -> Vec<Arc<Event>> {
        let mut given_up = Vec::new();
        self.0.append(entry(event, time), &mut given_up);
        given_up
    }

    /// Puts the events between `reaches` and the list that the window began with, oldest first, in front of it, as
    /// far as they fit. Does nothing where the window has begun anew, or has given up events, meanwhile.
    pub(crate) fn prepend(
        &mut self,
        list: Revision,
        older: VecDeque<Arc<Event>>,
        reaches: Revision,
        time: Duration,
    ) {
        if self.0.complete_after() == Some(list) {
            self.0.prepend_older(older.into_iter().rev().map(|event| entry(event, time)), reaches);
        }
    }

    /// Gives up the events up to a revision.
    pub(crate) fn give_up_through(&mut self, revision: Revision) -> Vec<Arc<Event>> {
        let mut given_up = Vec::new();
        self.0.give_up_through(revision, &mut given_up);
        given_up
    }

    /// What it holds.
    pub(crate) fn stats(&self) -> WindowStats {
        let (events, capacity, bytes) = (self.0.len(), self.0.capacity(), self.0.bytes());
        WindowStats { oldest: self.oldest().unwrap_or(Revision::MAX), events, capacity, bytes }
    }

    /// Every event after this revision is here; `None` before the first list.
    pub(crate) fn oldest(&self) -> Option<Revision> {
        self.0.complete_after()
    }

    /// So many events after a revision as [`take`] says; `None` if some are missing.
    pub(crate) fn after(&self, revision: Revision, events_max: usize) -> Option<Vec<Arc<Event>>> {
        let first = match self.0.first_after(revision) {
            None if defect::on(Defect::CacheWindowHidesGap) => self.0.first_sequence(),
            first => first?,
        };
        Some(take(self.0.from(first)?, events_max))
    }

    /// The events after a revision and up to another one; `None` if some are missing.
    pub(crate) fn between(&self, after: Revision, to: Revision) -> Option<Vec<Arc<Event>>> {
        let first = self.0.first_after(after)?;
        Some(self.0.from(first)?.take_while(|event| event.revision <= to).cloned().collect())
    }
}
