//! The store's history, read once for all watches that need it at the same time.
//!
//! After an outage many clients resume from few revisions. Who begins behind the window, or has fallen behind it,
//! joins a reading that is there, or begins one:
//!
//! ```text
//!   Probed ──▶ Open ──▶ Through      the window has what comes next: the turn and the store's watch are given back
//!     │ ▲        │
//!     ▼ │        ▼
//!   Queued     Failed                as the store says, from any of them
//! ```
//!
//! A reading is a watch of the whole resource, and a buffer with the newest of what it showed. A reader is a place in
//! the buffer; what it shows of it is its own matter. Who comes to the end of the buffer reads on for all, and the
//! store wakes all who wait there; so it does not matter which of them go away. With the last one the reading ends.
//!
//! Promises: a reader gets every event after its place, in order and once, or an error, or is told that the buffer
//! has passed it ([`Next::Passed`]), and joins another reading at its place then. So a slow one holds nobody up. A
//! buffer is bounded in events and bytes, and so is the number of readings that are open at the store.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use watchkeep_storage::{
    BoxFuture, Error, Event, Interface, Predicate, Revision, WatchEvent, WatchRequest, WatchStart, Watcher,
};

use crate::shared::poll;
use crate::window::{self, cost_of};

/// How many events a buffer keeps.
const EVENTS_MAX: usize = 4096;
/// What they may cost. The newest is kept whatever it costs.
const BYTES_MAX: usize = 4 << 20;
/// How many events are read, or handed out, under one hold of a reading.
const TAKE_MAX: usize = 128;
/// How many readings are looked at for one that has come by a place.
const CANDIDATES_MAX: usize = 4;

/// The readings of a resource.
pub(crate) struct Histories {
    store: Arc<dyn Interface>,
    /// Who may be open at the store.
    turns: Arc<Semaphore>,
    readings: Arc<Readings>,
    readers: AtomicU64,
}

/// By the revisions where they began.
type Readings = Mutex<BTreeMap<Revision, Weak<Reading>>>;

/// One reading of the store's history.
struct Reading {
    began: Revision,
    state: Mutex<State>,
    waiting: Arc<Waiting>,
    readings: Arc<Readings>,
}

struct State {
    source: Source,
    events: VecDeque<Arc<Event>>,
    cost: usize,
    /// Every event after this revision, and up to `reaches`, is here.
    begins: Revision,
    reaches: Revision,
}

/// Where a reading has its events from.
enum Source {
    /// The store is asked whether one can begin there; and what comes next if there is no turn for it by then.
    Probed(Opening<Option<OwnedSemaphorePermit>>, Opening<OwnedSemaphorePermit>),
    /// It can, when its turn has come.
    Queued(Opening<OwnedSemaphorePermit>),
    Open(
        Watcher,
        #[expect(dead_code, reason = "held for as long as the store is read")] OwnedSemaphorePermit,
    ),
    Through,
    Failed(Error),
}

type Opening<P> = BoxFuture<'static, Result<(Watcher, P), Error>>;

/// How the reading of a batch has ended.
enum Batch {
    /// There may be more.
    More,
    /// The store has nothing more at present.
    Nothing,
    Failed(Error),
}

/// Who waits at the end of a buffer, by the number of the reader: an order, so that a seed replays it.
#[derive(Default)]
struct Waiting(Mutex<BTreeMap<u64, Waker>>);

/// A place in a reading, which its watch keeps.
pub(crate) struct Reader {
    reading: Arc<Reading>,
    number: u64,
}

/// What a reader gets next.
pub(crate) enum Next {
    /// Events after its place, oldest first.
    Events(Vec<Arc<Event>>),
    /// There is none up to a revision behind its place.
    Nothing(Revision),
    /// What comes next was given up here, or was never read because the window had it.
    Passed,
}

impl Histories {
    /// None so far. At most so many are going to be open at the store at once.
    pub(crate) fn new(store: Arc<dyn Interface>, open_max: usize) -> Self {
        let turns = Arc::new(Semaphore::new(open_max));
        Self { store, turns, readings: Arc::default(), readers: AtomicU64::new(0) }
    }

    /// Joins the reading that began at a revision, or begins one. Whether one can begin there is the store's to say:
    /// [`Reader::opened`].
    pub(crate) fn begin(&self, after: Revision) -> Result<Reader, Error> {
        self.join(after, after)
    }

    /// As [`Histories::begin`], for a watch that the store has let begin before, and that has come to this revision:
    /// joins also a reading that has come by there.
    pub(crate) fn go_on(&self, after: Revision) -> Result<Reader, Error> {
        self.join(Revision::ZERO, after)
    }

    /// Wakes all who wait.
    pub(crate) fn wake_all(&self) {
        let readings: Vec<_> = self.readings.lock().values().filter_map(Weak::upgrade).collect();
        for reading in readings {
            reading.waiting.wake_all();
        }
    }

    /// Joins the latest reading that began between two revisions and has what comes after the second, or begins one.
    fn join(&self, from: Revision, after: Revision) -> Result<Reader, Error> {
        let anew = self.anew(after)?;
        let (found, joined) = {
            let mut readings = self.readings.lock();
            let before = readings.range(from..=after).rev().take(CANDIDATES_MAX);
            let found: Vec<_> = before.filter_map(|(_, reading)| reading.upgrade()).collect();
            let joined = found.iter().find(|reading| reading.state.lock().has_after(after)).cloned();
            let joined = joined.unwrap_or_else(|| {
                readings.insert(after, Arc::downgrade(&anew));
                Arc::clone(&anew)
            });
            (found, joined)
        };
        // The last of a reading may be among them, which takes itself out of the readings.
        drop((found, anew));
        // Relaxed: only uniqueness matters.
        Ok(Reader { reading: joined, number: self.readers.fetch_add(1, Ordering::Relaxed) })
    }

    fn anew(&self, after: Revision) -> Result<Arc<Reading>, Error> {
        let request = WatchRequest {
            scope: self.store.prefix().under(None)?,
            start: WatchStart::After(after),
            predicate: Predicate::everything(),
            progress: true,
        };
        let source = Source::Probed(self.probe(request.clone()), self.queue(request));
        let state = State { source, events: VecDeque::new(), cost: 0, begins: after, reaches: after };
        Ok(Arc::new(Reading {
            began: after,
            state: Mutex::new(state),
            waiting: Arc::default(),
            readings: Arc::clone(&self.readings),
        }))
    }

    /// Asks the store, and takes a turn if there is one.
    fn probe(&self, request: WatchRequest) -> Opening<Option<OwnedSemaphorePermit>> {
        let (store, turns) = (Arc::clone(&self.store), Arc::clone(&self.turns));
        Box::pin(async move { Ok((store.watch(request).await?, turns.try_acquire_owned().ok())) })
    }

    /// Waits for a turn, and asks the store.
    fn queue(&self, request: WatchRequest) -> Opening<OwnedSemaphorePermit> {
        let (store, turns) = (Arc::clone(&self.store), Arc::clone(&self.turns));
        Box::pin(async move {
            // The semaphore is never closed.
            let turn = turns.acquire_owned().await;
            let turn = turn.map_err(|error| Error::Internal { reason: error.to_string() })?;
            Ok((store.watch(request).await?, turn))
        })
    }
}

impl State {
    /// Whether who has come to a revision can go on here.
    fn has_after(&self, revision: Revision) -> bool {
        let is_passed = revision < self.begins || revision > self.reaches;
        !is_passed
            && match self.source {
                Source::Probed(..) | Source::Queued(_) | Source::Open(..) => true,
                Source::Through => revision < self.reaches,
                Source::Failed(_) => false,
            }
    }

    /// What comes after a revision; the store is asked where that is not here.
    fn next(
        &mut self,
        after: Revision,
        window: Option<Revision>,
        context: &mut Context<'_>,
        then: &mut After,
    ) -> Poll<Result<Next, Error>> {
        loop {
            if after < self.begins {
                return Poll::Ready(Ok(Next::Passed));
            }
            let first = self.events.partition_point(|event| event.revision <= after);
            let events = window::take(self.events.range(first..), TAKE_MAX);
            if !events.is_empty() {
                return Poll::Ready(Ok(Next::Events(events)));
            }
            if self.reaches > after {
                return Poll::Ready(Ok(Next::Nothing(self.reaches)));
            }
            match &self.source {
                Source::Probed(..) | Source::Queued(_) => ready!(self.open(context, then)),
                Source::Open(..) => ready!(self.read(window, context, then)),
                Source::Through => return Poll::Ready(Ok(Next::Passed)),
                Source::Failed(error) => return Poll::Ready(Err(error.clone())),
            }
        }
    }

    /// Opens the store's watch, if that is still to be done.
    fn open(&mut self, context: &mut Context<'_>, then: &mut After) -> Poll<()> {
        let opened = match &mut self.source {
            Source::Probed(probe, _) => {
                ready!(probe.as_mut().poll(context)).map(|(watcher, turn)| (watcher, turn))
            }
            Source::Queued(opening) => {
                ready!(opening.as_mut().poll(context)).map(|(watcher, turn)| (watcher, Some(turn)))
            }
            Source::Open(..) | Source::Through | Source::Failed(_) => return Poll::Ready(()),
        };
        then.has_changed = true;
        let before = std::mem::replace(&mut self.source, Source::Through);
        self.source = match (opened, before) {
            (Ok((watcher, Some(turn))), _) => Source::Open(watcher, turn),
            (Ok((watcher, None)), Source::Probed(_, queue)) => {
                then.watcher = Some(watcher);
                Source::Queued(queue)
            }
            (Ok((_, None)), _) => Source::Failed(Error::Internal { reason: "a turn without a turn".into() }),
            (Err(error), _) => Source::Failed(error),
        };
        Poll::Ready(())
    }

    /// Reads on. Pending where the store has nothing.
    fn read(&mut self, window: Option<Revision>, context: &mut Context<'_>, then: &mut After) -> Poll<()> {
        let before = self.reaches;
        let batch = self.read_batch(context, then);
        let has_more = matches!(batch, Batch::More);
        let is_through = window.is_some_and(|oldest| oldest <= self.reaches);
        let next = match batch {
            Batch::Failed(error) => Some(Source::Failed(error)),
            Batch::More | Batch::Nothing => is_through.then_some(Source::Through),
        };
        let has_changed = next.is_some() || self.reaches > before;
        if let Some(next) = next {
            then.source = Some(std::mem::replace(&mut self.source, next));
        }
        if has_changed {
            then.has_changed = true;
            return Poll::Ready(());
        }
        if has_more {
            // Nothing but bookmarks so far.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Reads a batch. What was committed together is read together, or not at all. \[WATCH-RELIABLE\]
    fn read_batch(&mut self, context: &mut Context<'_>, then: &mut After) -> Batch {
        let mut looks = 0;
        loop {
            let last = self.events.back().map_or(self.reaches, |event| event.revision).max(self.reaches);
            let Source::Open(watcher, _) = &mut self.source else { return Batch::Nothing };
            if looks >= TAKE_MAX && watcher.progress() >= last {
                self.reaches = last;
                return Batch::More;
            }
            looks += 1;
            let error = match poll(watcher, context) {
                Poll::Ready(Some(Ok(WatchEvent::Change(change)))) => {
                    self.push(change.event, then);
                    continue;
                }
                Poll::Ready(Some(Ok(WatchEvent::Bookmark(_)))) => continue,
                Poll::Ready(Some(Err(error))) => error,
                Poll::Ready(None) => {
                    let reason = "the watch of the store's history ended".to_owned();
                    Error::Internal { reason }
                }
                Poll::Pending => {
                    self.reaches = last.max(watcher.progress());
                    return Batch::Nothing;
                }
            };
            self.reaches = watcher.progress().min(last).max(self.reaches);
            let whole = self.events.partition_point(|event| event.revision <= self.reaches);
            then.events.extend(self.events.drain(whole..));
            return Batch::Failed(error);
        }
    }

    fn push(&mut self, event: Arc<Event>, then: &mut After) {
        self.cost += cost_of(&event);
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || (self.cost > BYTES_MAX && self.events.len() > 1) {
            let Some(oldest) = self.events.pop_front() else { break };
            self.cost -= cost_of(&oldest);
            self.begins = oldest.revision;
            then.events.push(oldest);
        }
    }
}

/// What is to be done when the lock is free again: what is dropped, and whether there is news for those who wait.
#[derive(Default)]
struct After {
    has_changed: bool,
    events: Vec<Arc<Event>>,
    watcher: Option<Watcher>,
    source: Option<Source>,
}

impl Reader {
    /// Waits until the store has let the reading begin, though its turn may still be to come.
    ///
    /// # Errors
    /// What the store says instead.
    pub(crate) async fn opened(&self) -> Result<(), Error> {
        poll_fn(|context| {
            self.with(context, |state, context, then| {
                if let Source::Probed(..) = state.source {
                    ready!(state.open(context, then));
                }
                Poll::Ready(match &state.source {
                    Source::Failed(error) => Err(error.clone()),
                    _ => Ok(()),
                })
            })
        })
        .await
    }

    /// What comes after a revision, where the window begins at another one.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn poll_next(
        &self,
        after: Revision,
        window: Option<Revision>,
        context: &Context<'_>,
    ) -> Poll<Result<Next, Error>> {
        let next =
            ready!(self.with(context, |state, context, then| state.next(after, window, context, then)));
        Poll::Ready(match next {
            // Who began before has come too late, which does not concern who is here.
            Err(Error::Compacted { oldest, .. }) if self.reading.began < after && oldest <= after => {
                Ok(Next::Passed)
            }
            Err(Error::Compacted { oldest, during, .. }) => {
                Err(Error::Compacted { requested: after, oldest, during })
            }
            next => next,
        })
    }

    /// Looks at the reading. Where that is pending, this reader waits, among those whom the store wakes.
    fn with<T>(
        &self,
        context: &Context<'_>,
        look: impl FnOnce(&mut State, &mut Context<'_>, &mut After) -> Poll<T>,
    ) -> Poll<T> {
        let waiting = &self.reading.waiting;
        // Before the look, which may be what wakes.
        waiting.wait(self.number, context.waker());
        let shared = Waker::from(Arc::clone(waiting));
        let mut then = After::default();
        let looked = look(&mut self.reading.state.lock(), &mut Context::from_waker(&shared), &mut then);
        if looked.is_ready() {
            waiting.forget(self.number);
        }
        if then.has_changed {
            // What was read here is there for the others too.
            waiting.wake_all();
        }
        looked
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.reading.waiting.forget(self.number);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut readings = self.readings.lock();
        // Another one may have taken its place.
        if readings.get(&self.began).is_some_and(|reading| reading.strong_count() == 0) {
            readings.remove(&self.began);
        }
    }
}

impl Waiting {
    fn wait(&self, reader: u64, waker: &Waker) {
        let replaced = self.0.lock().insert(reader, waker.clone());
        drop(replaced);
    }

    fn forget(&self, reader: u64) {
        let waker = self.0.lock().remove(&reader);
        drop(waker);
    }

    fn wake_all(&self) {
        let wakers = std::mem::take(&mut *self.0.lock());
        wakers.into_values().for_each(Waker::wake);
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}
