//! The state of the memory backend: pure, without clocks, tasks or locks.
//!
//! Each resource is an ordered map from keys to chains of versions, oldest first, and a log of events.
//! The map is persistent: a picture is a clone of its root. History is what the logs hold; giving up an
//! event gives up the version that it replaced, so that
//!
//! - a read at a revision not below `compacted` finds in each chain the last version not above it;
//! - a chain is never empty, and begins with a deletion only while that deletion is in the log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use imbl::OrdMap;

use crate::defect::{self, Defect};
use crate::error::{CompactedDuring, Error};
use crate::event::Event;
use crate::interface::{Commit, Committed, Expect, Operation, Outcome, Stats};
use crate::key::{Key, KeyError, ResourcePrefix};
use crate::record::Record;
use crate::revision::Revision;
use crate::schema::Schema;

/// What an event costs in history beside the value it keeps, in bytes: the event, its version and record,
/// their places in log, chain and map. An estimate, so that a flood of small writes is bounded too.
const EVENT_OVERHEAD_BYTES: usize = 512;

/// The state of the whole store.
pub(super) struct State {
    pub(super) revision: Revision,
    /// The oldest revision that can be read.
    pub(super) compacted: Revision,
    resources: Vec<Keyspace>,
    /// For each event of all logs, oldest first: whose log holds it, and when it was committed.
    order: VecDeque<(ResourceId, Duration)>,
    /// When to delete what, by uptime.
    deadlines: BTreeMap<(Duration, Key), ResourceId>,
    history_bytes: usize,
    early_compactions: u64,
}

/// The position of a resource in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResourceId(usize);

/// The state of one resource.
pub(super) struct Keyspace {
    prefix: ResourcePrefix,
    schema: Schema,
    pub(super) objects: Picture,
    log: VecDeque<Arc<Event>>,
    /// The revision of the newest event that the log has given up.
    pub(super) dropped: Revision,
    /// Counts the requests for progress.
    pub(super) progress_requests: u64,
    wakers: Wakers,
    stats: Stats,
}

/// All objects of a resource, with their history. A clone costs nothing.
pub(super) type Picture = OrdMap<Key, Chain>;

/// The versions of a key, oldest first, never empty. Shared with pictures: while one that holds it is
/// open, the first change of a chain copies it.
pub(super) type Chain = Arc<VecDeque<Version>>;

/// A state of one key.
#[derive(Clone, Debug)]
pub(super) struct Version {
    revision: Revision,
    /// `None` after a deletion.
    record: Option<Arc<Record>>,
    deadline: Option<Duration>,
}

/// Who waits for the next event, by the number of the watch: an order, so that a seed replays it.
pub(super) type Wakers = BTreeMap<u64, Waker>;

/// What has to be done outside the lock after a change: wake the watchers, and drop what was given up.
#[derive(Default)]
#[must_use]
pub(super) struct Aftermath {
    pub(super) wakers: Vec<Wakers>,
    pub(super) garbage: Vec<Arc<Event>>,
}

impl Aftermath {
    /// Wakes the watchers. Call it without the lock.
    pub(super) fn settle(self) {
        self.wakers.into_iter().flat_map(Wakers::into_values).for_each(Waker::wake);
    }
}

/// The record of a chain at a revision.
pub(super) fn at(chain: &Chain, revision: Revision) -> Option<&Arc<Record>> {
    let position = match chain.binary_search_by(|version| version.revision.cmp(&revision)) {
        Ok(exact) => exact,
        Err(newer) => newer.checked_sub(1)?,
    };
    chain.get(position)?.record.as_ref()
}

impl State {
    /// An empty store whose first commit follows `revision`.
    pub(super) fn new(revision: Revision) -> Self {
        Self {
            revision,
            // Revisions below are another run's: they cannot be read. [REVISION-MONOTONIC]
            compacted: revision,
            resources: Vec::new(),
            order: VecDeque::new(),
            deadlines: BTreeMap::new(),
            history_bytes: 0,
            early_compactions: 0,
        }
    }

    /// The resource of this prefix, made if there is none.
    pub(super) fn open(&mut self, prefix: &ResourcePrefix, schema: &Schema) -> Result<ResourceId, Error> {
        if let Some(position) = self.resources.iter().position(|keyspace| keyspace.prefix == *prefix) {
            let id = ResourceId(position);
            if self.keyspace(id).schema != *schema {
                return Err(Error::SchemaDiffers { prefix: prefix.clone() });
            }
            return Ok(id);
        }
        if let Some(other) = self.resources.iter().find(|keyspace| keyspace.prefix.overlaps(prefix)) {
            let (key, prefix) = (prefix.to_string(), other.prefix.to_string());
            return Err(KeyError::Overlaps { key, prefix }.into());
        }
        self.resources.push(Keyspace {
            prefix: prefix.clone(),
            schema: schema.clone(),
            objects: Picture::new(),
            log: VecDeque::new(),
            dropped: Revision::ZERO,
            progress_requests: 0,
            wakers: Wakers::new(),
            stats: Stats::default(),
        });
        Ok(ResourceId(self.resources.len() - 1))
    }

    /// A resource.
    #[expect(clippy::indexing_slicing, reason = "ids are positions, and resources are never removed")]
    pub(super) fn keyspace(&self, id: ResourceId) -> &Keyspace {
        &self.resources[id.0]
    }

    /// A resource, to change it.
    #[expect(clippy::indexing_slicing, reason = "ids are positions, and resources are never removed")]
    pub(super) fn keyspace_mut(&mut self, id: ResourceId) -> &mut Keyspace {
        &mut self.resources[id.0]
    }

    /// Applies a commit at uptime `now`.
    pub(super) fn commit(&mut self, id: ResourceId, commit: Commit, now: Duration) -> (Outcome, Aftermath) {
        let Commit { key, expect, operation } = commit;
        let previous = self.keyspace(id).latest(&key).cloned();
        let stored = previous.as_ref().and_then(|version| version.record.clone());
        let mut holds = holds(expect, stored.as_ref());
        if defect::on(Defect::MemoryEqualBytesNeverConflict)
            && let (Operation::Put { value, .. }, Some(record)) = (&operation, &stored)
        {
            holds |= *value == record.value;
        }
        if !holds || (stored.is_none() && matches!(operation, Operation::Delete)) {
            return (Outcome::Conflict { current: stored }, Aftermath::default());
        }
        if let Some(deadline) = previous.and_then(|version| version.deadline)
            && !defect::on(Defect::MemoryRewriteKeepsDeadline)
        {
            self.deadlines.remove(&(deadline, key.clone()));
        }
        // The next revision, at once visible to readers and watchers. [COMMIT-ORDERED] [COMMIT-VISIBLE]
        self.revision = self.revision.next();
        let version = self.version(key.clone(), operation, now);
        if let Some(deadline) = version.deadline {
            self.deadlines.insert((deadline, key.clone()), id);
        }
        let record = version.record.clone();
        let event = Event { revision: self.revision, key, current: record.clone(), previous: stored.clone() };
        self.order.push_back((id, now));
        self.history_bytes += history_bytes(&event);
        let wakers = self.keyspace_mut(id).append(event, version);
        let committed = Committed { revision: self.revision, record, previous: stored };
        (Outcome::Committed(committed), Aftermath { wakers: vec![wakers], garbage: Vec::new() })
    }

    fn version(&self, key: Key, operation: Operation, now: Duration) -> Version {
        let revision = self.revision;
        match operation {
            Operation::Delete => Version { revision, record: None, deadline: None },
            Operation::Put { value, ttl } => Version {
                revision,
                record: Some(Arc::new(Record { key, value, revision })),
                deadline: ttl.map(|ttl| now.saturating_add(ttl)),
            },
        }
    }

    /// Moves the oldest readable revision up. History below it is given up by [`State::trim`].
    pub(super) fn compact(&mut self, revision: Revision) -> Result<(), Error> {
        if revision < self.compacted {
            return Err(Error::Compacted {
                requested: revision,
                oldest: self.compacted,
                during: CompactedDuring::Compact,
            });
        }
        self.check_reached(revision)?;
        self.compacted = revision;
        Ok(())
    }

    /// An error if the store has not reached a revision.
    pub(super) fn check_reached(&self, revision: Revision) -> Result<(), Error> {
        if revision > self.revision {
            return Err(Error::FutureRevision {
                requested: revision,
                current: self.revision,
                retry_after: Duration::ZERO,
            });
        }
        Ok(())
    }

    /// Gives up at most `events_max` events of compacted history. Whether more is to be given up.
    pub(super) fn trim(&mut self, events_max: usize, aftermath: &mut Aftermath) -> bool {
        let mut target = self.compacted;
        if defect::on(Defect::MemoryCompactsOneTooMany) {
            target = target.next();
        }
        for _ in 0..events_max {
            match self.oldest_event() {
                Some((event, _)) if event.revision <= target => self.drop_oldest(aftermath),
                _ => return false,
            }
        }
        true
    }

    /// Gives up at most `events_max` events, oldest first, until what is left fits into `bytes_max`. The
    /// newest event stays, so that a watch that is up to date never notices. Whether more is to be given up.
    pub(super) fn trim_to_bytes(
        &mut self,
        bytes_max: usize,
        events_max: usize,
        aftermath: &mut Aftermath,
    ) -> bool {
        for _ in 0..events_max {
            if self.history_bytes <= bytes_max || self.order.len() <= 1 {
                return false;
            }
            let Some((event, _)) = self.oldest_event() else { return false };
            if event.revision > self.compacted {
                if !defect::on(Defect::MemoryTrimsUnmarked) {
                    self.compacted = event.revision;
                }
                self.early_compactions += 1;
            }
            self.drop_oldest(aftermath);
        }
        true
    }

    /// The revision up to which history is older than `retention` at uptime `now`.
    pub(super) fn retention_target(&self, now: Duration, retention: Duration) -> Option<Revision> {
        let (event, committed_at) = self.oldest_event()?;
        if now.saturating_sub(committed_at) < retention {
            return None;
        }
        let keep = self.order.partition_point(|(_, at)| now.saturating_sub(*at) >= retention);
        // Within one store revisions have no gaps: the n-th event after the oldest is n revisions later.
        let target = event.revision.get() + u64::try_from(keep).unwrap_or(u64::MAX).saturating_sub(1);
        Some(Revision::new(target).min(self.revision))
    }

    /// Deletes at most `keys_max` keys whose deadline is over at uptime `now`. Whether more are over.
    pub(super) fn expire(&mut self, now: Duration, keys_max: usize, aftermath: &mut Aftermath) -> bool {
        for _ in 0..keys_max {
            let Some(entry) = self.deadlines.first_entry() else { return false };
            if entry.key().0 > now {
                return false;
            }
            let ((_, key), id) = entry.remove_entry();
            let Some(revision) = self.keyspace(id).latest(&key).map(|version| version.revision) else {
                continue;
            };
            if defect::on(Defect::MemoryExpiresSilently) {
                self.keyspace_mut(id).objects.remove(&key);
                continue;
            }
            // A deletion like any other: conditional, with its own revision and event. [TTL-EVENT]
            let commit = Commit { key, expect: Expect::Revision(revision), operation: Operation::Delete };
            let (_, after) = self.commit(id, commit, now);
            aftermath.wakers.extend(after.wakers);
        }
        true
    }

    /// The counts of a resource.
    pub(super) fn stats(&self, id: ResourceId) -> Stats {
        let keyspace = self.keyspace(id);
        Stats {
            history_events: keyspace.log.len() as u64,
            early_compactions: self.early_compactions,
            ..keyspace.stats
        }
    }

    fn oldest_event(&self) -> Option<(&Arc<Event>, Duration)> {
        let (id, committed_at) = self.order.front()?;
        Some((self.keyspace(*id).log.front()?, *committed_at))
    }

    fn drop_oldest(&mut self, aftermath: &mut Aftermath) {
        let Some((id, _)) = self.order.pop_front() else { return };
        if let Some(event) = self.keyspace_mut(id).drop_oldest() {
            self.history_bytes = self.history_bytes.saturating_sub(history_bytes(&event));
            aftermath.garbage.push(event);
        }
    }
}

impl Keyspace {
    /// The object of a key as it is now.
    pub(super) fn record(&self, key: &Key) -> Option<&Arc<Record>> {
        self.latest(key)?.record.as_ref()
    }

    /// The newest version of a key.
    fn latest(&self, key: &Key) -> Option<&Version> {
        self.objects.get(key)?.back()
    }

    /// The events after a revision, oldest first.
    pub(super) fn events_after(&self, revision: Revision) -> impl Iterator<Item = &Arc<Event>> {
        self.log.range(self.log.partition_point(|event| event.revision <= revision)..)
    }

    /// Registers who is to be woken by the next event. Returns the waker that it replaces, to be dropped
    /// without the lock: a waker's drop runs code of others.
    #[must_use]
    pub(super) fn wake_later(&mut self, watcher: u64, waker: &Waker) -> Option<Waker> {
        match self.wakers.get(&watcher) {
            Some(known) if known.will_wake(waker) || defect::on(Defect::MemoryWakesFirstReader) => None,
            _ => self.wakers.insert(watcher, waker.clone()),
        }
    }

    /// Forgets a watcher. Returns its waker, to be dropped without the lock.
    #[must_use]
    pub(super) fn forget(&mut self, watcher: u64) -> Option<Waker> {
        self.wakers.remove(&watcher)
    }

    /// All who wait.
    pub(super) fn take_wakers(&mut self) -> Wakers {
        std::mem::take(&mut self.wakers)
    }

    fn append(&mut self, event: Event, version: Version) -> Wakers {
        let bytes = |record: &Option<Arc<Record>>| record.as_ref().map_or(0, |record| value_bytes(record));
        self.stats.objects += u64::from(event.current.is_some());
        self.stats.objects -= u64::from(event.previous.is_some());
        self.stats.value_bytes += bytes(&event.current);
        self.stats.value_bytes -= bytes(&event.previous);
        self.stats.history_bytes += bytes(&event.previous);
        Arc::make_mut(self.objects.entry(event.key.clone()).or_default()).push_back(version);
        self.log.push_back(Arc::new(event));
        self.take_wakers()
    }

    /// Gives up the oldest event, and with it the version that it replaced.
    fn drop_oldest(&mut self) -> Option<Arc<Event>> {
        let event = self.log.pop_front()?;
        self.dropped = event.revision;
        if let Some(record) = &event.previous {
            self.stats.history_bytes -= value_bytes(record);
        }
        let oldest = self.objects.get(&event.key).and_then(|chain| chain.front());
        if event.current.is_some() && oldest.is_some_and(|version| version.revision >= event.revision) {
            // A creation has replaced nothing: there is nothing to give up, and no picture to copy.
            return Some(event);
        }
        if let Some(chain) = self.objects.get_mut(&event.key) {
            let chain = Arc::make_mut(chain);
            while chain.front().is_some_and(|version| version.revision < event.revision) {
                chain.pop_front();
            }
            if event.current.is_none()
                && chain.front().is_some_and(|version| version.revision == event.revision)
            {
                chain.pop_front();
            }
            if chain.is_empty() {
                self.objects.remove(&event.key);
            } else if chain.len() == 1 {
                // What was once long gives its room back.
                chain.shrink_to_fit();
            }
        }
        Some(event)
    }
}

fn holds(expect: Expect, stored: Option<&Arc<Record>>) -> bool {
    match expect {
        Expect::Absent => stored.is_none(),
        Expect::Revision(revision) => stored.is_some_and(|record| record.revision == revision),
    }
}

fn value_bytes(record: &Record) -> u64 {
    record.value.bytes().len() as u64
}

fn history_bytes(event: &Event) -> usize {
    EVENT_OVERHEAD_BYTES + event.previous.as_ref().map_or(0, |record| record.value.bytes().len())
}
