//! Walks: slices of consecutive entries, and entries one by one.
//!
//! A walk has no stack. It remembers the inner node above its leaf, and looks for the next rank from the root
//! when that one is through.

use std::iter::{FusedIterator, Zip};
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use super::node::{Inner, Node};

/// Consecutive entries, where they lie: as many keys as values, at least one.
#[derive(Debug)]
pub struct Chunk<'a, K, V> {
    /// The keys, in order.
    pub keys: &'a [K],
    /// The values of these keys.
    pub values: &'a [V],
}

/// Entries in order, a slice at a time.
pub struct Chunks<'a, K, V, const LEAF: usize, const INNER: usize> {
    root: Option<&'a Node<K, V, LEAF, INNER>>,
    /// The inner node above the next leaf, and which of its children that is; `None` before the first leaf and
    /// after the last child.
    parent: Option<(&'a Inner<K, V, LEAF, INNER>, usize)>,
    ranks: Range<usize>,
}

/// Entries in order, one by one.
pub struct Iter<'a, K, V, const LEAF: usize, const INNER: usize> {
    chunks: Chunks<'a, K, V, LEAF, INNER>,
    chunk: Zip<slice::Iter<'a, K>, slice::Iter<'a, V>>,
}

impl<'a, K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> Chunks<'a, K, V, LEAF, INNER> {
    /// The entries of ranks that are there.
    pub(super) fn new(root: Option<&'a Node<K, V, LEAF, INNER>>, ranks: Range<usize>) -> Self {
        Self { root, parent: None, ranks }
    }

    /// How many entries are to come.
    pub fn remaining(&self) -> usize {
        self.ranks.len()
    }

    /// The leaf of the next rank, and the rank that it has there.
    fn leaf(&mut self) -> Option<(Chunk<'a, K, V>, usize)> {
        if let Some((inner, at)) = self.parent.take()
            && let Some(Node::Leaf(leaf)) = inner.children.get(at).map(Arc::as_ref)
        {
            self.parent = Some((inner, at + 1));
            return Some((Chunk { keys: &leaf.keys, values: &leaf.values }, 0));
        }
        let (mut node, mut rank) = (self.root?, self.ranks.start);
        loop {
            match node {
                Node::Inner(inner) => {
                    let (child, below) = inner.child_at(rank)?;
                    self.parent = Some((inner, child + 1));
                    node = inner.children.get(child)?;
                    rank = below;
                }
                Node::Leaf(leaf) => {
                    return Some((Chunk { keys: &leaf.keys, values: &leaf.values }, rank));
                }
            }
        }
    }
}

impl<'a, K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> Iterator
    for Chunks<'a, K, V, LEAF, INNER>
{
    type Item = Chunk<'a, K, V>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ranks.is_empty() {
            return None;
        }
        let (leaf, from) = self.leaf()?;
        let to = leaf.keys.len().min(from.saturating_add(self.ranks.len()));
        self.ranks.start += to - from;
        Some(Chunk { keys: leaf.keys.get(from..to)?, values: leaf.values.get(from..to)? })
    }
}

impl<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> FusedIterator
    for Chunks<'_, K, V, LEAF, INNER>
{
}

impl<'a, K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> Iter<'a, K, V, LEAF, INNER> {
    pub(super) fn new(chunks: Chunks<'a, K, V, LEAF, INNER>) -> Self {
        Self { chunks, chunk: [].iter().zip(&[]) }
    }
}

impl<'a, K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> Iterator
    for Iter<'a, K, V, LEAF, INNER>
{
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.chunk.next() {
            return Some(entry);
        }
        let chunk = self.chunks.next()?;
        self.chunk = chunk.keys.iter().zip(chunk.values);
        self.chunk.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = self.chunk.len() + self.chunks.remaining();
        (remaining, Some(remaining))
    }

    /// Slice by slice, which the compiler makes a tight loop.
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, first: B, mut step: F) -> B {
        let folded = self.chunk.fold(first, &mut step);
        self.chunks.fold(folded, |folded, chunk| chunk.keys.iter().zip(chunk.values).fold(folded, &mut step))
    }
}

impl<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> ExactSizeIterator
    for Iter<'_, K, V, LEAF, INNER>
{
}

impl<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> FusedIterator
    for Iter<'_, K, V, LEAF, INNER>
{
}
