//! A walk that owns its map: a list that is read bit by bit, while time passes.

use std::ops::Range;

use super::{Chunk, CountedMap};

/// A place in a range of a map that it owns, so that it lives across awaits and in tasks.
///
/// What it reads is what the map was when the cursor was made. The map's nodes live as long as the cursor: give
/// a cursor a deadline. To go on at a key, make a cursor of the range that begins there: O(log n).
pub struct Cursor<K, V, const LEAF: usize, const INNER: usize> {
    map: CountedMap<K, V, LEAF, INNER>,
    ranks: Range<usize>,
}

impl<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> Cursor<K, V, LEAF, INNER> {
    pub(super) fn new(map: CountedMap<K, V, LEAF, INNER>, ranks: Range<usize>) -> Self {
        let end = ranks.end.min(map.len());
        Self { map, ranks: ranks.start.min(end)..end }
    }

    /// How many entries are to come.
    pub fn remaining(&self) -> usize {
        self.ranks.len()
    }

    /// The next entries, as many as lie together, without moving on; `None` at the end. O(log n).
    pub fn peek(&self) -> Option<Chunk<'_, K, V>> {
        self.map.chunk_at(self.ranks.clone())
    }

    /// Moves on by this many entries, or to the end. O(1).
    pub fn advance(&mut self, entries: usize) {
        self.ranks.start = self.ranks.end.min(self.ranks.start.saturating_add(entries));
    }

    /// The next values, at most `max` of them; none at the end. O(log n), and O(1) for each value.
    pub fn next_batch(&mut self, max: usize) -> Vec<V> {
        let size = max.min(self.remaining());
        let ranks = self.ranks.start..self.ranks.start + size;
        let mut batch = Vec::with_capacity(size);
        for chunk in self.map.chunks_at(ranks) {
            batch.extend_from_slice(chunk.values);
        }
        self.advance(size);
        batch
    }
}
