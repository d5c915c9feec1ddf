//! The window of events: an event is appended once, and a watcher is a place in it.
//!
//! The ring is pure: times and events go in, places and events come out. It has no lock, no clock and no watcher.
//!
//! Places are *sequence numbers*: the event after another one has the next number, and a number belongs to one
//! event for ever, also when the ring has given that event up or was reset. So a watcher that comes back with a
//! number finds its event, or that it is gone, and never another event.
//!
//! # Bounds
//!
//! The ring is bounded in events and in bytes. The bound in events adapts, before an event is appended to a full
//! ring: it doubles while the oldest event is fresh, which means that the window is shorter than it should be; it
//! is halved while the last quarter alone is longer than that. The bound in bytes is fixed; the newest event is
//! always kept.
//!
//! # What can be served
//!
//! *All changes after a revision* can be served while none of them was given up. The ring knows the revision from
//! which that holds, [`Ring::complete_after`]: that of the list that it began with, then that of the newest event
//! that was given up, or of the history that was put in front.
//!
//! # Costs
//!
//! `append` is O(1) amortized, `first_after` O(log n), everything else O(1) or in proportion to what it moves.

use std::collections::VecDeque;
use std::time::Duration;

use watchkeep_storage::Revision;

/// The least bound in events, and the first.
pub const CAPACITY_MIN: usize = 100;

/// The largest bound in events of a window that is not longer than [`WINDOW_MIN`].
pub const CAPACITY_MAX: usize = 102_400;

/// The shortest window: the period of bookmarks, a minute, and some time to come back after one.
pub const WINDOW_MIN: Duration = Duration::from_secs(75);

/// How often [`CAPACITY_MAX`] can be doubled for a longer window.
const DOUBLINGS_MAX: u32 = 14;

/// What a ring may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The least bound in events, which the ring begins with.
    pub capacity_min: usize,
    /// The largest bound in events.
    pub capacity_max: usize,
    /// How long an event should stay.
    pub fresh: Duration,
    /// The bound on the costs of all events together.
    pub bytes: usize,
}

/// An event with what the ring has to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<E> {
    /// The event.
    pub event: E,
    /// The commit that made it.
    pub revision: Revision,
    /// When it came, by a clock that does not go back.
    pub time: Duration,
    /// What it costs of [`Bounds::bytes`].
    pub cost: usize,
}

/// The window of events.
#[derive(Clone, Debug)]
pub struct Ring<E> {
    entries: VecDeque<Entry<E>>,
    /// The number of the oldest event, or of the next one where there is none.
    first: u64,
    capacity: usize,
    bounds: Bounds,
    bytes: usize,
    complete_after: Option<Revision>,
    has_given_up: bool,
}

impl Bounds {
    /// The bounds of a window that should last this long.
    pub fn new(window: Duration, bytes: usize) -> Self {
        Self { capacity_min: CAPACITY_MIN, capacity_max: capacity_max(window), fresh: window, bytes }
    }
}

/// The largest bound in events: it doubles each time that the window does.
fn capacity_max(window: Duration) -> usize {
    let fits = |doublings: &u32| WINDOW_MIN.saturating_mul(1 << doublings) >= window;
    let doublings = (0..DOUBLINGS_MAX).find(fits).unwrap_or(DOUBLINGS_MAX);
    CAPACITY_MAX << doublings
}

impl<E> Ring<E> {
    /// A ring that knows nothing: nothing can be served until [`reset`](Self::reset) or an event tells it where
    /// it is.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            entries: VecDeque::new(),
            first: room(&bounds),
            capacity: bounds.capacity_min.max(1),
            bounds,
            bytes: 0,
            complete_after: None,
            has_given_up: false,
        }
    }

    /// Appends the next event. Neither its revision nor its time may be below those of the event before it, and
    /// its revision must be above that of the list that the ring began with.
    ///
    /// What is given up for it goes to `given_up`, so that the caller can drop it where no lock is held.
    pub fn append(&mut self, entry: Entry<E>, given_up: &mut Vec<E>) {
        debug_assert!(self.entries.back().is_none_or(|newest| newest.revision <= entry.revision));
        self.resize(entry.time);
        while self.entries.len() >= self.capacity {
            self.give_up_oldest(given_up);
        }
        self.complete_after.get_or_insert_with(|| entry.revision.previous());
        self.bytes = self.bytes.saturating_add(entry.cost);
        self.entries.push_back(entry);
        while self.bytes > self.bounds.bytes && self.entries.len() > 1 {
            self.give_up_oldest(given_up);
        }
    }

    /// Gives up the events up to a revision: nothing before it can be served any more.
    pub fn give_up_through(&mut self, revision: Revision, given_up: &mut Vec<E>) {
        while self.entries.front().is_some_and(|oldest| oldest.revision <= revision) {
            self.give_up_oldest(given_up);
        }
        if self.complete_after.is_some_and(|complete_after| complete_after < revision) {
            self.complete_after = Some(revision);
            self.has_given_up = true;
        }
    }

    /// Begins anew after a list at this revision. All events go to `given_up`, and their numbers are not used
    /// again. The bound in events stays what it was.
    pub fn reset(&mut self, revision: Revision, given_up: &mut Vec<E>) {
        self.first = self.next_sequence() + room(&self.bounds);
        given_up.extend(self.entries.drain(..).map(|entry| entry.event));
        self.bytes = 0;
        self.complete_after = Some(revision);
        self.has_given_up = false;
    }

    /// Puts older events in front, newest first, as far as the bounds allow, and returns how many it took. With
    /// them clients can resume that saw a revision from before the list that the ring began with.
    ///
    /// The events must be all that there were after `reaches`, up to that list; newer ones are passed over, and of
    /// a revision all are taken or none. Their time should be that of this call. The bound in events grows as it
    /// does for fresh events. Nothing is taken where the ring has given up events: those before them would not
    /// connect.
    pub fn prepend_older(&mut self, older: impl IntoIterator<Item = Entry<E>>, reaches: Revision) -> usize {
        let Some(mut complete_after) = self.complete_after.filter(|_| !self.has_given_up) else { return 0 };
        let before = self.entries.len();
        for entry in older {
            if entry.revision > complete_after {
                continue;
            }
            if entry.revision <= reaches {
                break;
            }
            // What follows is not newer, so all that is newer has been taken.
            complete_after = entry.revision;
            if !self.has_room_for(entry.cost) {
                self.take_back(complete_after);
                self.complete_after = Some(complete_after);
                return self.entries.len() - before;
            }
            self.bytes = self.bytes.saturating_add(entry.cost);
            self.first -= 1;
            self.entries.push_front(entry);
        }
        self.complete_after = Some(complete_after.min(reaches));
        self.entries.len() - before
    }

    /// The number of the first event after a revision, or of the next one that will be appended; `None` when an
    /// event after the revision may be missing.
    pub fn first_after(&self, revision: Revision) -> Option<u64> {
        if self.complete_after? > revision {
            return None;
        }
        let before = self.entries.partition_point(|entry| entry.revision <= revision);
        Some(self.first + before as u64)
    }

    /// The events from a number on, oldest first; `None` when the event of this number was given up.
    pub fn from(&self, sequence: u64) -> Option<impl ExactSizeIterator<Item = &E>> {
        let from = usize::try_from(sequence.checked_sub(self.first)?).unwrap_or(usize::MAX);
        Some(self.entries.range(from.min(self.entries.len())..).map(|entry| &entry.event))
    }

    /// The event of a number, if it is here.
    pub fn get(&self, sequence: u64) -> Option<&E> {
        let at = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        Some(&self.entries.get(at)?.event)
    }

    /// The oldest revision that can be served: every change after it is in the ring. `None` until it knows.
    pub fn complete_after(&self) -> Option<Revision> {
        self.complete_after
    }

    /// The number of the oldest event; that of the next one where there is none.
    pub fn first_sequence(&self) -> u64 {
        self.first
    }

    /// The number that the next event will get.
    pub fn next_sequence(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bound in events, as it is now.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The cost of all events.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adapts the bound in events of a full ring to how long its events lasted.
    fn resize(&mut self, now: Duration) {
        if self.entries.len() < self.capacity {
            return;
        }
        let age = |entry: Option<&Entry<E>>| entry.map_or(Duration::ZERO, |e| now.saturating_sub(e.time));
        // A quarter of fewer than four events is none: then the oldest is looked at.
        let last_quarter = (self.entries.len() - self.capacity / 4) % self.entries.len();
        if age(self.entries.front()) < self.bounds.fresh {
            self.grow();
        } else if age(self.entries.get(last_quarter)) > self.bounds.fresh {
            let least = self.bounds.capacity_min.max(1);
            self.capacity = self.capacity.min(least.max(self.capacity / 2));
        }
    }

    fn grow(&mut self) {
        self.capacity = self.capacity.max(self.bounds.capacity_max.min(self.capacity.saturating_mul(2)));
    }

    /// Whether an event fits beside all others, with a larger bound in events if need be.
    fn has_room_for(&mut self, cost: usize) -> bool {
        if !self.entries.is_empty() && self.bytes.saturating_add(cost) > self.bounds.bytes {
            return false;
        }
        if self.entries.len() >= self.capacity {
            self.grow();
        }
        self.entries.len() < self.capacity
    }

    /// Takes the events of a revision off the front, of which there was no room for all.
    fn take_back(&mut self, revision: Revision) {
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.revision == revision) {
            self.first += 1;
            self.bytes = self.bytes.saturating_sub(entry.cost);
        }
    }

    fn give_up_oldest(&mut self, given_up: &mut Vec<E>) {
        let Some(oldest) = self.entries.pop_front() else { return };
        self.first += 1;
        self.bytes = self.bytes.saturating_sub(oldest.cost);
        self.complete_after = Some(oldest.revision);
        self.has_given_up = true;
        given_up.push(oldest.event);
    }
}

/// How many numbers are left free below the first event, for those that may be put in front.
fn room(bounds: &Bounds) -> u64 {
    bounds.capacity_max.max(bounds.capacity_min).max(1) as u64
}

#[cfg(test)]
#[path = "ring/tests.rs"]
mod tests;
