//! The oracle: everything that ever happened in a store, kept whole and searched from the beginning each time.
//!
//! It knows nothing of engines, locks or files. What it says is right because there is nothing in it that
//! could be wrong; that it is slow does not matter for programs of a hundred steps.

use std::collections::BTreeMap;
use std::time::Duration;

use watchkeep_storage::{EventType, Expect, Revision};

use crate::broken::{Broken, ensure};
use crate::objects::{Content, Place, View};

/// The history of a store.
#[derive(Debug, Default)]
pub struct Oracle {
    commits: BTreeMap<Revision, Commit>,
    /// Where history begins: the revision of the store when it was empty.
    origin: Revision,
    /// The oldest revision that can still be read.
    compacted: Revision,
    /// Writes whose outcome nobody has learnt yet.
    unknown: Vec<(Place, Expect, Commit)>,
}

/// What a commit did to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Where.
    pub place: Place,
    /// What is there since; `None` after a deletion.
    pub after: Option<Content>,
    /// Not before this time, since 1970, may it be gone again by itself; `None` if it stays.
    pub deadline: Option<Duration>,
}

/// A state of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The commit that made it.
    pub revision: Revision,
    /// Its content.
    pub content: Content,
}

/// A change, as a view shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The type that the view sees.
    pub event_type: EventType,
    /// Where.
    pub place: Place,
    /// The commit.
    pub revision: Revision,
    /// What was there before it.
    pub before: Option<Version>,
    /// What is there after it.
    pub after: Option<Version>,
}

impl Oracle {
    /// The oracle of a store that is empty at this revision.
    pub fn of_empty(origin: Revision) -> Self {
        Self { origin, compacted: origin, ..Self::default() }
    }

    /// A commit that was acknowledged with this revision.
    ///
    /// # Errors
    /// [`Broken`]: the revision was issued before.
    pub fn commit(&mut self, revision: Revision, commit: Commit) -> Result<(), Broken> {
        let before = self.commits.insert(revision, commit);
        let is_new = before.is_none() && revision > self.origin;
        ensure!(
            is_new,
            "REVISION-MONOTONIC",
            "revision {revision} of {commit:?} was issued before: {before:?}"
        );
        Ok(())
    }

    /// A write whose outcome is unknown: it may show up later, or never.
    pub fn may_have_happened(&mut self, place: Place, expect: Expect, commit: Commit) {
        self.unknown.push((place, expect, commit));
    }

    /// A commit that a watch of everything has shown and nobody has acknowledged: an expiry, or a write whose
    /// outcome was unknown.
    ///
    /// # Errors
    /// [`Broken`]: nobody can have made it.
    pub fn discover(
        &mut self,
        revision: Revision,
        place: Place,
        after: Option<Content>,
        now: Duration,
    ) -> Result<(), Broken> {
        let before = self.object_at(place, revision.previous());
        let is_this = |(there, expect, commit): &(Place, Expect, Commit)| {
            (*there, commit.after) == (place, after) && holds(*expect, before)
        };
        if let Some(found) = self.unknown.iter().position(is_this) {
            let (_, _, commit) = self.unknown.swap_remove(found);
            return self.commit(revision, commit);
        }
        let made_up = || format!("nobody made the commit {revision} of {place:?}: {after:?}");
        ensure!(after.is_none() && before.is_some(), "COMMIT-ORDERED", "{}", made_up());
        let deadline = self.deadline_of(place, revision.previous());
        ensure!(
            deadline.is_some(),
            "TTL-DROPPED",
            "{place:?} has no time-to-live, and was deleted by {revision}"
        );
        ensure!(
            deadline <= Some(now),
            "TTL-LOWER-BOUND",
            "{place:?} was deleted by {revision} at {now:?}, before its deadline {deadline:?}"
        );
        self.commit(revision, Commit { place, after, deadline: None })
    }

    /// Whether this commit is known.
    pub fn knows(&self, revision: Revision) -> bool {
        self.commits.contains_key(&revision)
    }

    /// The revision of the newest commit, or that of the empty store.
    pub fn head(&self) -> Revision {
        self.commits.last_key_value().map_or(self.origin, |(revision, _)| *revision)
    }

    /// The revision so many commits before the newest; no older than that of the empty store.
    pub fn back(&self, commits: usize) -> Revision {
        self.commits.keys().rev().nth(commits).copied().unwrap_or(self.origin)
    }

    /// The oldest revision that can be read.
    pub fn compacted(&self) -> Revision {
        self.compacted
    }

    /// History below a revision was given up.
    pub fn compact(&mut self, revision: Revision) {
        self.compacted = self.compacted.max(revision);
    }

    /// What is at a place at a revision.
    pub fn object_at(&self, place: Place, revision: Revision) -> Option<Version> {
        let (made, commit) = self.last_of(place, revision)?;
        commit.after.map(|content| Version { revision: made, content })
    }

    fn last_of(&self, place: Place, revision: Revision) -> Option<(Revision, Commit)> {
        let mut commits = self.commits.range(..=revision).rev();
        commits.find(|(_, commit)| commit.place == place).map(|(made, commit)| (*made, *commit))
    }

    /// Whether a condition on what is at a place held at some time between two revisions.
    pub fn held_between(
        &self,
        place: Place,
        (from, to): (Revision, Revision),
        condition: impl Fn(Option<Version>) -> bool,
    ) -> bool {
        let between = self.commits.range(from..=to).map(|(revision, _)| *revision);
        std::iter::once(from).chain(between).any(|revision| condition(self.object_at(place, revision)))
    }

    fn deadline_of(&self, place: Place, revision: Revision) -> Option<Duration> {
        self.last_of(place, revision)?.1.deadline
    }

    /// Objects whose deadline is over since a time.
    pub fn overdue(&self, time: Duration) -> Vec<Place> {
        let head = self.head();
        let is_overdue = |place: &Place| {
            self.object_at(*place, head).is_some()
                && self.deadline_of(*place, head).is_some_and(|deadline| deadline <= time)
        };
        self.commits.values().map(|commit| commit.place).filter(is_overdue).collect()
    }

    /// What a view shows at a revision, in the order of keys.
    pub fn list(&self, view: View, revision: Revision) -> Vec<(Place, Version)> {
        let mut state: Vec<_> = Place::all(view.resource)
            .filter_map(|place| Some((place, self.object_at(place, revision)?)))
            .filter(|(place, version)| view.shows(*place, version.content))
            .collect();
        state.sort_by_cached_key(|(place, _)| place.key_text());
        state
    }

    /// What a commit is to a view; `None` if it does not show it.
    pub fn shown(&self, view: View, revision: Revision) -> Option<Shown> {
        let commit = self.commits.get(&revision)?;
        let place = commit.place;
        let before = self.object_at(place, revision.previous());
        let after = commit.after.map(|content| Version { revision, content });
        let shows =
            |version: Option<Version>| version.is_some_and(|version| view.shows(place, version.content));
        let event_type = match (shows(before), shows(after)) {
            (false, true) => EventType::Added,
            (true, true) => EventType::Modified,
            (true, false) => EventType::Deleted,
            (false, false) => return None,
        };
        Some(Shown { event_type, place, revision, before, after })
    }

    /// The changes that a view shows above a revision and up to another one.
    pub fn changes(&self, view: View, after: Revision, up_to: Revision) -> Vec<Shown> {
        let up_to = up_to.max(after);
        let commits = self.commits.range(after..=up_to).map(|(revision, _)| *revision);
        commits
            .filter(|revision| *revision > after)
            .filter_map(|revision| self.shown(view, revision))
            .collect()
    }

    /// The revisions between two others, these included.
    pub fn revisions(&self, from: Revision, to: Revision) -> Vec<Revision> {
        let between = self.commits.range(from..=to.max(from)).map(|(revision, _)| *revision);
        std::iter::once(from).chain(between).chain([to]).collect()
    }
}

/// Whether an expectation is met by what is there.
pub fn holds(expect: Expect, there: Option<Version>) -> bool {
    match expect {
        Expect::Absent => there.is_none(),
        Expect::Revision(revision) => there.is_some_and(|version| version.revision == revision),
    }
}
