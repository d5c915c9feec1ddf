//! The window of events: what watches that are behind, and exact reads of the past, are served from.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use watchkeep_storage::{Event, Revision};

use crate::options::CacherOptions;

/// PLACEHOLDER-SHIM until the ring lands.
pub(crate) struct Window {
    events: VecDeque<Arc<Event>>,
    oldest: Revision,
    bytes: usize,
    bytes_max: usize,
}

impl Window {
    pub(crate) fn new(options: &CacherOptions) -> Self {
        Self { events: VecDeque::new(), oldest: Revision::MAX, bytes: 0, bytes_max: options.window_bytes_max }
    }

    /// The oldest revision from which on every event is here.
    pub(crate) fn oldest(&self) -> Revision {
        self.oldest
    }

    pub(crate) fn push(&mut self, event: Arc<Event>, _now: Duration) -> Vec<Arc<Event>> {
        self.bytes += event.value_bytes();
        self.events.push_back(event);
        let mut gone = Vec::new();
        while self.bytes > self.bytes_max && self.events.len() > 1 {
            let Some(event) = self.events.pop_front() else { break };
            self.bytes -= event.value_bytes();
            self.oldest = event.revision;
            gone.push(event);
        }
        gone
    }

    /// Gives up the events up to a revision.
    pub(crate) fn give_up_through(&mut self, revision: Revision) -> Vec<Arc<Event>> {
        let gone = self.events.partition_point(|event| event.revision <= revision);
        let gone: Vec<_> = self.events.drain(..gone).collect();
        self.bytes -= gone.iter().map(|event| event.value_bytes()).sum::<usize>();
        self.oldest = self.oldest.max(revision);
        gone
    }

    pub(crate) fn reset(&mut self, revision: Revision) -> Vec<Arc<Event>> {
        self.oldest = revision;
        self.bytes = 0;
        self.events.drain(..).collect()
    }

    /// At most so many events after a revision; `None` if some are missing.
    pub(crate) fn after(&self, revision: Revision, events_max: usize) -> Option<Vec<Arc<Event>>> {
        if revision < self.oldest {
            return None;
        }
        let first = self.events.partition_point(|event| event.revision <= revision);
        Some(self.events.range(first..).take(events_max).cloned().collect())
    }

    /// The events after a revision and up to another one; `None` if some are missing.
    pub(crate) fn between(&self, after: Revision, to: Revision) -> Option<Vec<Arc<Event>>> {
        if after < self.oldest {
            return None;
        }
        let first = self.events.partition_point(|event| event.revision <= after);
        let last = self.events.partition_point(|event| event.revision <= to);
        Some(self.events.range(first..last.max(first)).cloned().collect())
    }
}
