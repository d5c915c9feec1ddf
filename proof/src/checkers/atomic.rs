//! Atomic: the initial events are the state of one revision, whole, as a list of that revision is.

use watchkeep_storage::EventType;

use super::Case;
use crate::broken::{Broken, ensure};
use crate::stream::Start;

pub(super) fn check(case: &Case<'_>) -> Result<(), Broken> {
    let Start::Initial { not_before, .. } = case.stream.start else { return Ok(()) };
    let (base, view) = (case.base, case.stream.view);
    ensure!(base >= not_before, "WATCH-OPTIONS", "its state is of {base}, older than {not_before}");
    ensure!(base <= case.stream.opened.1, "WATCH-OPTIONS", "its state is of the future: {base}");
    let state = case.oracle.list(view, base);
    for (position, seen) in case.initial.iter().enumerate() {
        let fits = state.get(position).is_some_and(|(place, version)| {
            seen.event_type == EventType::Added
                && seen.revision == version.revision
                && seen.before.is_none()
                && seen.after.as_ref().is_some_and(|found| found.is(*place, *version))
        });
        ensure!(
            fits,
            "WATCH-ATOMIC",
            "the state at {base} is {state:?}, initial event {position} is {seen:?}"
        );
    }
    let is_whole = case.initial.len() == state.len();
    ensure!(
        is_whole || !case.initial_is_over(),
        "WATCH-ATOMIC",
        "the state at {base} is {state:?}, and the initial events ended after {}",
        case.initial.len()
    );
    Ok(())
}
