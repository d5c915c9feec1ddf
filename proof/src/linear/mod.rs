//! Linearizability: whether what concurrent clients were told can have come from a store that does one thing
//! after the other, and whether watches show exactly what it did.
//!
//! A [`Recorder`] writes down what clients ask and are answered, on one clock; [`clients`] are such clients of the
//! trait. [`check`] then looks at the [`History`], and knows no backend and no transport:
//!
//! | part | checks | costs |
//! |---|---|---|
//! | `sequence` | every revision is one commit that somebody asked for, whose expectation held: no lost update, no dirty read, no write twice. Settles unknown outcomes; `deletions` finds who made those. | n log n, and n² for the deletions of a key |
//! | `order` | operations follow time, over all keys: no stale read, revisions never go back; gets, lists, pages and refusals show the state of their revision | n log n, and for a list the keys that there are |
//! | `sessions` | a client that lists and then watches has the state of each revision: no event is missing, doubled, out of order or wrong | n log n |
//! | `key` | the operations of each key are linearizable, by a search that trusts no revision | see there |
//!
//! The first two decide linearizability of the whole store, because answers tell revisions. The search is a
//! second opinion that does not rely on them.
//!
//! # Unknown outcomes
//! A client that is cut off does not know whether its write took place. Such a write may take effect at any
//! later moment, or never, but once. What is seen of it settles it; only a deletion leaves nothing that reads
//! could show, so a history with unknown deletions needs a watch of everything.
//!
//! # What it does not see
//! Time-to-live, selectors, and objects that were there before the history began.

pub mod clients;
mod deletions;
mod history;
mod key;
mod order;
mod recorder;
pub mod run;
mod sequence;
mod sessions;
mod verdict;

pub use self::history::{
    Change, Content, Event, Expect, History, Input, Key, Moment, Observed, Operation, Output, ReadAt, Scope,
    Seen, Session, Version,
};
pub use self::key::{PLACES_MAX, Searched, check_keys};
pub use self::recorder::{Call, Recorder, Watch};
pub use self::verdict::{Promise, Violation};

use self::sequence::Sequence;

/// What a history that keeps all promises holds: for tests that have to know that enough happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Operations.
    pub operations: usize,
    /// Commits that anybody saw.
    pub commits: usize,
    /// Writes that were refused for what is stored.
    pub refused: usize,
    /// Writes of unknown outcome.
    pub unknown: usize,
    /// Those of them that took place.
    pub settled: usize,
    /// Events that watches showed.
    pub events: usize,
    /// Watches, each over all its resumptions.
    pub sessions: usize,
    /// What the search for an order per key took.
    pub searched: Searched,
}

/// Checks a history against all promises.
///
/// # Errors
/// [`Violation`]: the first promise that is broken.
pub fn check(history: &History) -> Result<Summary, Violation> {
    let sequence = Sequence::of(history)?;
    order::check(&sequence)?;
    sessions::check(&sequence)?;
    let searched = key::check(&sequence)?;
    let operations = || history.operations.iter().enumerate();
    let unknown = || operations().filter(|(_, operation)| operation.output == Output::Unknown);
    Ok(Summary {
        operations: history.operations.len(),
        commits: sequence.between(&Scope::All, 0, u64::MAX).count(),
        refused: operations()
            .filter(|(_, operation)| matches!(operation.output, Output::Refused { .. }))
            .count(),
        unknown: unknown().count(),
        settled: unknown().filter(|(at, _)| sequence.revision_of(*at).is_some()).count(),
        events: history.sessions.iter().map(|session| session.seen.len()).sum(),
        sessions: history.sessions.len(),
        searched,
    })
}
