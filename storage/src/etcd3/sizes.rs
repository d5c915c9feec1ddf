//! The sizes of the values of a resource, learned from what goes by: commits, pages, events.
//!
//! etcd counts keys but not their bytes, and asking for all values would cost a whole list. So the bytes of a
//! resource are those of the objects that this process has seen, and for the others their mean.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::interface::Stats;
use crate::key::Key;
use crate::revision::Revision;

/// How many sizes are remembered, of the some hundred bytes each: enough for the pods of the largest cluster.
const SIZES_MAX: usize = 1 << 18;

/// The sizes of values by their keys.
#[derive(Default)]
pub(super) struct Sizes(Mutex<Known>);

#[derive(Default)]
struct Known {
    sizes: HashMap<Key, Size>,
    /// The sum.
    bytes: u64,
}

#[derive(Clone, Copy)]
struct Size {
    bytes: u64,
    /// When it was so: what is older does not count.
    revision: Revision,
}

impl Sizes {
    /// An object has a size since a revision, or is gone.
    pub(super) fn note(&self, key: &Key, revision: Revision, bytes: Option<usize>) {
        let mut known = self.0.lock();
        let last = known.sizes.get(key).copied();
        if last.is_some_and(|last| last.revision >= revision) {
            return;
        }
        known.bytes -= last.map_or(0, |last| last.bytes);
        match bytes.map(|bytes| bytes as u64) {
            Some(bytes) if last.is_some() || known.sizes.len() < SIZES_MAX => {
                known.sizes.insert(key.clone(), Size { bytes, revision });
                known.bytes += bytes;
            }
            _ => {
                known.sizes.remove(key);
            }
        }
    }

    /// Of how many objects the sizes are known, and their mean in bytes.
    pub(super) fn known(&self) -> (u64, u64) {
        let known = self.0.lock();
        let count = known.sizes.len() as u64;
        (count, known.bytes.checked_div(count).unwrap_or_default())
    }

    /// What can be said of this many objects.
    pub(super) fn stats(&self, objects: u64) -> Stats {
        let mut known = self.0.lock();
        let count = known.sizes.len() as u64;
        let value_bytes = if count == objects {
            known.bytes
        } else {
            let product = u128::from(known.bytes) * u128::from(objects);
            let scaled = product.checked_div(u128::from(count)).unwrap_or_default();
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        if count / 2 > objects {
            // Most of it is of objects that went elsewhere: what is there is learned anew.
            *known = Known::default();
        }
        Stats { objects, value_bytes, ..Stats::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::unchecked(name)
    }

    #[test]
    fn sizes_are_those_of_the_newest_revisions() {
        let sizes = Sizes::default();
        let mean = |objects| sizes.stats(objects).mean_value_bytes();
        sizes.note(&key("a"), Revision::new(1), Some(10));
        assert_eq!(mean(1), 10);
        sizes.note(&key("b"), Revision::new(2), Some(20));
        assert_eq!((mean(2), sizes.stats(2).value_bytes), (15, 30));
        sizes.note(&key("a"), Revision::new(3), Some(30));
        assert_eq!(mean(2), 25);
        sizes.note(&key("a"), Revision::new(1), Some(10));
        assert_eq!(mean(2), 25, "an older page says nothing");
        sizes.note(&key("b"), Revision::new(4), None);
        assert_eq!(mean(1), 30);
        sizes.note(&key("a"), Revision::new(5), None);
        assert_eq!((mean(0), sizes.known()), (0, (0, 0)));
    }

    #[test]
    fn what_was_not_seen_counts_as_the_mean() {
        let sizes = Sizes::default();
        sizes.note(&key("a"), Revision::new(1), Some(10));
        sizes.note(&key("b"), Revision::new(1), Some(20));
        assert_eq!(sizes.stats(10).value_bytes, 150);
    }

    #[test]
    fn sizes_of_objects_that_went_unseen_are_given_up() {
        let sizes = Sizes::default();
        for at in 0..100 {
            sizes.note(&key(&at.to_string()), Revision::new(1), Some(10));
        }
        assert_eq!(sizes.stats(10).value_bytes, 100);
        assert_eq!(sizes.known(), (0, 0));
    }
}
