//! The window of events: what watches that are behind, and exact reads of the past, are served from.

use std::sync::Arc;
use std::time::Duration;

use watchkeep_storage::{Event, Revision};

use crate::options::CacherOptions;
use crate::ring::{Bounds, Entry, Ring};

/// What an event costs of the window beside the values that it holds: itself, its key, its place. An estimate, so
/// that a flood of small events is bounded too.
const EVENT_OVERHEAD_BYTES: usize = 256;

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
        let cost = EVENT_OVERHEAD_BYTES + event.value_bytes();
        self.0.append(Entry { revision: event.revision, time, cost, event }, &mut given_up);
        given_up
    }

    /// Gives up the events up to a revision.
    pub(crate) fn give_up_through(&mut self, revision: Revision) -> Vec<Arc<Event>> {
        let mut given_up = Vec::new();
        self.0.give_up_through(revision, &mut given_up);
        given_up
    }

    /// Every event after this revision is here.
    pub(crate) fn oldest(&self) -> Revision {
        self.0.complete_after().unwrap_or(Revision::MAX)
    }

    /// At most so many events after a revision; `None` if some are missing.
    pub(crate) fn after(&self, revision: Revision, events_max: usize) -> Option<Vec<Arc<Event>>> {
        let first = self.0.first_after(revision)?;
        Some(self.0.from(first)?.take(events_max).cloned().collect())
    }

    /// The events after a revision and up to another one; `None` if some are missing.
    pub(crate) fn between(&self, after: Revision, to: Revision) -> Option<Vec<Arc<Event>>> {
        let first = self.0.first_after(after)?;
        Some(self.0.from(first)?.take_while(|event| event.revision <= to).cloned().collect())
    }
}
