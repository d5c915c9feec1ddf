//! Resumable: a watch begins exactly after its revision, with nothing from before and without leaving out what
//! came right after.

use super::Case;
use crate::broken::{Broken, ensure};

pub(super) fn check(case: &Case<'_>) -> Result<(), Broken> {
    let base = case.base;
    if let Some(early) = case.live.iter().find(|seen| seen.revision <= base) {
        return Err(Broken::new("WATCH-RESUMABLE", format!("it begins after {base}, and shows {early:?}")));
    }
    let horizon = case.live.first().map_or_else(|| case.horizon(), |seen| seen.revision);
    let first = case.oracle.changes(case.stream.view, base, horizon).first().copied();
    let begins_so = match (first, case.live.first()) {
        (None, _) => true,
        (Some(first), Some(seen)) => first.revision == seen.revision,
        (Some(_), None) => false,
    };
    ensure!(
        begins_so || !case.initial_is_over(),
        "WATCH-RESUMABLE",
        "the first event after {base} is {first:?}, it begins with {:?} and has come to {horizon}",
        case.live.first()
    );
    Ok(())
}
