//! The nodes of the tree: what they hold, how they are searched, cut and joined.
//!
//! All that knows how a node is laid out is here. Promised to the rest:
//!
//! - a leaf has as many values as keys, and an inner node one count for each child and one separator fewer;
//! - the separator after a child is above all keys of that child, and not above any key of the next one. It need
//!   not be a key that is there;
//! - all leaves are equally deep.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::sync::Arc;

use arrayvec::ArrayVec;

/// A node of the tree. The two kinds are of one size where `LEAF` is twice `INNER`, as by default.
#[derive(Clone)]
pub(super) enum Node<K, V, const LEAF: usize, const INNER: usize> {
    Leaf(Leaf<K, V, LEAF>),
    Inner(Inner<K, V, LEAF, INNER>),
}

/// Entries. The keys are shared apart from the values: most changes are updates, which need none of them.
#[derive(Clone)]
pub(super) struct Leaf<K, V, const LEAF: usize> {
    pub(super) keys: Arc<ArrayVec<K, LEAF>>,
    pub(super) values: ArrayVec<V, LEAF>,
}

/// Children, and how many entries are below each.
#[derive(Clone)]
pub(super) struct Inner<K, V, const LEAF: usize, const INNER: usize> {
    /// Room for one more than there are, so that arrays of equal length lie beside each other.
    pub(super) separators: Arc<ArrayVec<K, INNER>>,
    pub(super) counts: ArrayVec<usize, INNER>,
    pub(super) children: ArrayVec<Arc<Node<K, V, LEAF, INNER>>, INNER>,
}

impl<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> Node<K, V, LEAF, INNER> {
    /// The fewest entries of a leaf that is not the root.
    pub(super) const LEAF_MIN: usize = LEAF.div_ceil(3);
    /// The fewest children of an inner node that is not the root.
    pub(super) const INNER_MIN: usize = INNER.div_ceil(3);
    /// A cut leaves something on both sides, and two nodes that are too small fit into one.
    pub(super) const FANOUT_IS_SOUND: () = assert!(LEAF >= 4 && INNER >= 4, "a node has room for four");

    /// How many entries are below.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.values.len(),
            Self::Inner(inner) => inner.counts.iter().sum(),
        }
    }

    /// How many entries or children it has itself.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.values.len(),
            Self::Inner(inner) => inner.children.len(),
        }
    }

    /// The most it can have.
    pub(super) fn width_max(&self) -> usize {
        match self {
            Self::Leaf(_) => LEAF,
            Self::Inner(_) => INNER,
        }
    }

    /// Whether it has to be filled up or joined.
    pub(super) fn is_too_small(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.values.len() < Self::LEAF_MIN,
            Self::Inner(inner) => inner.children.len() < Self::INNER_MIN,
        }
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut node = self;
        loop {
            match node {
                Self::Inner(inner) => node = inner.children.get(inner.child_of(key))?,
                Self::Leaf(leaf) => return leaf.values.get(leaf.find(key).ok()?),
            }
        }
    }

    pub(super) fn partition_point(&self, before: &mut impl FnMut(&K) -> bool) -> usize {
        let (mut node, mut rank) = (self, 0);
        loop {
            match node {
                Self::Inner(inner) => {
                    let child = partition_point(&inner.separators, before);
                    rank += inner.counts.iter().take(child).sum::<usize>();
                    let Some(next) = inner.children.get(child) else { return rank };
                    node = next;
                }
                Self::Leaf(leaf) => return rank + partition_point(&leaf.keys, before),
            }
        }
    }

    /// Keeps what is before `at`, and returns the rest and the separator between. Both sides must get something.
    pub(super) fn split_off(&mut self, at: usize) -> (K, Self) {
        match self {
            Self::Leaf(leaf) => {
                let (separator, rest) = leaf.split_off(at);
                (separator, Self::Leaf(rest))
            }
            Self::Inner(inner) => {
                let (separator, rest) = inner.split_off(at);
                (separator, Self::Inner(rest))
            }
        }
    }

    /// Appends the node to its right. Both must be of one kind and fit into one node.
    pub(super) fn absorb(&mut self, separator: K, right: Self) {
        match (self, right) {
            (Self::Leaf(leaf), Self::Leaf(right)) => leaf.absorb(right),
            (Self::Inner(inner), Self::Inner(right)) => inner.absorb(separator, right),
            _ => unreachable!("all leaves are equally deep, so neighbours are of one kind"),
        }
    }
}

impl<K: Ord + Clone, V: Clone, const LEAF: usize> Leaf<K, V, LEAF> {
    pub(super) fn one(key: K, value: V) -> Self {
        Self::of(std::iter::once(key).collect(), std::iter::once(value).collect())
    }

    pub(super) fn of(keys: ArrayVec<K, LEAF>, values: ArrayVec<V, LEAF>) -> Self {
        Self { keys: Arc::new(keys), values }
    }

    /// Where the key is, or where it belongs.
    pub(super) fn find<Q>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        search(&self.keys, |other| other.borrow().cmp(key))
    }

    /// There must be room, and `at` be where the key belongs.
    pub(super) fn insert(&mut self, at: usize, key: K, value: V) {
        Arc::make_mut(&mut self.keys).insert(at, key);
        self.values.insert(at, value);
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<V> {
        Arc::make_mut(&mut self.keys).pop_at(at)?;
        self.values.pop_at(at)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "both sides get something, so there is a first key of the rest"
    )]
    pub(super) fn split_off(&mut self, at: usize) -> (K, Self) {
        let keys: ArrayVec<K, LEAF> = Arc::make_mut(&mut self.keys).drain(at..).collect();
        let separator = keys[0].clone();
        (separator, Self::of(keys, self.values.drain(at..).collect()))
    }

    fn absorb(&mut self, right: Self) {
        Arc::make_mut(&mut self.keys).extend(Arc::unwrap_or_clone(right.keys));
        self.values.extend(right.values);
    }
}

impl<K: Ord + Clone, V: Clone, const LEAF: usize, const INNER: usize> Inner<K, V, LEAF, INNER> {
    /// The child that a key belongs to.
    pub(super) fn child_of<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        match search(&self.separators, |separator| separator.borrow().cmp(key)) {
            Ok(at) => at + 1,
            Err(at) => at,
        }
    }

    /// The child that holds the entry of a rank, and the rank that the entry has there.
    pub(super) fn child_at(&self, mut rank: usize) -> Option<(usize, usize)> {
        for (child, &count) in self.counts.iter().enumerate() {
            if rank < count {
                return Some((child, rank));
            }
            rank -= count;
        }
        None
    }

    /// Puts a child at a place that is not the first, after this separator. There must be room.
    pub(super) fn insert(&mut self, at: usize, separator: K, child: Arc<Node<K, V, LEAF, INNER>>) {
        Arc::make_mut(&mut self.separators).insert(at - 1, separator);
        self.counts.insert(at, child.count());
        self.children.insert(at, child);
    }

    /// Takes out a child that is not the first, with the separator before it.
    pub(super) fn remove(&mut self, at: usize) -> Option<(K, Arc<Node<K, V, LEAF, INNER>>)> {
        let separator = Arc::make_mut(&mut self.separators).pop_at(at.checked_sub(1)?)?;
        self.counts.pop_at(at)?;
        Some((separator, self.children.pop_at(at)?))
    }

    pub(super) fn split_off(&mut self, at: usize) -> (K, Self) {
        let separators = Arc::make_mut(&mut self.separators);
        let rest = separators.drain(at..).collect();
        let separator = separators.remove(at - 1);
        let counts = self.counts.drain(at..).collect();
        let children = self.children.drain(at..).collect();
        (separator, Self { separators: Arc::new(rest), counts, children })
    }

    fn absorb(&mut self, separator: K, right: Self) {
        let separators = Arc::make_mut(&mut self.separators);
        separators.push(separator);
        separators.extend(Arc::unwrap_or_clone(right.separators));
        self.counts.extend(right.counts);
        self.children.extend(right.children);
    }
}

/// A binary search that branches. Keys are texts that lie elsewhere, in no cache as a rule: the processor guesses
/// the next one and fetches it ahead, which the search without branches of the standard library forbids.
fn search<K>(keys: &[K], order: impl Fn(&K) -> Ordering) -> Result<usize, usize> {
    let (mut low, mut high) = (0, keys.len());
    while low < high {
        let middle = low.midpoint(high);
        match keys.get(middle).map(&order) {
            Some(Ordering::Less) => low = middle + 1,
            Some(Ordering::Equal) => return Ok(middle),
            Some(Ordering::Greater) | None => high = middle,
        }
    }
    Err(low)
}

/// As [`search`], for a place between two keys.
fn partition_point<K>(keys: &[K], before: &mut impl FnMut(&K) -> bool) -> usize {
    let (mut low, mut high) = (0, keys.len());
    while low < high {
        let middle = low.midpoint(high);
        if keys.get(middle).is_some_and(&mut *before) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
