//! A persistent, ordered map that counts: the shape of a picture.
//!
//! A picture of a resource is a clone of a root. So the map is a tree of shared nodes: a clone is one counter,
//! and a change copies the nodes on the way to it, but only those that somebody else holds too. Every inner node
//! knows how many entries are below each of its children, so a key has a *rank*, the number of keys below it, in
//! O(log n), and an entry is found by its rank in O(log n). Ranks are the positions of this map: a range of keys
//! is a range of ranks, a page begins at a rank, and what remains of a list is a difference of two.
//!
//! ```text
//!            separators │ counts │ children            inner nodes
//!                    ┌──────┴──────┐
//!         keys ◀─ values   …   values ─▶ keys          leaves
//! ```
//!
//! A leaf shares its keys separately from its values, and an inner node its separators: an update of an existing
//! key copies values, counts and pointers, and no key.
//!
//! # Costs
//!
//! | operation | cost |
//! |---|---|
//! | `clone`, `len` | O(1) |
//! | `get`, `rank`, `count`, `nth`, `partition_point`, the start of a walk | O(log n), nothing is allocated |
//! | `insert`, `remove` | O(log n); where nodes are shared, one copy of each on the way |
//! | a walk | O(1) for each entry, a slice at a time |
//! | `from_sorted` | O(n) |
//!
//! Nodes have at most `LEAF` entries or `INNER` children, and at least a third of that but for the root. The
//! defaults were measured: `docs/decisions/0007-counted-map.md`. Other fan-outs are for tests and benches.

mod build;
mod cursor;
mod edit;
mod node;
mod read;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::fmt;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

pub use self::cursor::Cursor;
use self::node::Node;
pub use self::read::{Chunk, Chunks, Iter};

/// The most entries of a leaf.
pub const LEAF_MAX: usize = 32;

/// The most children of an inner node.
pub const INNER_MAX: usize = 16;

/// A persistent, ordered map whose entries are counted. See the [module](self).
pub struct CountedMap<K, V, const LEAF: usize = LEAF_MAX, const INNER: usize = INNER_MAX> {
    /// `None` while the map is empty.
    root: Option<Arc<Node<K, V, LEAF, INNER>>>,
    len: usize,
}

impl<K: Ord + Clone, V: Clone> CountedMap<K, V> {
    /// An empty map. Allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The map of these entries, in O(n) where each key is above the one before it. Where they are not in order
    /// they are sorted first, and of entries with the same key the last one counts.
    pub fn from_sorted(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> CountedMap<K, V, LEAF, INNER> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.root.as_deref()?.get(key)
    }

    /// Whether the key is there.
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.get(key).is_some()
    }

    /// Puts a value under a key and returns the one that was there. The key that was there stays.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let replaced = edit::insert(&mut self.root, key, value);
        if replaced.is_none() {
            self.len += 1;
        }
        replaced
    }

    /// Removes a key and returns its value. Nothing is copied when the key is not there.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        if !self.contains_key(key) {
            return None;
        }
        let removed = edit::remove(&mut self.root, key);
        if removed.is_some() {
            self.len -= 1;
        }
        removed
    }

    /// How many keys are below this one, whether it is there or not.
    pub fn rank<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.partition_point(|other| other.borrow() < key)
    }

    /// How many keys come before the first one that `before` denies, for orders that `&Q` cannot express, such
    /// as a prefix. `before` must be true for all keys up to one place and false from there on; it is also asked
    /// about keys that were removed.
    pub fn partition_point(&self, mut before: impl FnMut(&K) -> bool) -> usize {
        self.root.as_deref().map_or(0, |root| root.partition_point(&mut before))
    }

    /// The entry of this rank.
    pub fn nth(&self, rank: usize) -> Option<(&K, &V)> {
        let chunk = self.chunk_at(rank..self.len)?;
        Some((chunk.keys.first()?, chunk.values.first()?))
    }

    /// The ranks of the keys in a range; empty where the range ends before it begins.
    ///
    /// A range of an unsized key, such as `str`, is a pair of [`Bound`]s.
    pub fn ranks<Q>(&self, range: impl RangeBounds<Q>) -> Range<usize>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let start = match range.start_bound() {
            Bound::Unbounded => 0,
            Bound::Included(key) => self.rank(key),
            Bound::Excluded(key) => self.partition_point(|other| other.borrow() <= key),
        };
        let end = match range.end_bound() {
            Bound::Unbounded => self.len,
            Bound::Included(key) => self.partition_point(|other| other.borrow() <= key),
            Bound::Excluded(key) => self.rank(key),
        };
        start..end.max(start)
    }

    /// The ranks of the keys that begin with a text, such as the keys of a namespace.
    pub fn ranks_under(&self, prefix: &str) -> Range<usize>
    where
        K: Borrow<str>,
    {
        let start = self.rank(prefix);
        let end = self.partition_point(|key| key.borrow() < prefix || key.borrow().starts_with(prefix));
        start..end.max(start)
    }

    /// How many keys are in a range.
    pub fn count<Q>(&self, range: impl RangeBounds<Q>) -> usize
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.ranks(range).len()
    }

    /// The entries in a range of keys, in order.
    pub fn range<Q>(&self, range: impl RangeBounds<Q>) -> Iter<'_, K, V, LEAF, INNER>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        Iter::new(self.chunks_at(self.ranks(range)))
    }

    /// All entries, in order.
    pub fn iter(&self) -> Iter<'_, K, V, LEAF, INNER> {
        Iter::new(self.chunks_at(0..self.len))
    }

    /// The entries in a range of keys, in order, a slice at a time.
    pub fn chunks<Q>(&self, range: impl RangeBounds<Q>) -> Chunks<'_, K, V, LEAF, INNER>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.chunks_at(self.ranks(range))
    }

    /// The entries of these ranks, in order, a slice at a time; ranks beyond the end are left out.
    pub fn chunks_at(&self, ranks: Range<usize>) -> Chunks<'_, K, V, LEAF, INNER> {
        let end = ranks.end.min(self.len);
        Chunks::new(self.root.as_deref(), ranks.start..end)
    }

    /// The first of the slices that [`chunks_at`](Self::chunks_at) gives.
    pub fn chunk_at(&self, ranks: Range<usize>) -> Option<Chunk<'_, K, V>> {
        self.chunks_at(ranks).next()
    }

    /// A cursor over a range of keys that owns the map, so that it can be read across awaits. Clone the map first
    /// to keep it: that costs nothing.
    pub fn into_cursor<Q>(self, range: impl RangeBounds<Q>) -> Cursor<K, V, LEAF, INNER>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let ranks = self.ranks(range);
        self.into_cursor_at(ranks)
    }

    /// A cursor over these ranks that owns the map; ranks beyond the end are left out.
    pub fn into_cursor_at(self, ranks: Range<usize>) -> Cursor<K, V, LEAF, INNER> {
        Cursor::new(self, ranks)
    }

    /// Whether both are the same root, so that they hold the same entries without a look at them.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.root, &other.root) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl<K, V, const LEAF: usize, const INNER: usize> Default for CountedMap<K, V, LEAF, INNER> {
    fn default() -> Self {
        Self { root: None, len: 0 }
    }
}

impl<K, V, const LEAF: usize, const INNER: usize> Clone for CountedMap<K, V, LEAF, INNER> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), len: self.len }
    }
}

impl<K, V, const LEAF: usize, const INNER: usize> fmt::Debug for CountedMap<K, V, LEAF, INNER>
where
    K: Ord + Clone + fmt::Debug,
    V: Clone + fmt::Debug,
{
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

impl<'a, K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> IntoIterator
    for &'a CountedMap<K, V, LEAF, INNER>
{
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V, LEAF, INNER>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
