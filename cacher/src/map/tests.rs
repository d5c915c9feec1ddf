//! The map against the standard library's, with clones that must never change.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proptest::prelude::*;

use super::node::Node;
use super::*;

impl<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> CountedMap<K, V, LEAF, INNER> {
    /// Checks what [`node`](super::node) promises, and the sizes of all nodes.
    pub(super) fn check_invariants(&self) {
        let Some(root) = &self.root else { return assert_eq!(self.len, 0) };
        let mut depths = Vec::new();
        assert_eq!(check(root, true, 0, &mut depths), self.len, "the map counts its entries");
        depths.dedup();
        assert_eq!(depths.len(), 1, "all leaves are equally deep");
        let keys: Vec<_> = self.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), self.len);
        assert!(keys.is_sorted_by(|one, next| one < next), "keys are in order");
    }
}

fn check<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize>(
    node: &Node<K, V, LEAF, INNER>,
    is_root: bool,
    depth: usize,
    depths: &mut Vec<usize>,
) -> usize {
    let least = match node {
        Node::Leaf(_) if is_root => 1,
        Node::Inner(_) if is_root => 2,
        Node::Leaf(_) => LEAF.div_ceil(3),
        Node::Inner(_) => INNER.div_ceil(3),
    };
    assert!(node.width() >= least && node.width() <= node.width_max(), "a node is at least a third full");
    match node {
        Node::Leaf(leaf) => {
            assert_eq!(leaf.keys.len(), leaf.values.len());
            depths.push(depth);
            leaf.values.len()
        }
        Node::Inner(inner) => {
            assert_eq!(inner.children.len(), inner.counts.len());
            assert_eq!(inner.children.len(), inner.separators.len() + 1);
            for (child, count) in inner.children.iter().zip(&inner.counts) {
                assert_eq!(check(child, false, depth + 1, depths), *count, "a subtree is counted");
            }
            for (at, separator) in inner.separators.iter().enumerate() {
                assert!(last(&inner.children[at]) < separator && separator <= first(&inner.children[at + 1]));
            }
            inner.counts.iter().sum()
        }
    }
}

fn first<K, V, const LEAF: usize, const INNER: usize>(node: &Node<K, V, LEAF, INNER>) -> &K {
    match node {
        Node::Leaf(leaf) => leaf.keys.first().unwrap(),
        Node::Inner(inner) => first(inner.children.first().unwrap()),
    }
}

fn last<K, V, const LEAF: usize, const INNER: usize>(node: &Node<K, V, LEAF, INNER>) -> &K {
    match node {
        Node::Leaf(leaf) => leaf.keys.last().unwrap(),
        Node::Inner(inner) => last(inner.children.last().unwrap()),
    }
}

/// A step of a random program.
#[derive(Clone, Debug)]
enum Step {
    Insert(u16),
    Remove(u16),
    /// Removes all keys of a range, from its beginning.
    Clear(u16, u16),
    /// Keeps a clone, and what it must hold for ever.
    Keep,
    /// Drops one of the clones that were kept.
    Forget(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..KEYS;
    let step = prop_oneof![
        12 => key.clone().prop_map(Step::Insert),
        8 => key.clone().prop_map(Step::Remove),
        1 => (key, 0..40_u16).prop_map(|(from, many)| Step::Clear(from, from.saturating_add(many))),
        2 => Just(Step::Keep),
        1 => any::<usize>().prop_map(Step::Forget),
    ];
    prop::collection::vec(step, 0..300)
}

const KEYS: u16 = 400;

/// Runs a program on both maps, and looks at everything after each step.
fn run<const LEAF: usize, const INNER: usize>(begin: u16, steps: &[Step], asked: &[(u16, u16)]) {
    let entries = || (0..begin).map(|key| (key * 2, u32::from(key)));
    let mut map: CountedMap<u16, u32, LEAF, INNER> = entries().collect();
    let mut model: BTreeMap<u16, u32> = entries().collect();
    let mut kept: Vec<(CountedMap<u16, u32, LEAF, INNER>, BTreeMap<u16, u32>)> = Vec::new();
    for (number, step) in (1_000_000..).zip(steps) {
        match *step {
            Step::Insert(key) => assert_eq!(map.insert(key, number), model.insert(key, number)),
            Step::Remove(key) => assert_eq!(map.remove(&key), model.remove(&key)),
            Step::Clear(from, to) => {
                (from..to).for_each(|key| assert_eq!(map.remove(&key), model.remove(&key)));
            }
            Step::Keep => kept.push((map.clone(), model.clone())),
            Step::Forget(any) if !kept.is_empty() => drop(kept.swap_remove(any % kept.len())),
            Step::Forget(_) => {}
        }
        map.check_invariants();
        assert_agree(&map, &model, asked);
    }
    for (map, model) in &kept {
        map.check_invariants();
        assert_agree(map, model, asked);
    }
}

fn assert_agree<K: Ord + Clone + Debug, V: Clone + PartialEq + Debug, const L: usize, const I: usize>(
    map: &CountedMap<K, V, L, I>,
    model: &BTreeMap<K, V>,
    asked: &[(K, K)],
) {
    assert!(map.iter().eq(model.iter()), "the entries are {model:?}, not {map:?}");
    for (low, high) in asked {
        assert_eq!(map.get(low), model.get(low));
        let rank = model.range(..low.clone()).count();
        assert_eq!(map.rank(low), rank);
        assert_eq!(map.nth(rank), model.range(low.clone()..).next());
        for range in [
            (Included(low), Included(high)),
            (Included(low), Excluded(high)),
            (Excluded(low), Included(high)),
            (Excluded(low), Unbounded),
            (Unbounded, Included(high)),
        ] {
            let within = |key: &&K| RangeBounds::contains(&range, *key);
            let expected: Vec<_> = model.iter().filter(|(key, _)| within(key)).collect();
            assert_eq!(map.count(range), expected.len());
            assert_eq!(map.range(range).len(), expected.len());
            assert!(map.range(range).eq(expected.iter().copied()), "{range:?}");
            let folded = map.range(range).fold(Vec::new(), |mut all, entry| {
                all.push(entry);
                all
            });
            assert_eq!(folded, expected);
            let mut cursor = map.clone().into_cursor(range);
            let mut read = Vec::new();
            while cursor.remaining() > 0 {
                assert_eq!(cursor.peek().unwrap().values[0], *expected[read.len()].1);
                read.extend(cursor.next_batch(7));
            }
            assert!(cursor.peek().is_none() && cursor.next_batch(7).is_empty());
            assert!(read.iter().eq(expected.iter().map(|(_, value)| *value)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_is_the_standard_map_with_the_smallest_nodes(
        begin in 0..150_u16, steps in steps(), asked in prop::collection::vec((0..KEYS, 0..KEYS), 4)
    ) {
        run::<4, 4>(begin, &steps, &asked);
    }

    #[test]
    fn it_is_the_standard_map_with_odd_nodes(
        begin in 0..150_u16, steps in steps(), asked in prop::collection::vec((0..KEYS, 0..KEYS), 4)
    ) {
        run::<7, 5>(begin, &steps, &asked);
    }

    #[test]
    fn it_is_the_standard_map_with_its_own_nodes(
        begin in 0..200_u16, steps in steps(), asked in prop::collection::vec((0..KEYS, 0..KEYS), 4)
    ) {
        run::<LEAF_MAX, INNER_MAX>(begin, &steps, &asked);
    }

    #[test]
    fn entries_in_any_order_make_the_map_that_insertions_make(
        entries in prop::collection::vec((0..300_u16, any::<u8>()), 0..400)
    ) {
        let built: CountedMap<u16, u8, 4, 5> = entries.iter().copied().collect();
        let model: BTreeMap<u16, u8> = entries.iter().copied().collect();
        built.check_invariants();
        assert_agree(&built, &model, &[]);
    }

    #[test]
    fn chunks_are_the_entries_of_their_ranks(size in 0..500_usize, from in 0..600_usize, to in 0..600_usize) {
        let map: CountedMap<usize, usize, 5, 4> = (0..size).map(|key| (key, key)).collect();
        let mut keys = Vec::new();
        for chunk in map.chunks_at(from..to) {
            prop_assert!(!chunk.keys.is_empty());
            prop_assert_eq!(chunk.keys, chunk.values);
            keys.extend_from_slice(chunk.keys);
        }
        prop_assert!(keys.into_iter().eq(from..to.min(size)));
    }
}

/// A map that is filled in an order, and emptied in the same one.
fn fill_and_empty<const LEAF: usize, const INNER: usize>(keys: &[usize]) {
    let mut map: CountedMap<usize, usize, LEAF, INNER> = CountedMap::default();
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(map.insert(*key, number), None);
        if number % (keys.len() / 8 + 1) == 0 {
            map.check_invariants();
        }
    }
    map.check_invariants();
    assert_eq!(map.len(), keys.len());
    let full = map.clone();
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(map.remove(key), Some(number));
        if number % (keys.len() / 8 + 1) == 0 {
            map.check_invariants();
        }
    }
    assert!(map.is_empty() && map.root.is_none(), "an empty map holds no node");
    full.check_invariants();
    assert!(keys.iter().enumerate().all(|(number, key)| full.get(key) == Some(&number)));
}

#[test]
fn it_is_filled_and_emptied_in_every_order_at_every_size() {
    for size in (0..70).chain([100, 1_000, 4_097, 200_000]) {
        let ascending: Vec<_> = (0..size).collect();
        let descending: Vec<_> = (0..size).rev().collect();
        // A step that shares no factor with the sizes reaches every key once.
        let scattered: Vec<_> = (0..size).map(|number| number * 7_919 % size).collect();
        for keys in [ascending, descending, scattered] {
            fill_and_empty::<LEAF_MAX, INNER_MAX>(&keys);
            if size <= 4_097 {
                fill_and_empty::<4, 4>(&keys);
            }
        }
    }
}

#[test]
fn nodes_that_are_filled_in_order_end_two_thirds_full() {
    let mut map = CountedMap::new();
    for key in 0..10_000 {
        map.insert(key, ());
    }
    let leaves = map.chunks_at(0..map.len()).count();
    assert!(leaves * LEAF_MAX * 3 / 5 < map.len(), "{leaves} leaves");
}

#[test]
fn a_map_of_sorted_entries_is_as_dense_as_can_be() {
    for size in [0, 1, LEAF_MAX, LEAF_MAX + 1, 10_000, 200_000] {
        let map = CountedMap::from_sorted((0..size).map(|key| (key, key)));
        map.check_invariants();
        assert_eq!(map.chunks_at(0..size).count(), size.div_ceil(LEAF_MAX));
        assert!(map.iter().map(|(key, _)| *key).eq(0..size));
    }
}

#[test]
fn many_maps_that_share_nodes_are_dropped_on_a_small_stack() {
    let build = || {
        let mut map = (0..200_000).map(|key| (key, key)).collect::<CountedMap<_, _, 4, 4>>();
        let mut kept = Vec::new();
        for key in 0..1_000 {
            kept.push(map.clone());
            map.insert(key * 199, 0);
            map.remove(&(key * 101));
        }
        kept.push(map);
        while let Some(map) = kept.pop() {
            assert!(map.len() >= 199_000);
        }
    };
    thread::Builder::new().stack_size(64 * 1024).spawn(build).unwrap().join().unwrap();
}

/// A key that counts how often it is cloned.
#[derive(Debug)]
struct Watched(usize, Arc<AtomicUsize>);

impl Clone for Watched {
    fn clone(&self) -> Self {
        self.1.fetch_add(1, Ordering::Relaxed);
        Self(self.0, Arc::clone(&self.1))
    }
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Watched {}

impl PartialOrd for Watched {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Watched {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl Borrow<usize> for Watched {
    fn borrow(&self) -> &usize {
        &self.0
    }
}

#[test]
fn an_update_clones_no_key_with_clones_of_the_map_or_without() {
    let clones = Arc::new(AtomicUsize::new(0));
    let watched = |key| Watched(key, Arc::clone(&clones));
    let mut map = CountedMap::from_sorted((0..10_000).map(|key| (watched(key), key)));
    let mut kept = Vec::new();
    clones.store(0, Ordering::Relaxed);
    for key in 0..10_000 {
        if key % 3 == 0 {
            kept.push(map.clone());
        }
        assert_eq!(map.insert(watched(key), key + 1), Some(key));
    }
    assert_eq!(clones.load(Ordering::Relaxed), 0);
    assert_eq!(kept[0].get(&1), Some(&1));
    assert_eq!(map.get(&1), Some(&2));
}

#[test]
fn a_change_of_a_map_that_nobody_shares_copies_nothing() {
    let place = |map: &CountedMap<usize, usize>| map.get(&4_000).map(std::ptr::from_ref);
    let mut map = CountedMap::from_sorted((0..10_000).map(|key| (key, key)));
    let before = place(&map);
    map.insert(4_000, 1);
    assert_eq!(place(&map), before, "the value is replaced where it lies");
    let kept = map.clone();
    map.insert(4_000, 2);
    assert_ne!(place(&map), before, "the clone keeps the node");
    assert_eq!((kept.get(&4_000), map.get(&4_000)), (Some(&1), Some(&2)));
}

#[test]
fn removing_what_is_not_there_copies_nothing() {
    let mut map = CountedMap::from_sorted((0..10_000).map(|key| (key * 2, key)));
    let kept = map.clone();
    assert_eq!(map.remove(&4_001), None);
    assert!(map.is_same(&kept));
    map.remove(&4_000);
    assert!(!map.is_same(&kept));
}

#[test]
fn texts_are_found_by_slices_and_by_prefix() {
    let key = |namespace: &str, name: &str| format!("/pods/{namespace}/{name}");
    let names = [("a", "x"), ("a", "y"), ("ab", "x"), ("a-b", "x"), ("b", "x")];
    let map: CountedMap<String, ()> = names.into_iter().map(|(a, b)| (key(a, b), ())).collect();
    assert!(map.contains_key("/pods/a/y"));
    for (prefix, count) in [("/pods/a/", 2), ("/pods/", 5), ("/pods/b/", 1), ("/pods/c/", 0), ("", 5)] {
        let ranks = map.ranks_under(prefix);
        assert_eq!(ranks.len(), count, "{prefix}");
        let mut keys = map.chunks_at(ranks).flat_map(|chunk| chunk.keys);
        assert!(keys.all(|key| key.starts_with(prefix)));
    }
    assert_eq!(map.count::<str>((Included("/pods/a/"), Excluded("/pods/a0"))), 2);
    let page = map.clone().into_cursor::<str>((Excluded("/pods/a/x"), Unbounded)).next_batch(2);
    assert_eq!(page.len(), 2);
}

#[test]
fn a_range_that_ends_before_it_begins_is_empty() {
    let map = CountedMap::from_sorted((0..100).map(|key| (key, key)));
    #[expect(clippy::reversed_empty_ranges, reason = "that is the claim")]
    let ranks = map.ranks(50..10);
    assert_eq!(ranks, 50..50);
    assert_eq!(map.range((Excluded(5), Excluded(5))).next(), None);
}
