//! Random histories that keep all promises: a model does one operation after the other, each at its moment, and
//! clients are told earlier that it began and later that it ended.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use watchkeep_proof::linear::{
    Change, Content, Event, Expect, History, Input, Key, Moment, Observed, Operation, Output, ReadAt, Scope,
    Seen, Session, Version,
};

/// How many moments lie between two operations, and how long one lasts at most.
const APART: Moment = 1000;
const LASTS: Moment = 6000;

/// What a history is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) operations: u64,
    pub(crate) clients: usize,
    pub(crate) keys: usize,
    /// Of a hundred writes so many are cut off.
    pub(crate) cut_off: u32,
}

struct Committed {
    at: Moment,
    revision: u64,
    key: Key,
    before: Option<Version>,
    after: Option<Version>,
}

struct Model {
    chance: StdRng,
    size: Size,
    now: Moment,
    revision: u64,
    tags: u64,
    state: BTreeMap<Key, Version>,
    commits: Vec<Committed>,
    free: Vec<Moment>,
    history: History,
}

/// The history of a seed.
pub(crate) fn history(seed: u64, size: Size) -> History {
    let mut model = Model {
        chance: StdRng::seed_from_u64(seed),
        size,
        now: LASTS,
        revision: 100,
        tags: 0,
        state: BTreeMap::new(),
        commits: Vec::new(),
        free: vec![0; size.clients],
        history: History::default(),
    };
    for _ in 0..size.operations {
        model.now += APART;
        model.step();
    }
    // One watch of everything, and some more.
    model.watch(100, Scope::All);
    for _ in 0..3 {
        let after = model.draw(100..=model.revision);
        let scope = match model.draw(0..=2) {
            0 => Scope::All,
            1 => Scope::Under("n/".to_owned()),
            _ => Scope::One(model.key()),
        };
        model.watch(after, scope);
    }
    model.history
}

impl Model {
    fn draw(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.chance.random_range(range)
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.draw(1..=times) == 1
    }

    fn key(&mut self) -> Key {
        let number = self.draw(1..=self.size.keys as u64);
        format!("{}/{number}", if number.is_multiple_of(2) { "n" } else { "m" }).into()
    }

    fn step(&mut self) {
        let now = self.now;
        let idle: Vec<usize> = (0..self.free.len()).filter(|client| self.free[*client] < now).collect();
        if idle.is_empty() {
            return;
        }
        let client = idle[usize::try_from(self.draw(0..=idle.len() as u64 - 1)).unwrap()];
        let invoked = self.draw((self.free[client] + 1).max(now - LASTS)..=now);
        let ended = self.draw(now..=now + LASTS);
        let (input, output) = match self.draw(0..=9) {
            0..=5 => self.write(),
            6..=7 => self.get(),
            8 => self.list(),
            _ => (Input::Current, Output::Revision(self.revision)),
        };
        self.free[client] = ended;
        let returned = (output != Output::Unknown).then_some(ended);
        self.history.operations.push(Operation { client, invoked, returned, input, output });
    }

    fn write(&mut self) -> (Input, Output) {
        let key = self.key();
        let before = self.state.get(&key).copied();
        self.tags += 1;
        let tag = self.tags;
        let at = before.map_or(self.revision, |version| version.revision);
        let at = if self.one_in(5) { at - 1 } else { at };
        let put = Change::Put(Content { tag, count: 0 });
        let (expect, change) = match self.draw(0..=7) {
            0 => (Expect::Absent, put),
            1 => (Expect::Present, Change::Increment { tag }),
            2 => (Expect::Present, Change::Delete),
            3 => (Expect::Revision(at), Change::Delete),
            _ if before.is_none() => (Expect::Absent, put),
            _ => (Expect::Revision(at), put),
        };
        let input = Input::Write { key: key.clone(), expect, change };
        let cut_off = self.draw(0..=99) < u64::from(self.size.cut_off);
        if cut_off && self.one_in(2) {
            return (input, Output::Unknown);
        }
        if self.one_in(40) {
            return (input, Output::Failed);
        }
        if !expect.holds(before) {
            let seen = match before {
                Some(_) if self.one_in(2) => Seen::Present,
                before => Seen::exactly(before),
            };
            return (input, if cut_off { Output::Unknown } else { Output::Refused { seen } });
        }
        let content = match change {
            Change::Put(content) => Some(content),
            Change::Increment { tag } => {
                Some(Content { tag, count: before.map_or(1, |v| v.content.count + 1) })
            }
            Change::Delete => None,
        };
        let revision = self.commit(&key, before, content);
        if cut_off {
            return (input, Output::Unknown);
        }
        let told = change != Change::Delete || self.one_in(2);
        let previous = if self.one_in(2) { Seen::exactly(before) } else { Seen::Untold };
        (input, Output::Committed { revision: told.then_some(revision), content, previous })
    }

    fn commit(&mut self, key: &Key, before: Option<Version>, content: Option<Content>) -> u64 {
        self.revision += self.draw(1..=3);
        let after = content.map(|content| Version { revision: self.revision, content });
        match after {
            Some(version) => self.state.insert(key.clone(), version),
            None => self.state.remove(key),
        };
        self.commits.push(Committed {
            at: self.now,
            revision: self.revision,
            key: key.clone(),
            before,
            after,
        });
        self.revision
    }

    /// The state at a revision.
    fn state_at(&self, revision: u64) -> BTreeMap<Key, Version> {
        let mut state = BTreeMap::new();
        for commit in self.commits.iter().take_while(|commit| commit.revision <= revision) {
            match commit.after {
                Some(version) => state.insert(commit.key.clone(), version),
                None => state.remove(&commit.key),
            };
        }
        state
    }

    fn get(&mut self) -> (Input, Output) {
        let key = self.key();
        let mut at = ReadAt::Latest;
        let mut revision = self.revision;
        if self.one_in(3) {
            revision = self.draw(100..=self.revision);
            at = ReadAt::AtLeast(self.draw(0..=revision));
        }
        let version = self.state_at(revision).get(&key).copied();
        let revision = self.one_in(2).then_some(revision);
        (Input::Get { key, at }, Output::Found { version, revision })
    }

    fn list(&mut self) -> (Input, Output) {
        let scope = if self.one_in(2) { Scope::All } else { Scope::Under("n/".to_owned()) };
        let (mut at, mut revision) = (ReadAt::Latest, self.revision);
        match self.draw(0..=3) {
            0 => {
                revision = self.draw(100..=self.revision);
                at = ReadAt::Exactly(revision);
            }
            1 => {
                revision = self.draw(100..=self.revision);
                at = ReadAt::AtLeast(self.draw(0..=revision));
            }
            _ => {}
        }
        let after = self.one_in(3).then(|| self.key());
        let state = self.state_at(revision).into_iter();
        let covered =
            state.filter(|(key, _)| scope.contains(key) && after.as_ref().is_none_or(|after| key > after));
        let mut items: Vec<_> = covered.collect();
        let mut remaining = Some(0);
        if !items.is_empty() && self.one_in(2) {
            let kept = usize::try_from(self.draw(1..=items.len() as u64)).unwrap();
            remaining = Some(items.split_off(kept).len() as u64);
        }
        let more = remaining != Some(0);
        let remaining = if self.one_in(2) { None } else { remaining };
        (Input::List { scope, at, after }, Output::Listed { revision, items, more, remaining })
    }

    fn watch(&mut self, after: u64, scope: Scope) {
        let base = self.one_in(2).then(|| {
            self.state_at(after).into_iter().filter(|(key, _)| scope.contains(key)).collect::<Vec<_>>()
        });
        let covered = |commit: &&Committed| commit.revision > after && scope.contains(&commit.key);
        let told: Vec<(Moment, u64, Event)> = self
            .commits
            .iter()
            .filter(covered)
            .map(|commit| (commit.at, commit.revision, event_of(commit)))
            .collect();
        let (mut seen, mut moment) = (Vec::new(), 0);
        for (at, revision, event) in told {
            moment = self.draw(at.max(moment)..=at.max(moment) + LASTS);
            seen.push(Observed { at: moment, event });
            if self.one_in(10) {
                seen.push(Observed { at: moment, event: Event::Bookmark(revision) });
            }
            if self.one_in(20) {
                seen.push(Observed { at: moment, event: Event::Resumed });
            }
        }
        let at = moment.max(self.now) + 1;
        seen.push(Observed { at, event: Event::Bookmark(self.revision) });
        self.history.sessions.push(Session { client: self.size.clients, scope, after, base, seen });
    }
}

fn event_of(commit: &Committed) -> Event {
    let key = commit.key.clone();
    match (commit.before, commit.after) {
        (None, Some(version)) => Event::Added { key, version },
        (Some(before), Some(version)) => Event::Modified { key, version, previous: Seen::Version(before) },
        (Some(before), None) => Event::Deleted {
            key,
            revision: commit.revision,
            last: before.content,
            previous: Seen::Version(before),
        },
        (None, None) => panic!("nothing was deleted"),
    }
}
