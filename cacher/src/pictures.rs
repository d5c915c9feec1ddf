//! The pictures of the past that are kept: one in every so many events, at most so many. Between two of them
//! the events of the window lead from one to the other.

use std::collections::VecDeque;
use std::sync::Arc;

use watchkeep_storage::Revision;

use crate::picture::Picture;

/// How many events lie between two pictures at least: so many are applied for an exact read at most, while
/// there are few pictures.
const SPACING_MIN: usize = 64;

/// Pictures by revision, oldest first.
pub(crate) struct Pictures {
    kept: VecDeque<Arc<Picture>>,
    kept_max: usize,
    /// How many events lie between two pictures. Doubles when there are too many of them.
    spacing: usize,
    since_last: usize,
}

impl Pictures {
    pub(crate) fn new(kept_max: usize) -> Self {
        Self { kept: VecDeque::new(), kept_max: kept_max.max(2), spacing: SPACING_MIN, since_last: 0 }
    }

    /// Whether the picture after so many more events is to be kept.
    pub(crate) fn is_due(&mut self, events: usize) -> bool {
        self.since_last += events;
        self.since_last >= self.spacing
    }

    /// Keeps a picture that is newer than all others. Returns those that are given up for it, to be dropped
    /// elsewhere: a picture may be all that holds a large tree.
    pub(crate) fn keep(&mut self, picture: Arc<Picture>) -> Vec<Arc<Picture>> {
        self.kept.push_back(picture);
        self.since_last = 0;
        if self.kept.len() <= self.kept_max {
            return Vec::new();
        }
        // Every second one goes, so that what is left covers the window as before.
        self.spacing = self.spacing.saturating_mul(2);
        let (kept, gone): (Vec<_>, Vec<_>) =
            self.kept.drain(..).enumerate().partition(|(position, _)| position % 2 == 0);
        self.kept = kept.into_iter().map(|(_, picture)| picture).collect();
        gone.into_iter().map(|(_, picture)| picture).collect()
    }

    /// The newest picture that is not newer than a revision.
    pub(crate) fn at_or_before(&self, revision: Revision) -> Option<Arc<Picture>> {
        let after = self.kept.partition_point(|picture| picture.revision <= revision);
        self.kept.get(after.checked_sub(1)?).cloned()
    }

    /// Gives up the pictures of revisions before this one. `base`, where it is known, is the picture of this
    /// revision: what leads to those after it.
    pub(crate) fn give_up_before(
        &mut self,
        revision: Revision,
        base: Option<Arc<Picture>>,
    ) -> Vec<Arc<Picture>> {
        let before = self.kept.partition_point(|picture| picture.revision < revision);
        let gone: Vec<_> = self.kept.drain(..before).collect();
        if let Some(base) = base.filter(|_| self.at_or_before(revision).is_none()) {
            self.kept.push_front(base);
        }
        if self.kept.len() * 4 < self.kept_max {
            self.spacing = (self.spacing / 2).max(SPACING_MIN);
        }
        gone
    }

    /// Whether there is a picture of a revision before this one.
    pub(crate) fn any_before(&self, revision: Revision) -> bool {
        self.kept.front().is_some_and(|first| first.revision < revision)
    }

    /// Gives all of them up.
    pub(crate) fn clear(&mut self) -> Vec<Arc<Picture>> {
        self.since_last = 0;
        self.kept.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(revision: u64) -> Arc<Picture> {
        Arc::new(Picture::default().still_at(Revision::new(revision)))
    }

    fn at(pictures: &Pictures, revision: u64) -> Option<u64> {
        pictures.at_or_before(Revision::new(revision)).map(|picture| picture.revision.get())
    }

    #[test]
    fn the_newest_picture_not_above_a_revision_is_found() {
        let mut pictures = Pictures::new(64);
        for revision in [10, 20, 30, 40] {
            assert!(pictures.keep(picture(revision)).is_empty());
        }
        let found = [9, 10, 11, 22, 100].map(|revision| at(&pictures, revision));
        assert_eq!(found, [None, Some(10), Some(10), Some(20), Some(40)]);
        pictures.give_up_before(Revision::new(30), None);
        assert_eq!([29, 30, 45].map(|revision| at(&pictures, revision)), [None, Some(30), Some(40)]);
        pictures.clear();
        assert_eq!(at(&pictures, 100), None);
    }

    #[test]
    fn too_many_pictures_become_half_as_many_with_twice_the_distance() {
        let mut pictures = Pictures::new(4);
        for revision in 1..=4 {
            assert!(pictures.keep(picture(revision)).is_empty());
        }
        assert_eq!(pictures.keep(picture(5)).len(), 2);
        assert_eq!([1, 2, 3, 4, 5].map(|revision| at(&pictures, revision)), [1, 1, 3, 3, 5].map(Some));
        assert!(!pictures.is_due(SPACING_MIN));
        assert!(pictures.is_due(SPACING_MIN));
    }
}
