//! The sequence of commits that a history shows: each revision that anybody saw, with the write that made it.
//!
//! Answers, lists and watches all tell of commits. Here they are brought together, which settles what became of
//! the writes whose outcome nobody was told: one that is seen took place, at the revision at which it is seen.
//! A deletion leaves nothing to see but an event, so a history with unknown deletions needs a watch of
//! everything.

use std::collections::{BTreeMap, HashMap};

use super::deletions::Deletions;
use super::history::{
    Change, Content, Event, History, Input, Key, Moment, Operation, Output, Scope, Seen, Version,
};
use super::verdict::{Promise, Violation};

/// All commits that are known.
pub(crate) struct Sequence<'h> {
    pub(crate) history: &'h History,
    commits: BTreeMap<u64, Commit>,
    timelines: BTreeMap<Key, Vec<Entry>>,
    /// For each operation the revision of its commit, if it is known to have one.
    revisions: Vec<Option<u64>>,
}

/// A commit, and who tells of it.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) key: Key,
    /// What the key holds afterwards.
    pub(crate) content: Option<Content>,
    /// The operation that made it.
    pub(crate) writer: Option<usize>,
    /// Who tells of it, and the first moment at which somebody did.
    witness: Witness,
    pub(crate) seen: Moment,
}

/// The state of a key from a revision on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) revision: u64,
    pub(crate) content: Option<Content>,
    /// When its write was begun.
    pub(crate) begun: Moment,
}

/// A place in a history.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Witness {
    Operation(usize),
    Event { session: usize, at: usize },
}

struct Fact<'h> {
    revision: u64,
    key: &'h Key,
    content: Option<Content>,
    writer: Option<usize>,
    witness: Witness,
    seen: Moment,
}

impl<'h> Sequence<'h> {
    /// Brings together what a history tells.
    pub(crate) fn of(history: &'h History) -> Result<Self, Violation> {
        let revisions = vec![None; history.operations.len()];
        let mut sequence = Self { history, commits: BTreeMap::new(), timelines: BTreeMap::new(), revisions };
        for fact in facts(history) {
            sequence.add(&fact)?;
        }
        sequence.find_writers()?;
        sequence.replay()?;
        Ok(sequence)
    }

    /// The state of a key at a revision.
    pub(crate) fn state(&self, key: &str, revision: u64) -> Option<Version> {
        let timeline = self.timeline(key);
        let later = timeline.partition_point(|entry| entry.revision <= revision);
        timeline.get(later.checked_sub(1)?)?.version()
    }

    /// The states of a key, oldest first.
    pub(crate) fn timeline(&self, key: &str) -> &[Entry] {
        self.timelines.get(key).map_or(&[], Vec::as_slice)
    }

    /// The state of a scope at a revision, in the order of the keys.
    pub(crate) fn picture(&self, scope: &Scope, revision: u64) -> Vec<(Key, Version)> {
        let keys = self.timelines.keys().filter(|key| scope.contains(key));
        keys.filter_map(|key| Some((Key::clone(key), self.state(key, revision)?))).collect()
    }

    /// The commits of a scope above one revision, up to another.
    pub(crate) fn between(
        &self,
        scope: &Scope,
        above: u64,
        up_to: u64,
    ) -> impl Iterator<Item = (u64, &Commit)> {
        let from = above.saturating_add(1);
        let range = (from <= up_to).then(|| self.commits.range(from..=up_to));
        range.into_iter().flatten().filter(|(_, c)| scope.contains(&c.key)).map(|(at, c)| (*at, c))
    }

    /// The revision of the commit of an operation, by its place in the history.
    pub(crate) fn revision_of(&self, operation: usize) -> Option<u64> {
        self.revisions.get(operation).copied().flatten()
    }

    /// Shows who made a commit, or who tells of it.
    pub(crate) fn show(&self, violation: Violation, revision: u64) -> Violation {
        let Some(commit) = self.commits.get(&revision) else { return violation };
        match commit.writer {
            Some(writer) => self.show_witness(violation, Witness::Operation(writer)),
            None => self.show_witness(violation, commit.witness),
        }
    }

    pub(crate) fn show_witness(&self, violation: Violation, witness: Witness) -> Violation {
        match witness {
            Witness::Operation(at) => match self.history.operations.get(at) {
                Some(operation) => violation.operation(operation),
                None => violation,
            },
            Witness::Event { session, at } => match self.history.sessions.get(session) {
                Some(session) => violation.event(session, at),
                None => violation,
            },
        }
    }

    fn add(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        let Fact { revision, content, writer, witness, seen, .. } = *fact;
        let new = Commit { key: Key::clone(fact.key), content, writer, witness, seen };
        let Some(known) = self.commits.get_mut(&revision) else {
            self.commits.insert(revision, new);
            return Ok(());
        };
        let two_writers = known.writer.is_some() && writer.is_some() && known.writer != writer;
        if two_writers || *known.key != **fact.key || known.content != content {
            let unlike = !two_writers && *known.key == **fact.key;
            let promise = if unlike { Promise::OneContent } else { Promise::RevisionsAreUnique };
            let first = known.witness;
            let violation = Violation::new(promise, format!("revision {revision} is two things"));
            return Err(self.show_witness(self.show_witness(violation, first), witness));
        }
        known.writer = known.writer.or(writer);
        if seen < known.seen {
            (known.seen, known.witness) = (seen, witness);
        }
        Ok(())
    }

    /// Finds out which operation wrote each content.
    fn find_writers(&mut self) -> Result<(), Violation> {
        let operations = &self.history.operations;
        let tagged = operations.iter().enumerate().filter_map(|(at, operation)| {
            let (_, _, change) = operation.input.written()?;
            Some((change.tag()?, at))
        });
        let by_tag: HashMap<u64, usize> = tagged.collect();
        let mut writers = Vec::new();
        for (revision, commit) in &self.commits {
            let Some(content) = commit.content else { continue };
            let shown =
                |promise, reason: String| self.show_witness(Violation::new(promise, reason), commit.witness);
            let writer = by_tag.get(&content.tag).and_then(|at| Some((*at, operations.get(*at)?)));
            let Some((at, writer)) = writer.filter(|(_, writer)| writer.asks_for(&commit.key, content))
            else {
                let reason = format!("nobody asked to write {content} to {}", commit.key);
                return Err(shown(Promise::NothingUninvited, reason));
            };
            if let Some((promise, reason)) = disagreement(writer, *revision, commit.seen) {
                return Err(shown(promise, reason).operation(writer));
            }
            if let Some(other) = self.revisions.get(at).copied().flatten() {
                let reason = format!("it took effect at {other} and at {revision}");
                let shown = shown(Promise::OnceOnly, reason).operation(writer);
                return Err(self.show(shown, other));
            }
            if let Some(slot) = self.revisions.get_mut(at) {
                *slot = Some(*revision);
            }
            writers.push((*revision, at));
        }
        for (revision, at) in writers {
            if let Some(commit) = self.commits.get_mut(&revision) {
                commit.writer = Some(at);
            }
        }
        Ok(())
    }

    /// Replays the commits: each found its key as its writer expected it. Finds the writers of deletions.
    fn replay(&mut self) -> Result<(), Violation> {
        let deletions = Deletions::of(self.history, &self.commits);
        if let Some(at) = deletions.unshown {
            let violation =
                Violation::new(Promise::WatchIsReliable, "no deletion that a watch shows can be this one");
            return Err(self.show_witness(violation, Witness::Operation(at)));
        }
        for (revision, commit) in self.commits.clone() {
            let before = self.timelines.get(&commit.key).and_then(|entries| entries.last()?.version());
            let made_by = commit.writer.or_else(|| deletions.made_by.get(&revision).copied());
            let Some((at, writer)) = made_by.and_then(|at| Some((at, self.history.operations.get(at)?)))
            else {
                let reason = format!("nobody asked for the deletion of {} at {revision}", commit.key);
                let shown =
                    self.show_witness(Violation::new(Promise::NothingUninvited, reason), commit.witness);
                return Err(before.iter().fold(shown, |shown, version| self.show(shown, version.revision)));
            };
            self.check_writer(revision, &commit, writer, before)?;
            if let Some(slot) = self.revisions.get_mut(at) {
                *slot = Some(revision);
            }
            let entry = Entry { revision, content: commit.content, begun: writer.invoked };
            self.timelines.entry(Key::clone(&commit.key)).or_default().push(entry);
            if let Some(commit) = self.commits.get_mut(&revision) {
                commit.writer = Some(at);
            }
        }
        Ok(())
    }

    fn check_writer(
        &self,
        revision: u64,
        commit: &Commit,
        writer: &Operation,
        before: Option<Version>,
    ) -> Result<(), Violation> {
        let Some((key, expect, change)) = writer.input.written() else { return Ok(()) };
        let found = Seen::exactly(before);
        let told = writer.told_before();
        let broken = if !expect.holds(before) {
            Some((Promise::NoLostUpdate, format!("{key} held {found} when it was written at {revision}")))
        } else if !counts(change, commit.content, before) {
            Some((Promise::NoLostUpdate, format!("{key} held {found}, which was not counted on from")))
        } else if !told.fits(before) {
            Some((Promise::NoLostUpdate, format!("{key} held {found} before {revision}, not {told}")))
        } else {
            None
        };
        let Some((promise, reason)) = broken else { return Ok(()) };
        let mut violation = Violation::new(promise, reason);
        // A deletion is the last entry of its key as well.
        if let Some(last) = self.timeline(key).last() {
            violation = self.show(violation, last.revision);
        }
        Err(self.show_witness(violation.operation(writer), commit.witness))
    }
}

impl Entry {
    /// The object, if there is one.
    pub(crate) fn version(&self) -> Option<Version> {
        Some(Version { revision: self.revision, content: self.content? })
    }
}

impl Operation {
    /// What its client was told of the state that it found.
    pub(crate) fn told_before(&self) -> Seen {
        match &self.output {
            Output::Committed { previous, .. } => *previous,
            _ => Seen::Untold,
        }
    }

    /// Whether it may write this.
    fn asks_for(&self, key: &Key, content: Content) -> bool {
        match self.input.written() {
            Some((own, _, Change::Put(put))) => own == key && put == content,
            Some((own, _, Change::Increment { tag })) => own == key && tag == content.tag,
            _ => false,
        }
    }
}

/// How a content that was seen at a revision disagrees with what its writer was told.
fn disagreement(writer: &Operation, revision: u64, seen: Moment) -> Option<(Promise, String)> {
    match &writer.output {
        Output::Failed | Output::Refused { .. } => {
            Some((Promise::NoDirtyRead, format!("it did not take place, and is seen at {revision}")))
        }
        Output::Committed { revision: Some(own), .. } if *own != revision => {
            Some((Promise::OnceOnly, format!("it took effect at {own} and at {revision}")))
        }
        _ if seen < writer.invoked => {
            Some((Promise::NotBeforeInvocation, format!("it is seen at {seen}, and was begun later")))
        }
        _ => None,
    }
}

/// Whether an increment holds one more than what it found.
fn counts(change: Change, content: Option<Content>, before: Option<Version>) -> bool {
    let Change::Increment { .. } = change else { return true };
    let expected = before.map_or(1, |version| version.content.count.saturating_add(1));
    content.is_some_and(|content| content.count == expected)
}

/// Everything that a history tells of commits.
fn facts(history: &History) -> impl Iterator<Item = Fact<'_>> {
    let told = history.operations.iter().enumerate().flat_map(|(at, operation)| told(at, operation));
    let seen = history.sessions.iter().enumerate().flat_map(|(session, own)| {
        own.seen.iter().enumerate().flat_map(move |(at, observed)| {
            let witness = Witness::Event { session, at };
            let fact = move |key, revision, content| Fact {
                revision,
                key,
                content,
                writer: None,
                witness,
                seen: observed.at,
            };
            let change = observed.event.change().map(|(key, revision, content)| fact(key, revision, content));
            let previous = match &observed.event {
                Event::Modified { key, previous, .. } | Event::Deleted { key, previous, .. } => {
                    previous.version().map(|version| fact(key, version.revision, Some(version.content)))
                }
                _ => None,
            };
            change.into_iter().chain(previous)
        })
    });
    told.chain(seen)
}

/// What the answer of an operation tells of commits: its own, and others.
fn told(at: usize, operation: &Operation) -> Vec<Fact<'_>> {
    let seen = operation.end();
    let fact = |key, revision, content, writer| Fact {
        revision,
        key,
        content,
        writer,
        witness: Witness::Operation(at),
        seen,
    };
    let other = |key, version: Version| fact(key, version.revision, Some(version.content), None);
    match (&operation.input, &operation.output) {
        (Input::Write { key, change, .. }, Output::Committed { revision, content, previous }) => {
            let wrote = match change {
                Change::Put(content) => Some(content.to_owned()),
                Change::Increment { .. } => *content,
                Change::Delete => None,
            };
            let own = revision.map(|revision| fact(key, revision, wrote, Some(at)));
            own.into_iter().chain(previous.version().map(|version| other(key, version))).collect()
        }
        (Input::Write { key, .. }, Output::Refused { seen }) => {
            seen.version().map(|version| other(key, version)).into_iter().collect()
        }
        (Input::Get { key, .. }, Output::Found { version: Some(version), .. }) => vec![other(key, *version)],
        (Input::List { .. }, Output::Listed { items, .. }) => {
            items.iter().map(|(key, version)| other(key, *version)).collect()
        }
        _ => Vec::new(),
    }
}

/// The revision at which each content was first seen, by its tag.
pub(crate) fn revisions_by_tag(history: &History) -> HashMap<u64, u64> {
    let mut revisions = HashMap::new();
    for fact in facts(history) {
        if let Some(content) = fact.content {
            let first: &mut u64 = revisions.entry(content.tag).or_insert(fact.revision);
            *first = fact.revision.min(*first);
        }
    }
    revisions
}
