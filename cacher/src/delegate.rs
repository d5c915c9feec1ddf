//! Which lists the cache answers, and which are the store's: a pure function of what is asked and of how far
//! the cache is.
//!
//! | the list is to be | the cache is filled | it is not |
//! |---|---|---|
//! | the latest | from the cache, once it has come to the store's revision; after too long a wait from the store | from the store |
//! | not older than R | from the cache, once it has come to R | from the store |
//! | exactly R, compacted | refused | refused by the store |
//! | exactly R, above the cache | from the cache, once it has come to R | from the store |
//! | exactly R, known to the cache | from a picture, and the events after it | from the store |
//! | exactly R, older than that | from the store | from the store |
//!
//! Pages are lists of exactly the revision of the first one. Lists of one object are no special case: the
//! reference leaves some of them to its store.

use watchkeep_storage::{ReadAt, Revision};

/// How far the cache is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Whether it is filled.
    pub(crate) ready: bool,
    /// Below this revision everything is compacted.
    pub(crate) compacted: Revision,
}

/// Who answers a list, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The cache, when it has everything that was acknowledged by now.
    Current,
    /// The cache, when it has come to this revision.
    NotOlder(Revision),
    /// The cache, with its picture of this revision, once it has come there; the store, if it has none.
    Exactly(Revision),
    /// Nobody: the revision is compacted.
    Compacted(Revision),
    /// The store.
    Store,
}

/// Where a list goes.
pub(crate) fn route(at: ReadAt, known: Known) -> Route {
    match at {
        _ if !known.ready => Route::Store,
        ReadAt::Latest => Route::Current,
        ReadAt::AtLeast(revision) => Route::NotOlder(revision),
        ReadAt::Exact(revision) if revision < known.compacted => Route::Compacted(revision),
        ReadAt::Exact(revision) => Route::Exactly(revision),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(revision: u64) -> Revision {
        Revision::new(revision)
    }

    #[test]
    fn every_list_goes_where_the_table_says() {
        for compacted in [0, 50, 100] {
            for revision in [0, 1, 49, 50, 99, 100, 101, u64::MAX] {
                let known = Known { ready: true, compacted: at(compacted) };
                let exactly = if revision < compacted {
                    Route::Compacted(at(revision))
                } else {
                    Route::Exactly(at(revision))
                };
                assert_eq!(route(ReadAt::Exact(at(revision)), known), exactly, "{revision} of {known:?}");
                assert_eq!(route(ReadAt::AtLeast(at(revision)), known), Route::NotOlder(at(revision)));
                assert_eq!(route(ReadAt::Latest, known), Route::Current);
                let pending = Known { ready: false, ..known };
                for wanted in [ReadAt::Latest, ReadAt::AtLeast(at(revision)), ReadAt::Exact(at(revision))] {
                    assert_eq!(route(wanted, pending), Route::Store, "{wanted:?} of {pending:?}");
                }
            }
        }
    }
}
