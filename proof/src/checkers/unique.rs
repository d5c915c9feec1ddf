//! Unique: no event comes twice, and none of the state that the watch began with.

use std::collections::BTreeSet;

use super::Case;
use crate::broken::{Broken, ensure};

pub(super) fn check(case: &Case<'_>) -> Result<(), Broken> {
    let mut keys = BTreeSet::new();
    for seen in &case.initial {
        ensure!(keys.insert(&seen.key), "WATCH-UNIQUE", "the initial events show {} twice", seen.key);
    }
    // A commit writes one key: its revision tells the events of a watch apart.
    let mut revisions: BTreeSet<_> = case.initial.iter().map(|seen| seen.revision).collect();
    for seen in &case.live {
        ensure!(revisions.insert(seen.revision), "WATCH-UNIQUE", "it shows {seen:?} twice");
    }
    Ok(())
}
