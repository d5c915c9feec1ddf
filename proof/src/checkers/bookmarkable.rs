//! Bookmarkable: what a bookmark, or the watch when asked for its progress, says to have been delivered, was
//! delivered before; it never goes back; and the initial events that were to end with a bookmark do so once.

use watchkeep_storage::Revision;

use super::Case;
use crate::broken::{Broken, ensure};
use crate::stream::{Item, Seen, Start};

pub(super) fn check(case: &Case<'_>) -> Result<(), Broken> {
    let mut claimed = Revision::ZERO;
    let mut live = case.live.iter();
    let mut initial = case.initial.len();
    let mut ends = 0;
    for item in &case.stream.items {
        match item {
            Item::Change(_) if initial > 0 => initial -= 1,
            Item::Change(_) => {
                let Some(seen) = live.next() else { continue };
                ensure_not_claimed(claimed, seen)?;
            }
            Item::Bookmark { revision, ends_initial } => {
                ensure!(
                    *revision >= claimed,
                    "WATCH-BOOKMARKABLE",
                    "a bookmark goes back from {claimed} to {revision}"
                );
                ends += usize::from(*ends_initial);
                ensure!(
                    initial == 0 || *ends_initial,
                    "WATCH-BOOKMARKABLE",
                    "a bookmark of {revision} amid the initial events"
                );
                claimed = *revision;
            }
            Item::Progress(revision) | Item::Drained(revision) => claimed = claimed.max(*revision),
            Item::Ended(_) => {}
        }
    }
    let wanted = matches!(case.stream.start, Start::Initial { bookmark: true, .. });
    ensure!(
        ends <= usize::from(wanted),
        "WATCH-BOOKMARKABLE",
        "the initial events ended {ends} times, asked for: {wanted}"
    );
    let drained = case.stream.items.iter().any(|item| matches!(item, Item::Drained(_)));
    ensure!(
        !drained || ends == usize::from(wanted),
        "WATCH-BOOKMARKABLE",
        "the end of the initial events was never marked"
    );
    Ok(())
}

fn ensure_not_claimed(claimed: Revision, seen: &Seen) -> Result<(), Broken> {
    ensure!(
        seen.revision > claimed,
        "WATCH-BOOKMARKABLE",
        "everything up to {claimed} was said to be delivered before {seen:?}"
    );
    Ok(())
}
