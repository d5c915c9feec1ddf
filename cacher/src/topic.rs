//! Who cares about which events. A watch belongs to one topic, the narrowest that covers it; an event goes to
//! the few topics that it concerns, and wakes nobody else.
//!
//! A topic keeps its newest events for the watches that follow it closely. It drops the older ones, and
//! remembers up to where: who has not come so far reads the window instead. So a watch that is asleep costs
//! nothing but its place, and a topic without watches does not exist.
//!
//! The writer notes that it has begun to publish a revision before it looks topics up ([`Topics::begin`]);
//! who makes a topic notes, once it can be found, what had begun by then. Either the writer has found the new
//! topic, or the topic knows that it missed the event.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use watchkeep_storage::defect::{self, Defect};
use watchkeep_storage::{Event, Interface, Predicate, Record, Revision, Schema, Scope};

use crate::sync::{AtomicU64, AtomicUsize, Mutex, RwLock, fence};
use crate::window;

/// How many events a topic keeps: more than a watch is behind that is read at all.
const EVENTS_MAX: usize = 64;
/// Into how many parts the topics are cut, each with a lock of its own.
const PARTS: usize = 16;

/// What a watch follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// Everything.
    All,
    /// What lies below a prefix: a namespace.
    Under(Box<str>),
    /// One object.
    One(Box<str>),
    /// The objects with this value of a selectable field.
    Field(usize, Box<str>),
}

/// The topics of a resource.
pub(crate) struct Topics {
    prefix: String,
    fields: Vec<Arc<str>>,
    parts: [RwLock<HashMap<Topic, Arc<Log>, Hasher>>; PARTS],
    /// The newest revision whose publication has begun. Written before topics are looked up, read after one was
    /// made and counted.
    begun: AtomicU64,
    /// How many topics there are of single objects and of fields: mostly none, and then none are looked up. So
    /// no lock orders this look with `begun`, but a fence on either side: of the writer and of who makes a topic
    /// one at least sees what the other did.
    narrow: AtomicUsize,
}

/// Hashes alike in every run, so that a seed replays it.
type Hasher = BuildHasherDefault<DefaultHasher>;

/// The newest events of a topic, and who waits for more.
pub(crate) struct Log(Mutex<LogState>);

struct LogState {
    events: VecDeque<Arc<Event>>,
    /// Events up to here may be missing.
    dropped: Revision,
    /// Who waits. Counted by `round`, so that a watch knows whether its waker is still among them.
    wakers: Vec<(Waker, Seen)>,
    /// Places among them of watches that are gone.
    free: Vec<usize>,
    round: u64,
    watches: usize,
}

/// A watch among those who wait, again and again.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// The round, and the place in it.
    place: Option<(u64, usize)>,
    seen: Seen,
}

/// Who waits has seen everything of the topic before the event that it is woken for: the writer notes here up to
/// where that is. Else a watch that slept for long would have to look for it where it has long been given up.
type Seen = Arc<AtomicU64>;

/// What a look at a topic gives.
pub(crate) enum Look {
    /// Events after the revision, oldest first.
    Events(Vec<Arc<Event>>),
    /// There is none; the watch will be woken.
    Nothing,
    /// Some after this revision may be missing.
    Behind(Revision),
}

impl Topic {
    /// The narrowest topic that covers what a watch shows.
    pub(crate) fn of(scope: &Scope, predicate: &Predicate, store: &dyn Interface) -> Self {
        if let Scope::One(key) = scope {
            return Self::One(key.as_str().into());
        }
        let pinned = store.schema().fields.iter().enumerate().find_map(|(position, field)| {
            predicate.fields.exact(&field.name).map(|value| Self::Field(position, value.into()))
        });
        pinned.unwrap_or_else(|| {
            if scope.prefix() == store.prefix().as_str() {
                Self::All
            } else {
                Self::Under(scope.prefix().into())
            }
        })
    }

    fn is_narrow(&self) -> bool {
        matches!(self, Self::One(_) | Self::Field(..))
    }
}

impl Topics {
    /// The topics of a resource: none.
    pub(crate) fn new(prefix: &str, schema: &Schema) -> Self {
        Self {
            prefix: prefix.to_owned(),
            fields: schema.fields.iter().map(|field| Arc::clone(&field.name)).collect(),
            parts: Default::default(),
            begun: AtomicU64::new(0),
            narrow: AtomicUsize::new(0),
        }
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder by the number of parts is a part")]
    fn part(&self, topic: &Topic) -> &RwLock<HashMap<Topic, Arc<Log>, Hasher>> {
        let hash = Hasher::default().hash_one(topic);
        &self.parts[usize::try_from(hash % PARTS as u64).unwrap_or_default()]
    }

    /// Follows a topic: its log, made if there is none.
    pub(crate) fn follow(&self, topic: &Topic) -> Arc<Log> {
        let mut part = self.part(topic).write();
        let log = Arc::clone(part.entry(topic.clone()).or_insert_with(|| {
            if topic.is_narrow() {
                self.narrow.fetch_add(1, Ordering::Relaxed);
                fence(Ordering::SeqCst);
            }
            Arc::new(Log::new())
        }));
        let mut state = log.0.lock();
        state.watches += 1;
        if state.watches == 1 && !defect::on(Defect::CacheTopicForgetsBegun) {
            state.dropped = state.dropped.max(Revision::new(self.begun.load(Ordering::Relaxed)));
        }
        drop(state);
        log
    }

    /// Ends to follow a topic, which goes with its last watch.
    pub(crate) fn leave(&self, topic: &Topic, log: &Log, waiting: &Waiting) {
        let mut part = self.part(topic).write();
        let (waker, is_last) = {
            let mut state = log.0.lock();
            state.watches -= 1;
            (state.forget(waiting), state.watches == 0)
        };
        if is_last {
            part.remove(topic);
            if topic.is_narrow() {
                self.narrow.fetch_sub(1, Ordering::Relaxed);
            }
        }
        drop(part);
        // A reader's waker may be all that holds a task.
        drop(waker);
    }

    /// The publication of a revision begins: topics that are made from now on know that they missed it.
    pub(crate) fn begin(&self, revision: Revision) {
        self.begun.fetch_max(revision.get(), Ordering::Relaxed);
    }

    /// Hands an event to the topics that it concerns. Who waits there is to be woken.
    pub(crate) fn publish(&self, event: &Arc<Event>, wakers: &mut Vec<Waker>) {
        self.begin(event.revision);
        self.hand(&Topic::All, event, wakers);
        let key = event.key.as_str();
        let path = key.get(self.prefix.len()..).unwrap_or_default();
        for (slash, _) in path.match_indices('/') {
            let end = self.prefix.len() + slash + 1;
            self.hand(&Topic::Under(key.get(..end).unwrap_or_default().into()), event, wakers);
        }
        fence(Ordering::SeqCst);
        if self.narrow.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.hand(&Topic::One(key.into()), event, wakers);
        for (position, field) in self.fields.iter().enumerate() {
            // A selector takes a missing field for an empty one.
            let value = |record: &Option<Arc<Record>>| {
                let attributes = record.as_ref()?.value.attributes();
                Some(Box::<str>::from(attributes.field(field).unwrap_or_default()))
            };
            let (before, after) = (value(&event.previous), value(&event.current));
            if before != after
                && let Some(before) = before
                && !(after.is_some() && defect::on(Defect::CacheTopicIgnoresLeaving))
            {
                self.hand(&Topic::Field(position, before), event, wakers);
            }
            if let Some(after) = after {
                self.hand(&Topic::Field(position, after), event, wakers);
            }
        }
    }

    fn hand(&self, topic: &Topic, event: &Arc<Event>, wakers: &mut Vec<Waker>) {
        let log = self.part(topic).read().get(topic).cloned();
        if let Some(log) = log {
            log.push(event, wakers);
        }
    }

    /// Gives up what topics keep up to a revision.
    pub(crate) fn give_up_through(&self, revision: Revision) {
        for part in &self.parts {
            let logs: Vec<_> = part.read().values().cloned().collect();
            for log in logs {
                let mut state = log.0.lock();
                let events = state.events.partition_point(|event| event.revision <= revision);
                let garbage = state.give_up(events);
                drop(state);
                drop(garbage);
            }
        }
    }

    /// How many topics there are, and how many watches follow them.
    pub(crate) fn count(&self) -> (usize, usize) {
        let mut count = (0, 0);
        for part in &self.parts {
            let logs: Vec<_> = part.read().values().cloned().collect();
            count.0 += logs.len();
            count.1 += logs.iter().map(|log| log.0.lock().watches).sum::<usize>();
        }
        count
    }

    /// Everything up to a revision is gone: watches that have not come so far look elsewhere.
    pub(crate) fn reset(&self, revision: Revision, wakers: &mut Vec<Waker>) {
        self.begin(revision);
        for part in &self.parts {
            let logs: Vec<_> = part.read().values().cloned().collect();
            for log in logs {
                let mut state = log.0.lock();
                state.events.clear();
                state.dropped = state.dropped.max(revision);
                // Where nothing is known of what lies between, nobody has seen it.
                state.take_wakers(Revision::ZERO, wakers);
            }
        }
    }
}

impl Log {
    fn new() -> Self {
        let state = LogState {
            events: VecDeque::new(),
            dropped: Revision::ZERO,
            wakers: Vec::new(),
            free: Vec::new(),
            round: 0,
            watches: 0,
        };
        Self(Mutex::new(state))
    }

    fn push(&self, event: &Arc<Event>, wakers: &mut Vec<Waker>) {
        let mut state = self.0.lock();
        let dropped = if state.events.len() == EVENTS_MAX { state.events.pop_front() } else { None };
        if let Some(dropped) = &dropped
            && !defect::on(Defect::CacheTopicDropsUnmarked)
        {
            state.dropped = dropped.revision;
        }
        state.events.push_back(Arc::clone(event));
        state.take_wakers(event.revision.previous(), wakers);
    }

    /// So many events after a revision as [`window::take`] says. Where there is none, the waker waits for the next.
    pub(crate) fn look(
        &self,
        after: Revision,
        events_max: usize,
        waker: &Waker,
        waiting: &mut Waiting,
    ) -> Look {
        let mut state = self.0.lock();
        let after = after.max(Revision::new(waiting.seen.load(Ordering::Relaxed)));
        if state.dropped > after {
            return Look::Behind(after);
        }
        let first = state.events.partition_point(|event| event.revision <= after);
        let events = window::take(state.events.range(first..), events_max);
        // Nobody else will ask for what is behind the only watch.
        let garbage = if state.watches == 1 { state.give_up(first) } else { VecDeque::new() };
        let replaced = if events.is_empty() { state.wait(waker, waiting) } else { None };
        drop(state);
        drop((garbage, replaced));
        if events.is_empty() { Look::Nothing } else { Look::Events(events) }
    }

    /// Whether everything after a revision is here, and there is nothing.
    pub(crate) fn is_past(&self, revision: Revision) -> bool {
        let state = self.0.lock();
        state.dropped <= revision && state.events.back().is_none_or(|event| event.revision <= revision)
    }
}

impl LogState {
    /// Gives up the oldest events.
    fn give_up(&mut self, events: usize) -> VecDeque<Arc<Event>> {
        let kept = self.events.split_off(events.min(self.events.len()));
        let gone = std::mem::replace(&mut self.events, kept);
        if let Some(last) = gone.back() {
            self.dropped = last.revision;
        }
        gone
    }

    /// Waits for the next event. Returns the waker that was there before.
    fn wait(&mut self, waker: &Waker, waiting: &mut Waiting) -> Option<Waker> {
        if let Some((place, _)) = self.place(waiting) {
            let is_replaced = !place.will_wake(waker) && !defect::on(Defect::CacheWakesFirstReader);
            return is_replaced.then(|| std::mem::replace(place, waker.clone()));
        }
        let entry = (waker.clone(), Arc::clone(&waiting.seen));
        let free = self.free.pop().and_then(|free| Some((free, self.wakers.get_mut(free)?)));
        let position = if let Some((free, place)) = free {
            *place = entry;
            free
        } else {
            self.wakers.push(entry);
            self.wakers.len() - 1
        };
        waiting.place = Some((self.round, position));
        None
    }

    fn place(&mut self, waiting: &Waiting) -> Option<&mut (Waker, Seen)> {
        let (round, position) = waiting.place?;
        if round == self.round { self.wakers.get_mut(position) } else { None }
    }

    fn forget(&mut self, waiting: &Waiting) -> Option<Waker> {
        let (waker, _) = self.place(waiting)?;
        let waker = std::mem::replace(waker, Waker::noop().clone());
        self.free.extend(waiting.place.map(|(_, position)| position));
        Some(waker)
    }

    /// Begins the next round. Who waited for it has seen everything up to a revision.
    fn take_wakers(&mut self, seen: Revision, wakers: &mut Vec<Waker>) {
        self.round += 1;
        self.free.clear();
        wakers.extend(self.wakers.drain(..).map(|(waker, note)| {
            note.fetch_max(seen.get(), Ordering::Relaxed);
            waker
        }));
    }
}

#[cfg(test)]
#[path = "topic/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "topic/properties.rs"]
mod properties;
