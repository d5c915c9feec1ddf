//! The values that were put in last, within a bound in bytes.
//!
//! Two generations stand in for an order of use: what is put in or found is in the young one; when that is
//! half of the bound it becomes the old one, and what was old and not looked for since is forgotten.

use std::collections::HashMap;

use crate::key::Key;

/// What an entry costs beside its value: the key, and its place.
const ENTRY_BYTES: usize = 128;

/// Values by key, the latest of them.
pub(super) struct Recent<T> {
    young: HashMap<Key, (T, usize)>,
    old: HashMap<Key, (T, usize)>,
    young_bytes: usize,
    bytes_max: usize,
}

impl<T> Recent<T> {
    /// Nothing yet, and never more than about so many bytes, but for one value that is larger.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_bytes: 0, bytes_max }
    }

    /// The value of a key, if it is remembered.
    pub(super) fn get(&mut self, key: &Key) -> Option<&T> {
        if let Some((value, bytes)) = self.old.remove(key) {
            self.put(key.clone(), value, bytes);
        }
        self.young.get(key).map(|(value, _)| value)
    }

    /// Remembers a value of so many bytes in place of what was there.
    pub(super) fn insert(&mut self, key: Key, value: T, bytes: usize) {
        self.remove(&key);
        self.put(key, value, bytes + ENTRY_BYTES);
    }

    /// Puts a value in the young generation whose key is in neither: it would come back from the old one.
    fn put(&mut self, key: Key, value: T, bytes: usize) {
        if self.young_bytes + bytes > self.bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(key, (value, bytes));
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, key: &Key) {
        self.old.remove(key);
        if let Some((_, bytes)) = self.young.remove(key) {
            self.young_bytes -= bytes;
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.bytes_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::unchecked(&format!("/pods/{n}"))
    }

    fn kept<T>(recent: &Recent<T>) -> usize {
        let entries = recent.young.values().chain(recent.old.values());
        entries.map(|(_, bytes)| bytes).sum()
    }

    #[test]
    fn the_latest_value_is_found_until_it_is_removed() {
        let mut recent = Recent::new(1 << 20);
        for value in ["a", "b"] {
            recent.insert(key(1), value, 1);
        }
        assert_eq!(recent.get(&key(1)), Some(&"b"));
        recent.remove(&key(1));
        assert_eq!(recent.get(&key(1)), None);
        recent.insert(key(2), "c", 1);
        recent.clear();
        assert_eq!(recent.get(&key(2)), None);
        assert_eq!(kept(&recent), 0);
    }

    #[test]
    fn the_bound_holds_and_what_is_looked_for_stays() {
        let bytes_max = 100 * (ENTRY_BYTES + 10);
        let mut recent = Recent::new(bytes_max);
        for n in 0..1000 {
            recent.insert(key(n), n, 10);
            assert!(kept(&recent) <= bytes_max, "{n}");
            assert_eq!(recent.get(&key(0)), Some(&0), "after {n}");
        }
        assert_eq!(recent.get(&key(1)), None);
        assert_eq!(recent.get(&key(990)), Some(&990));
    }

    #[test]
    fn what_is_replaced_or_removed_is_not_counted() {
        let mut recent = Recent::new(10 * (ENTRY_BYTES + 10));
        recent.insert(key(0), 0, 10);
        for n in 0..100 {
            recent.insert(key(1), n, 10);
            recent.insert(key(2), n, 10);
            recent.remove(&key(2));
        }
        assert_eq!(recent.young_bytes, 2 * (ENTRY_BYTES + 10));
        assert!(recent.get(&key(0)).is_some(), "nothing had to make room");
    }

    proptest::proptest! {
        #[test]
        fn what_is_found_is_what_was_put_in_last(
            steps in proptest::collection::vec((0..3_u8, 0..6_usize, 0..300_usize), 1..200),
        ) {
            let mut recent = Recent::new(4 * ENTRY_BYTES);
            let mut model = HashMap::new();
            for (at, (step, name, bytes)) in steps.into_iter().enumerate() {
                match step {
                    0 => {
                        recent.insert(key(name), at, bytes);
                        model.insert(name, at);
                    }
                    1 => {
                        recent.remove(&key(name));
                        model.remove(&name);
                    }
                    _ => if let Some(found) = recent.get(&key(name)) {
                        proptest::prop_assert_eq!(Some(found), model.get(&name));
                    },
                }
                let both = recent.young.keys().filter(|key| recent.old.contains_key(*key)).count();
                proptest::prop_assert_eq!(both, 0, "a key is in one generation");
                let young: usize = recent.young.values().map(|(_, bytes)| bytes).sum();
                proptest::prop_assert_eq!(young, recent.young_bytes);
            }
        }
    }
}
