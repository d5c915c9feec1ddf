//! Indexes over a picture: the objects by the value of a label or of a field.
//!
//! An index is a counted map from (value, key) to the object. The objects of one value lie beside each other, in
//! the order of their keys, so a list by selector reads them as it reads a namespace, and a count is a difference
//! of two ranks. An index is a part of a picture: a clone costs nothing and never changes.
//!
//! # Costs
//!
//! A change costs O(log n) for each index whose value it touches. All objects of a value share one text of it.

use std::ops::Range;
use std::sync::Arc;

use watchkeep_storage::defect::{self, Defect};
use watchkeep_storage::{Key, Predicate, Record};

use crate::map::{Chunks, CountedMap, Cursor, INNER_MAX, LEAF_MAX};

/// What an index is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// The label of this key. Objects without it are not in the index.
    Label(Arc<str>),
    /// The selectable field of this name. Every object has it: one that is missing is empty, as it is to selectors.
    Field(Arc<str>),
}

/// A place in an index: values first, keys within a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    value: Arc<str>,
    key: Key,
}

/// The objects of a picture by the values of one attribute.
#[derive(Clone, Debug)]
pub struct Index {
    attribute: Attribute,
    objects: CountedMap<Place, Arc<Record>>,
}

/// The indexes that a resource declares.
#[derive(Clone, Debug, Default)]
pub struct Indexes(Vec<Index>);

impl Attribute {
    /// The value that an object has.
    pub fn of<'r>(&self, record: &'r Record) -> Option<&'r str> {
        let attributes = record.value.attributes();
        match self {
            Self::Label(key) => attributes.label(key),
            Self::Field(name) => Some(attributes.field(name).unwrap_or_default()),
        }
    }
}

impl Place {
    /// The value that the object has.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The key of the object.
    pub fn key(&self) -> &Key {
        &self.key
    }
}

impl Index {
    /// An index of no objects.
    pub fn new(attribute: Attribute) -> Self {
        Self { attribute, objects: CountedMap::new() }
    }

    /// The index of these objects, in any order. O(n log n).
    pub fn of<'r>(attribute: Attribute, records: impl IntoIterator<Item = &'r Arc<Record>>) -> Self {
        let valued = records.into_iter().filter_map(|record| Some((attribute.of(record)?, record)));
        let mut sorted: Vec<_> = valued.collect();
        sorted.sort_by(|one, other| (one.0, &one.1.key).cmp(&(other.0, &other.1.key)));
        let mut shared: Option<Arc<str>> = None;
        let entry = |(value, record): (&str, &Arc<Record>)| {
            let value = match &shared {
                Some(last) if **last == *value => Arc::clone(last),
                _ => Arc::clone(shared.insert(value.into())),
            };
            (Place { value, key: record.key.clone() }, Arc::clone(record))
        };
        let objects = CountedMap::from_sorted(sorted.into_iter().map(entry));
        Self { attribute, objects }
    }

    /// What the index is over.
    pub fn attribute(&self) -> &Attribute {
        &self.attribute
    }

    /// Follows a change of one object: what it was, and what it is. O(log n), nothing where it had no value and
    /// has none.
    pub fn apply(&mut self, previous: Option<&Arc<Record>>, current: Option<&Arc<Record>>) {
        let was = previous.and_then(|record| Some((self.attribute.of(record)?, record)));
        let is = current.and_then(|record| Some((self.attribute.of(record)?, record)));
        if let Some((value, record)) = was
            && is.is_none_or(|(now, current)| now != value || current.key != record.key)
            && !(is.is_some() && defect::on(Defect::CacheIndexKeepsOldValue))
        {
            self.objects.remove(&Place { value: self.text(value), key: record.key.clone() });
        }
        if let Some((value, record)) = is {
            let place = Place { value: self.text(value), key: record.key.clone() };
            self.objects.insert(place, Arc::clone(record));
        }
    }

    /// The objects with this value in the order of their keys, a slice at a time.
    pub fn select(&self, value: &str) -> Chunks<'_, Place, Arc<Record>, LEAF_MAX, INNER_MAX> {
        self.objects.chunks_at(self.ranks(value))
    }

    /// The objects at these places.
    pub fn records(&self, ranks: Range<usize>) -> impl Iterator<Item = &Arc<Record>> {
        self.objects.chunks_at(ranks).flat_map(|chunk| chunk.values)
    }

    /// How many objects have this value. O(log n).
    pub fn count(&self, value: &str) -> usize {
        self.ranks(value).len()
    }

    /// How many objects with this value have keys for which `before` holds, which must be so up to one key and
    /// not from there on. O(log n). With [`cursor`](Self::cursor), this is how a page begins at a key and how a
    /// namespace is cut out.
    pub fn rank(&self, value: &str, mut before: impl FnMut(&Key) -> bool) -> usize {
        let is_before = |place: &Place| &*place.value < value || &*place.value == value && before(&place.key);
        self.objects.partition_point(is_before).saturating_sub(self.ranks(value).start)
    }

    /// A cursor that owns a clone of the index, over a part of the objects with this value: of the first one on,
    /// `within.start` are passed over, and it ends before the one at `within.end`.
    pub fn cursor(
        &self,
        value: &str,
        within: Range<usize>,
    ) -> Cursor<Place, Arc<Record>, LEAF_MAX, INNER_MAX> {
        let ranks = self.ranks(value);
        let at = |offset: usize| ranks.end.min(ranks.start.saturating_add(offset));
        self.objects.clone().into_cursor_at(at(within.start)..at(within.end))
    }

    /// How many objects are in the index.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The places of the objects with this value, in the order of their keys.
    pub fn ranks(&self, value: &str) -> Range<usize> {
        let start = self.objects.partition_point(|place| &*place.value < value);
        let end = self.objects.partition_point(|place| &*place.value <= value);
        start..end.max(start)
    }

    /// The text of a value that the objects with it share already, or a new one.
    fn text(&self, value: &str) -> Arc<str> {
        let start = self.objects.partition_point(|place| &*place.value < value);
        match self.objects.nth(start) {
            Some((place, _)) if &*place.value == value => Arc::clone(&place.value),
            _ => value.into(),
        }
    }
}

impl Indexes {
    /// Indexes of no objects, one over each of these.
    pub fn new(attributes: impl IntoIterator<Item = Attribute>) -> Self {
        Self(attributes.into_iter().map(Index::new).collect())
    }

    /// The same indexes over other objects, in any order: after a list.
    #[must_use]
    pub fn rebuilt(&self, records: &[Arc<Record>]) -> Self {
        Self(self.0.iter().map(|index| Index::of(index.attribute.clone(), records)).collect())
    }

    /// Follows a change of one object in every index.
    pub fn apply(&mut self, previous: Option<&Arc<Record>>, current: Option<&Arc<Record>>) {
        self.0.iter_mut().for_each(|index| index.apply(previous, current));
    }

    /// The first index that pins a value for the objects of a selector, with its position and that value.
    pub fn pinned<'p>(&self, predicate: &'p Predicate) -> Option<(usize, &'p str)> {
        let value = |index: &Index| match &index.attribute {
            Attribute::Field(name) => predicate.fields.exact(name),
            Attribute::Label(key) => predicate.labels.exact(key),
        };
        self.0.iter().enumerate().find_map(|(position, index)| Some((position, value(index)?)))
    }

    /// The index at a position.
    pub fn get(&self, position: usize) -> Option<&Index> {
        self.0.get(position)
    }

    /// The index over a label.
    pub fn label(&self, key: &str) -> Option<&Index> {
        self.0.iter().find(|index| matches!(&index.attribute, Attribute::Label(own) if **own == *key))
    }

    /// The index over a field.
    pub fn field(&self, name: &str) -> Option<&Index> {
        self.0.iter().find(|index| matches!(&index.attribute, Attribute::Field(own) if **own == *name))
    }
}

#[cfg(test)]
#[path = "index/tests.rs"]
mod tests;
