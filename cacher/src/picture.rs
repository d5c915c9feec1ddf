//! A picture: the objects of a resource at one revision, unchanging while it is read. A clone of a root.

use std::ops::Range;
use std::sync::Arc;

use watchkeep_storage::{Event, Key, Record, Revision, Scope};

use crate::map::CountedMap;

/// The objects of a resource at a revision. Their places are ranks: see [`crate::map`].
#[derive(Clone, Default)]
pub(crate) struct Picture {
    /// Nothing of the resource has changed up to here that is not in it.
    pub(crate) revision: Revision,
    objects: CountedMap<Key, Arc<Record>>,
}

impl Picture {
    /// A picture of these records, which come in the order of their keys.
    pub(crate) fn of(records: Vec<Arc<Record>>, revision: Revision) -> Self {
        let objects = CountedMap::from_sorted(records.into_iter().map(|record| (record.key.clone(), record)));
        Self { revision, objects }
    }

    /// The same objects at a later revision, up to which nothing has changed.
    pub(crate) fn still_at(&self, revision: Revision) -> Self {
        Self { revision, objects: self.objects.clone() }
    }

    /// The picture after an event.
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.current {
            Some(record) => drop(self.objects.insert(event.key.clone(), Arc::clone(record))),
            None => drop(self.objects.remove(event.key.as_str())),
        }
        self.revision = event.revision;
    }

    /// The object of a key.
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Record>> {
        self.objects.get(key.as_str())
    }

    /// The places of the objects of a scope, from the key `start` on. O(log n).
    pub(crate) fn places(&self, scope: &Scope, start: Option<&str>) -> Range<usize> {
        let places = match scope {
            Scope::One(key) => {
                let place = self.objects.rank(key.as_str());
                place..place + usize::from(self.get(key).is_some())
            }
            Scope::Under(prefix) => self.objects.ranks_under(prefix.as_str()),
        };
        let first = start.map_or(places.start, |start| self.objects.rank(start).max(places.start));
        first..places.end.max(first)
    }

    /// The records at these places, in the order of their keys.
    pub(crate) fn records(&self, places: Range<usize>) -> impl Iterator<Item = &Arc<Record>> {
        self.objects.chunks_at(places).flat_map(|chunk| chunk.values)
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }
}
