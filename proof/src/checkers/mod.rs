//! One checker for each promise that a watch makes. Each looks at one finished [`Stream`] and at the
//! [`Oracle`], and says which promise was broken, with the event that shows it.
//!
//! | checker | the promise |
//! |---|---|
//! | `ordered` | events come in the order of their revisions, initial ones in that of their keys |
//! | `unique` | no event comes twice |
//! | `atomic` | initial events are the state of one revision, whole |
//! | `filtered` | each event is what its commit is to this watch: type, object before and after, revision |
//! | `resumable` | the watch begins exactly after its revision |
//! | `reliable` | no event is left out |
//! | `bookmarkable` | what was said to be delivered was delivered, and the initial events end once |
//!
//! Where a watch was opened at "the current state" it is for the store to say which that is: [`check`] takes
//! every revision that it may have been, and the promises have to hold for one of them.

mod atomic;
mod bookmarkable;
mod filtered;
mod ordered;
mod reliable;
mod resumable;
#[cfg(test)]
mod tests;
mod unique;

use watchkeep_storage::{Error, Revision};

use crate::broken::{Broken, ensure};
use crate::oracle::Oracle;
use crate::stream::{Item, Seen, Start, Stream};

/// A stream that is held against one revision at which it may have begun.
struct Case<'a> {
    stream: &'a Stream,
    oracle: &'a Oracle,
    /// The revision after which the watch begins.
    base: Revision,
    /// The events that show the state at `base`.
    initial: Vec<&'a Seen>,
    /// The events after it.
    live: Vec<&'a Seen>,
}

/// Holds a stream against every promise.
///
/// # Errors
/// [`Broken`]: the first promise that was not kept.
pub fn check(stream: &Stream, oracle: &Oracle) -> Result<(), Broken> {
    let mut newest = None;
    for base in bases(stream, oracle).into_iter().rev() {
        match check_from(stream, oracle, base) {
            Ok(()) => return Ok(()),
            Err(broken) => newest = newest.or(Some(broken)),
        }
    }
    Err(newest
        .unwrap_or_else(|| Broken::new("WATCH-OPTIONS", format!("no state is fresh enough: {stream:?}"))))
}

/// The revisions after which a watch may begin, oldest first.
fn bases(stream: &Stream, oracle: &Oracle) -> Vec<Revision> {
    let (before, after) = stream.opened;
    match stream.start {
        Start::After(revision) => vec![revision],
        Start::Now => oracle.revisions(before, after),
        Start::Initial { not_before, .. } => {
            let end = stream.items.iter().find_map(|item| match item {
                Item::Bookmark { revision, ends_initial: true } => Some(*revision),
                _ => None,
            });
            end.map_or_else(|| oracle.revisions(not_before, after), |end| vec![end])
        }
    }
}

fn check_from(stream: &Stream, oracle: &Oracle, base: Revision) -> Result<(), Broken> {
    let initial = match stream.start {
        Start::Initial { .. } => stream
            .changes_before_the_end_of_the_initial()
            .unwrap_or_else(|| oracle.list(stream.view, base).len()),
        Start::After(_) | Start::Now => 0,
    };
    let (initial, live) = stream.split(initial);
    let case = Case { stream, oracle, base, initial, live };
    ordered::check(&case)?;
    unique::check(&case)?;
    atomic::check(&case)?;
    filtered::check(&case)?;
    resumable::check(&case)?;
    reliable::check(&case)?;
    bookmarkable::check(&case)?;
    check_end(&case)
}

/// Nothing follows an error, and a watch that was not overtaken by a compaction does not end as if it was.
fn check_end(case: &Case<'_>) -> Result<(), Broken> {
    let ended = |item: &Item| matches!(item, Item::Ended(_));
    let Some(end) = case.stream.items.iter().position(ended) else { return Ok(()) };
    ensure!(end + 1 == case.stream.items.len(), "WATCH-ERROR-LAST", "{:?}", case.stream);
    if let Some(Item::Ended(Error::Compacted { requested, oldest, .. })) = case.stream.items.last() {
        let claimed = case.horizon().max(case.base);
        ensure!(
            requested < oldest && *oldest <= case.oracle.compacted() && claimed < case.oracle.compacted(),
            "COMPACT-WATCHES",
            "it had delivered everything up to {claimed}, and {} is compacted, but it ended with {requested} < {oldest}",
            case.oracle.compacted()
        );
    }
    Ok(())
}

impl Case<'_> {
    /// The revision up to which the watch has shown that it got.
    fn horizon(&self) -> Revision {
        let last = self.live.iter().map(|seen| seen.revision).max().unwrap_or_default();
        self.stream.claimed().max(last)
    }

    /// Whether all of the initial events have come.
    fn initial_is_over(&self) -> bool {
        match self.stream.start {
            Start::After(_) | Start::Now => true,
            Start::Initial { bookmark: true, .. } => {
                self.stream.changes_before_the_end_of_the_initial().is_some()
            }
            Start::Initial { bookmark: false, .. } => {
                !self.live.is_empty() || !self.stream.claimed().is_zero()
            }
        }
    }
}
