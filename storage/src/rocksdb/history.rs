//! Reading history: the events of a resource in order, and what its keys were at a revision.
//!
//! History is ordered by (resource, revision), so a watch that goes on reads exactly what it returns.
//! Going back is undoing: the state at a revision is the latest state, where each key that changed since
//! is what the first change after the revision replaced.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codec::Entry;
use super::recent::Recent;
use super::view::{Miss, Versions, View};
use crate::defect::{self, Defect};
use crate::error::{CompactedDuring, Error};
use crate::event::Event;
use crate::key::{Key, Scope};
use crate::record::Record;
use crate::revision::Revision;

/// How many events, also of others than the watched objects, are read at once.
const READ_EVENTS_MAX: usize = 1024;
/// How many bytes of values are read at once, and then some.
const READ_BYTES_MAX: usize = 1 << 20;

/// How many bytes of the values that it has read last a replay keeps: what an event made is mostly what one
/// soon after it replaced.
const RECENT_BYTES_MAX: usize = 2 << 20;

/// What a read of history gives.
pub(super) struct Replay {
    /// The events in the scope, oldest first.
    pub(super) events: Vec<Arc<Event>>,
    /// All events of the scope up to here have been read.
    pub(super) position: Revision,
    /// What is handed to the next read, so that it reads no value twice.
    pub(super) newest: Newest,
}

/// The records that the events read last have made.
pub(super) struct Newest(Recent<Arc<Record>>);

impl Default for Newest {
    fn default() -> Self {
        Self(Recent::new(RECENT_BYTES_MAX))
    }
}

/// Reads the events of a scope after a revision, up to `published`. \[WATCH-ORDERED\] \[WATCH-UNIQUE\]
pub(super) fn replay(
    view: &View<'_>,
    scope: &Scope,
    after: Revision,
    published: Revision,
    newest: Newest,
) -> Result<Replay, Error> {
    let dropped = view.counters()?.dropped;
    if dropped > after {
        // Events that have not been seen are gone. [WATCH-RELIABLE]
        return Err(Error::Compacted { requested: after, oldest: dropped, during: CompactedDuring::Watch });
    }
    let (mut events, mut position) = (Vec::new(), published.max(after));
    let mut records = Records { view, versions: view.versions()?, newest };
    let (mut read, mut bytes) = (0, 0);
    view.walk_history(after, |revision, entry| {
        if revision > published {
            return Ok(false);
        }
        let entry = read_entry(view, revision, entry)?;
        let key = view.reader.key(&entry.suffix);
        if scope.contains(&key) {
            let event = records.event(revision, key, &entry)?;
            bytes += event.value_bytes();
            events.push(Arc::new(event));
        }
        read += 1;
        let full = read == READ_EVENTS_MAX || bytes >= READ_BYTES_MAX;
        if full {
            position = revision;
            if defect::on(Defect::RocksReplaySkipsAtBoundary) {
                position = revision.next();
            }
        }
        Ok(!full)
    })?;
    Ok(Replay { events, position, newest: records.newest })
}

/// What the keys in a range were at `revision`, where they have changed since: the commit that wrote them;
/// zero where there was no object.
///
/// # Errors
/// [`Miss::OnDisk`] never; [`Error::Compacted`] when the history after the revision is not complete.
pub(super) fn undone(
    view: &View<'_>,
    revision: Revision,
    in_range: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Revision>, Error> {
    let dropped = view.counters()?.dropped;
    if dropped > revision {
        return Err(Error::Compacted { requested: revision, oldest: dropped, during: CompactedDuring::List });
    }
    let mut undone = BTreeMap::new();
    view.walk_history(revision, |at, entry| {
        let entry = read_entry(view, at, entry)?;
        if in_range(&entry.suffix) {
            undone.entry(entry.suffix).or_insert(entry.previous);
        }
        Ok(true)
    })?;
    Ok(undone)
}

/// Reads an entry of `history`.
pub(super) fn read_entry(view: &View<'_>, revision: Revision, bytes: &[u8]) -> Result<Entry, Error> {
    let prefix = &view.reader.prefix;
    let corrupt = || Error::Internal { reason: format!("the event {revision} of {prefix} is cut off") };
    Entry::read(bytes).ok_or_else(corrupt)
}

/// The records of the events that are read; what one event made is what the next one replaced.
struct Records<'a> {
    view: &'a View<'a>,
    versions: Versions<'a>,
    newest: Newest,
}

impl Records<'_> {
    fn event(&mut self, revision: Revision, key: Key, entry: &Entry) -> Result<Event, Error> {
        let Newest(newest) = &mut self.newest;
        let previous = match newest.get(&key) {
            _ if entry.previous.is_zero() => None,
            Some(record) if record.revision == entry.previous => Some(Arc::clone(record)),
            _ => {
                let replaced = self.view.version(&entry.suffix, entry.previous);
                Some(Arc::new(replaced.map_err(Miss::into_error)?))
            }
        };
        let current = if entry.deletion {
            newest.remove(&key);
            None
        } else {
            let record = Arc::new(self.versions.record(&entry.suffix, revision)?);
            newest.insert(key.clone(), Arc::clone(&record), record.value.bytes().len());
            Some(record)
        };
        Ok(Event { revision, key, current, previous })
    }
}
