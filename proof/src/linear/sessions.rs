//! Holds what watches showed against the sequence of commits: each commit once, in order, none left out, and
//! after each event the client has exactly the state of its revision.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Content, Event, Key, Seen, Session, Version};
use super::sequence::{Sequence, Witness};
use super::verdict::{Promise, Violation};

/// Checks all watches.
pub(crate) fn check(sequence: &Sequence<'_>) -> Result<(), Violation> {
    let mut sessions = sequence.history.sessions.iter().enumerate();
    sessions.try_for_each(|(number, session)| Follower::begin(sequence, number, session)?.follow())
}

/// A client that keeps the state from what it sees, as an informer does.
struct Follower<'a, 'h> {
    sequence: &'a Sequence<'h>,
    number: usize,
    session: &'a Session,
    state: BTreeMap<Key, Version>,
    shown: BTreeSet<u64>,
    reached: u64,
}

impl<'a, 'h> Follower<'a, 'h> {
    fn begin(sequence: &'a Sequence<'h>, number: usize, session: &'a Session) -> Result<Self, Violation> {
        let picture = sequence.picture(&session.scope, session.after);
        if let Some(base) = session.base.as_ref().filter(|base| **base != picture) {
            let items = |items: &[(Key, Version)]| {
                let items: Vec<_> = items.iter().map(|(key, version)| format!("{key} = {version}")).collect();
                items.join(", ")
            };
            let reason = format!("client {} listed at {}", session.client, session.after);
            let violation = Violation::new(Promise::ListIsAtomic, reason);
            return Err(violation
                .line(format!("there was {}", items(&picture)))
                .line(format!("it got {}", items(base))));
        }
        let state = picture.into_iter().collect();
        Ok(Self { sequence, number, session, state, shown: BTreeSet::new(), reached: session.after })
    }

    fn follow(mut self) -> Result<(), Violation> {
        for (at, seen) in self.session.seen.iter().enumerate() {
            match &seen.event {
                Event::Resumed => {}
                Event::Bookmark(revision) => self.bookmark(at, *revision)?,
                event => self.change(at, event)?,
            }
        }
        Ok(())
    }

    fn bookmark(&mut self, at: usize, revision: u64) -> Result<(), Violation> {
        if revision < self.reached {
            let reason = format!("a bookmark goes back from {} to {revision}", self.reached);
            return Err(self.broken(Promise::WatchIsOrdered, reason, at));
        }
        self.nothing_between(at, revision, Promise::BookmarkIsBehind)?;
        self.reached = revision;
        self.compare(at)
    }

    fn change(&mut self, at: usize, event: &Event) -> Result<(), Violation> {
        let Some((key, revision, content)) = event.change() else { return Ok(()) };
        if !self.session.scope.contains(key) {
            let reason = format!("{key} is not in {}", self.session.scope);
            return Err(self.broken(Promise::WatchShowsTheChange, reason, at));
        }
        if !self.shown.insert(revision) {
            let reason = format!("{revision} was shown before");
            return Err(self.broken(Promise::WatchIsUnique, reason, at));
        }
        if revision <= self.reached {
            let reason = format!("{revision} comes after {}", self.reached);
            return Err(self.broken(Promise::WatchIsOrdered, reason, at));
        }
        self.nothing_between(at, revision.saturating_sub(1), Promise::WatchIsReliable)?;
        self.check_shape(at, event, key)?;
        match content {
            Some(content) => self.state.insert(Key::clone(key), Version { revision, content }),
            None => self.state.remove(key),
        };
        self.reached = revision;
        if self.state.get(key).copied() == self.sequence.state(key, revision) {
            return Ok(());
        }
        let reason = format!("after it, the client does not have what {key} held at {revision}");
        Err(self.sequence.show(self.broken(Promise::WatchShowsTheChange, reason, at), revision))
    }

    /// The type of the event and what it says was there before, against what the client has.
    fn check_shape(&self, at: usize, event: &Event, key: &Key) -> Result<(), Violation> {
        let had = self.state.get(key).copied();
        let (fits, previous, last) = match event {
            Event::Added { .. } => (had.is_none(), Seen::Untold, None),
            Event::Modified { previous, .. } => (had.is_some(), *previous, None),
            Event::Deleted { previous, last, .. } => (had.is_some(), *previous, Some(*last)),
            Event::Bookmark(_) | Event::Resumed => return Ok(()),
        };
        let holds = |last: Content| had.is_some_and(|version| version.content == last);
        if fits && previous.fits(had) && last.is_none_or(holds) {
            return Ok(());
        }
        let reason = format!("the client had {} under {key}", Seen::exactly(had));
        let violation = self.broken(Promise::WatchShowsTheChange, reason, at);
        Err(had.iter().fold(violation, |shown, version| self.sequence.show(shown, version.revision)))
    }

    /// Nothing of the scope was committed above what has come, up to a revision.
    fn nothing_between(&self, at: usize, up_to: u64, promise: Promise) -> Result<(), Violation> {
        let missing = self.sequence.between(&self.session.scope, self.reached, up_to).next();
        let Some((missing, commit)) = missing else { return Ok(()) };
        let (before, rest) = self.session.seen.split_at(at.min(self.session.seen.len()));
        let later = promise == Promise::WatchIsReliable
            && rest
                .iter()
                .any(|seen| seen.event.change().is_some_and(|(_, revision, _)| revision == missing));
        let (promise, words) =
            if later { (Promise::WatchIsOrdered, "comes later") } else { (promise, "does not come") };
        let reason = format!("to client {} {missing} of {} {words}", self.session.client, commit.key);
        let shown = self.sequence.show(Violation::new(promise, reason), missing);
        let shown = match before.iter().rposition(|seen| seen.event.revision().is_some()) {
            Some(before) => shown.event(self.session, before),
            None => shown,
        };
        Err(shown.event(self.session, at))
    }

    /// The whole state, at a moment when the client may rely on having it.
    fn compare(&self, at: usize) -> Result<(), Violation> {
        let expected = self.sequence.picture(&self.session.scope, self.reached);
        let own = self.state.iter().map(|(key, version)| (key, *version));
        if own.eq(expected.iter().map(|(key, version)| (key, *version))) {
            return Ok(());
        }
        let reason = format!("the client does not have the state of {}", self.reached);
        Err(self.broken(Promise::WatchShowsTheChange, reason, at))
    }

    /// A violation by an event, with the one before it.
    fn broken(&self, promise: Promise, reason: String, at: usize) -> Violation {
        let violation = Violation::new(promise, reason);
        let violation = match at.checked_sub(1) {
            Some(before) => violation.event(self.session, before),
            None => violation,
        };
        self.sequence.show_witness(violation, Witness::Event { session: self.number, at })
    }
}
