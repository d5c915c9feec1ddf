//! Reading a picture: the records of a scope at a revision, in the order of their keys.

use std::ops::Bound;
use std::sync::Arc;

use super::state::{Picture, at};
use crate::key::{Key, Scope};
use crate::record::Record;
use crate::revision::Revision;

/// How many keys are looked at before other tasks get their turn.
pub(super) const SCAN_KEYS_MAX: usize = 2048;

/// A place in a picture. Holds the picture, so nothing that is read can change or go away.
#[derive(Clone)]
pub(super) struct Scan {
    picture: Picture,
    scope: Scope,
    revision: Revision,
    /// The first key still to be looked at.
    next: Bound<Key>,
}

impl Scan {
    /// A scan of a scope from `start`, or from its beginning.
    pub(super) fn new(picture: Picture, scope: Scope, revision: Revision, start: Option<&str>) -> Self {
        let first = start.filter(|start| *start > scope.prefix()).unwrap_or_else(|| scope.prefix());
        Self { next: Bound::Included(Key::unchecked(first)), picture, scope, revision }
    }

    /// Hands records to `take` until it has looked at [`SCAN_KEYS_MAX`] keys or `take` returns false.
    /// Whether there may be more.
    pub(super) fn step(&mut self, mut take: impl FnMut(&Arc<Record>) -> bool) -> bool {
        let mut last = None;
        let range = (self.next.clone(), Bound::Unbounded);
        for (looked_at, (key, chain)) in self.picture.range(range).enumerate() {
            if looked_at == SCAN_KEYS_MAX {
                break;
            }
            if !self.scope.contains(key) {
                return false;
            }
            last = Some(key.clone());
            if let Some(record) = at(chain, self.revision)
                && !take(record)
            {
                break;
            }
        }
        match last {
            None => false,
            Some(key) => {
                self.next = Bound::Excluded(key);
                true
            }
        }
    }
}
