//! Ordered: events come in the order of their revisions, initial ones in that of their keys.

use super::Case;
use crate::broken::{Broken, ensure};
use crate::stream::Seen;

pub(super) fn check(case: &Case<'_>) -> Result<(), Broken> {
    for (first, second) in neighbours(&case.initial) {
        ensure!(first.key <= second.key, "WATCH-ORDERED", "{} comes before {}", first.key, second.key);
    }
    for (first, second) in neighbours(&case.live) {
        ensure!(
            first.revision <= second.revision,
            "WATCH-ORDERED",
            "{} comes before {}: {first:?}, {second:?}",
            first.revision,
            second.revision
        );
    }
    Ok(())
}

fn neighbours<'a>(events: &'a [&'a Seen]) -> impl Iterator<Item = (&'a Seen, &'a Seen)> {
    events.iter().zip(events.iter().skip(1)).map(|(first, second)| (*first, *second))
}
