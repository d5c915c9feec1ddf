//! Reliable: between two events, and up to where the watch says that it is, no event is left out.

use std::collections::BTreeSet;

use super::Case;
use crate::broken::{Broken, ensure};

pub(super) fn check(case: &Case<'_>) -> Result<(), Broken> {
    if !case.initial_is_over() {
        return Ok(());
    }
    let shown: BTreeSet<_> = case.live.iter().map(|seen| seen.revision).collect();
    let horizon = case.horizon();
    let expected = case.oracle.changes(case.stream.view, case.base, horizon);
    let missing = expected.iter().find(|change| !shown.contains(&change.revision));
    ensure!(missing.is_none(), "WATCH-RELIABLE", "it has come to {horizon} and left out {missing:?}");
    Ok(())
}
