//! Holds the operations of a whole store against the sequence of its commits, in time that is linear but for a
//! sort.
//!
//! Each operation takes effect at a revision between those that were seen before it was begun and those that
//! were seen after it had returned. Most answers tell that revision; for the others the least that fits is
//! taken. As the least is taken everywhere, an operation that finds no place has none.

use super::history::{Input, Key, Moment, Operation, Output, ReadAt, Scope, Seen, Version};
use super::sequence::{Entry, Sequence, Witness};
use super::verdict::{Promise, Violation};

/// Checks that operations follow time, and that reads and refusals tell what is stored.
pub(crate) fn check(sequence: &Sequence<'_>) -> Result<(), Violation> {
    let history = sequence.history;
    let mut floors = vec![Floor::default(); history.operations.len()];
    let mut now = Floor::default();
    for (_, tick) in ticks(sequence) {
        match tick {
            Tick::Invoked(at) => {
                if let Some(floor) = floors.get_mut(at) {
                    *floor = now;
                }
                check_write(sequence, at, now)?;
            }
            Tick::Returned(at) => {
                let (Some(operation), Some(floor)) = (history.operations.get(at), floors.get(at)) else {
                    continue;
                };
                let reached = Place { sequence, operation, at, floor: *floor }.point()?;
                now.raise(reached, Witness::Operation(at));
            }
            Tick::Seen { session, at, revision } => now.raise(Some(revision), Witness::Event { session, at }),
        }
    }
    Ok(())
}

/// The highest revision that anybody had seen, and who had.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    revision: u64,
    from: Option<Witness>,
}

impl Floor {
    fn raise(&mut self, reached: Option<u64>, from: Witness) {
        if let Some(revision) = reached.filter(|revision| *revision > self.revision) {
            *self = Self { revision, from: Some(from) };
        }
    }
}

/// What happens at a moment. At the same one, what begins does so before anything ends.
#[derive(Clone, Copy, Debug)]
enum Tick {
    Invoked(usize),
    Returned(usize),
    Seen { session: usize, at: usize, revision: u64 },
}

fn ticks(sequence: &Sequence<'_>) -> Vec<(Moment, Tick)> {
    let history = sequence.history;
    let mut ticks = Vec::with_capacity(history.operations.len() * 2);
    for (at, operation) in history.operations.iter().enumerate() {
        ticks.push((operation.invoked, Tick::Invoked(at)));
        ticks.extend(operation.returned.map(|returned| (returned, Tick::Returned(at))));
    }
    for (session, own) in history.sessions.iter().enumerate() {
        ticks.extend(own.seen.iter().enumerate().filter_map(|(at, seen)| {
            Some((seen.at, Tick::Seen { session, at, revision: seen.event.revision()? }))
        }));
    }
    ticks.sort_by_key(|(moment, tick)| (*moment, !matches!(tick, Tick::Invoked(_))));
    ticks
}

fn check_write(sequence: &Sequence<'_>, at: usize, floor: Floor) -> Result<(), Violation> {
    let Some(revision) = sequence.revision_of(at).filter(|revision| *revision <= floor.revision) else {
        return Ok(());
    };
    let reason = format!("a write got {revision}, and {} had been seen before it was begun", floor.revision);
    let shown = show_floor(sequence, Violation::new(Promise::RevisionsFollowTime, reason), floor);
    Err(sequence.show_witness(shown, Witness::Operation(at)))
}

fn show_floor(sequence: &Sequence<'_>, violation: Violation, floor: Floor) -> Violation {
    match floor.from {
        Some(from) => sequence.show_witness(violation, from),
        None => violation,
    }
}

/// An operation that has returned, and what had been seen before it.
struct Place<'a, 'h> {
    sequence: &'a Sequence<'h>,
    operation: &'a Operation,
    at: usize,
    floor: Floor,
}

impl Place<'_, '_> {
    /// The least revision at which the operation can have taken effect.
    fn point(&self) -> Result<Option<u64>, Violation> {
        match (&self.operation.input, &self.operation.output) {
            (Input::Write { .. }, Output::Committed { .. }) => Ok(self.sequence.revision_of(self.at)),
            (Input::Write { key, expect, .. }, Output::Refused { seen }) => {
                let refused = |state: Option<Version>| seen.fits(state) && !expect.holds(state);
                let point = self.earliest(key, self.floor.revision, refused);
                point.map(Some).ok_or_else(|| self.unfounded(key, *seen))
            }
            (Input::Get { key, at }, Output::Found { version, revision }) => {
                self.get(key, *at, *version, *revision).map(Some)
            }
            (Input::List { scope, at, after }, Output::Listed { revision, items, more, remaining }) => {
                self.demanded(*at, *revision)?;
                let page = Page { scope, after: after.as_ref(), items, more: *more, remaining: *remaining };
                self.list(&page, *revision).map(|()| Some(*revision))
            }
            (Input::Current, Output::Revision(revision)) => {
                self.demanded(ReadAt::Latest, *revision)?;
                Ok(Some(*revision))
            }
            _ => Ok(None),
        }
    }

    /// The first moment, as a revision, at which a key was like this: from a revision on, and before anything
    /// that was begun after the operation had returned.
    fn earliest(&self, key: &str, from: u64, fits: impl Fn(Option<Version>) -> bool) -> Option<u64> {
        let timeline = self.sequence.timeline(key);
        let later = timeline.partition_point(|entry| entry.revision <= from);
        let at_first = later.checked_sub(1).and_then(|at| timeline.get(at));
        if fits(at_first.and_then(Entry::version)) {
            return Some(from);
        }
        let later = timeline.get(later..).unwrap_or_default();
        let in_time = later.iter().take_while(|entry| entry.begun <= self.operation.end());
        in_time.into_iter().find(|entry| fits(entry.version())).map(|entry| entry.revision)
    }

    fn get(
        &self,
        key: &Key,
        at: ReadAt,
        version: Option<Version>,
        revision: Option<u64>,
    ) -> Result<u64, Violation> {
        let from = match at {
            ReadAt::Latest => self.floor.revision,
            ReadAt::AtLeast(revision) | ReadAt::Exactly(revision) => revision,
        };
        let point = self.earliest(key, from, |state| state == version);
        if let Some(revision) = revision {
            self.demanded(at, revision)?;
            let state = self.sequence.state(key, revision);
            if state != version {
                // What had been overwritten when the read began is stale; the rest is wrong.
                let promise = if point.is_none() { Promise::NoStaleRead } else { Promise::ReadIsTheState };
                let reason = format!("at {revision} there was {}", Seen::exactly(state));
                return Err(self.with_state(Violation::new(promise, reason), key, revision));
            }
            return Ok(revision);
        }
        point.ok_or_else(|| {
            let state = Seen::exactly(self.sequence.state(key, from));
            let reason = format!("{from} had been seen, or asked for, and there {key} held {state}");
            let shown = self.with_state(Violation::new(Promise::NoStaleRead, reason), key, from);
            show_floor(self.sequence, shown, self.floor)
        })
    }

    fn demanded(&self, at: ReadAt, revision: u64) -> Result<(), Violation> {
        let (promise, reason) = match at {
            ReadAt::Latest if revision < self.floor.revision => (
                Promise::NoStaleRead,
                format!("it is at {revision}, and {} had been seen before it began", self.floor.revision),
            ),
            ReadAt::AtLeast(least) if revision < least => {
                (Promise::ReadAsDemanded, format!("it is at {revision}, below {least}"))
            }
            ReadAt::Exactly(exact) if revision != exact => {
                (Promise::ReadAsDemanded, format!("it is at {revision}, not at {exact}"))
            }
            _ => return Ok(()),
        };
        let shown = show_floor(self.sequence, Violation::new(promise, reason), self.floor);
        Err(shown.operation(self.operation))
    }

    fn list(&self, page: &Page<'_>, revision: u64) -> Result<(), Violation> {
        let broken = |reason: String| Violation::new(Promise::ListIsAtomic, reason);
        let mut expected = self.sequence.picture(page.scope, revision);
        expected.retain(|(key, _)| page.after.is_none_or(|after| key > after));
        let in_page = if page.more { page.items.len() } else { expected.len() };
        let following = expected.split_off(in_page.min(expected.len())).len();
        if expected != page.items {
            return Err(self.unlike(&expected, page.items, revision));
        }
        let ends_well = page.more == (following > 0);
        let counted = page.remaining.is_none_or(|told| told == following as u64);
        if ends_well && counted {
            return Ok(());
        }
        let reason = format!("{following} objects follow it, not {:?}", page.remaining);
        Err(broken(reason).operation(self.operation))
    }

    /// Shows the first item of a list that is not as it should be.
    fn unlike(&self, expected: &[(Key, Version)], items: &[(Key, Version)], revision: u64) -> Violation {
        let unlike = expected.iter().zip(items).find(|(expected, found)| expected != found);
        let (wanted, found) = match unlike {
            Some((wanted, found)) => (Some(wanted), Some(found)),
            None => (expected.get(items.len()), items.get(expected.len())),
        };
        let told = |item: Option<&(Key, Version)>| {
            item.map_or_else(|| "nothing".to_owned(), |(key, version)| format!("{key} = {version}"))
        };
        let reason = format!("at {revision} there was {}, not {}", told(wanted), told(found));
        let violation = Violation::new(Promise::ListIsAtomic, reason);
        let shown = [wanted, found].into_iter().flatten().fold(violation, |shown, (key, version)| {
            self.sequence.show(self.state_of(shown, key, revision), version.revision)
        });
        shown.operation(self.operation)
    }

    fn unfounded(&self, key: &Key, seen: Seen) -> Violation {
        let reason = format!("while it was under way, {key} was not like {seen}, or was as expected");
        let violation = Violation::new(Promise::RefusedForAReason, reason);
        let shown = self.with_state(violation, key, self.floor.revision);
        show_floor(self.sequence, shown, self.floor)
    }

    /// Shows who made the state of a key at a revision, and the operation itself.
    fn with_state(&self, violation: Violation, key: &Key, revision: u64) -> Violation {
        self.state_of(violation, key, revision).operation(self.operation)
    }

    fn state_of(&self, violation: Violation, key: &Key, revision: u64) -> Violation {
        let made = self.sequence.timeline(key).iter().rfind(|entry| entry.revision <= revision);
        match made {
            Some(entry) => self.sequence.show(violation, entry.revision),
            None => violation,
        }
    }
}

/// A list, or a page of one.
struct Page<'a> {
    scope: &'a Scope,
    after: Option<&'a Key>,
    items: &'a [(Key, Version)],
    more: bool,
    remaining: Option<u64>,
}
