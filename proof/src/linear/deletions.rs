//! Finds out which operation made each deletion that is seen: a deletion leaves no tag.
//!
//! Every deletion was made by some operation, and every acknowledged one has made one. That is a matching of two
//! sides, found by augmenting paths: first for the acknowledged operations, then for the deletions, which leaves what is
//! matched already matched.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::history::{Change, History, Input, Key, Moment, Operation, Output, ReadAt, Version};
use super::sequence::Commit;

/// Who made which deletion.
pub(crate) struct Deletions {
    /// The operations, by the revision of the deletion.
    pub(crate) made_by: HashMap<u64, usize>,
    /// An acknowledged operation that has made none.
    pub(crate) unshown: Option<usize>,
}

/// A deletion whose maker is not known.
struct Seen<'a> {
    revision: u64,
    commit: &'a Commit,
    before: Option<Version>,
}

impl Deletions {
    /// Matches what is seen with who may have done it.
    pub(crate) fn of(history: &History, commits: &BTreeMap<u64, Commit>) -> Self {
        let bounds = Bounds { reached: Reached::of(commits), left_behind: LeftBehind::of(history, commits) };
        let mut found = Self { made_by: HashMap::new(), unshown: None };
        let mut makers = makers(history);
        let mut seen = deletions(commits);
        let keys: HashSet<&Key> = makers.keys().chain(seen.keys()).copied().collect();
        for key in keys {
            let (makers, seen) =
                (makers.remove(key).unwrap_or_default(), seen.remove(key).unwrap_or_default());
            let mut matching = Matching::of(&makers, &seen, &bounds);
            for (maker, (at, operation)) in makers.iter().enumerate() {
                if operation.output != Output::Unknown && !matching.place_maker(maker, &mut HashSet::new()) {
                    found.unshown = Some(*at);
                }
            }
            for deletion in 0..seen.len() {
                matching.place_deletion(deletion, &mut HashSet::new());
            }
            matching.follow_time(&makers);
            found.made_by.extend(matching.of_maker.iter().filter_map(|(maker, deletion)| {
                Some((seen.get(*deletion)?.revision, makers.get(*maker)?.0))
            }));
        }
        found
    }
}

/// The operations that may have made a deletion whose revision they were not told; acknowledged and early ones first.
fn makers(history: &History) -> HashMap<&Key, Vec<(usize, &Operation)>> {
    let mut makers: HashMap<&Key, Vec<(usize, &Operation)>> = HashMap::new();
    for (at, operation) in history.operations.iter().enumerate() {
        if let Input::Write { key, change: Change::Delete, .. } = &operation.input
            && matches!(operation.output, Output::Committed { revision: None, .. } | Output::Unknown)
        {
            makers.entry(key).or_default().push((at, operation));
        }
    }
    for makers in makers.values_mut() {
        makers.sort_by_key(|(_, operation)| (operation.end(), operation.invoked));
    }
    makers
}

/// The deletions that nobody says to have made, each with what was there before.
fn deletions(commits: &BTreeMap<u64, Commit>) -> HashMap<&Key, Vec<Seen<'_>>> {
    let mut states: HashMap<&Key, Version> = HashMap::new();
    let mut deletions: HashMap<&Key, Vec<Seen<'_>>> = HashMap::new();
    for (revision, commit) in commits {
        let before = match commit.content {
            Some(content) => states.insert(&commit.key, Version { revision: *revision, content }),
            None => states.remove(&commit.key),
        };
        if commit.content.is_none() && commit.writer.is_none() {
            deletions.entry(&commit.key).or_default().push(Seen { revision: *revision, commit, before });
        }
    }
    deletions
}

/// Between which revisions an operation took effect.
struct Bounds {
    reached: Reached,
    left_behind: LeftBehind,
}

/// The highest revision that what ends before an operation begins can have, by the moment of that beginning.
struct LeftBehind(Vec<(Moment, u64)>);

impl LeftBehind {
    fn of(history: &History, commits: &BTreeMap<u64, Commit>) -> Self {
        let written = commits.iter().filter_map(|(revision, commit)| {
            let writer = history.operations.get(commit.writer?)?;
            Some((writer.invoked, revision.saturating_sub(1)))
        });
        let read =
            history.operations.iter().filter_map(|operation| match (&operation.input, &operation.output) {
                // Without a revision it tells that what it found had not been replaced.
                (
                    Input::Get { key, at: ReadAt::Latest },
                    Output::Found { version: Some(version), revision: None },
                ) => {
                    let of_key = commits.range(version.revision + 1..);
                    let mut replaced = of_key.filter(|(_, commit)| commit.key == *key);
                    replaced.next().map(|(revision, _)| (operation.invoked, revision.saturating_sub(1)))
                }
                (Input::Get { at: ReadAt::Latest, .. }, Output::Found { revision: Some(revision), .. })
                | (Input::List { at: ReadAt::Latest, .. }, Output::Listed { revision, .. })
                | (Input::Current, Output::Revision(revision)) => Some((operation.invoked, *revision)),
                _ => None,
            });
        let mut left: Vec<_> = written.chain(read).collect();
        left.sort_unstable();
        let mut lowest = u64::MAX;
        for (_, revision) in left.iter_mut().rev() {
            lowest = lowest.min(*revision);
            *revision = lowest;
        }
        Self(left)
    }

    fn after(&self, moment: Moment) -> u64 {
        let later = self.0.partition_point(|(begun, _)| *begun <= moment);
        self.0.get(later).map_or(u64::MAX, |(_, revision)| *revision)
    }
}

/// The highest revision that anybody had seen, by moment.
struct Reached(Vec<(Moment, u64)>);

impl Reached {
    fn of(commits: &BTreeMap<u64, Commit>) -> Self {
        let mut reached: Vec<_> = commits.iter().map(|(revision, commit)| (commit.seen, *revision)).collect();
        reached.sort_unstable();
        let mut highest = 0;
        for (_, revision) in &mut reached {
            highest = highest.max(*revision);
            *revision = highest;
        }
        Self(reached)
    }

    fn before(&self, moment: Moment) -> u64 {
        let later = self.0.partition_point(|(seen, _)| *seen < moment);
        later.checked_sub(1).and_then(|at| self.0.get(at)).map_or(0, |(_, revision)| *revision)
    }
}

/// Whether an operation may have made a deletion.
fn may((_, operation): &(usize, &Operation), seen: &Seen<'_>, bounds: &Bounds) -> bool {
    let expected = operation.input.written().is_some_and(|(_, expect, _)| expect.holds(seen.before));
    expected
        && operation.told_before().fits(seen.before)
        && operation.invoked < seen.commit.seen
        && bounds.reached.before(operation.invoked) < seen.revision
        && bounds.left_behind.after(operation.end()) >= seen.revision
}

/// The makers and the deletions of a key, by their places, and which of them are matched.
struct Matching {
    /// For each maker, the deletions that it may have made.
    may: Vec<Vec<usize>>,
    /// For each deletion, who may have made it.
    may_be_of: Vec<Vec<usize>>,
    of_maker: HashMap<usize, usize>,
    of_deletion: HashMap<usize, usize>,
}

impl Matching {
    fn of(makers: &[(usize, &Operation)], seen: &[Seen<'_>], bounds: &Bounds) -> Self {
        let fits = |maker: &(usize, &Operation)| {
            let places = seen.iter().enumerate().filter(|(_, seen)| may(maker, seen, bounds));
            places.map(|(place, _)| place).collect::<Vec<_>>()
        };
        let may: Vec<Vec<usize>> = makers.iter().map(fits).collect();
        let of = |deletion: usize| {
            let makers = may.iter().enumerate().filter(|(_, may)| may.contains(&deletion));
            makers.map(|(maker, _)| maker).collect()
        };
        let may_be_of = (0..seen.len()).map(of).collect();
        Self { may, may_be_of, of_maker: HashMap::new(), of_deletion: HashMap::new() }
    }

    fn pair(&mut self, maker: usize, deletion: usize) {
        self.of_maker.insert(maker, deletion);
        self.of_deletion.insert(deletion, maker);
    }

    /// Finds a deletion for a maker, where need be by finding another one for who has it.
    fn place_maker(&mut self, maker: usize, tried: &mut HashSet<usize>) -> bool {
        if self.of_maker.contains_key(&maker) {
            return true;
        }
        self.moved_maker(maker, tried)
    }

    fn moved_maker(&mut self, maker: usize, tried: &mut HashSet<usize>) -> bool {
        for deletion in self.may.get(maker).cloned().unwrap_or_default() {
            if !tried.insert(deletion) {
                continue;
            }
            let has = self.of_deletion.get(&deletion).copied();
            if has.is_none_or(|other| self.moved_maker(other, tried)) {
                self.pair(maker, deletion);
                return true;
            }
        }
        false
    }

    /// Finds a maker for a deletion, where need be by finding another one for what it has made.
    fn place_deletion(&mut self, deletion: usize, tried: &mut HashSet<usize>) -> bool {
        if self.of_deletion.contains_key(&deletion) {
            return true;
        }
        self.moved_deletion(deletion, tried)
    }

    fn moved_deletion(&mut self, deletion: usize, tried: &mut HashSet<usize>) -> bool {
        for maker in self.may_be_of.get(deletion).cloned().unwrap_or_default() {
            if !tried.insert(maker) {
                continue;
            }
            let made = self.of_maker.get(&maker).copied();
            if made.is_none_or(|other| self.moved_deletion(other, tried)) {
                self.pair(maker, deletion);
                return true;
            }
        }
        false
    }

    /// Where one maker was through before another began, the earlier deletion is that of the earlier, if it may be.
    fn follow_time(&mut self, makers: &[(usize, &Operation)]) {
        let allowed = |may: &[Vec<usize>], maker: usize, deletion: usize| {
            may.get(maker).is_some_and(|may| may.contains(&deletion))
        };
        let mut changed = true;
        while changed {
            changed = false;
            for (first, (_, earlier)) in makers.iter().enumerate() {
                for (second, (_, later)) in makers.iter().enumerate() {
                    let made = |maker| self.of_maker.get(&maker).copied();
                    let (Some(own), Some(other)) = (made(first), made(second)) else { continue };
                    if earlier.end() < later.invoked
                        && own > other
                        && allowed(&self.may, first, other)
                        && allowed(&self.may, second, own)
                    {
                        self.pair(first, other);
                        self.pair(second, own);
                        changed = true;
                    }
                }
            }
        }
    }
}
