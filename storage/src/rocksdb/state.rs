//! What is published: the revision that readers may see, where history begins, and per resource its
//! counts, its newest events and who waits for the next one.
//!
//! One lock guards it, held for O(1) or for a bounded batch. Everything here can be had again from the
//! disk, except who waits.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::codec::{Counters, Reader};
use super::keyspace::ResourceId;
use crate::defect::{self, Defect};
use crate::error::{CompactedDuring, Error};
use crate::event::Event;
use crate::key::{KeyError, ResourcePrefix};
use crate::list::ReadAt;
use crate::revision::Revision;
use crate::schema::Schema;

/// How many of its newest events a resource keeps in memory: watches that keep up read no disk.
const TAIL_EVENTS_MAX: usize = 1024;
/// How many bytes of values these may hold; watches of larger objects read the block cache.
const TAIL_BYTES_MAX: usize = 1 << 20;

/// A pin's place in [`State`].
pub(super) type PinId = (Duration, u64);

/// The published state of the whole store.
pub(super) struct State {
    pub(super) revision: Revision,
    /// The oldest revision that can be read.
    pub(super) compacted: Revision,
    /// Revisions that were never issued: above the first and below the second of each pair.
    pub(super) gaps: Vec<(Revision, Revision)>,
    pub(super) early_compactions: u64,
    /// Why no writes are accepted, if so.
    pub(super) refusing: Option<String>,
    resources: Vec<Keyspace>,
    /// The revisions that open lists still read, by their deadlines.
    pins: BTreeMap<PinId, Revision>,
    pinned: u64,
}

/// The published state of one resource.
pub(super) struct Keyspace {
    pub(super) reader: Arc<Reader>,
    /// Whether somebody has said what its schema is.
    opened: bool,
    pub(super) counters: Counters,
    /// Counts the requests for progress.
    pub(super) progress_requests: u64,
    tail: VecDeque<Arc<Event>>,
    tail_bytes: usize,
    /// Every event after this revision is in the tail.
    tail_after: Revision,
    wakers: HashMap<u64, Waker>,
}

impl State {
    /// The state of a store that was just opened.
    pub(super) fn new(revision: Revision, compacted: Revision, gaps: Vec<(Revision, Revision)>) -> Self {
        Self {
            revision,
            compacted,
            gaps,
            early_compactions: 0,
            refusing: None,
            resources: Vec::new(),
            pins: BTreeMap::new(),
            pinned: 0,
        }
    }

    /// The number of the next resource.
    pub(super) fn next_id(&self) -> ResourceId {
        ResourceId(u32::try_from(self.resources.len()).unwrap_or(u32::MAX))
    }

    /// Adds the next resource. Nobody has opened it yet.
    pub(super) fn add(&mut self, prefix: ResourcePrefix, counters: Counters) -> ResourceId {
        let schema = Arc::default();
        let id = self.next_id();
        self.resources.push(Keyspace {
            reader: Arc::new(Reader { id, prefix, schema }),
            opened: false,
            counters,
            progress_requests: 0,
            tail: VecDeque::new(),
            tail_bytes: 0,
            tail_after: self.revision,
            wakers: HashMap::new(),
        });
        id
    }

    /// The resource of this prefix, if there is one. \[KEYS\]
    pub(super) fn find(&self, prefix: &ResourcePrefix) -> Result<Option<ResourceId>, Error> {
        let overlapping = self.resources.iter().find(|keyspace| keyspace.reader.prefix.overlaps(prefix));
        match overlapping.map(|keyspace| &*keyspace.reader) {
            Some(found) if found.prefix == *prefix => Ok(Some(found.id)),
            Some(other) => Err(Error::Key(KeyError::Overlaps {
                key: prefix.to_string(),
                prefix: other.prefix.to_string(),
            })),
            None => Ok(None),
        }
    }

    /// The resources whose schema is known.
    pub(super) fn opened(&self) -> HashMap<ResourceId, Arc<Reader>> {
        let opened = self.resources.iter().filter(|keyspace| keyspace.opened);
        opened.map(|keyspace| (keyspace.reader.id, Arc::clone(&keyspace.reader))).collect()
    }

    /// All resources.
    pub(super) fn readers(&self) -> impl Iterator<Item = &Arc<Reader>> {
        self.resources.iter().map(|keyspace| &keyspace.reader)
    }

    /// The events that history has over all resources, and the bytes of values that it keeps.
    pub(super) fn history(&self) -> (u64, u64) {
        let counters = self.resources.iter().map(|keyspace| keyspace.counters);
        counters.fold((0, 0), |(events, bytes), counters| {
            (events + counters.history_events, bytes + counters.history_bytes)
        })
    }

    /// A resource.
    #[expect(clippy::indexing_slicing, reason = "ids are positions, and resources are never removed")]
    pub(super) fn keyspace(&self, id: ResourceId) -> &Keyspace {
        &self.resources[id.position()]
    }

    /// A resource, to change it.
    #[expect(clippy::indexing_slicing, reason = "ids are positions, and resources are never removed")]
    pub(super) fn keyspace_mut(&mut self, id: ResourceId) -> &mut Keyspace {
        &mut self.resources[id.position()]
    }

    /// The revision at which a read of this freshness is made.
    pub(super) fn read_at(&self, at: ReadAt) -> Result<Revision, Error> {
        match at {
            ReadAt::Latest => Ok(self.revision),
            ReadAt::AtLeast(revision) => {
                self.check_reached(revision)?;
                Ok(self.revision)
            }
            ReadAt::Exact(revision) => {
                self.check_reached(revision)?;
                self.check_kept(revision, CompactedDuring::List)?;
                Ok(revision)
            }
        }
    }

    /// An error if the store has not reached a revision.
    pub(super) fn check_reached(&self, revision: Revision) -> Result<(), Error> {
        if revision > self.revision {
            let (requested, current) = (revision, self.revision);
            return Err(Error::FutureRevision { requested, current, retry_after: Duration::ZERO });
        }
        Ok(())
    }

    /// An error if history is not there from a revision on. \[COMPACT-READS\] \[COMPACT-WATCHES\]
    pub(super) fn check_kept(&self, requested: Revision, during: CompactedDuring) -> Result<(), Error> {
        if requested < self.compacted {
            return Err(Error::Compacted { requested, oldest: self.compacted, during });
        }
        // A revision that a crash has taken back: whoever saw it has seen what is no longer so.
        let lost = self.gaps.iter().find(|(after, until)| *after < requested && requested < *until);
        match lost {
            Some((_, until)) => Err(Error::Compacted { requested, oldest: *until, during }),
            None => Ok(()),
        }
    }

    /// Moves the deadline of a pin, unless it was let go of.
    pub(super) fn renew(&mut self, id: &PinId, deadline: Duration) -> Option<PinId> {
        let revision = self.pins.remove(id)?;
        Some(self.pin(revision, deadline))
    }

    /// Keeps the history after `revision` until the deadline, by uptime, or until [`State::unpin`].
    pub(super) fn pin(&mut self, revision: Revision, deadline: Duration) -> PinId {
        self.pinned += 1;
        let id = (deadline, self.pinned);
        self.pins.insert(id, revision);
        id
    }

    /// Lets go of a pin.
    pub(super) fn unpin(&mut self, id: &PinId) {
        self.pins.remove(id);
    }

    /// Lets go of the pins whose deadline is over at uptime `now`.
    pub(super) fn unpin_expired(&mut self, now: Duration) {
        while let Some(first) = self.pins.first_entry()
            && first.key().0 < now
        {
            first.remove();
        }
    }

    /// Takes over what was found when the engine was opened anew. Watches read what is new from history.
    pub(super) fn reopened(&mut self, revision: Revision, compacted: Revision, counters: &[Counters]) {
        self.revision = self.revision.max(revision);
        self.compacted = self.compacted.max(compacted);
        self.refusing = None;
        for (keyspace, counters) in self.resources.iter_mut().zip(counters) {
            keyspace.counters = *counters;
            keyspace.tail.clear();
            keyspace.tail_bytes = 0;
            keyspace.tail_after = self.revision;
        }
    }

    /// All who wait for an event of any resource.
    pub(super) fn take_wakers(&mut self) -> Vec<Waker> {
        self.resources.iter_mut().flat_map(Keyspace::take_wakers).collect()
    }

    /// Up to where history may be given up.
    pub(super) fn trim_target(&self) -> Revision {
        let pinned = self.pins.values().min().filter(|_| !defect::on(Defect::RocksIgnoresPins));
        pinned.map_or(self.compacted, |pinned| self.compacted.min(*pinned))
    }
}

impl Keyspace {
    /// The events after a revision, oldest first; `None` where memory does not go back so far.
    pub(super) fn events_after(&self, revision: Revision) -> Option<impl Iterator<Item = &Arc<Event>>> {
        let known = revision >= self.tail_after;
        known.then(|| self.tail.range(self.tail.partition_point(|event| event.revision <= revision)..))
    }

    /// Adds the next event.
    pub(super) fn append(&mut self, event: Arc<Event>) {
        self.tail_bytes += event.value_bytes();
        self.tail.push_back(event);
        while self.tail.len() > TAIL_EVENTS_MAX || self.tail_bytes > TAIL_BYTES_MAX {
            self.forget_oldest();
        }
    }

    /// Takes over counts after history was given up, and forgets what was.
    pub(super) fn trimmed(&mut self, counters: Counters) {
        self.counters = counters;
        while self.tail.front().is_some_and(|event| event.revision <= counters.dropped) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(event) = self.tail.pop_front() {
            self.tail_bytes = self.tail_bytes.saturating_sub(event.value_bytes());
            self.tail_after = event.revision;
        }
    }

    /// Registers who is to be woken by the next event.
    pub(super) fn wake_later(&mut self, watcher: u64, waker: &Waker) {
        self.wakers.insert(watcher, waker.clone());
    }

    /// Forgets a watcher.
    pub(super) fn forget(&mut self, watcher: u64) {
        self.wakers.remove(&watcher);
    }

    /// All who wait.
    pub(super) fn take_wakers(&mut self) -> Vec<Waker> {
        self.wakers.drain().map(|(_, waker)| waker).collect()
    }

    /// Opens the resource with a schema: the first says which, others have to say the same.
    pub(super) fn open(&mut self, schema: Arc<Schema>) -> Result<Arc<Reader>, Error> {
        let Reader { id, prefix, schema: known } = &*self.reader;
        if self.opened && *known != schema {
            return Err(Error::SchemaDiffers { prefix: prefix.clone() });
        }
        if !self.opened {
            self.reader = Arc::new(Reader { id: *id, prefix: prefix.clone(), schema });
            self.opened = true;
        }
        Ok(Arc::clone(&self.reader))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(revision: u64) -> Revision {
        Revision::new(revision)
    }

    #[test]
    fn what_a_crash_took_back_is_compacted() {
        let state = State::new(at(100), at(10), vec![(at(50), at(90))]);
        let kept = |revision| state.check_kept(at(revision), CompactedDuring::Watch).is_ok();
        for (revision, want) in [(9, false), (10, true), (50, true), (51, false), (89, false), (90, true)] {
            assert_eq!(kept(revision), want, "{revision}");
        }
        let refused = state.read_at(ReadAt::Exact(at(60)));
        assert!(matches!(refused, Err(Error::Compacted { oldest, .. }) if oldest == at(90)));
    }

    #[test]
    fn a_pin_keeps_history_until_its_deadline() {
        let mut state = State::new(at(100), at(10), vec![]);
        state.pin(at(7), Duration::from_secs(5));
        let later = state.pin(at(8), Duration::from_secs(9));
        assert_eq!(state.trim_target(), at(7));
        state.unpin_expired(Duration::from_secs(6));
        assert_eq!(state.trim_target(), at(8));
        state.unpin(&later);
        assert_eq!(state.trim_target(), at(10));
    }

    #[test]
    fn the_tail_is_bounded_and_knows_where_it_begins() {
        let mut state = State::new(at(100), at(100), vec![]);
        let id = state.add(ResourcePrefix::new("/pods").unwrap(), Counters::default());
        let keyspace = state.keyspace_mut(id);
        let last = 100 + TAIL_EVENTS_MAX as u64 + 5;
        for revision in 101..=last {
            let key = crate::key::Key::unchecked("/pods/a");
            keyspace.append(Arc::new(Event { revision: at(revision), key, current: None, previous: None }));
        }
        assert!(keyspace.events_after(at(104)).is_none());
        assert_eq!(keyspace.events_after(at(105)).unwrap().count(), TAIL_EVENTS_MAX);
        let dropped = at(last - 1);
        keyspace.trimmed(Counters { dropped, ..Counters::default() });
        assert!(keyspace.events_after(dropped.previous()).is_none());
        assert_eq!(keyspace.events_after(dropped).unwrap().count(), 1);
    }
}
