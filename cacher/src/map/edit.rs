//! Changes: a way down that copies what is shared, and a way up that keeps the nodes between a third full and
//! full.

use std::borrow::Borrow;
use std::sync::Arc;

use arrayvec::ArrayVec;

use super::node::{Inner, Leaf, Node};

/// What an insertion did to a node.
enum Inserted<K, V, const LEAF: usize, const INNER: usize> {
    /// The key was there: this was its value.
    Replaced(V),
    /// There is one entry more.
    Added,
    /// There is one entry more, and the node was cut: this belongs to its right, after the separator.
    Cut(K, Arc<Node<K, V, LEAF, INNER>>),
}

/// Puts a value under a key of a tree.
pub(super) fn insert<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize>(
    root: &mut Option<Arc<Node<K, V, LEAF, INNER>>>,
    key: K,
    value: V,
) -> Option<V> {
    let () = Node::<K, V, LEAF, INNER>::FANOUT_IS_SOUND;
    let Some(node) = root else {
        *root = Some(Arc::new(Node::Leaf(Leaf::one(key, value))));
        return None;
    };
    match insert_below(node, key, value) {
        Inserted::Replaced(value) => return Some(value),
        Inserted::Added => {}
        Inserted::Cut(separator, right) => {
            let left = Arc::clone(node);
            let counts = ArrayVec::from_iter([left.count(), right.count()]);
            let separators = Arc::new(ArrayVec::from_iter([separator]));
            let children = ArrayVec::from_iter([left, right]);
            *node = Arc::new(Node::Inner(Inner { separators, counts, children }));
        }
    }
    None
}

/// Removes a key that is there from a tree.
pub(super) fn remove<K, V, Q, const LEAF: usize, const INNER: usize>(
    root: &mut Option<Arc<Node<K, V, LEAF, INNER>>>,
    key: &Q,
) -> Option<V>
where
    K: Ord + Clone + Borrow<Q>,
    V: Clone,
    Q: Ord + ?Sized,
{
    let node = root.as_mut()?;
    let removed = remove_below(node, key)?;
    match &**node {
        Node::Leaf(leaf) if leaf.values.is_empty() => *root = None,
        Node::Inner(inner) if inner.children.len() == 1 => *root = inner.children.first().cloned(),
        Node::Leaf(_) | Node::Inner(_) => {}
    }
    Some(removed)
}

fn insert_below<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize>(
    node: &mut Arc<Node<K, V, LEAF, INNER>>,
    key: K,
    value: V,
) -> Inserted<K, V, LEAF, INNER> {
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => insert_entry(leaf, key, value),
        Node::Inner(inner) => {
            let at = inner.child_of(&key);
            let inserted = insert_below(child_mut(inner, at), key, value);
            let Inserted::Cut(separator, right) = inserted else {
                if matches!(inserted, Inserted::Added) {
                    add_to_count(inner, at, 1);
                }
                return inserted;
            };
            recount(inner, at);
            insert_child(inner, at + 1, separator, right)
        }
    }
}

fn insert_entry<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize>(
    leaf: &mut Leaf<K, V, LEAF>,
    key: K,
    value: V,
) -> Inserted<K, V, LEAF, INNER> {
    let at = match leaf.find(&key) {
        Ok(at) => match leaf.values.get_mut(at) {
            Some(stored) => return Inserted::Replaced(std::mem::replace(stored, value)),
            None => unreachable!("a leaf has as many values as keys"),
        },
        Err(at) => at,
    };
    if !leaf.values.is_full() {
        leaf.insert(at, key, value);
        return Inserted::Added;
    }
    let cut = cut_for(at, LEAF, Node::<K, V, LEAF, INNER>::LEAF_MIN);
    let (separator, mut right) = leaf.split_off(cut);
    if at <= cut {
        leaf.insert(at, key, value);
    } else {
        right.insert(at - cut, key, value);
    }
    Inserted::Cut(separator, Arc::new(Node::Leaf(right)))
}

fn insert_child<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize>(
    inner: &mut Inner<K, V, LEAF, INNER>,
    at: usize,
    separator: K,
    child: Arc<Node<K, V, LEAF, INNER>>,
) -> Inserted<K, V, LEAF, INNER> {
    if !inner.children.is_full() {
        inner.insert(at, separator, child);
        return Inserted::Added;
    }
    // The new child is never the first, so a cut child at the front gives place 1.
    let place = if at == 1 { 0 } else { at };
    let cut = cut_for(place, INNER, Node::<K, V, LEAF, INNER>::INNER_MIN);
    let (between, mut right) = inner.split_off(cut);
    if at <= cut {
        inner.insert(at, separator, child);
    } else {
        right.insert(at - cut, separator, child);
    }
    Inserted::Cut(between, Arc::new(Node::Inner(right)))
}

/// Where to cut a full node that gets something at a place. In the middle; but who appends will do it again, and
/// so will who prepends: then most stays on the side that will not change any more, and nodes that are filled in
/// order end two thirds full instead of half.
fn cut_for(place: usize, max: usize, min: usize) -> usize {
    match place {
        0 => min - 1,
        place if place == max => max + 1 - min,
        _ => max / 2,
    }
}

fn remove_below<K, V, Q, const LEAF: usize, const INNER: usize>(
    node: &mut Arc<Node<K, V, LEAF, INNER>>,
    key: &Q,
) -> Option<V>
where
    K: Ord + Clone + Borrow<Q>,
    V: Clone,
    Q: Ord + ?Sized,
{
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => leaf.remove(leaf.find(key).ok()?),
        Node::Inner(inner) => {
            let at = inner.child_of(key);
            let child = child_mut(inner, at);
            let removed = remove_below(child, key)?;
            let is_too_small = child.is_too_small();
            add_to_count(inner, at, -1);
            if is_too_small {
                // The neighbour on the left, or for the first child the one on the right.
                balance(inner, at.saturating_sub(1));
            }
            Some(removed)
        }
    }
}

/// Joins a child with the one to its right, or where they do not fit into one node, makes them equally large.
/// Does nothing where there is none to the right.
fn balance<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize>(
    inner: &mut Inner<K, V, LEAF, INNER>,
    at: usize,
) {
    let Some((separator, right)) = inner.remove(at + 1) else { return };
    let mut right = Arc::unwrap_or_clone(right);
    let left = Arc::make_mut(child_mut(inner, at));
    let total = left.width() + right.width();
    if total <= left.width_max() {
        left.absorb(separator, right);
        return recount(inner, at);
    }
    let half = total / 2;
    let (separator, right) = if left.width() > half {
        let (between, mut tail) = left.split_off(half);
        tail.absorb(separator, right);
        (between, tail)
    } else {
        let (between, rest) = right.split_off(half - left.width());
        left.absorb(separator, right);
        (between, rest)
    };
    recount(inner, at);
    inner.insert(at + 1, separator, Arc::new(right));
}

/// A child by a place that [`Inner::child_of`] gave.
#[expect(clippy::indexing_slicing, reason = "there is one separator fewer than children")]
fn child_mut<K, V, const LEAF: usize, const INNER: usize>(
    inner: &mut Inner<K, V, LEAF, INNER>,
    at: usize,
) -> &mut Arc<Node<K, V, LEAF, INNER>> {
    &mut inner.children[at]
}

fn add_to_count<K, V, const LEAF: usize, const INNER: usize>(
    inner: &mut Inner<K, V, LEAF, INNER>,
    at: usize,
    change: isize,
) {
    if let Some(count) = inner.counts.get_mut(at) {
        *count = count.saturating_add_signed(change);
    }
}

/// Counts a child anew, after a cut or a join.
fn recount<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize>(
    inner: &mut Inner<K, V, LEAF, INNER>,
    at: usize,
) {
    if let (Some(count), Some(child)) = (inner.counts.get_mut(at), inner.children.get(at)) {
        *count = child.count();
    }
}
