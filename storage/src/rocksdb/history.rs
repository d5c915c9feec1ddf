//! Reading history: the events of a resource in order, and what its keys were at a revision.
//!
//! History is ordered by (resource, revision), so a watch that goes on reads exactly what it returns.
//! Going back is undoing: the state at a revision is the latest state, where each key that changed since
//! is what the first change after the revision replaced.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::codec::Entry;
use super::view::{Miss, Versions, View};
use crate::error::{CompactedDuring, Error};
use crate::event::Event;
use crate::key::Scope;
use crate::record::Record;
use crate::revision::Revision;

/// How many events, also of others than the watched objects, are read at once.
const READ_EVENTS_MAX: usize = 1024;
/// How many bytes of values are read at once, and then some.
const READ_BYTES_MAX: usize = 1 << 20;

/// What a read of history gives.
#[derive(Debug)]
pub(super) struct Replay {
    /// The events in the scope, oldest first.
    pub(super) events: Vec<Arc<Event>>,
    /// All events of the scope up to here have been read.
    pub(super) position: Revision,
}

/// Reads the events of a scope after a revision, up to `published`. \[WATCH-ORDERED\] \[WATCH-UNIQUE\]
pub(super) fn replay(
    view: &View<'_>,
    scope: &Scope,
    after: Revision,
    published: Revision,
) -> Result<Replay, Error> {
    let dropped = view.counters()?.dropped;
    if dropped > after {
        // Events that have not been seen are gone. [WATCH-RELIABLE]
        return Err(Error::Compacted { requested: after, oldest: dropped, during: CompactedDuring::Watch });
    }
    let mut replay = Replay { events: Vec::new(), position: published.max(after) };
    let mut records = Records { view, versions: view.versions()?, newest: HashMap::new() };
    let (mut read, mut bytes) = (0, 0);
    view.walk_history(after, |revision, entry| {
        if revision > published {
            return Ok(false);
        }
        let entry = read_entry(view, revision, entry)?;
        if scope.contains(&view.reader.key(&entry.suffix)) {
            let event = records.event(revision, &entry)?;
            bytes += event.value_bytes();
            replay.events.push(Arc::new(event));
        }
        read += 1;
        let full = read == READ_EVENTS_MAX || bytes >= READ_BYTES_MAX;
        if full {
            replay.position = revision;
        }
        Ok(!full)
    })?;
    Ok(replay)
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
    newest: HashMap<String, Arc<Record>>,
}

impl Records<'_> {
    fn event(&mut self, revision: Revision, entry: &Entry) -> Result<Event, Error> {
        let previous = match self.newest.remove(&entry.suffix) {
            Some(record) if record.revision == entry.previous => Some(record),
            _ if entry.previous.is_zero() => None,
            _ => {
                let replaced = self.view.version(&entry.suffix, entry.previous);
                Some(Arc::new(replaced.map_err(Miss::into_error)?))
            }
        };
        let current = if entry.deletion {
            None
        } else {
            Some(Arc::new(self.versions.record(&entry.suffix, revision)?))
        };
        if let Some(record) = &current {
            self.newest.insert(entry.suffix.clone(), Arc::clone(record));
        }
        Ok(Event { revision, key: self.view.reader.key(&entry.suffix), current, previous })
    }
}
