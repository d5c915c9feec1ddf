//! The pictures of the past that are kept. Between two of them the events of the window lead from one to the other,
//! so what an exact read costs is the number of events since the picture before it.
//!
//! Most exact reads are of the near past, or go on with a list that was begun. So pictures lie close together
//! where they are new, and ever further apart with age; and those of lists that have further pages are kept
//! beside them for as long as they are read.

use std::collections::VecDeque;
use std::sync::Arc;

use watchkeep_storage::Revision;

use crate::picture::Picture;

/// How many events lie between two pictures at least.
const SPACING_MIN: u64 = 4;
/// How many pictures of lists that have further pages, or were read lately, are kept.
const READ_MAX: usize = 16;

/// Pictures by revision, oldest first.
pub(crate) struct Pictures {
    kept: VecDeque<Kept>,
    kept_max: usize,
    /// How many events there were in all.
    events: u64,
    /// Pictures of the revisions of lists, the one that was read last at the end.
    read: VecDeque<(Revision, Arc<Picture>)>,
}

struct Kept {
    picture: Arc<Picture>,
    /// How many events there were before it.
    events: u64,
}

impl Pictures {
    pub(crate) fn new(kept_max: usize) -> Self {
        Self { kept: VecDeque::new(), kept_max: kept_max.max(2), events: 0, read: VecDeque::new() }
    }

    /// Whether the picture after so many more events is to be kept.
    pub(crate) fn is_due(&mut self, events: usize) -> bool {
        self.events += events as u64;
        self.kept.back().is_none_or(|last| self.events - last.events >= SPACING_MIN)
    }

    /// Keeps a picture that is newer than all others. Returns the one that is given up for it, to be dropped
    /// elsewhere: a picture may be all that holds a large tree.
    pub(crate) fn keep(&mut self, picture: Arc<Picture>) -> Option<Arc<Picture>> {
        self.kept.push_back(Kept { picture, events: self.events });
        if self.kept.len() <= self.kept_max {
            return None;
        }
        let least_missed = self.least_missed()?;
        self.kept.remove(least_missed).map(|kept| kept.picture)
    }

    /// The picture without which exact reads become least dearer: the events between its neighbours, for its
    /// age. Neither the oldest, from which everything is reached, nor the newest.
    fn least_missed(&self) -> Option<usize> {
        let neighbours = self.kept.iter().zip(self.kept.iter().skip(1)).zip(self.kept.iter().skip(2));
        let missed = neighbours.enumerate().map(|(before, ((older, own), newer))| {
            // What is as old as the newest picture is as young as can be.
            let age = (self.events - own.events).max(1);
            (u128::from(newer.events - older.events), u128::from(age), before + 1)
        });
        // By the quotient of the two.
        let least = missed.min_by(|one, other| (one.0 * other.1).cmp(&(other.0 * one.1)));
        least.map(|(_, _, position)| position)
    }

    /// The newest picture that is not newer than a revision.
    pub(crate) fn at_or_before(&self, revision: Revision) -> Option<Arc<Picture>> {
        let after = self.kept.partition_point(|kept| kept.picture.revision <= revision);
        Some(Arc::clone(&self.kept.get(after.checked_sub(1)?)?.picture))
    }

    /// Keeps the picture of a list at a revision: its next page will ask for it. Returns the one that is given up.
    pub(crate) fn keep_read(&mut self, revision: Revision, picture: Arc<Picture>) -> Option<Arc<Picture>> {
        let position = self.read.iter().position(|(own, _)| *own == revision);
        let before = position.and_then(|position| self.read.remove(position));
        self.read.push_back((revision, picture));
        let oldest = if self.read.len() > READ_MAX { self.read.pop_front() } else { None };
        before.or(oldest).map(|(_, picture)| picture)
    }

    /// The picture of a list at a revision, if it is kept.
    pub(crate) fn read_at(&mut self, revision: Revision) -> Option<Arc<Picture>> {
        let position = self.read.iter().position(|(own, _)| *own == revision)?;
        let read = self.read.remove(position)?;
        let picture = Arc::clone(&read.1);
        self.read.push_back(read);
        Some(picture)
    }

    /// Gives up the pictures of revisions before this one. `base`, where it is known, is the picture of this
    /// revision: what leads to those after it.
    pub(crate) fn give_up_before(
        &mut self,
        revision: Revision,
        base: Option<Arc<Picture>>,
    ) -> Vec<Arc<Picture>> {
        let before = self.kept.partition_point(|kept| kept.picture.revision < revision);
        let gone: Vec<_> = self.kept.drain(..before).collect();
        if let Some(picture) = base.filter(|_| self.at_or_before(revision).is_none()) {
            // It lies behind the last of them, by some events.
            let events = gone.last().map_or(self.events, |last| last.events);
            self.kept.push_front(Kept { picture, events });
        }
        let (read, gone_read): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.read).into_iter().partition(|(own, _)| *own >= revision);
        self.read = read;
        let gone = gone.into_iter().map(|kept| kept.picture);
        gone.chain(gone_read.into_iter().map(|(_, picture)| picture)).collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is a picture of a revision before this one.
    pub(crate) fn any_before(&self, revision: Revision) -> bool {
        self.kept.front().is_some_and(|first| first.picture.revision < revision)
            || self.read.iter().any(|(own, _)| *own < revision)
    }

    /// Gives all of them up.
    pub(crate) fn clear(&mut self) -> Vec<Arc<Picture>> {
        let kept = self.kept.drain(..).map(|kept| kept.picture);
        kept.chain(self.read.drain(..).map(|(_, picture)| picture)).collect()
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
            assert!(pictures.keep(picture(revision)).is_none());
        }
        let found = [9, 10, 11, 22, 100].map(|revision| at(&pictures, revision));
        assert_eq!(found, [None, Some(10), Some(10), Some(20), Some(40)]);
        pictures.give_up_before(Revision::new(30), None);
        assert_eq!([29, 30, 45].map(|revision| at(&pictures, revision)), [None, Some(30), Some(40)]);
        pictures.clear();
        assert_eq!(at(&pictures, 100), None);
    }

    /// One event a revision. What was kept first stays: from there everything is reached.
    #[test]
    fn pictures_lie_the_closer_together_the_newer_they_are() {
        let mut pictures = Pictures::new(64);
        pictures.keep(picture(0));
        for events in [1_000_u64, 10_000, 100_000] {
            for revision in pictures.events + 1..=events {
                if pictures.is_due(1) {
                    pictures.keep(picture(revision));
                }
            }
            assert_eq!(pictures.kept.len(), 64);
            for age in [0, 1, 10, 100, 500, 1_000, 5_000, 50_000, 99_999] {
                let Some(revision) = events.checked_sub(age) else { continue };
                let distance = revision - at(&pictures, revision).unwrap();
                assert!(distance <= SPACING_MIN.max(age / 3), "{age} of {events}: {distance}");
            }
        }
    }

    #[test]
    fn the_pictures_of_the_lists_that_were_read_last_are_kept() {
        let mut pictures = Pictures::new(2);
        for revision in 1..=READ_MAX as u64 {
            assert!(pictures.keep_read(Revision::new(revision), picture(revision)).is_none());
        }
        assert!(pictures.read_at(Revision::new(1)).is_some());
        let gone = pictures.keep_read(Revision::new(100), picture(100));
        assert_eq!(gone.map(|picture| picture.revision.get()), Some(2), "the first one was read since");
        assert!(pictures.any_before(Revision::new(100)));
        assert_eq!(pictures.give_up_before(Revision::new(100), None).len(), READ_MAX - 1);
        assert!(pictures.read_at(Revision::new(100)).is_some());
        assert!(pictures.read_at(Revision::new(1)).is_none());
    }
}
