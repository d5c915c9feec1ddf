//! Whether the operations of one key are linearizable, by search: what Wing and Gong describe, with Lowe's
//! memory of where it has been.
//!
//! The search goes through the operations from one that may come first to the next, over a model of one key:
//! absent, or an object. It needs no revisions but those that were answered, and trusts no order of them.
//!
//! # What it costs
//! A read, or a refusal, that fits the state is taken at once: it may come first, changes nothing, and so can only
//! be in the way. What is left to choose from are writes, and most have an expectation that holds in one state
//! only: of a right history the search looks at about as many places as there are writes, which takes some
//! 50 ms for 5,000 operations of 16 clients on one key. Writes of unknown outcome are dear: each may come at
//! any later place, or never. A place that was reached with fewer of them is as good as one with more, and
//! deletions of whatever there is are taken in one order, so that few dozens of them cost a few times as much.
//! What is left is bounded by [`PLACES_MAX`], after which the search gives up on a key without a verdict.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::history::{
    Change, Content, Expect, History, Input, Key, Moment, Operation, Output, ReadAt, Seen, Version,
};
use super::sequence::{Sequence, revisions_by_tag};
use super::verdict::{Promise, Violation};

/// How many places the search looks at before it gives up.
pub const PLACES_MAX: usize = 200_000;

/// What revisions that nobody was told are counted from: no store reaches it.
const UNTOLD: u64 = 1 << 63;

/// What a search found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// How many places it looked at.
    pub places: usize,
    /// How many keys it gave up on.
    pub undecided: usize,
}

/// Whether the operations of each key are linearizable. Of the writes of unknown outcome only those have a place
/// that somebody has read; the others may have any, or none.
///
/// # Errors
/// [`Violation`], for the first key that is not.
pub fn check_keys(history: &History) -> Result<Searched, Violation> {
    let revisions = revisions_by_tag(history);
    let tag = |at: usize| history.operations.get(at)?.input.written()?.2.tag();
    search(history, |at| revisions.get(&tag(at)?).copied(), false)
}

/// The same, with unknown outcomes settled.
pub(crate) fn check(sequence: &Sequence<'_>) -> Result<Searched, Violation> {
    search(sequence.history, |at| sequence.revision_of(at), true)
}

fn search(
    history: &History,
    revision_of: impl Fn(usize) -> Option<u64>,
    settled: bool,
) -> Result<Searched, Violation> {
    let mut searched = Searched::default();
    for (key, steps) in &steps_by_key(history, &revision_of, settled) {
        match Search::of(steps).run() {
            Verdict::Linearizable { places } => searched.places += places,
            Verdict::Undecided => searched.undecided += 1,
            Verdict::Broken { state, pending } => return Err(shown(history, key, steps, state, &pending)),
        }
    }
    Ok(searched)
}

/// What an operation does to the model of a key.
#[derive(Clone, Copy, Debug)]
enum Act {
    Write { expect: Expect, change: Change, revision: u64, content: Option<Content>, previous: Seen },
    Refuse { expect: Expect, seen: Seen },
    Read(Option<Version>),
}

/// An operation on one key.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Its place in the history.
    at: usize,
    invoked: Moment,
    returned: Moment,
    /// Whether it may also never take effect.
    optional: bool,
    act: Act,
}

/// What a step makes of a state.
enum Next {
    /// It cannot have been done in it.
    Unfit,
    /// The state after it.
    State(Option<Version>),
}

impl Step {
    /// Whether it fits a state, and the one after it.
    fn from(&self, state: Option<Version>) -> Next {
        let unchanged = |fits| if fits { Next::State(state) } else { Next::Unfit };
        match self.act {
            Act::Read(version) => unchanged(state == version),
            Act::Refuse { expect, seen } => unchanged(!expect.holds(state) && seen.fits(state)),
            Act::Write { expect, change, revision, content, previous } => {
                if !expect.holds(state) || !previous.fits(state) {
                    return Next::Unfit;
                }
                let made = match change {
                    Change::Delete => return Next::State(None),
                    Change::Put(content) => content,
                    Change::Increment { tag } => Content {
                        tag,
                        count: state.map_or(1, |version| version.content.count.saturating_add(1)),
                    },
                };
                if content.is_some_and(|content| content != made) {
                    return Next::Unfit;
                }
                Next::State(Some(Version { revision, content: made }))
            }
        }
    }

    fn is_write(&self) -> bool {
        matches!(self.act, Act::Write { .. })
    }

    fn is_blind_deletion(&self) -> bool {
        matches!(self.act, Act::Write { expect: Expect::Present, change: Change::Delete, .. })
    }

    /// Whether it has to be remembered that it was done: what expects a revision cannot be done again.
    fn may_come_again(&self) -> bool {
        !matches!(self.act, Act::Write { expect: Expect::Revision(_), .. })
    }

    fn rank(&self) -> (bool, u64) {
        match self.act {
            Act::Write { revision, .. } => (self.optional, revision),
            _ => (self.optional, 0),
        }
    }
}

fn steps_by_key(
    history: &History,
    revision_of: &impl Fn(usize) -> Option<u64>,
    settled: bool,
) -> BTreeMap<Key, Vec<Step>> {
    let mut keys: BTreeMap<Key, Vec<Step>> = BTreeMap::new();
    for (at, operation) in history.operations.iter().enumerate() {
        let known = revision_of(at);
        if let Some((key, act)) = own_act(at, operation, known) {
            let unknown = operation.output == Output::Unknown;
            // What is settled and was never seen did not take place.
            if unknown && settled && known.is_none() {
                continue;
            }
            let optional = unknown && known.is_none();
            let step = Step { at, invoked: operation.invoked, returned: operation.end(), optional, act };
            keys.entry(Key::clone(key)).or_default().push(step);
        }
    }
    for (at, operation) in history.operations.iter().enumerate() {
        let (
            Input::List { scope, at: ReadAt::Latest, after: None },
            Output::Listed { items, more: false, .. },
        ) = (&operation.input, &operation.output)
        else {
            continue;
        };
        let found: BTreeMap<&Key, Version> = items.iter().map(|(key, version)| (key, *version)).collect();
        for (key, steps) in keys.iter_mut().filter(|(key, _)| scope.contains(key)) {
            let act = Act::Read(found.get(key).copied());
            let (invoked, returned) = (operation.invoked, operation.end());
            steps.push(Step { at, invoked, returned, optional: false, act });
        }
    }
    for steps in keys.values_mut() {
        steps.sort_by_key(|step| step.invoked);
    }
    keys
}

/// What an operation does to the one key that it names, if it says anything of the latest state.
fn own_act(at: usize, operation: &Operation, known: Option<u64>) -> Option<(&Key, Act)> {
    let untold = UNTOLD.saturating_add(at as u64);
    match (&operation.input, &operation.output) {
        (Input::Write { key, expect, change }, Output::Committed { revision, content, previous }) => {
            let revision = revision.or(known).unwrap_or(untold);
            let (expect, change, content, previous) = (*expect, *change, *content, *previous);
            Some((key, Act::Write { expect, change, revision, content, previous }))
        }
        (Input::Write { key, expect, change }, Output::Unknown) => {
            let (expect, change, revision) = (*expect, *change, known.unwrap_or(untold));
            Some((key, Act::Write { expect, change, revision, content: None, previous: Seen::Untold }))
        }
        (Input::Write { key, expect, .. }, Output::Refused { seen }) => {
            Some((key, Act::Refuse { expect: *expect, seen: *seen }))
        }
        (Input::Get { key, at: ReadAt::Latest }, Output::Found { version, .. }) => {
            Some((key, Act::Read(*version)))
        }
        _ => None,
    }
}

enum Verdict {
    Linearizable {
        places: usize,
    },
    Undecided,
    /// Where the search got furthest: the state, and the steps of which none can come next.
    Broken {
        state: Option<Version>,
        pending: Vec<usize>,
    },
}

/// A place of the search: what was done, and the state that it led to.
#[derive(Clone, Debug)]
struct Place {
    spot: Spot,
    /// Which optional steps were done that could come again, in order.
    used: Vec<usize>,
}

/// A place, but for what is left of the optional steps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Spot {
    state: Option<Version>,
    /// All required steps before this one are done.
    low: usize,
    /// The required ones that are done beside them, in order.
    above: Vec<usize>,
}

struct Search<'a> {
    steps: &'a [Step],
    optional: Vec<usize>,
    /// Where the search has been, each time with what it had used.
    been: HashMap<Spot, Vec<Vec<usize>>>,
    places: usize,
    furthest: (usize, Place),
}

impl<'a> Search<'a> {
    fn of(steps: &'a [Step]) -> Self {
        let optional =
            (0..steps.len()).filter(|at| steps.get(*at).is_some_and(|step| step.optional)).collect();
        let mut spot = Spot { state: None, low: 0, above: Vec::new() };
        spot.advance(steps);
        let begin = Place { spot, used: Vec::new() };
        Self { steps, optional, been: HashMap::new(), places: 0, furthest: (0, begin) }
    }

    fn run(mut self) -> Verdict {
        let mut stack = vec![self.furthest.1.clone()];
        while let Some(mut place) = stack.pop() {
            self.settle(&mut place);
            if place.spot.low == self.steps.len() {
                return Verdict::Linearizable { places: self.places };
            }
            if !self.is_new(&place) {
                continue;
            }
            self.places += 1;
            if self.places > PLACES_MAX {
                return Verdict::Undecided;
            }
            let done = place.spot.low + place.spot.above.len();
            if done >= self.furthest.0 {
                self.furthest = (done, place.clone());
            }
            stack.extend(self.next(&place));
        }
        let (_, place) = &self.furthest;
        Verdict::Broken { state: place.spot.state, pending: self.pending(place) }
    }

    /// Whether the search has not been here with as much left, or more.
    fn is_new(&mut self, place: &Place) -> bool {
        let used = self.been.entry(place.spot.clone()).or_default();
        let within = |fewer: &[usize], more: &[usize]| fewer.iter().all(|at| more.binary_search(at).is_ok());
        if used.iter().any(|fewer| within(fewer, &place.used)) {
            return false;
        }
        used.retain(|more| !within(&place.used, more));
        used.push(place.used.clone());
        true
    }

    /// The places after a write, the likeliest last, which is looked at first.
    fn next(&self, place: &Place) -> Vec<Place> {
        let mut writes: Vec<(usize, &Step, Option<Version>)> = self
            .pending(place)
            .into_iter()
            .filter_map(|at| {
                let step = self.steps.get(at).filter(|step| step.is_write())?;
                match step.from(place.spot.state) {
                    Next::Unfit => None,
                    Next::State(state) => Some((at, step, state)),
                }
            })
            .collect();
        writes.sort_by_key(|(_, step, _)| Reverse(step.rank()));
        writes.into_iter().map(|(at, step, state)| self.done(place, at, step, state)).collect()
    }

    /// Does all that fits and changes nothing.
    fn settle(&self, place: &mut Place) {
        let reads = |at: usize| self.steps.get(at).filter(|step| !step.is_write()).map(|step| (at, step));
        loop {
            let mut pending = self.pending(place).into_iter().filter_map(reads);
            match pending.find(|(_, step)| matches!(step.from(place.spot.state), Next::State(_))) {
                Some((at, step)) => *place = self.done(place, at, step, place.spot.state),
                None => return,
            }
        }
    }

    /// The steps that may come next: those that were begun before any other that is not done had returned.
    fn pending(&self, place: &Place) -> Vec<usize> {
        let mut pending = Vec::new();
        let mut returned = Moment::MAX;
        for (at, step) in self.steps.iter().enumerate().skip(place.spot.low) {
            if step.invoked > returned {
                break;
            }
            if !step.optional && place.spot.above.binary_search(&at).is_err() {
                returned = returned.min(step.returned);
                pending.push(at);
            }
        }
        let left = self.optional.iter().filter(|at| place.used.binary_search(at).is_err());
        let begun =
            left.filter_map(|at| Some((*at, self.steps.get(*at).filter(|step| step.invoked <= returned)?)));
        // Deletions of whatever there is are all the same, and the first one is enough.
        let (blind, others): (Vec<_>, Vec<_>) = begun.partition(|(_, step)| step.is_blind_deletion());
        pending.extend(others.iter().chain(blind.first()).map(|(at, _)| *at));
        pending
    }

    /// The place after a step.
    fn done(&self, place: &Place, at: usize, step: &Step, state: Option<Version>) -> Place {
        let mut next = place.clone();
        next.spot.state = state;
        // An optional step that expects a revision cannot come again, used or not.
        let list = if step.optional {
            step.may_come_again().then_some(&mut next.used)
        } else {
            Some(&mut next.spot.above)
        };
        if let Some(list) = list
            && let Err(slot) = list.binary_search(&at)
        {
            list.insert(slot, at);
        }
        next.spot.advance(self.steps);
        next
    }
}

impl Spot {
    /// Forgets what is done together with all before it.
    fn advance(&mut self, steps: &[Step]) {
        while let Some(step) = steps.get(self.low) {
            match self.above.binary_search(&self.low) {
                _ if step.optional => {}
                Ok(slot) => drop(self.above.remove(slot)),
                Err(_) => return,
            }
            self.low += 1;
        }
    }
}

/// The state that the search got to, who made it, and the operations of which none fits.
fn shown(
    history: &History,
    key: &Key,
    steps: &[Step],
    state: Option<Version>,
    pending: &[usize],
) -> Violation {
    let held = Seen::exactly(state);
    let reason =
        format!("{key} held {held}, and of the operations that are next none finds what it tells of");
    let violation = Violation::new(Promise::Linearizable, reason);
    let made = |step: &&Step| matches!(step.act, Act::Write { revision, .. } if state.is_some_and(|made| made.revision == revision));
    let pending = pending.iter().filter_map(|at| steps.get(*at)).filter(|step| !step.optional);
    let operations =
        steps.iter().find(made).into_iter().chain(pending).filter_map(|step| history.operations.get(step.at));
    operations.fold(violation, Violation::operation)
}
