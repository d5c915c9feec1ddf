//! A watch of the cache: a place and a wake-up.
//!
//! ```text
//!   Initial ──▶ Live ◀──▶ Behind ◀──▶ History
//! ```
//!
//! `Live` follows a topic, and takes its events as they come. Who has fallen behind what the topic keeps reads
//! the window; who has fallen behind the window reads the store's history, together with others who have, until the
//! window has what comes next. Nothing is queued for a watch but the batch that it has taken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use watchkeep_storage::defect::{self, Defect};
use watchkeep_storage::failpoint::{self, Point};
use watchkeep_storage::{
    Bookmark, Change, CompactedDuring, Error, Event, EventType, Predicate, Record, Revision, Scope,
    WatchEvent, WatchRequest, WatchSource,
};

use crate::endings::Opened;
use crate::history::{Next, Reader};
use crate::open::OpenPicture;
use crate::shared::Shared;
use crate::topic::{Log, Look, Topic, Waiting};

/// How many events, or records of the initial state, are taken at once.
const TAKE_MAX: usize = 128;
/// How often a poll looks for events before other tasks get their turn.
const LOOKS_MAX: usize = 8;

/// A watch of the cache.
pub(crate) struct CacheWatch {
    shared: Arc<Shared>,
    watch: u64,
    scope: Scope,
    predicate: Predicate,
    topic: Topic,
    log: Arc<Log>,
    waiting: Waiting,
    /// The initial state, while it is being delivered.
    initial: Option<Initial>,
    /// What was taken and not yet returned; at most [`TAKE_MAX`].
    taken: VecDeque<Change>,
    /// Everything up to here was taken.
    position: Revision,
    /// Whether requests for progress concern this watch, and how many it has answered.
    answered: Option<u64>,
    /// Its place in the store's history, while it reads there.
    history: Option<Reader>,
    /// When it was opened, by uptime.
    opened: Duration,
    /// The same, by what ends watches.
    endings: Opened,
}

/// The initial state, on its way out.
pub(crate) struct Initial {
    /// What is still to be read; `None` at its end.
    picture: Option<OpenPicture>,
    batch: VecDeque<Arc<Record>>,
    bookmark: bool,
}

impl Initial {
    pub(crate) fn new(picture: OpenPicture, bookmark: bool) -> Self {
        Self { picture: Some(picture), batch: VecDeque::new(), bookmark }
    }

    /// Reads the next records. \[WATCH-ATOMIC\]
    fn read(&mut self, predicate: &Predicate) -> Result<(), Error> {
        let Some(picture) = &mut self.picture else { return Ok(()) };
        let (objects, left) = picture.left()?;
        picture.renew();
        let matching = |record: &&Arc<Record>| predicate.matches(record.value.attributes());
        self.batch.extend(objects.records(&left.first(TAKE_MAX)).filter(matching).cloned());
        let left = left.behind(TAKE_MAX);
        if left.is_empty() {
            self.picture = None;
        } else {
            picture.advance(left);
        }
        Ok(())
    }
}

/// Where a watch begins that was asked for.
pub(crate) enum Begin {
    /// After a revision.
    After(Revision),
    /// After a revision that is behind the window, at this place of the store's history.
    Behind(Revision, Reader),
    /// With a picture of a revision.
    Initial(Initial, Revision),
}

impl CacheWatch {
    /// A watch that follows a topic since before its beginning was settled.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        WatchRequest { scope, predicate, progress, .. }: WatchRequest,
        (topic, log): (Topic, Arc<Log>),
        begin: Begin,
        endings: Opened,
    ) -> Self {
        let (position, initial, history) = match begin {
            Begin::After(revision) => (revision, None, None),
            Begin::Behind(revision, reader) => (revision, None, Some(reader)),
            Begin::Initial(initial, revision) => (revision, Some(initial), None),
        };
        if predicate.shard.is_some() {
            shared.telemetry.shard_opened();
        }
        Self {
            shared: Arc::clone(shared),
            watch: shared.next_watch(),
            scope,
            predicate,
            topic,
            log,
            waiting: Waiting::default(),
            initial,
            taken: VecDeque::new(),
            position,
            answered: progress.then(|| shared.progress.asked().times),
            history,
            opened: shared.environment.uptime(),
            endings,
        }
    }

    /// The next of the initial events, then their bookmark, then nothing. One step at a poll, so that a selector
    /// that matches little does not keep other tasks waiting.
    fn poll_initial(&mut self, context: &Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        let Some(initial) = &mut self.initial else { return Poll::Ready(None) };
        if initial.batch.is_empty() {
            if let Err(error) = initial.read(&self.predicate) {
                return Poll::Ready(Some(Err(error)));
            }
            self.shared.telemetry.init_events.increment(initial.batch.len() as u64);
        }
        if let Some(record) = initial.batch.pop_front() {
            let event = Arc::new(Event::initial(record));
            return Poll::Ready(Some(Ok(WatchEvent::Change(Change { event_type: EventType::Added, event }))));
        }
        if initial.picture.is_some() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let bookmark = Bookmark { revision: self.position, initial_events_end: true };
        let bookmark = initial.bookmark.then_some(Ok(WatchEvent::Bookmark(bookmark)));
        self.initial = None;
        Poll::Ready(bookmark)
    }

    /// Takes events, wherever they are; whether there were any.
    fn look(&mut self, waker: &Waker) -> Result<bool, Error> {
        // Before the look: what is published by then is in the topic.
        let published = self.shared.published();
        let look = self.log.look(self.position, TAKE_MAX, waker, &mut self.waiting);
        failpoint::reached(Point::CacheLooked);
        let late = defect::on(Defect::CacheProgressAfterLook);
        let published = if late { self.shared.published() } else { published };
        match look {
            Look::Events(events) => {
                self.take(events);
                Ok(true)
            }
            Look::Nothing => {
                // A watch that begins in the future waits there.
                self.position = self.position.max(published);
                Ok(false)
            }
            Look::Behind(seen) => {
                self.position = seen;
                let window = || self.shared.window.lock().after(self.position, TAKE_MAX);
                let found = if self.is_compacted() { None } else { window() };
                if let Some(events) = found {
                    let is_all = events.len() < TAKE_MAX;
                    self.take(events);
                    if is_all {
                        // The topic may say that it misses what lies up to a list that the cache was filled
                        // with, and nothing lies there: it would be looked for again and again.
                        self.position = self.position.max(published);
                    }
                } else {
                    self.shared.telemetry.catch_ups.increment(1);
                    self.history = Some(self.shared.histories.go_on(self.position)?);
                }
                Ok(true)
            }
        }
    }

    fn take(&mut self, events: Vec<Arc<Event>>) {
        let mut of_other_shards = 0;
        for event in events {
            self.position = event.revision;
            if !self.scope.contains(&event.key) {
                continue;
            }
            if let Some(event_type) = event.seen_through(&self.predicate) {
                self.shared.telemetry.shown(event.revision, self.opened, &self.shared.environment);
                self.taken.push_back(Change { event_type, event });
            } else if self.is_of_another_shard(&event) {
                of_other_shards += 1;
            }
        }
        self.shared.telemetry.of_other_shards.increment(of_other_shards);
    }

    /// Whether only the shard keeps an event from being shown that is not.
    fn is_of_another_shard(&self, event: &Event) -> bool {
        let selected = |record: &Arc<Record>| self.predicate.selects(record.value.attributes());
        self.predicate.shard.is_some()
            && [&event.current, &event.previous].into_iter().flatten().any(selected)
    }

    /// Reads the store's history until the window has what comes next.
    fn poll_history(&mut self, context: &Context<'_>) -> Poll<Result<(), Error>> {
        for _ in 0..LOOKS_MAX {
            if !self.is_compacted() {
                // The window may reach back further by now than when it was left.
                self.leave_history();
            }
            let Some(reader) = &self.history else { return Poll::Ready(Ok(())) };
            let window = self.shared.window.lock().oldest();
            match ready!(reader.poll_next(self.position, window, context))? {
                Next::Events(events) => {
                    if self.is_compacted() {
                        let during = CompactedDuring::Watch;
                        let (requested, oldest) = (self.position, self.shared.store.compacted_revision());
                        return Poll::Ready(Err(Error::Compacted { requested, oldest, during }));
                    }
                    self.take(events);
                    self.leave_history();
                    if !self.taken.is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                }
                Next::Nothing(reached) => {
                    self.position = reached;
                    self.leave_history();
                }
                Next::Passed => self.history = Some(self.shared.histories.go_on(self.position)?),
            }
        }
        // Many events and none to show: other tasks get their turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether what comes next is given up: then it is shown no more, also where somebody has read it before, and is
    /// the store's to refuse, also where the window has it. \[COMPACT-WATCHES\]
    fn is_compacted(&self) -> bool {
        self.position < self.shared.store.compacted_revision()
    }

    fn leave_history(&mut self) {
        if defect::on(Defect::CacheLeavesHistoryEarly) {
            self.position = self.position.max(self.shared.window.lock().oldest().unwrap_or_default());
        }
        if self.shared.window.lock().oldest().is_some_and(|oldest| oldest <= self.position) {
            self.history = None;
        }
    }

    /// The bookmark that was asked for, if this watch has come so far. \[WATCH-PROGRESS\]
    fn answer(&mut self, waker: &Waker) -> Option<WatchEvent> {
        let far = (self.answered?, self.position);
        let progress = &self.shared.progress;
        self.answered = Some(progress.answer(self.watch, far, || self.shared.published(), waker)?);
        Some(WatchEvent::Bookmark(Bookmark { revision: self.position, initial_events_end: false }))
    }
}

impl CacheWatch {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        if self.initial.is_some()
            && let Some(event) = ready!(self.poll_initial(context))
        {
            return Poll::Ready(Some(event));
        }
        for _ in 0..LOOKS_MAX {
            if let Some(change) = self.taken.pop_front() {
                return Poll::Ready(Some(Ok(WatchEvent::Change(change))));
            }
            ready!(self.poll_history(context))?;
            if self.taken.is_empty() && !self.look(context.waker())? {
                return match self.answer(context.waker()) {
                    Some(bookmark) => Poll::Ready(Some(Ok(bookmark))),
                    None => Poll::Pending,
                };
            }
        }
        // Many events and none to show: other tasks get their turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl WatchSource for CacheWatch {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>> {
        let next = self.poll_event(context);
        // Also before what was there is shown: it may be wrong.
        let next = match self.shared.endings.check(self.endings, self.position) {
            Ok(()) => next,
            Err(ended) => Poll::Ready(Some(Err(ended))),
        };
        if let Poll::Ready(Some(Err(error))) = &next {
            self.shared.telemetry.ended(error);
        }
        next
    }

    fn progress(&self) -> Revision {
        if self.initial.is_some() {
            return Revision::ZERO;
        }
        if let Some(next) = self.taken.front()
            && !defect::on(Defect::CacheProgressIsTheHead)
        {
            return next.revision().previous();
        }
        if self.history.is_some() {
            return self.position;
        }
        self.shared.drive();
        let published = self.shared.published();
        if self.log.is_past(self.position) { self.position.max(published) } else { self.position }
    }
}

impl Drop for CacheWatch {
    fn drop(&mut self) {
        if self.predicate.shard.is_some() {
            self.shared.telemetry.shard_closed();
        }
        self.shared.topics.leave(&self.topic, &self.log, &self.waiting);
        self.shared.progress.forget(self.watch);
    }
}
