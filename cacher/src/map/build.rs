//! A map of many entries at once, level by level from the leaves.

use std::sync::Arc;

use arrayvec::ArrayVec;

use super::CountedMap;
use super::node::{Inner, Leaf, Node};

/// A node that waits for its parent, and the smallest key below it.
struct Rooted<K, V, const LEAF: usize, const INNER: usize> {
    first: K,
    node: Arc<Node<K, V, LEAF, INNER>>,
}

impl<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> FromIterator<(K, V)>
    for CountedMap<K, V, LEAF, INNER>
{
    /// In O(n) where each key is above the one before it; sorted first where not, and the last entry of a key
    /// counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let () = Node::<K, V, LEAF, INNER>::FANOUT_IS_SOUND;
        let mut entries: Vec<_> = entries.into_iter().collect();
        if !entries.is_sorted_by(|one, next| one.0 < next.0) {
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            entries.dedup_by(|next, kept| {
                let is_same = next.0 == kept.0;
                if is_same {
                    std::mem::swap(&mut next.1, &mut kept.1);
                }
                is_same
            });
        }
        let len = entries.len();
        let mut level = leaves(entries);
        while level.len() > 1 {
            level = parents(level);
        }
        Self { root: level.pop().map(|rooted| rooted.node), len }
    }
}

fn leaves<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize>(
    entries: Vec<(K, V)>,
) -> Vec<Rooted<K, V, LEAF, INNER>> {
    let sizes = shares(entries.len(), LEAF);
    let mut entries = entries.into_iter();
    let leaf = |size| {
        let (keys, values): (ArrayVec<K, LEAF>, ArrayVec<V, LEAF>) = entries.by_ref().take(size).unzip();
        let first = keys.first()?.clone();
        Some(Rooted { first, node: Arc::new(Node::Leaf(Leaf::of(keys, values))) })
    };
    sizes.filter_map(leaf).collect()
}

fn parents<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize>(
    level: Vec<Rooted<K, V, LEAF, INNER>>,
) -> Vec<Rooted<K, V, LEAF, INNER>> {
    let sizes = shares(level.len(), INNER);
    let mut level = level.into_iter();
    let parent = |size| {
        let (mut separators, children): (ArrayVec<K, INNER>, ArrayVec<_, INNER>) =
            level.by_ref().take(size).map(|rooted| (rooted.first, rooted.node)).unzip();
        let first = separators.pop_at(0)?;
        let counts = children.iter().map(|child: &Arc<Node<K, V, LEAF, INNER>>| child.count()).collect();
        let node = Arc::new(Node::Inner(Inner { separators: Arc::new(separators), counts, children }));
        Some(Rooted { first, node })
    };
    sizes.filter_map(parent).collect()
}

/// As few shares of at most `max` as there can be, all of the same size but for one: so that each is at least
/// half full where there are two.
fn shares(total: usize, max: usize) -> impl Iterator<Item = usize> {
    let groups = total.div_ceil(max);
    let (size, larger) = (total.checked_div(groups).unwrap_or(0), total.checked_rem(groups).unwrap_or(0));
    (0..groups).map(move |group| size + usize::from(group < larger))
}
