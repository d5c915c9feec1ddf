//! Filtered: each event is what its commit is to this watch. An object that begins to match comes as ADDED, one
//! that ceases to do so goes as DELETED with its last state that did; the revision is always the commit's.

use super::Case;
use crate::broken::{Broken, ensure};
use crate::objects::Place;
use crate::oracle::{Shown, Version};
use crate::stream::{Found, Seen};

pub(super) fn check(case: &Case<'_>) -> Result<(), Broken> {
    for seen in &case.live {
        let revision = seen.revision;
        ensure!(case.oracle.knows(revision), "WATCH-FILTERED", "no commit made {seen:?}");
        let Some(shown) = case.oracle.shown(case.stream.view, revision) else {
            let view = case.stream.view;
            return Err(Broken::new("WATCH-FILTERED", format!("{view:?} does not cover {seen:?}")));
        };
        ensure!(is_as(seen, shown), "WATCH-FILTERED", "it shows {seen:?} instead of {shown:?}");
    }
    Ok(())
}

fn is_as(seen: &Seen, shown: Shown) -> bool {
    seen.event_type == shown.event_type
        && seen.key == shown.place.key_text()
        && same(seen.before.as_ref(), shown.place, shown.before)
        && same(seen.after.as_ref(), shown.place, shown.after)
}

fn same(found: Option<&Found>, place: Place, version: Option<Version>) -> bool {
    match (found, version) {
        (None, None) => true,
        (Some(found), Some(version)) => found.is(place, version),
        _ => false,
    }
}
