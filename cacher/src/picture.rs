//! A picture: the objects of a resource at one revision, unchanging while it is read. A clone of some roots.

use std::ops::Range;
use std::sync::Arc;

use watchkeep_storage::{Event, Key, Predicate, Record, Revision, Scope};

use crate::index::Indexes;
use crate::map::CountedMap;

/// The objects of a resource at a revision.
#[derive(Clone, Default)]
pub(crate) struct Picture {
    /// Nothing of the resource has changed up to here that is not in it.
    pub(crate) revision: Revision,
    objects: CountedMap<Key, Arc<Record>>,
    indexes: Indexes,
}

/// Places of records in a picture: in the order of all keys, or in that of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// The position of the index.
    index: Option<usize>,
    ranks: Range<usize>,
}

impl Places {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ranks.len()
    }

    /// The first of them, at most so many.
    #[must_use]
    pub(crate) fn first(&self, places_max: usize) -> Self {
        let end = self.ranks.start.saturating_add(places_max).min(self.ranks.end);
        Self { index: self.index, ranks: self.ranks.start..end }
    }

    /// What is left behind the first so many.
    #[must_use]
    pub(crate) fn behind(&self, places: usize) -> Self {
        let start = self.ranks.start.saturating_add(places).min(self.ranks.end);
        Self { index: self.index, ranks: start..self.ranks.end }
    }
}

impl Picture {
    /// A picture of nothing, with these indexes.
    pub(crate) fn of_nothing(indexes: Indexes) -> Self {
        Self { indexes, ..Self::default() }
    }

    /// A picture of other records, which come in the order of their keys, with the same indexes.
    pub(crate) fn of(&self, records: Vec<Arc<Record>>, revision: Revision) -> Self {
        let indexes = self.indexes.rebuilt(&records);
        let objects = CountedMap::from_sorted(records.into_iter().map(|record| (record.key.clone(), record)));
        Self { revision, objects, indexes }
    }

    /// The same objects at a later revision, up to which nothing has changed.
    pub(crate) fn still_at(&self, revision: Revision) -> Self {
        Self { revision, ..self.clone() }
    }

    /// The picture after an event.
    pub(crate) fn apply(&mut self, event: &Event) {
        let previous = match &event.current {
            Some(record) => self.objects.insert(event.key.clone(), Arc::clone(record)),
            None => self.objects.remove(event.key.as_str()),
        };
        self.indexes.apply(previous.as_ref(), event.current.as_ref());
        self.revision = event.revision;
    }

    /// The object of a key.
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Record>> {
        self.objects.get(key.as_str())
    }

    /// The places of all objects of a scope, from the key `start` on. O(log n).
    pub(crate) fn places(&self, scope: &Scope, start: Option<&str>) -> Places {
        let ranks = match scope {
            Scope::One(key) => {
                let place = self.objects.rank(key.as_str());
                place..place + usize::from(self.get(key).is_some())
            }
            Scope::Under(prefix) => self.objects.ranks_under(prefix.as_str()),
        };
        let first = start.map_or(ranks.start, |start| self.objects.rank(start).max(ranks.start));
        Places { index: None, ranks: first..ranks.end.max(first) }
    }

    /// The places of the objects of a scope that may match: fewer where an index knows. O(log n).
    pub(crate) fn matching(&self, scope: &Scope, start: Option<&str>, predicate: &Predicate) -> Places {
        let pinned = || self.indexes.pinned(predicate);
        let (Scope::Under(prefix), Some((position, value))) = (scope, pinned()) else {
            return self.places(scope, start);
        };
        let Some(index) = self.indexes.get(position) else { return self.places(scope, start) };
        let prefix = prefix.as_str();
        let first = start.map_or(prefix, |start| start.max(prefix));
        let offset = index.ranks(value).start;
        let begin = index.rank(value, |key| key.as_str() < first);
        let end = index.rank(value, |key| key.as_str() < prefix || key.as_str().starts_with(prefix));
        Places { index: Some(position), ranks: offset + begin..offset + end.max(begin) }
    }

    /// The records at these places, in the order of their keys.
    pub(crate) fn records(&self, places: &Places) -> impl Iterator<Item = &Arc<Record>> {
        let ranks = || places.ranks.clone();
        let index = places.index.and_then(|position| self.indexes.get(position));
        let objects = index.is_none().then(|| self.objects.chunks_at(ranks()).flat_map(|chunk| chunk.values));
        let indexed = index.map(|index| index.records(ranks()));
        objects.into_iter().flatten().chain(indexed.into_iter().flatten())
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }
}

#[cfg(test)]
#[path = "picture/tests.rs"]
mod tests;
