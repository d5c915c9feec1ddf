//! How many objects follow a page, remembered for the next one: counting costs every key that follows, so
//! a list that is read in pages counts once.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use super::keyspace::ResourceId;
use crate::key::Scope;
use crate::revision::Revision;

/// How many pages are remembered; the next page of an older one counts again.
const PAGES_MAX: usize = 1024;

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) id: ResourceId,
    pub(super) revision: Revision,
    pub(super) scope: Scope,
    /// The first key that is still to be read.
    pub(super) start: String,
}

/// What follows, all told, at the places where the latest pages ended. No selector is involved.
#[derive(Default)]
pub(super) struct Remaining {
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    counts: HashMap<Place, u64>,
    /// Oldest first.
    order: VecDeque<Place>,
}

impl Remaining {
    /// How many objects follow from a place on, if that is known.
    pub(super) fn at(&self, place: &Place) -> Option<u64> {
        self.pages.lock().counts.get(place).copied()
    }

    /// Notes how many objects follow from a place on.
    pub(super) fn note(&self, place: Place, count: u64) {
        let mut pages = self.pages.lock();
        if pages.counts.insert(place.clone(), count).is_none() {
            pages.order.push_back(place);
        }
        while pages.order.len() > PAGES_MAX
            && let Some(oldest) = pages.order.pop_front()
        {
            pages.counts.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    #[test]
    fn the_latest_pages_are_remembered() {
        let remaining = Remaining::default();
        let place = |start: usize| Place {
            id: ResourceId(0),
            revision: Revision::new(7),
            scope: Scope::One(Key::unchecked("/pods/a")),
            start: start.to_string(),
        };
        for start in 0..PAGES_MAX + 2 {
            remaining.note(place(start), start as u64);
            remaining.note(place(start), start as u64);
        }
        assert_eq!(remaining.at(&place(1)), None);
        assert_eq!(remaining.at(&place(2)), Some(2));
        assert_eq!(remaining.at(&Place { revision: Revision::new(8), ..place(2) }), None);
        assert_eq!(remaining.pages.lock().counts.len(), PAGES_MAX);
    }
}
